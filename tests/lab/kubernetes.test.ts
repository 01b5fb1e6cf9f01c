/**
 * The lab's Kubernetes binary as the lab uses it: built into the cache, k3s and a workload cluster's control plane side by side,
 * the latter at an address of its own in a network namespace. Needs root.
 * Does not prove anything about containers: there are none. The Go tests beside the sources are run first.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildKubernetes } from "../../lab/kubernetes/build.ts";
import { run, sleep } from "../../lab/run.ts";
import { projectDir } from "../../lab/site.ts";
import { startServer, stopServer } from "../support/k3sServer.ts";

const dir = mkdtempSync(join(tmpdir(), "capi-mgmt-k8s-"));
const namespace = "capi-test-k8s";
const address = "198.51.100.10"; // of the documentation range: nobody else's
const hostAddress = "198.51.100.9";
const seedPort = 26743;
let k3s: string;
const servers = new Map<string, ChildProcess>();

/** Starts a server by its name here. Returns the seconds until it was up. */
async function start(name: string, command: string[]): Promise<number> {
  const { child, seconds } = await startServer(join(dir, `${name}.log`), command);
  servers.set(name, child);
  return seconds;
}

const stop = (name: string, signal: NodeJS.Signals) => stopServer(servers.get(name), signal);

/** Resident memory in MiB and processor seconds so far. */
function usage(name: string): { memory: number; cpu: number } {
  const pid = servers.get(name)?.pid;
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return {
    memory: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
    cpu: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

const seed = () => [
  k3s,
  ...["server", "--data-dir", join(dir, "seed"), "--write-kubeconfig", join(dir, "seed.yaml")],
  ...["--bind-address", "127.0.0.1", "--https-listen-port", String(seedPort), "--node-name", "seed-1"],
  ...["--secrets-encryption", "--config", join(dir, "config.yaml")],
];
const plane = () => [
  ...["nsenter", `--net=/run/netns/${namespace}`, k3s, "server"],
  ...["--lab-control-plane", join(dir, "plane.json"), "--data-dir", join(dir, "plane")],
];
const kubectl = (kubeconfig: string, ...args: string[]) =>
  run(join(dir, "kubectl"), ["--kubeconfig", join(dir, kubeconfig), ...args]).then(({ stdout }) => stdout);

before(async () => {
  await run("ip", ["netns", "del", namespace], { allowFailure: true });
  ({ k3s } = await buildKubernetes(() => undefined));
  symlinkSync(k3s, join(dir, "kubectl"));
  writeFileSync(join(dir, "config.yaml"), "disable: [traefik, servicelb]\ntls-san: seed.lab.test\n");
});

after(async () => {
  for (const name of servers.keys()) await stop(name, "SIGKILL");
  await run("ip", ["netns", "del", namespace], { allowFailure: true });
  rmSync(dir, { recursive: true, force: true });
});

test("the Go tests pass", { timeout: 30 * 60_000 }, async () => {
  await run("go", ["vet", "./..."], { cwd: join(projectDir, "lab", "kubernetes") });
  await run("go", ["test", "./..."], { cwd: join(projectDir, "lab", "kubernetes") });
});

test("a second build only checks the first, and the binary needs no library", async () => {
  const steps: string[] = [];
  assert.deepEqual(await buildKubernetes((step) => steps.push(step), true), { k3s });
  assert.deepEqual(steps, ["checking"]);
  const { stdout } = await run("ldd", [k3s], { allowFailure: true });
  assert.doesNotMatch(stdout, /=>/);
});

test("it says the versions that k3s and kubectl of the same release say", async () => {
  assert.match((await run(k3s, ["--version"])).stdout, /^k3s version v1\.36\.3\+k3s1 /);
  assert.match(
    (await run(join(dir, "kubectl"), ["version", "--client"])).stdout,
    /^Client Version: v1\.36\.3$/m,
  );
});

test("both of a lab's servers run side by side within their means", { timeout: 10 * 60_000 }, async (t) => {
  await prepareNamespace();
  await writeControlPlane();
  const first = { seed: await start("seed", seed()), plane: await start("plane", plane()) };
  t.diagnostic(`first start: k3s ${first.seed.toFixed(1)} s, control plane ${first.plane.toFixed(1)} s`);
  assert.match(await kubectl("seed.yaml", "get", "nodes"), /seed-1\s+Ready/);

  const server = `https://${address}:6443`;
  const version = await kubectl("plane/admin.kubeconfig", "--server", server, "version");
  assert.match(version, /^Server Version: v1\.36\.3$/m);
  const ready = await run("curl", ["-s", "--cacert", join(dir, "ca.crt"), `${server}/readyz`]);
  assert.equal(ready.stdout, "ok");

  await sleep(10_000);
  const from = { seed: usage("seed"), plane: usage("plane") };
  const seconds = 30;
  await sleep(seconds * 1000);
  for (const name of ["seed", "plane"] as const) {
    const { memory, cpu } = usage(name);
    const idle = ((cpu - from[name].cpu) / seconds) * 100;
    t.diagnostic(`${name}: ${memory.toFixed(0)} MiB, ${idle.toFixed(1)} % of a core when idle`);
    assert.ok(memory < 450, `${name} takes ${memory} MiB`);
    assert.ok(idle < 5, `${name} takes ${idle} % of a core`);
  }
});

test("both are killed and come back with what they held", { timeout: 10 * 60_000 }, async (t) => {
  for (const file of ["seed.yaml", "plane/server/cred/admin.kubeconfig"]) {
    const at = file.startsWith("plane") ? ["--server", `https://${address}:6443`] : [];
    await kubectl(file, ...at, "create", "configmap", "kept", "--from-literal=a=b");
  }
  await stop("seed", "SIGKILL");
  await stop("plane", "SIGKILL");
  const again = { seed: await start("seed", seed()), plane: await start("plane", plane()) };
  t.diagnostic(`later start: k3s ${again.seed.toFixed(1)} s, control plane ${again.plane.toFixed(1)} s`);
  assert.match(await kubectl("seed.yaml", "get", "configmap", "kept", "-o", "jsonpath={.data.a}"), /^b$/);
  const [file, at] = ["plane/server/cred/admin.kubeconfig", ["--server", `https://${address}:6443`]] as const;
  assert.match(await kubectl(file, ...at, "get", "configmap", "kept", "-o", "jsonpath={.data.a}"), /^b$/);
});

/** A namespace as the lab's hypervisor makes one: loopback up, eth0 with the load balancer's address. */
async function prepareNamespace(): Promise<void> {
  const ip = (...args: string[]) => run("ip", args);
  await ip("netns", "add", namespace);
  await ip("link", "add", "capi-test0", "type", "veth", "peer", "name", "eth0", "netns", namespace);
  await ip("addr", "add", `${hostAddress}/30`, "dev", "capi-test0");
  await ip("link", "set", "capi-test0", "up");
  await ip("-n", namespace, "link", "set", "lo", "up");
  await ip("-n", namespace, "addr", "add", `${address}/30`, "dev", "eth0");
  await ip("-n", namespace, "link", "set", "eth0", "up");
}

/** The file a Cluster API machine hands over, with an RSA authority as Cluster API makes it. */
async function writeControlPlane(): Promise<void> {
  const pem = () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    return createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" }))
      .export({ type: "pkcs1", format: "pem" })
      .toString();
  };
  const caKey = pem();
  writeFileSync(join(dir, "ca.key"), caKey, { mode: 0o600 });
  await run("openssl", [
    ...["req", "-x509", "-key", join(dir, "ca.key"), "-days", "3650", "-subj", "/CN=kubernetes"],
    ...[
      "-addext",
      "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign",
      "-out",
      join(dir, "ca.crt"),
    ],
  ]);
  const file = {
    ...{ cluster: "default/test", uid: "test", address, prefixLength: 30, gateway: hostAddress, portId: "p" },
    ...{ networkId: "n", mac: "fa:16:3e:00:00:01", port: 6443, floatingAddress: "", caKey },
    caCert: readFileSync(join(dir, "ca.crt"), "utf8"),
    serviceAccountKey: pem(),
    ...{ podCidr: "172.16.0.0/13", serviceCidr: "172.24.0.0/13", kubernetesVersion: "v1.36.3" },
    dnsNameservers: [],
  };
  writeFileSync(join(dir, "plane.json"), JSON.stringify(file), { mode: 0o600 });
}
