/**
 * What all Helm releases have in common. Does not prove what Helm makes of it: the lab does.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chart, type ChartArgs } from "../../components/chart.ts";
import { ClusterApi } from "../../components/clusterApi.ts";
import { Monitoring } from "../../components/monitoring.ts";
import { CONNECTION, inBothModes, providers } from "../support/component.ts";
import { configOf } from "../support/config.ts";
import { record, type Recording } from "../support/mocks.ts";

const ARGS: ChartArgs = {
  chart: "cert-manager",
  version: "1.21.2",
  repository: "https://charts.example.org/stable",
  namespace: "cert-manager",
  values: {},
  timeout: "1h2m3s",
};

async function inputsOf(changes: Partial<ChartArgs> = {}): Promise<Record<string, unknown>> {
  const recording = await record();
  const { providers: given } = providers();
  chart("release", { ...ARGS, ...changes }, { provider: (given as { kubernetes: never }).kubernetes });
  await recording.settled();
  return recording.get("release", "Release").inputs;
}

test("a release has the time that configuration gives it, in seconds", async () => {
  assert.equal((await inputsOf())["timeout"], 3723);
});

test("a duration that is none is an error, and no release without time", async () => {
  await assert.rejects(inputsOf({ timeout: "ten minutes" }), {
    message: '"ten minutes" is not a duration such as 90s, 30m or 1h30m',
  });
});

test("a release has a fixed name, so that a second try adopts what a failed one left", async () => {
  assert.equal((await inputsOf())["name"], "cert-manager");
  assert.equal((await inputsOf({ release: "capi-mgmt-x" }))["name"], "capi-mgmt-x");
});

test("a release is rolled back when it fails, unless something else waits for what it makes", async () => {
  const decided = ({ atomic, skipAwait }: Record<string, unknown>) => [atomic, skipAwait];
  assert.deepEqual(decided(await inputsOf()), [true, false]);
  assert.deepEqual(decided(await inputsOf({ atomic: false })), [false, true]);
});

const repository = ({ inputs }: { inputs: Record<string, unknown> }) =>
  (inputs["repositoryOpts"] as { repo: string }).repo;

test("a chart comes from upstream, or from the mirror by upstream's address", async () => {
  assert.equal(repository({ inputs: await inputsOf() }), "https://charts.example.org/stable");
  assert.equal(
    repository({ inputs: await inputsOf({ mirrorUrl: "https://mirror.example.org/m" }) }),
    "https://mirror.example.org/m/charts.example.org/stable",
  );
});

const releases = ({ resources }: Recording) => resources.filter(({ type }) => type.endsWith(":Release"));

inBothModes(
  "every chart of Cluster API and monitoring comes from the mirror, with its version and time from the configuration",
  async ({ recording }) => {
    const { clusterApi, monitoring } = configOf("dev");
    const mirror = { url: "https://mirror.example.org" };
    const opts = providers();
    const onSeed = { connection: CONNECTION, serverId: "server-id", instance: "management" as const };
    new ClusterApi("capi", { ...onSeed, janitor: true, clusterApi, mirror }, opts);
    new Monitoring("mon", { monitoring, mirror }, opts);
    await recording.settled();
    const found = releases(recording);
    assert.equal(found.length, 4);
    for (const release of found) {
      assert.match(repository(release), /^https:\/\/mirror\.example\.org\/\S+/, release.name);
      assert.ok(Number(release.inputs["timeout"]) >= 60, release.name);
    }
    assert.deepEqual(found.map(({ inputs }) => [inputs["chart"], inputs["version"]]).toSorted(), [
      ["cert-manager", clusterApi.certManager.version],
      ["cluster-api-addon-provider", clusterApi.addonProvider.version],
      ["cluster-api-janitor-openstack", clusterApi.janitor.version],
      ["kube-prometheus-stack", monitoring.version],
    ]);
    const script = String(recording.get("capi-controllers").inputs["stdin"]);
    const manifests = [...script.matchAll(/https:\/\/\S+?\.yaml(?=')/g)].map(([url]) => url);
    assert.equal(manifests.length, 3);
    for (const url of manifests) assert.match(url, /^https:\/\/mirror\.example\.org\/github\.com\//);
  },
);
