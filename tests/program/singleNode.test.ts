/**
 * cluster.enabled: false, the whole program under the mocks: what is made and given out, and that a change to HA keeps what
 * Magnum's clusters need until the guard has let it go. Does not prove what an engine does with it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../../config/schema.ts";
import { monitoringCluster } from "../../config/checks/machines.ts";
import { needs } from "../../preflight/needs.ts";
import { downloadUrls } from "../../preflight/downloads.ts";
import { inspectStack } from "../../config/program.ts";
import { rules } from "../../policy/rules.ts";
import { isSecret, outlivedBy, type Recording, unwrapped } from "../support/mocks.ts";
import { runSite, type Sections } from "../support/program.ts";

process.env["CAPI_MGMT_OFFLINE"] = "0";
process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";

function single(config: Sections): void {
  config["capi-mgmt:cluster"] = { ...config["capi-mgmt:cluster"], enabled: false };
  config["capi-mgmt:monitoring"] = { enabled: false };
}
let ran: Promise<Recording> | undefined;
const site = () => (ran ??= runSite("prod", { change: single }));
const names = ({ resources }: Recording) => resources.map(({ name }) => name);

void test("seed, k3s, Cluster API with the janitor, and Magnum's access, all on k3s; nothing of the HA cluster", async () => {
  const recording = await site();
  const made = names(recording);
  for (const name of [
    "bootstrap-controllers",
    "bootstrap-janitor",
    "magnum-on-k3s-token",
    "magnum-clusters-on-k3s-guard",
  ]) {
    assert.ok(made.includes(name), name);
  }
  assert.deepEqual(
    made.filter((name) =>
      /^(cluster|management|monitoring|seed-access|magnum)(?!(-clusters)?-on-k3s)(-|$)/.test(name),
    ),
    [],
  );
  for (const { name, type, provider } of recording.resources) {
    if (type.startsWith("kubernetes:")) assert.equal(provider, "k3s", name);
  }
});

void test("outputs keep their names: Magnum's kubeconfig is a token for k3s, by the seed's address", async () => {
  const [{ stackOutputs: outputs }, ha] = await Promise.all([site(), runSite("prod")]);
  assert.deepEqual(Object.keys(outputs).sort(), Object.keys(ha.stackOutputs).sort());
  assert.ok(isSecret(outputs["magnumKubeconfig"]) && isSecret(outputs["haKubeconfig"]));
  assert.deepEqual(unwrapped(outputs["haKubeconfig"]), unwrapped(outputs["k3sKubeconfig"]));
  assert.equal(unwrapped(outputs["apiServerAddress"]), unwrapped(outputs["seedAddress"]));
  const kubeconfig = String(unwrapped(outputs["magnumKubeconfig"]));
  assert.match(kubeconfig, /server: "?https:\/\/203\.0\.113\.102:6443/);
  assert.match(kubeconfig, /token: /);
  const versions = unwrapped(outputs["versions"]) as Record<string, string>;
  assert.ok(!("kubernetes" in versions) && "k3s" in versions && "openstackClusterChart" in versions);
});

void test("the kubeconfig is tried with k3s's own, not with one that Cluster API would have made", async () => {
  const script = String((await site()).get("magnum-on-k3s-works").inputs["stdin"]);
  const last = script.lastIndexOf("cluster_kubeconfig() {");
  assert.match(script.slice(last), /^cluster_kubeconfig\(\) \{\n {2}use_cluster\n {2}cat "\$KUBECONFIG"\n\}/);
});

void test("a change to HA shares no name with what Magnum's clusters need on k3s, and the guard goes before all of it", async () => {
  const [before, after] = await Promise.all([site(), runSite("prod")]);
  const gone = names(before).filter((name) => !names(after).includes(name));
  assert.deepEqual(gone.toSorted(), [
    ...["bootstrap-janitor", "bootstrap-janitor-finalizers"],
    ...["magnum-clusters-on-k3s", "magnum-clusters-on-k3s-guard"],
    ...["magnum-on-k3s", "magnum-on-k3s-account", "magnum-on-k3s-binding", "magnum-on-k3s-namespace"],
    ...["magnum-on-k3s-token", "magnum-on-k3s-works"],
  ]);
  const later = outlivedBy(before, "magnum-clusters-on-k3s-guard");
  const resources = before.resources.filter(({ type }) => !type.startsWith("capi-mgmt:"));
  for (const name of gone.filter((one) => one !== "magnum-clusters-on-k3s-guard")) {
    if (resources.some((one) => one.name === name))
      assert.ok(later.has(name), `${name} could go before the guard`);
  }
  assert.match(String(before.get("magnum-clusters-on-k3s-guard").inputs["delete"]), /-- delete$/);
});

void test("monitoring without the HA cluster is refused by name", () => {
  const problems = monitoringCluster({ cluster: { enabled: false }, monitoring: { enabled: true } });
  assert.deepEqual(problems, [
    {
      path: "monitoring.enabled",
      problem: "needs the HA cluster, which cluster.enabled leaves out",
      got: "true",
      legal: "false, or cluster.enabled true",
    },
  ]);
  assert.deepEqual(monitoringCluster({ cluster: { enabled: true }, monitoring: { enabled: true } }), []);
});

/** Sample prod without the HA cluster. */
function config(change: object = {}): Config {
  const { config } = inspectStack(process.cwd(), "prod");
  assert.ok(config !== undefined);
  return {
    ...config,
    cluster: { ...config.cluster, enabled: false },
    monitoring: { ...config.monitoring, enabled: false },
    ...change,
  };
}

void test("preflight asks for the seed's quota alone, and downloads no image of the cluster's", () => {
  const size = { vcpus: 4, ram: 8192, disk: 40 };
  const needed = needs(config(), { seed: size, controlPlane: size, workers: size }, true);
  const { instances, cores, load_balancers, server_groups, server_group_members } = needed;
  assert.deepEqual(
    { instances, cores, load_balancers, server_groups, server_group_members },
    { instances: 1, cores: 4, load_balancers: 0, server_groups: 0, server_group_members: 0 },
  );
  const { cluster } = config();
  const workerGroups = { gpu: { count: 3, serverGroup: "anti-affinity" } };
  const workerRules = [{ name: "ping", protocol: "icmp", source: "192.0.2.0/24" }];
  const network = { ...cluster.network, workerRules };
  const withGroups = config({ cluster: { ...cluster, workerGroups, network } });
  assert.deepEqual(needs(withGroups, { seed: size, controlPlane: size, workers: size }, true), needed);
  assert.equal(needed.volumes, 1 + (config().seed.rootVolume.enabled ? 1 : 0));
  assert.ok(!downloadUrls(config()).has("image.cluster"));
});

void test("policy says so on a production site, and fails nobody for it", () => {
  const rule = rules.find(({ name }) => name === "ha-cluster");
  const check = (tier: "production" | "none", enabled = false) =>
    rule?.check({
      ...{ stack: "prod", defaults: new Set(), resources: [], plainSecrets: [] },
      config: config({ pipeline: { tier }, cluster: { ...config().cluster, enabled } }),
    });
  const found = check("production");
  assert.deepEqual(
    found?.map(({ subject, advisory }) => [subject, advisory]),
    [["cluster.enabled", true]],
  );
  assert.deepEqual([check("none"), check("production", true)], [[], []]);
});
