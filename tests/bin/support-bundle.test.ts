/**
 * bin/support-bundle with stand-ins for ssh, pulumi and what runs on the seed. That a real site's bundle holds no secret is
 * shown in tests/lab/connect.test.ts.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { SecretFilter, secretsOfCluster } from "../../lib/known-secrets.ts";
import { tokenKubeconfig } from "../../lib/kubeconfig.ts";
import { resourcesOf, withoutSecrets } from "../../operate/supportBundle.ts";
import { assertClean, type Secrets } from "../support/secretScan.ts";
import { calls, OUTPUTS, seedStandIn } from "../support/seedStandIn.ts";
import { temporaryFolder } from "../support/shell.ts";

const PROGRAM = join(import.meta.dirname, "../../bin/support-bundle");
const PLANTED: Secrets = {
  "Magnum's token": "planted-token-of-magnum",
  "application credential": "planted/credential+secret",
  "Grafana's password": "planted grafana password",
  "slack webhook": "https://hooks.slack.com/services/T0/B0/plantedwebhook",
  "state's ciphertext": "v1:planted-ciphertext",
  "unknown web token": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.planted-signature",
};
const text = (name: string) => PLANTED[name] ?? "";
const base64 = (value: string) => Buffer.from(value).toString("base64");
const SITE = {
  ...OUTPUTS,
  seedSshPrivateKey: "-----BEGIN KEY-----\nplantedKeyOfTheSeed0123456789planted\n-----END KEY-----",
  magnumKubeconfig: tokenKubeconfig({
    ...{ name: "prod", server: "https://203.0.113.9:6443", caCert: "of the test" },
    token: text("Magnum's token"),
  }),
  versions: { k3s: "v1.34.8+k3s1" },
};
const CLOUDS = `clouds:\n  openstack:\n    auth:\n      application_credential_secret: ${text("application credential")}\n`;
const SECRETS = {
  items: [
    { data: { "clouds.yaml": base64(CLOUDS) } },
    {
      data: { namespace: base64("monitoring-system"), "admin-password": base64(text("Grafana's password")) },
    },
    { data: { name: base64("capi-mgmt-prod"), url: base64(text("slack webhook")) } },
  ],
};
/** A log in which every secret was written, in every way that it is looked for. */
const LOG = Object.entries(PLANTED).flatMap(([name, value]) => [
  `said ${value} aloud`,
  ...(name.startsWith("unknown") ? [] : written(value)),
]);
function written(value: string): string[] {
  return [
    JSON.stringify({ value: `x${value}` }),
    `?q=${encodeURIComponent(value)}`,
    base64(value),
    base64(`ab${value}cd`),
  ];
}

function run(context: TestContext, args: readonly string[], more: Record<string, string> = {}) {
  const folder = temporaryFolder(context);
  const env = seedStandIn(folder, more);
  renameSync(join(folder, "bin/kubectl"), join(folder, "bin/forward"));
  const program = (name: string, body: string) =>
    writeFileSync(join(folder, "bin", name), `#!/bin/bash\n${body}\n`, { mode: 0o755 });
  writeFileSync(join(folder, "secrets.json"), JSON.stringify(SECRETS));
  writeFileSync(join(folder, "log"), `${LOG.filter((line) => !line.includes("ciphertext")).join("\n")}\n`);
  writeFileSync(
    join(folder, "answer"),
    JSON.stringify([{ labels: { alertname: "Watchdog" }, startsAt: "now" }]),
  );
  writeFileSync(join(folder, "outputs"), JSON.stringify(SITE));
  writeFileSync(join(folder, "kubeconfig-capi-mgmt-prod.yaml"), "");
  program("sudo", 'shift; exec "$@"');
  program("getent", 'echo "u:x:0:0::$HOME:/bin/sh"');
  program("journalctl", 'echo "k3s says"; cat "$HOME/log"');
  for (const name of ["cloud-init", "systemctl", "helm"]) program(name, `echo "${name} $*"`);
  program(
    "kubectl",
    `case "$*" in
      *port-forward*) exec forward "$@" ;;
      "get secrets"*) [[ -z $NO_SECRETS || $KUBECONFIG == /etc/* ]] || { echo refused; exit 1; }; cat "$HOME/secrets.json" ;;
      "get pods"*custom*) echo "capo-system capo-0"; echo "magnum-1 of-a-tenant" ;;
      "logs"*) echo "$*"; cat "$HOME/log" ;;
      "api-resources"*) echo things.example.org ;;
      *) echo "kubectl $* at $KUBECONFIG of capi-mgmt-prod" ;;
    esac`,
  );
  const state = { deployment: { resources: [{ urn: "urn:a", inputs: { x: text("state's ciphertext") } }] } };
  program("pulumi", `cat << 'END'\n${JSON.stringify(state)}\nEND`);
  const file = join(folder, "bundle.tar.gz");
  const words = args.length === 0 ? [] : [...args, "--out", file, "--outputs", join(folder, "outputs")];
  const done = spawnSync(PROGRAM, words, { env, encoding: "utf8" });
  return { folder, file, ...done };
}

function unpack(folder: string, file: string): Map<string, string> {
  const done = spawnSync("tar", ["-xzvf", file, "-C", folder], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
  const names = done.stdout
    .trim()
    .split("\n")
    .filter((name) => !name.endsWith("/"));
  return new Map(
    names.map((name) => [name.replace(/^[^/]*\//, ""), readFileSync(join(folder, name), "utf8")]),
  );
}

void test("the bundle has what a maintainer asks for, and none of the secrets in any form", (context) => {
  const done = run(context, ["prod"]);
  assert.equal(done.status, 0, done.stderr);
  assert.equal(statSync(done.file).mode & 0o777, 0o600);
  const parts = unpack(done.folder, done.file);
  const expected = ["README.txt", "versions.json", "configuration.json", "resources.json", "alerts.json"];
  const seed = ["system.txt", "cloud-init.txt", "cloud-init.log", "cloud-init-output.log", "k3s.log"];
  const cluster = ["version.txt", "nodes.txt", "pods.txt", "workloads.txt", "not-running.txt", "events.txt"];
  cluster.push("cluster-api.yaml", "orc.yaml", "helm.yaml", "logs.txt");
  expected.push(...seed.map((name) => `seed/${name}`));
  for (const name of ["k3s", "cluster"]) expected.push(...cluster.map((part) => `${name}/${part}`));
  assert.deepEqual([...parts.keys()].sort(), expected.sort());
  for (const name of expected) assert.ok(done.stdout.includes(`/${name}\n`), `${name} is listed`);
  const all = [...parts.values()].join("\n") + done.stdout + done.stderr;
  assertClean(all, PLANTED, "the bundle");
  assert.doesNotMatch(all, /plantedKeyOfTheSeed/);
  assert.doesNotMatch(JSON.stringify(calls(done.folder, "ssh")), /planted/);
  assert.deepEqual(readdirSync(join(done.folder, "tmp")), []);
});

void test("what is no secret stays: names, versions, where each part came from; a tenant's logs are not asked for", (context) => {
  const done = run(context, ["prod"]);
  const parts = unpack(done.folder, done.file);
  assert.match(
    parts.get("k3s/nodes.txt") ?? "",
    /get nodes --output wide at \/etc\/rancher\/k3s\/k3s\.yaml of capi-mgmt-prod/,
  );
  assert.match(parts.get("cluster/nodes.txt") ?? "", /at \S+\/kubeconfig-capi-mgmt-prod\.yaml of/);
  const log = parts.get("cluster/logs.txt") ?? "";
  assert.match(
    log,
    /--- capo-system\/capo-0\nlogs --namespace capo-system capo-0 --all-containers --prefix --tail=200\nsaid \[secret\]/,
  );
  assert.doesNotMatch(log, /tenant/);
  assert.match(
    parts.get("cluster/cluster-api.yaml") ?? "",
    /get things\.example\.org --all-namespaces --output yaml/,
  );
  const versions = JSON.parse(parts.get("versions.json") ?? "") as { deployed: object };
  assert.deepEqual(versions.deployed, SITE.versions);
  assert.match(parts.get("configuration.json") ?? "", /"path": "cluster.kubernetesVersion"/);
  assert.deepEqual(JSON.parse(parts.get("resources.json") ?? ""), {
    resources: [{ urn: "urn:a" }],
    pending: [],
  });
});

void test("of a cluster whose secrets cannot be read nothing is kept, and a part that is missing is exit code 3", (context) => {
  const done = run(context, ["prod"], { NO_SECRETS: "1", KUBECTL_FAILS: "no such service" });
  assert.equal(done.status, 3, done.stderr);
  const parts = unpack(done.folder, done.file);
  assert.ok(parts.has("k3s/logs.txt"));
  assert.deepEqual(
    [...parts.keys()].filter((name) => name.startsWith("cluster/")),
    [],
  );
  const readme = parts.get("README.txt") ?? "";
  assert.match(readme, /not to be had: alerts: the seed \(203\.0\.113\.7\): no such service\n/);
  assert.match(readme, /not to be had: cluster\/: the cluster's secrets could not be read/);
  assert.match(done.stderr, /no such service/);
});

void test("a file that is there stays; wrong usage is 64; both before anything is asked", (context) => {
  const folder = temporaryFolder(context);
  const file = join(folder, "there");
  writeFileSync(file, "mine");
  const env = seedStandIn(folder);
  const there = spawnSync(PROGRAM, ["prod", "--out", file], { env, encoding: "utf8" });
  assert.deepEqual([there.status, there.stderr], [1, `bin/support-bundle: ${file} is there already\n`]);
  assert.equal(readFileSync(file, "utf8"), "mine");
  const none = spawnSync(PROGRAM, [], { env, encoding: "utf8" });
  assert.equal(none.status, 64);
  assert.ok(!existsSync(join(folder, "ssh-calls")));
});

void test("a secret that is still there after the cut stops everything", (context) => {
  context.mock.method(SecretFilter.prototype, "clean", (text: string) => text);
  const parts = new Map([["seed/k3s.log", `x ${text("Magnum's token")}`]]);
  assert.throws(() => withoutSecrets("prod", parts, SITE), {
    message: "seed/k3s.log still holds a secret: nothing is written",
  });
});

void test("a state keeps of a resource what names it, and of an operation that was cut off what it was", () => {
  const state = {
    deployment: {
      resources: [{ urn: "u", type: "t", id: "i", inputs: { s: 1 }, outputs: { s: 1 }, protect: true }],
      pending_operations: [{ type: "creating", resource: { urn: "v", inputs: { s: 1 } } }],
    },
  };
  assert.deepEqual(JSON.parse(resourcesOf(JSON.stringify(state))), {
    resources: [{ urn: "u", type: "t", id: "i", protect: true }],
    pending: [{ type: "creating", urn: "v" }],
  });
});

void test("secrets of a cluster: a list or nothing; thousands of them are cut out of megabytes in seconds", () => {
  assert.equal(secretsOfCluster("refused"), undefined);
  assert.equal(secretsOfCluster("{}"), undefined);
  const many = Array.from({ length: 2000 }, (_, index) => `secret-number-${index * 7919}-of-many`);
  const filter = new SecretFilter(many);
  const log = `${"An ordinary line of a log with nothing in it.\n".repeat(20_000)}${many[1999]}`;
  const began = Date.now();
  const clean = filter.clean(log);
  assert.ok(!filter.leaks(clean) && clean.endsWith("[secret]"));
  assert.ok(Date.now() - began < 20_000, `${Date.now() - began} ms`);
});
