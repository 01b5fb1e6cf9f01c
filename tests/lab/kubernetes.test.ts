/**
 * The lab's k3s without a node: built into the cache, started, killed, started again. The Go tests beside the sources are
 * run first. Does not prove anything of the node, which needs a machine: deploy.test.ts has the seed's.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildKubernetes } from "../../lab/kubernetes/build.ts";
import { goEnv } from "../../lab/prepare/goBuild.ts";
import { run, sleep } from "../../lab/run.ts";
import { projectDir } from "../../lab/site.ts";
import { startServer, stopServer } from "../support/k3sServer.ts";

const dir = mkdtempSync(join(tmpdir(), "capi-mgmt-k8s-"));
const seedPort = 26743;
let k3s: string;
let server: ChildProcess | undefined;

/** Starts the server. Returns the seconds until it was up. */
async function start(): Promise<number> {
  const { child, seconds } = await startServer(join(dir, "server.log"), [
    ...[k3s, "server", "--disable-agent", "--data-dir", join(dir, "seed")],
    ...["--write-kubeconfig", join(dir, "seed.yaml"), "--bind-address", "127.0.0.1"],
    ...[
      "--https-listen-port",
      String(seedPort),
      "--secrets-encryption",
      "--config",
      join(dir, "config.yaml"),
    ],
  ]);
  server = child;
  return seconds;
}

/** Memory that is its own in MiB and processor seconds so far, of the server with the programs it started. */
function usage(): { memory: number; cpu: number } {
  const parent = String(server?.pid);
  const children = readdirSync(`/proc/${parent}/task`).flatMap((thread) =>
    readFileSync(`/proc/${parent}/task/${thread}/children`, "utf8").split(" ").filter(Boolean),
  );
  return [parent, ...children].reduce(
    ({ memory, cpu }, pid) => {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return {
        memory: memory + Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]) / 1024,
        cpu: cpu + (Number(fields[11]) + Number(fields[12])) / 100,
      };
    },
    { memory: 0, cpu: 0 },
  );
}

const kubectl = (...args: string[]) =>
  run(join(dir, "kubectl"), ["--kubeconfig", join(dir, "seed.yaml"), ...args]).then(({ stdout }) => stdout);

before(async () => {
  ({ k3s } = await buildKubernetes(() => undefined));
  symlinkSync(k3s, join(dir, "kubectl"));
  writeFileSync(join(dir, "config.yaml"), "disable: [traefik, servicelb]\ntls-san: seed.lab.test\n");
});

after(async () => {
  await stopServer(server, "SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

test("the Go tests pass", { timeout: 30 * 60_000 }, async () => {
  await run("go", ["vet", "./..."], { cwd: join(projectDir, "lab", "kubernetes"), env: goEnv() });
  await run("go", ["test", "./..."], { cwd: join(projectDir, "lab", "kubernetes"), env: goEnv() });
});

test("the binary needs no library, and carries what it starts", async () => {
  const { stdout } = await run("ldd", [k3s], { allowFailure: true });
  assert.doesNotMatch(stdout, /=>/);
  const content = readFileSync(k3s);
  for (const name of ["bridge", "containerd-shim-runc-v2", "crictl", "host-local", "loopback", "portmap"])
    assert.ok(content.includes(`programs/${name}`), name);
});

test("it says the versions that k3s and kubectl of the same release say", async () => {
  assert.match((await run(k3s, ["--version"])).stdout, /^k3s version v1\.36\.3\+k3s1 /);
  assert.match(
    (await run(join(dir, "kubectl"), ["version", "--client"])).stdout,
    /^Client Version: v1\.36\.3$/m,
  );
});

test("it runs within its means", { timeout: 10 * 60_000 }, async (t) => {
  t.diagnostic(`first start: ${(await start()).toFixed(1)} s`);
  await sleep(10_000);
  const from = usage();
  const seconds = 30;
  await sleep(seconds * 1000);
  const { memory, cpu } = usage();
  const idle = ((cpu - from.cpu) / seconds) * 100;
  t.diagnostic(`${memory.toFixed(0)} MiB, ${idle.toFixed(1)} % of a core when idle`);
  assert.ok(memory < 450, `it takes ${memory} MiB`);
  assert.ok(idle < 5, `it takes ${idle} % of a core`);
});

test("it is killed and comes back with what it held", { timeout: 10 * 60_000 }, async (t) => {
  await kubectl("create", "configmap", "kept", "--from-literal=a=b");
  await stopServer(server, "SIGKILL");
  t.diagnostic(`later start: ${(await start()).toFixed(1)} s`);
  assert.match(await kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}"), /^b$/);
});
