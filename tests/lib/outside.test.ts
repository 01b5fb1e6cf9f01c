/**
 * How machines reach registries, mirrors and the outside: what configuration becomes for k3s, the chart, controllers and
 * downloads. That containerd, k3s and Helm read it so is upstream's; the proxy itself is used in the lab.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { parse } from "yaml";
import { ADDON_REPOSITORIES, addonRepositories } from "../../lib/addon-repositories.ts";
import { openstackClusterValues } from "../../lib/chart-values.ts";
import { imageDownloadScript } from "../../lib/image-download.ts";
import { k3sRegistries } from "../../lib/k3s.ts";
import { clusterApiStages } from "../../lib/kustomization.ts";
import { k3sProxyFile, proxySettings, proxyShellFile } from "../../lib/proxy.ts";
import { machineMirrors, withApiPath } from "../../lib/registries.ts";
import { functions } from "../../lib/shell.ts";
import { head } from "../../preflight/downloads.ts";
import { configOf } from "../support/config.ts";
import { configOf as siteOf } from "../support/siteConfig.ts";
import { selfSigned } from "../support/selfSigned.ts";
import { runShell, temporaryFolder } from "../support/shell.ts";

const AUTH_URL = "https://keystone.example.org:5000/v3";
const REFS = { credentialsSecret: "c", imageId: "i", keyPair: "k", externalNetworkId: "e", apiSources: [] };
const AUTH = { "registry.example.org": { username: "robot", password: "word" } };

test("behind a mirror every addon's chart comes from it too, and without one from where the chart says", () => {
  const { cluster } = configOf("dev");
  const surroundings = { mirror: { url: "https://m.example.org" }, registries: { auth: {} } };
  const { addons } = openstackClusterValues(cluster, REFS, surroundings);
  const repositories = [
    addons.cni?.calico,
    addons.openstack.ccm,
    addons.openstack.csiCinder,
    addons.metricsServer,
    addons.nodeProblemDetector,
    addons.etcdDefrag,
    addons.reloader,
  ].map((addon) => addon?.chart?.repo);
  assert.deepEqual(repositories, [
    "https://m.example.org/projectcalico.docs.tigera.io/charts",
    "https://m.example.org/kubernetes.github.io/cloud-provider-openstack",
    "https://m.example.org/kubernetes.github.io/cloud-provider-openstack",
    "https://m.example.org/kubernetes-sigs.github.io/metrics-server",
    "https://m.example.org/charts.deliveryhero.io",
    "https://m.example.org/azimuth-cloud.github.io/capi-helm-charts",
    "https://m.example.org/stakater.github.io/stakater-charts",
  ]);
  assert.ok(addons.openstack.csiCinder.defaultStorageClass, "the storage class stays beside it");
  assert.equal(addonRepositories(undefined), undefined);
});

test("docs/outside.md names every repository that a mirror must have for the addons", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/outside.md"), "utf8");
  for (const repository of ADDON_REPOSITORIES) {
    const { host, pathname } = new URL(repository);
    assert.ok(page.includes(`| \`${host}${pathname === "/" ? "" : pathname}\` |`), repository);
  }
});

test("a registry without a mirror loses the chart's own, which Helm would merge in", () => {
  assert.deepEqual(machineMirrors({}), {
    "docker.io": [],
    "ghcr.io": [],
    "nvcr.io": [],
    "quay.io": [],
    "registry.k8s.io": [],
  });
  const mine = machineMirrors({
    "docker.io": ["https://m.example.org"],
    _default: ["https://m.example.org/v2/all"],
  });
  assert.deepEqual(mine["docker.io"], ["https://m.example.org/v2"]);
  assert.deepEqual(mine["quay.io"], []);
  assert.deepEqual(mine["_default"], { upstream: "", mirrors: ["https://m.example.org/v2/all"] });
});

test("an empty map of mirrors in a stack means none, though layers merge maps", () => {
  assert.deepEqual(siteOf({ cluster: { registryMirrors: {} } }).cluster.registryMirrors, {});
  const one = siteOf({ cluster: { registryMirrors: { "docker.io": ["https://m.example.org"] } } });
  assert.equal(Object.keys(one.cluster.registryMirrors).length, 5, "one mirror changes one");
});

test("a URL without a path means the registry's API on machines, as k3s has it by itself", () => {
  assert.equal(withApiPath("https://m.example.org"), "https://m.example.org/v2");
  assert.equal(withApiPath("https://m.example.org:5000/"), "https://m.example.org:5000/v2");
  assert.equal(withApiPath("https://m.example.org/v2/docker"), "https://m.example.org/v2/docker");
});

test("k3s trusts the registries' authority and logs in, for mirrors and for registries themselves", () => {
  const registries = { caCert: "PEM", auth: AUTH };
  const mirrors = { "docker.io": ["https://m.example.org:5000/v2/d"] };
  assert.deepEqual(parse(k3sRegistries(mirrors, registries)), {
    mirrors: { "docker.io": { endpoint: ["https://m.example.org:5000/v2/d"] } },
    configs: {
      "m.example.org:5000": { tls: { ca_file: "/etc/rancher/k3s/registries-ca.pem" } },
      "registry.example.org": {
        auth: { username: "robot", password: "word" },
        tls: { ca_file: "/etc/rancher/k3s/registries-ca.pem" },
      },
    },
  });
});

test("machines trust the registries' and the mirror's authority and log in, by the chart's names for it", () => {
  const surroundings = { mirror: { caCert: "MIRROR" }, registries: { caCert: "REGISTRIES", auth: AUTH } };
  const values = openstackClusterValues(configOf("dev").cluster, REFS, surroundings);
  assert.deepEqual(values.trustedCAs, { "capi-mgmt-registries": "REGISTRIES", "capi-mgmt-mirror": "MIRROR" });
  assert.deepEqual(values.registryAuth, AUTH);
});

const PROXY = { http: "http://proxy.example.org:3128", https: "http://proxy.example.org:3128" };

test("what is reached directly follows from the site, and may be said instead", () => {
  const config = siteOf({
    proxy: { ...PROXY, alsoDirect: ["203.0.113.0/24"] },
    mirror: { url: "https://m.example.org" },
  });
  const { noProxy = [] } = proxySettings(config, AUTH_URL) ?? {};
  for (const direct of [
    ...[
      ".svc",
      ".cluster.local",
      "localhost",
      "127.0.0.0/8",
      "169.254.0.0/16",
      "10.42.0.0/16",
      "10.43.0.0/16",
    ],
    ...[config.cluster.network.podCidr, config.cluster.network.serviceCidr, config.cluster.network.nodeCidr],
    ...[config.seed.network.cidr, "keystone.example.org", "m.example.org", "203.0.113.0/24"],
  ]) {
    assert.ok(noProxy.includes(direct), direct);
  }
  assert.equal(new Set(noProxy).size, noProxy.length);
  const said = siteOf({ proxy: { ...PROXY, noProxy: [".example.net"] } });
  assert.deepEqual(proxySettings(said, AUTH_URL)?.noProxy, [".example.net"]);
  assert.equal(proxySettings(siteOf({}), AUTH_URL), undefined);
});

test("containerd of the machines and of the seed, CAPO and ORC get the proxy; who talks to Kubernetes only does not", () => {
  const settings = { ...PROXY, noProxy: [".svc", "10.0.0.0/8"] };
  const { controlPlane, nodeGroupDefaults } = openstackClusterValues(configOf("dev").cluster, REFS, {
    ...{ mirror: {}, registries: { auth: {} }, proxy: settings },
  });
  for (const { kubeadmConfigSpec } of [controlPlane, nodeGroupDefaults]) {
    assert.match(
      kubeadmConfigSpec?.files?.[0]?.content ?? "",
      /^\[Service\]\nEnvironment="HTTP_PROXY=http:\/\/proxy\.example\.org:3128"\n.*\nEnvironment="NO_PROXY=\.svc,10\.0\.0\.0\/8"\n$/,
    );
    assert.deepEqual(kubeadmConfigSpec?.preKubeadmCommands?.at(-1), "systemctl restart containerd");
  }
  assert.match(k3sProxyFile(settings), /^CONTAINERD_HTTPS_PROXY="http:\/\/proxy\.example\.org:3128"$/m);
  const { clusterApi } = configOf("dev");
  const proxied = clusterApiStages({ ...clusterApi, proxy: settings })
    .filter(({ kustomization }) => kustomization.includes("HTTPS_PROXY"))
    .map(({ name }) => name);
  assert.deepEqual(proxied, ["orc", "openstack"]);
});

/** A server that stands for a proxy: it answers every request itself and keeps what it was asked for. */
async function proxyServer(context: TestContext, answer: string) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function bash(
  script: string,
  env: Record<string, string> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn("bash", ["-s"], { env: { PATH: process.env["PATH"], ...env } });
    const out = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].setEncoding("utf8").on("data", (text: string) => (out[stream] += text));
    child.on("close", (code) => resolve({ code, ...out }));
    child.stdin.end(script);
  });
}

test("the runner downloads an image through the proxy, to a path that tells its checksum", async (t) => {
  const folder = temporaryFolder(t);
  const { asked, url } = await proxyServer(t, "image");
  const sum = createHash("sha256").update("image").digest("hex");
  const script = imageDownloadScript(
    "http://images.example.org/i.img",
    `sha256:${sum}`,
    { http: url, noProxy: [] },
    folder,
  );
  const { code, stdout, stderr } = await bash(script);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${join(folder, sum)}\n`);
  assert.equal(readFileSync(join(folder, sum), "utf8"), "image");
  assert.deepEqual(asked, ["http://images.example.org/i.img"]);
});

test("the seed downloads through the proxy, with the real curl, but for what is reached directly", async (t) => {
  const folder = temporaryFolder(t);
  const proxy = await proxyServer(t, "by the proxy");
  const direct = await proxyServer(t, "directly");
  const file = join(folder, "proxy");
  writeFileSync(file, proxyShellFile({ http: proxy.url, noProxy: ["127.0.0.1"] }));
  const text = [
    functions([], {}),
    `proxy_file=${file}`,
    `fetch http://releases.example.org/k3s ${folder}/one`,
    `fetch ${direct.url}/k3s ${folder}/two`,
  ].join("\n");
  const { code, stderr } = await bash(text);
  assert.equal(code, 0, stderr);
  assert.deepEqual([proxy.asked, direct.asked], [["http://releases.example.org/k3s"], ["/k3s"]]);
});

test("https goes through the proxy's CONNECT, for the seed's curl and for preflight, with the mirror's authority", async (t) => {
  const folder = temporaryFolder(t);
  const { key, cert } = selfSigned(folder);
  const origin = createHttpsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
    response.end("behind");
  });
  const tunnels: string[] = [];
  const proxy = createServer();
  proxy.on("connect", (request: IncomingMessage, client: Socket) => {
    tunnels.push(request.url ?? "");
    const upstream = connect((origin.address() as AddressInfo).port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
  });
  for (const server of [origin, proxy])
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const server of [origin, proxy]) server.close();
    origin.closeAllConnections();
    proxy.closeAllConnections();
  });
  const settings = {
    https: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    noProxy: ["direct.example.org"],
  };
  const authority = readFileSync(cert, "utf8");
  writeFileSync(join(folder, "proxy"), proxyShellFile(settings));
  const text = [
    functions([], { MIRROR_CA: authority }),
    `proxy_file=${folder}/proxy mirror_ca_file=${folder}/ca.pem`,
    `fetch https://127.0.0.1:5443/k3s ${folder}/k3s`,
  ].join("\n");
  const { code, stderr } = await bash(text);
  assert.equal(code, 0, stderr);
  assert.equal(readFileSync(join(folder, "k3s"), "utf8"), "behind");
  assert.deepEqual(await head("https://127.0.0.1:5443/k3s", authority, settings), {
    status: 200,
    length: undefined,
  });
  assert.deepEqual(tunnels, ["127.0.0.1:5443", "127.0.0.1:5443"]);
});

test("a chart's controller trusts the system's authorities and ours, and waits to be available with them", (t) => {
  const run = runShell(temporaryFolder(t), {
    files: ["surroundings"],
    variables: {
      KUBECONFIG_FILE: "/k",
      DEPLOYMENTS: ["capi-addon-system/p", "capi-janitor-system/j"],
      TRUSTING: ["capi-addon-system/p"],
      PROXY_VARIABLES: ["HTTPS_PROXY=http://x"],
      TRUSTED_CA: "OURS",
      READY_SECONDS: 5,
    },
    programs: {
      kubectl: `case "$*" in
        "create configmap"*) cat "\${6#--from-file }"/* 2> /dev/null; cat $7/ca-certificates.crt >> $HOME/bundle ;;
        *jsonpath*) echo -n manager ;;
        "apply"*) cat > /dev/null ;;
      esac`,
    },
    run: "on_create; cat $HOME/bundle >&2",
  });
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stderr, /-----BEGIN CERTIFICATE-----[^]*OURS\n$/, "the public ones first");
  const calls = run.calls
    .filter((call) => /patch|set env|rollout/.test(call))
    .map((call) => call.split(" --")[0]);
  assert.deepEqual(calls, [
    "kubectl patch deployment p",
    "kubectl set env deployment/p",
    "kubectl rollout status deployment/p",
    "kubectl set env deployment/j",
    "kubectl rollout status deployment/j",
  ]);
});
