/**
 * A site of one machine (docs/single-node.md): seed, k3s and Cluster API on it, and Magnum with k3s' kubeconfig, which makes
 * a tenant's cluster. Then the way to a HA site: refused while k3s manages a cluster, done when it is deleted.
 *
 * Comes after teardown.test.ts: nothing may be deployed. Leaves nothing but the data volume.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { stopMagnum } from "../../lab/consumers/magnum.ts";
import { kubernetesVersion } from "../../lab/site.ts";
import { HandOver } from "../support/handOver.ts";
import { command, enterLab, lab, onSeed, openstack, output, writeKubeconfig } from "../support/lab.ts";
import { runWith } from "../support/labStack.ts";
import { askForTenant, removeTenant, tenantHas, tenantServers } from "../support/tenants.ts";

const CHART = "0.27.0";
const TEMPLATE = `kubernetes-${kubernetesVersion}-chart-${CHART}`;
const SINGLE = { "capi-mgmt:cluster": { enabled: false }, "capi-mgmt:monitoring": { enabled: false } };
/** Without monitoring, which deploy.test.ts has: a tenant's cluster has its place here. */
const HA = { "capi-mgmt:monitoring": { enabled: false } };
const TEMPLATES = {
  "capi-mgmt:magnum": {
    templates: {
      enabled: true,
      list: [
        {
          kubernetesVersion,
          chartVersion: CHART,
          image: { name: `ubuntu-noble-kube-${kubernetesVersion}` },
        },
      ],
    },
  },
};

describe("a site of one machine", { skip: process.getuid?.() === 0 ? false : "the lab needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "single-node-"));
  let handOver: HandOver;
  let magnumRuns = false;
  /** The cluster that Magnum was asked for and has not deleted. */
  let made: string | undefined;

  const names = () => openstack<{ Name: string }>("server", "list").map(({ Name }) => Name);
  const k3s = (...words: string[]) => onSeed("kubectl", ...words);
  const outputs = () =>
    JSON.parse(output(process.execPath, ["--no-warnings", "lab/cli.ts", "output", "--json"])) as Record<
      string,
      unknown
    >;
  const up = async (config: Readonly<Record<string, unknown>>) => {
    const began = Date.now();
    const done = await runWith("up", "lab", config);
    console.log(`up took ${((Date.now() - began) / 1000).toFixed(0)} s`);
    return done;
  };

  before(async () => {
    handOver = await HandOver.make(scratch);
    enterLab();
    assert.deepEqual(names(), [], "teardown.test.ts comes first");
  });
  after(async () => {
    // After a failure: neither templates nor what manages clusters can go before these, and not without Magnum.
    if (made !== undefined) await removeTenant(made).catch((error: unknown) => console.error(error));
    const gone = lab("destroy", "--stack", "lab");
    if (magnumRuns) await stopMagnum();
    rmSync(scratch, { recursive: true, force: true });
    assert.equal(gone.status, 0, gone.stdout.slice(-4000) + gone.stderr.slice(-2000));
  });

  test("one up makes one server with Cluster API and the janitor on k3s, and no load balancer", async () => {
    const done = await up(SINGLE);
    assert.equal(done.exitCode, 0, done.printed.slice(-6000));
    assert.deepEqual(names(), ["capi-mgmt-lab-seed"]);
    assert.deepEqual(openstack("loadbalancer", "list"), []);
    const deployments = k3s("get", "deployments", "--all-namespaces", "--no-headers");
    for (const name of [
      "capi-controller-manager",
      "capo-controller-manager",
      "cluster-api-janitor-openstack",
    ]) {
      assert.match(deployments, new RegExp(` ${name} +1/1 `));
    }
    const again = await up(SINGLE);
    assert.equal(again.exitCode, 0, again.printed.slice(-4000));
    assert.deepEqual(
      Object.keys(again.counts).filter((op) => op !== "read"),
      ["same"],
    );
  });

  test("its kubeconfig leads to the seed's k3s and is handed over like any other", () => {
    const { apiServerAddress, seedAddress } = outputs();
    assert.equal(apiServerAddress, seedAddress);
    const file = join(scratch, "magnum");
    writeKubeconfig("magnumKubeconfig", file);
    const nodes = output("kubectl", ["--kubeconfig", file, "get", "nodes", "--output", "name"]);
    assert.equal(nodes, "node/capi-mgmt-lab-seed\n");
    const written = handOver.export();
    assert.equal(written.status, 0, written.stdout + written.stderr);
    handOver.render();
  });

  test("Magnum makes a tenant's cluster with it", async () => {
    magnumRuns = true;
    await handOver.startMagnum();
    const done = await up({ ...SINGLE, ...TEMPLATES });
    assert.equal(done.exitCode, 0, done.printed.slice(-5000));
    made = await askForTenant(TEMPLATE);
    const tenant = await tenantHas(made, "CREATE_COMPLETE");
    assert.match(tenant.api_address ?? "", /^https:\/\/203\.0\.113\.\d+:6443$/);
    assert.deepEqual(
      tenantServers().map(({ Status }) => Status),
      ["ACTIVE", "ACTIVE"],
    );
  });

  test("neither a destroy nor a change to HA takes from the cluster what manages it", async () => {
    const destroyed = await runWith("destroy", "lab", { ...SINGLE, ...TEMPLATES });
    assert.equal(destroyed.exitCode, 1);
    const refusal = /k3s still manages magnum-[0-9a-f]+\/tenant-\w+, which cannot move to another cluster/;
    assert.match(destroyed.printed, refusal);
    assert.doesNotMatch(destroyed.printed, /\bdeleted\b/);
    const changed = await up({ ...HA, ...TEMPLATES });
    assert.equal(changed.exitCode, 1);
    assert.match(changed.printed, refusal);
    const account = join(scratch, "magnum");
    const alive = command("kubectl", ["--kubeconfig", account, "get", "clusters", "--all-namespaces"]);
    assert.equal(alive.status, 0, alive.stderr);
    assert.match(alive.stdout, /^magnum-\w+ +tenant-/m);
  });

  test("with the cluster deleted by Magnum the change is made, and Magnum's account on k3s is gone", async () => {
    assert.ok(made, "there is no cluster");
    await removeTenant(made);
    made = undefined;
    assert.deepEqual(tenantServers(), []);
    const changed = await up({ ...HA, ...TEMPLATES });
    assert.equal(changed.exitCode, 0, changed.printed.slice(-5000));
    const { apiServerAddress, seedAddress } = outputs();
    assert.notEqual(apiServerAddress, seedAddress);
    const file = join(scratch, "of-the-ha-cluster");
    writeKubeconfig("magnumKubeconfig", file);
    const nodes = output("kubectl", ["--kubeconfig", file, "get", "nodes", "--output", "name"]);
    assert.equal(nodes.trim().split("\n").length, 6, nodes);
    const account = k3s("get", "namespace", "capi-mgmt", "--ignore-not-found");
    assert.equal(account.trim(), "", "Magnum's account on k3s");
    // The janitor went with it: with its finalizer left the closing destroy would wait for good.
    const finalizers = k3s(
      ...["get", "openstackcluster", "capi-mgmt-lab", "--output", "jsonpath={.metadata.finalizers}"],
    );
    assert.match(finalizers, /^\[".*openstackcluster/);
    assert.doesNotMatch(finalizers, /janitor/);
  });
});
