/**
 * The years after: one more worker and another flavor by configuration, a machine that is lost, a seed that is lost.
 *
 * Deploys stack `lab` if it is not there, and leaves it as its file says. An upgrade of Kubernetes is otherSite.test.ts's.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { enterLab, lab, openstack, output, project } from "../support/lab.ts";
import { runWith } from "../support/labStack.ts";

const root = process.getuid?.() === 0;
const CLUSTER = "capi-mgmt-lab";
const FLAVOR = "lab.worker-2";
const SEED_FLAVOR = "lab.seed-2";

interface Server {
  ID: string;
  Name: string;
  Status: string;
  Flavor: string;
}

describe("a management cluster over the years", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "changes-test-"));
  const kubeconfig = join(scratch, "kubeconfig");

  before(() => {
    enterLab();
    const up = lab("up", "--stack", "lab");
    assert.equal(up.status, 0, up.stdout.slice(-4000) + up.stderr.slice(-2000));
    const cli = ["--no-warnings", "lab/cli.ts", "output", "magnumKubeconfig", "--show-secrets"];
    writeFileSync(kubeconfig, output(process.execPath, [...cli]), { mode: 0o600 });
    const size = ["--vcpus", "2", "--ram", "8192", "--disk", "40"];
    output("openstack", ["--os-cloud", "admin", "flavor", "create", FLAVOR, ...size]);
    const booted = ["--property", "lab:machine=nspawn"];
    output("openstack", ["--os-cloud", "admin", "flavor", "create", SEED_FLAVOR, ...size, ...booted]);
  });
  after(() => {
    const back = lab("up", "--stack", "lab");
    output("openstack", ["--os-cloud", "admin", "flavor", "delete", FLAVOR, SEED_FLAVOR]);
    rmSync(scratch, { recursive: true, force: true });
    assert.equal(back.status, 0, back.stdout.slice(-4000));
  });

  const workers = () =>
    openstack<Server & Record<string, unknown>>("server", "list").filter(({ Name }) =>
      Name.startsWith(`${CLUSTER}-md-0`),
    );
  /** Names of the worker nodes that are Ready. */
  const readyWorkers = () =>
    output("kubectl", [
      ...["--kubeconfig", kubeconfig, "get", "nodes", "--selector", "!node-role.kubernetes.io/control-plane"],
      ...[
        "--output",
        `jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}`,
      ],
    ])
      .split("\n")
      .filter((line) => line.endsWith(" True"))
      .map((line) => line.split(" ")[0] ?? "");
  const onSeed = (...args: string[]) => output(join(project, "bin/seed-ssh"), ["lab", "--", ...args]);

  async function within(seconds: number, what: string, check: () => boolean): Promise<void> {
    const end = Date.now() + seconds * 1000;
    while (!check()) {
      assert.ok(Date.now() < end, `${what}: not within ${seconds} s`);
      await sleep(1000);
    }
  }

  test("one more worker and another flavor: the machines are rolled, and as many are there as asked for", async () => {
    const before = workers().map(({ ID }) => ID);
    const began = Date.now();
    const up = await runWith("up", "lab", {
      "capi-mgmt:cluster": { workers: { count: 4, flavor: FLAVOR }, healthChecks: { unhealthy: "10s" } },
    });
    assert.equal(up.exitCode, 0, up.printed.slice(-4000));
    console.log(`four workers of another flavor took ${((Date.now() - began) / 1000).toFixed(0)} s`);
    const now = workers();
    assert.deepEqual(
      now.map(({ Flavor, Status }) => [Flavor, Status]),
      Array(4).fill([FLAVOR, "ACTIVE"]),
    );
    assert.deepEqual(
      now.filter(({ ID }) => before.includes(ID)),
      [],
    );
    assert.equal(readyWorkers().length, 4);
    assert.equal(openstack<Server>("server", "list").length, 8, "seed, control plane and workers");
  });

  test("a worker that is lost is replaced by the health check, without us", async () => {
    const lost = workers()[0];
    assert.ok(lost !== undefined);
    const began = Date.now();
    output("openstack", ["server", "delete", "--wait", lost.ID]);
    await within(420, "another worker in place of the lost one", () => {
      const now = workers();
      const healthy = now.filter(({ Status, ID }) => Status === "ACTIVE" && ID !== lost.ID);
      return now.length === 4 && healthy.length === 4 && readyWorkers().length === 4;
    });
    console.log(`a lost worker was replaced after ${((Date.now() - began) / 1000).toFixed(0)} s`);
    assert.ok(!readyWorkers().includes(lost.Name));
  });

  test("a larger seed: the same machine starts again with the flavor, and k3s on it", async () => {
    const seed = () => openstack<Server>("server", "list").filter(({ Name }) => Name === `${CLUSTER}-seed`);
    const [before] = seed();
    assert.ok(before !== undefined);
    const began = Date.now();
    const up = await runWith("up", "lab", {
      "capi-mgmt:seed": { flavor: SEED_FLAVOR },
      "capi-mgmt:cluster": { workers: { count: 4, flavor: FLAVOR }, healthChecks: { unhealthy: "10s" } },
    });
    assert.equal(up.exitCode, 0, up.printed.slice(-4000));
    console.log(`a larger seed took ${((Date.now() - began) / 1000).toFixed(0)} s`);
    const now = seed();
    assert.deepEqual(
      now.map(({ ID, Status, Flavor }) => [ID, Status, Flavor]),
      [[before.ID, "ACTIVE", SEED_FLAVOR]],
    );
    assert.match(onSeed("kubectl", "get", "clusters", "-A", "--no-headers"), new RegExp(`${CLUSTER} `));
  });

  test("a seed that is lost: up makes another on the old volume, and the cluster never notices", () => {
    const cluster = ["kubectl", "get", "clusters", "-A", "-o", "jsonpath={.items[*].metadata.uid}"];
    const uid = onSeed(...cluster);
    assert.match(uid, /^[0-9a-f-]{36}$/);
    const servers = () => openstack<Server>("server", "list").map(({ ID }) => ID);
    // Data volumes of earlier stacks may be there, too: those that a destroy kept.
    const attached = () =>
      openstack<{ ID: string; Name: string; Status: string }>("volume", "list").filter(
        ({ Name, Status }) => Name === `${CLUSTER}-seed-data` && Status === "in-use",
      );
    const [volume] = attached();
    const seed = openstack<Server>("server", "list").find(({ Name }) => Name === `${CLUSTER}-seed`);
    assert.ok(seed !== undefined && volume !== undefined);
    const others = servers().filter((id) => id !== seed.ID);
    output("openstack", ["server", "delete", "--wait", seed.ID]);

    const refresh = lab("refresh", "--stack", "lab");
    // With the seed went k3s: what lives there cannot be read, and stays in the state. What is gone is found all the same.
    assert.equal(refresh.status, 1, refresh.stdout.slice(-4000));
    assert.match(refresh.stdout, /- openstack:compute\/instance:Instance seed-server gone/);
    assert.match(
      refresh.stdout,
      /cluster-release \(read\)\n +failed to read resource state due to unreachable cluster/,
    );
    // As its file says again, with the seed back.
    const up = lab("up", "--stack", "lab");
    assert.equal(up.status, 0, up.stdout.slice(-6000));
    console.log(`the seed was back after ${up.seconds.toFixed(0)} s`);

    assert.equal(onSeed(...cluster), uid, "k3s found its data on the volume");
    assert.deepEqual(
      attached().map(({ ID }) => ID),
      [volume.ID],
    );
    // The workers are rolled back to the file's flavor; the control plane is none of this.
    const left = openstack<Server>("server", "list");
    const controlPlane = left.filter(({ Name }) => Name.includes("control-plane"));
    assert.equal(controlPlane.length, 3);
    assert.deepEqual(
      controlPlane.filter(({ ID }) => !others.includes(ID)),
      [],
    );
    assert.equal(readyWorkers().length, 3);
  });
});
