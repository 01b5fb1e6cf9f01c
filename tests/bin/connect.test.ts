/**
 * bin/connect with stand-ins for ssh and kubectl. That a real sshd, API server and kubectl take it is shown in
 * tests/lab/connect.test.ts.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import { parse } from "yaml";
import { kubeconfigServer, kubeconfigThrough, tokenKubeconfig } from "../../lib/kubeconfig.ts";
import { monitoringService } from "../../operate/services.ts";
import { portForwardLine } from "../../operate/tunnel.ts";
import { calls, OUTPUTS, seedStandIn } from "../support/seedStandIn.ts";
import { temporaryFolder } from "../support/shell.ts";

const PROGRAM = join(import.meta.dirname, "../../bin/connect");
const kubeconfig = (name: string, server: string) =>
  tokenKubeconfig({ name, server, caCert: "of the test", token: `planted-token-of-${name}` });
const SITE = {
  ...OUTPUTS,
  haKubeconfig: kubeconfig("ha", "https://203.0.113.9:6443"),
  k3sKubeconfig: kubeconfig("k3s", "https://203.0.113.7:6443"),
};

/** Starts the command; ready once it says how it ends. */
function start(context: TestContext, args: readonly string[], more: Record<string, string> = {}) {
  const folder = temporaryFolder(context);
  const env = seedStandIn(folder, more);
  writeFileSync(join(folder, "answer"), "hello through the tunnel");
  writeFileSync(join(folder, "outputs"), JSON.stringify(SITE));
  const child = spawn(PROGRAM, [...args, "--outputs", join(folder, "outputs")], { env });
  context.after(() => child.kill("SIGKILL"));
  const said = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const)
    child[stream].setEncoding("utf8").on("data", (chunk: string) => (said[stream] += chunk));
  const closed = once(child, "close") as Promise<[number | null]>;
  return {
    ...{ folder, child, said, closed },
    ready: async () => {
      for (let tries = 0; !said.stderr.includes("Ctrl-C ends it"); tries += 1) {
        assert.ok(tries < 300 && child.exitCode === null, `${said.stdout}${said.stderr}`);
        await sleep(50);
      }
    },
    interrupt: async () => {
      child.kill("SIGINT");
      const [code] = await closed;
      return code;
    },
  };
}

void test("Grafana: a URL that answers; Ctrl-C ends kubectl on the seed, removes the key, and is exit code 0", async (context) => {
  const run = start(context, ["prod", "grafana"]);
  await run.ready();
  assert.match(run.said.stdout, /^http:\/\/127\.0\.0\.1:\d+\n$/);
  assert.equal(await (await fetch(run.said.stdout.trim())).text(), "hello through the tunnel");
  assert.match(run.said.stderr, /user admin; its password:\n {2}bin\/seed-ssh prod -- "kubectl /);
  assert.equal(await run.interrupt(), 0, run.said.stderr);
  assert.deepEqual(readdirSync(join(run.folder, "tmp")), []);
  for (let tries = 0; !existsSync(join(run.folder, "kubectl-ended")); tries += 1) {
    assert.ok(tries < 100, "kubectl still runs on the seed");
    await sleep(50);
  }
  const [first] = calls(run.folder, "kubectl");
  assert.deepEqual(first?.slice(-2), ["service/kube-prometheus-stack-grafana", ":80"]);
});

for (const [target, host] of [
  ["k3s", "127.0.0.1"],
  ["cluster", "203.0.113.9"],
] as const) {
  void test(`${target}: a kubeconfig only its owner reads, with the API at the local port, gone with Ctrl-C`, async (context) => {
    const api = createServer((_, response) => response.end("the API")).listen(0, "127.0.0.1");
    context.after(() => api.close());
    await once(api, "listening");
    const { port } = api.address() as AddressInfo;
    const run = start(context, target === "cluster" ? ["prod"] : ["prod", target], { APIS: String(port) });
    await run.ready();
    const file = /^export KUBECONFIG=(\S+)\n$/.exec(run.said.stdout)?.[1] ?? "";
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const text = readFileSync(file, "utf8");
    assert.match(text, target === "k3s" ? /planted-token-of-k3s/ : /planted-token-of-ha/);
    const server = kubeconfigServer(text);
    assert.equal(await (await fetch(server.replace("https", "http"))).text(), "the API");
    const [first] = calls(run.folder, "ssh");
    assert.ok(first?.includes(`127.0.0.1:${new URL(server).port}:${host}:6443`), String(first));
    assert.equal(await run.interrupt(), 0);
    assert.ok(!existsSync(file));
    const everything = JSON.stringify(calls(run.folder, "ssh")) + run.said.stdout + run.said.stderr;
    assert.doesNotMatch(everything, /planted/);
  });
}

void test("the certificate is judged by the address that the kubeconfig had, and only its current cluster changes", () => {
  const through = (server: string) =>
    (
      parse(kubeconfigThrough(kubeconfig("ha", server), 4711)) as {
        clusters: { cluster: Record<string, string> }[];
      }
    ).clusters[0]?.cluster;
  const changed = through("https://203.0.113.9:6443");
  assert.equal(changed?.["server"], "https://127.0.0.1:4711");
  assert.equal(changed["tls-server-name"], "203.0.113.9");
  assert.equal(through("https://[2001:db8::1]:6443")?.["tls-server-name"], "2001:db8::1");
});

void test("--port is used; one that is taken is told and is exit code 1", async (context) => {
  const taken = createServer().listen(0, "127.0.0.1");
  context.after(() => taken.close());
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  const refused = start(context, ["prod", "alertmanager", "--port", String(port)]);
  assert.deepEqual(await refused.closed, [1, null]);
  assert.match(refused.said.stderr, /\nbin\/connect: the seed \(203\.0\.113\.7\): bind: EADDRINUSE\n$/);
  assert.deepEqual(readdirSync(join(refused.folder, "tmp")), []);
  await new Promise((resolve) => taken.close(resolve));
  const run = start(context, ["prod", "alertmanager", "--port", String(port)]);
  await run.ready();
  assert.equal(run.said.stdout, `http://127.0.0.1:${port}\n`);
  assert.equal(await run.interrupt(), 0);
});

void test("a way that breaks is told, with exit code 1", async (context) => {
  const run = start(context, ["prod", "prometheus"]);
  await run.ready();
  // As when the pod goes: kubectl ends.
  spawnSync("bash", ["--norc", "-c", `kill $(pgrep -f "^[^ ]*node ${run.folder}/bin/kubectl")`]);
  assert.deepEqual(await run.closed, [1, null]);
  assert.match(run.said.stderr, /\nbin\/connect: the way is closed: the seed \(203\.0\.113\.7\): /);
  assert.deepEqual(readdirSync(join(run.folder, "tmp")), []);
});

void test("what kubectl refuses, and what the site does not have, is told in a line", async (context) => {
  const missing = 'Error from server (NotFound): services "x" not found';
  const run = start(context, ["prod", "grafana"], { KUBECTL_FAILS: missing });
  assert.deepEqual(await run.closed, [1, null]);
  assert.ok(run.said.stderr.endsWith(`\nbin/connect: the seed (203.0.113.7): ${missing}\n`), run.said.stderr);
  const monitoring = { enabled: true, grafana: { enabled: false } };
  assert.throws(() => monitoringService("prod", "grafana", { monitoring } as never), {
    message: "stack prod has no grafana: its configuration says monitoring.grafana.enabled: false",
  });
  assert.throws(
    () => monitoringService("prod", "prometheus", { monitoring: { ...monitoring, enabled: false } } as never),
    { message: "stack prod has no prometheus: its configuration says monitoring.enabled: false" },
  );
});

void test("wrong usage is 64 and touches nothing", (context) => {
  const folder = temporaryFolder(context);
  const env = seedStandIn(folder);
  for (const [words, message] of [
    [[], "which stack?"],
    [["prod", "loki"], "there is no target loki: say cluster, k3s, grafana, prometheus, alertmanager"],
    [["prod", "k3s", "x"], "give one target, not k3s x"],
    [["prod", "--port", "0"], "--port 0: not a port; give a whole number from 1 to 65535"],
    [["prod", "--port", "70000"], "--port 70000: not a port; give a whole number from 1 to 65535"],
  ] as const) {
    const wrong = spawnSync(PROGRAM, words, { env, encoding: "utf8" });
    assert.equal(wrong.status, 64);
    assert.ok(wrong.stderr.startsWith(`bin/connect: ${message}\n\nUsage: bin/connect`), wrong.stderr);
  }
  assert.ok(!existsSync(join(folder, "ssh-calls")));
});

void test("what runs on the seed ends with its standard input", (context) => {
  const folder = temporaryFolder(context);
  const env = seedStandIn(folder);
  const line = portForwardLine({ namespace: "n", name: "s", port: 1 });
  const closed = spawnSync("bash", ["--norc", "-c", line], {
    env,
    input: "",
    encoding: "utf8",
    timeout: 10_000,
  });
  assert.equal(closed.signal, null, "it ended by itself");
});
