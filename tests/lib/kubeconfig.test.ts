import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { KubeConfig } from "@kubernetes/client-node";
import { parse, stringify } from "yaml";
import {
  endingSoon,
  kubeconfigCaCert,
  kubeconfigExpiry,
  kubeconfigServer,
  kubeconfigUncompressed,
  tokenKubeconfig,
} from "../../lib/kubeconfig.ts";
import { runShell, temporaryFolder } from "../support/shell.ts";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const ARGS = {
  name: "capi-mgmt-prod",
  server: "https://203.0.113.7:6443",
  caCert: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  token: "e30.{{not jinja}}.sig",
};

test("Magnum's kubeconfig holds everything inline, as a Kubernetes client reads it", () => {
  const text = tokenKubeconfig(ARGS);
  const config = new KubeConfig();
  config.loadFromString(text);
  assert.equal(config.getCurrentContext(), "capi-mgmt-prod");
  assert.equal(config.getCurrentCluster()?.server, ARGS.server);
  assert.equal(config.getCurrentUser()?.token, ARGS.token);
  assert.equal(kubeconfigServer(text), ARGS.server);
  assert.equal(kubeconfigCaCert(text), ARGS.caCert);
  assert.equal(kubeconfigExpiry(text), undefined);
});

test("without compression only the current cluster is another, by one word", () => {
  const cluster = (name: string) => ({ name, cluster: { server: `https://${name}:6443` } });
  const document = {
    apiVersion: "v1",
    clusters: [cluster("other"), cluster("ours")],
    contexts: [{ name: "now", context: { cluster: "ours", user: "me" } }],
    users: [{ name: "me", user: { token: "x" } }],
    "current-context": "now",
  };
  assert.deepEqual(parse(kubeconfigUncompressed(stringify(document))), {
    ...document,
    clusters: [
      cluster("other"),
      { name: "ours", cluster: { server: "https://ours:6443", "disable-compression": true } },
    ],
  });
});

const openssl = (args: string, input?: Buffer) =>
  execFileSync("openssl", args.split(" "), { input, stdio: ["pipe", "pipe", "ignore"] });

/** A kubeconfig with a client certificate for a year, and that certificate. */
function withCertificate() {
  const certificate = openssl(
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj /CN=admin -days 365",
  );
  const kubeconfig = stringify({
    clusters: [{ name: "c", cluster: { server: "https://x:6443" } }],
    users: [{ name: "u", user: { "client-certificate-data": certificate.toString("base64") } }],
    contexts: [{ name: "k", context: { cluster: "c", user: "u" } }],
    "current-context": "k",
  });
  return { kubeconfig, certificate };
}

test("the end of a client certificate is read from the kubeconfig", () => {
  const { kubeconfig, certificate } = withCertificate();
  const end = openssl("x509 -noout -enddate", certificate).toString().replace("notAfter=", "");
  assert.equal(kubeconfigExpiry(kubeconfig), new Date(end).toISOString());
});

const broken: [string, string, string][] = [
  [
    "nothing",
    "",
    "the kubeconfig's current context names no cluster and user that it contains (nothing in contexts)",
  ],
  [
    "no context",
    "clusters: []",
    "the kubeconfig's current context names no cluster and user that it contains (nothing in contexts)",
  ],
  [
    "no server",
    "clusters: [{name: a, cluster: {}}]\nusers: [{name: a, user: {}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a",
    "the kubeconfig's current cluster has no server",
  ],
];
for (const [what, text, message] of broken) {
  test(`a kubeconfig with ${what} is an error that does not show it`, () => {
    assert.throws(() => kubeconfigServer(text), { message });
  });
}

test("a copy is to be read anew 90 days before its certificate ends, and never while it holds none", () => {
  const { kubeconfig } = withCertificate();
  const end = new Date(kubeconfigExpiry(kubeconfig) ?? "");
  const before = (days: number) => new Date(end.valueOf() - days * 24 * 60 * 60 * 1000);
  assert.equal(endingSoon(kubeconfig, before(91)), undefined);
  assert.equal(endingSoon(kubeconfig, before(89)), end.toISOString().slice(0, 10));
  assert.equal(endingSoon(kubeconfig, before(-10)), end.toISOString().slice(0, 10));
  assert.equal(endingSoon(tokenKubeconfig(ARGS), new Date()), undefined);
});

test("the seed's k3s kubeconfig gets the outside address and a name, and nothing else changes", (context) => {
  const folder = temporaryFolder(context);
  const source = [
    "apiVersion: v1",
    "clusters:",
    "- cluster:",
    "    certificate-authority-data: ZGVmYXVsdA==",
    "    server: https://127.0.0.1:6443",
    "  name: default",
    "contexts:",
    "- context:",
    "    cluster: default",
    "    user: default",
    "  name: default",
    "current-context: default",
    "kind: Config",
    "users:",
    "- name: default",
    "  user:",
    "    client-key-data: ZGVmYXVsdA==",
    "",
  ].join("\n");
  writeFileSync(join(folder, "k3s.yaml"), source);
  const run = runShell(folder, {
    files: ["k3s-kubeconfig"],
    variables: { CLUSTER_NAME: "capi-mgmt-lab-seed", API_SERVER: "https://203.0.113.7:6443" },
    run: 'outside_kubeconfig "$FOLDER/k3s.yaml"',
  });
  assert.equal(
    run.stdout,
    source
      .replace("https://127.0.0.1:6443", "https://203.0.113.7:6443")
      .replaceAll(/(name|cluster|user|context): default/g, "$1: capi-mgmt-lab-seed"),
  );
});
