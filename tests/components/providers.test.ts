/**
 * The explicit providers. Does not prove what the providers make of it: the lab does.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { clusterProvider, openstackProvider } from "../../components/providers.ts";
import { inBothModes } from "../support/component.ts";
import { setEnvironment } from "../support/environment.ts";
import { currentContext } from "../../lib/kubeconfig.ts";
import { isSecret, kubeconfigFor, leaks, PLANTED, record, unwrapped } from "../support/mocks.ts";

const CREDENTIALS = {
  authUrl: "https://cloud:5000/v3",
  applicationCredentialId: "id",
  applicationCredentialSecret: PLANTED.applicationCredential,
  interface: "public" as const,
  source: "test",
};

async function openstackInputs(credentials: Partial<Parameters<typeof openstackProvider>[1]> = {}) {
  const recording = await record();
  openstackProvider("cloud", { ...CREDENTIALS, ...credentials });
  await recording.settled();
  return recording.get("cloud").inputs;
}

test("OpenStack's certificates are verified, with the site's own authority where it has one", async () => {
  const inputs = await openstackInputs();
  assert.equal(inputs["insecure"], "false");
  assert.equal("cacertFile" in inputs, false);
  assert.equal((await openstackInputs({ caCert: "PEM" }))["cacertFile"], "PEM");
});

test("OpenStack is reached by the credential given, whatever the runner's environment names", async (context) => {
  setEnvironment(context, { OS_CLOUD: "another", OS_REGION_NAME: "Another", OS_USERNAME: "somebody" });
  const inputs = await openstackInputs();
  assert.deepEqual([inputs["cloud"], inputs["region"]], ["", ""]);
  assert.deepEqual(
    [inputs["authUrl"], inputs["applicationCredentialId"], inputs["endpointType"]],
    ["https://cloud:5000/v3", "id", "public"],
  );
  assert.ok(isSecret(inputs["applicationCredentialSecret"]));
  assert.equal(unwrapped(inputs["applicationCredentialSecret"]), PLANTED.applicationCredential);
  assert.deepEqual(leaks(inputs), []);
});

inBothModes(
  "a cluster stays the same one whatever its kubeconfig says later: nothing is replaced because an address or certificate is new",
  async ({ recording }) => {
    const at = (address: string) => pulumi.secret(kubeconfigFor(`https://${address}:6443`));
    clusterProvider("cluster-0", at("203.0.113.7"), "capi-mgmt-x");
    clusterProvider("cluster-1", at("203.0.113.8"), "capi-mgmt-x");
    clusterProvider("seed", at("203.0.113.7"), "capi-mgmt-x-seed");
    await recording.settled();
    const identities = ["cluster-0", "cluster-1", "seed"].map(
      (name) => recording.get(name).inputs["clusterIdentifier"],
    );
    assert.deepEqual(identities, ["capi-mgmt-x", "capi-mgmt-x", "capi-mgmt-x-seed"]);
    for (const { inputs } of recording.resources) {
      assert.ok(isSecret(inputs["kubeconfig"]));
      // Packed, the API's description of itself takes four times as long.
      assert.equal(
        currentContext(String(unwrapped(inputs["kubeconfig"]))).cluster["disable-compression"],
        true,
      );
      // An object that was changed on the cluster is taken back, and not refused as existing.
      assert.equal(inputs["enableServerSideApply"], "true");
      // A Secret with another content is changed and not replaced: a protected one could not be.
      assert.equal(inputs["enableSecretMutable"], "true");
    }
  },
);
