/**
 * Component ClusterApi: what its releases are told, and what applies its manifests anew. Its order is held in
 * clusters.test.ts. Does not prove what charts make of it: the lab does.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ClusterApi, type ClusterApiArgs } from "../../components/clusterApi.ts";
import { CONNECTION, providers } from "../support/component.ts";
import { configOf } from "../support/config.ts";
import { record } from "../support/mocks.ts";

async function registered(changes: Partial<ClusterApiArgs> = {}) {
  const recording = await record();
  const { clusterApi } = configOf("dev");
  const args: ClusterApiArgs = {
    connection: CONNECTION,
    serverId: "server-id",
    instance: "management",
    janitor: true,
    clusterApi,
    mirror: {},
    ...changes,
  };
  new ClusterApi("capi", args, providers());
  await recording.settled();
  return recording;
}

test("cert-manager's CRDs come with it, and stay when it goes: with them would go every webhook's certificate", async () => {
  const { crds } = (await registered()).get("capi-cert-manager").inputs["values"] as { crds: unknown };
  assert.deepEqual(crds, { enabled: true, keep: true });
});

test("the janitor deletes the volumes that the configuration says, as often as it says", async () => {
  const { clusterApi } = configOf("dev");
  const janitor = { ...clusterApi.janitor, defaultVolumesPolicy: "keep" as const, retrySeconds: 77 };
  const { inputs } = (await registered({ clusterApi: { ...clusterApi, janitor } })).get("capi-janitor");
  const { defaultVolumesPolicy, retryDefaultDelay } = inputs["values"] as Record<string, unknown>;
  assert.deepEqual([defaultVolumesPolicy, retryDefaultDelay], ["keep", 77]);
});

test("another seed or release applies the manifests again, and what is not changed does not", async () => {
  const { clusterApi } = configOf("dev");
  const script = async (changes: Partial<ClusterApiArgs> = {}) =>
    (await registered(changes)).get("capi-controllers").inputs["stdin"];
  const now = await script();
  assert.equal(await script(), now);
  assert.notEqual(await script({ serverId: "another" }), now);
  const openstack = { ...clusterApi.openstack, version: "v9.9.9" };
  assert.notEqual(await script({ clusterApi: { ...clusterApi, openstack } }), now);
});

test("manifests are compared with pinned sums, and fetched with the mirror's authority", async () => {
  const { clusterApi } = configOf("dev");
  const [orc, core, capo] = ["a", "b", "c"].map((letter) => letter.repeat(64)) as [string, string, string];
  const recording = await registered({
    clusterApi: {
      ...clusterApi,
      orc: { ...clusterApi.orc, sha256: orc },
      core: { ...clusterApi.core, sha256: core },
      openstack: { ...clusterApi.openstack, sha256: capo },
    },
    mirror: { url: "https://mirror.example.org", caCert: "PEM" },
  });
  const script = String(recording.get("capi-controllers").inputs["stdin"]);
  assert.match(script, new RegExp(`^STAGE_SUMS=\\('${orc}' '${core}' '${capo}'\\)$`, "m"));
  assert.match(script, /^MIRROR_CA='PEM'$/m);
});
