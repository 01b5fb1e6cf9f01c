/**
 * Component MagnumAccess: what the token may do, and when the kubeconfig is tried again. Its order is held in
 * clusters.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { MagnumAccess, type MagnumAccessArgs } from "../../components/magnumAccess.ts";
import { CONNECTION, providers, waitsFor } from "../support/component.ts";
import { kubeconfigFor, record } from "../support/mocks.ts";

const ADMIN = kubeconfigFor("https://203.0.113.103:6443");

async function registered(changes: Partial<MagnumAccessArgs> = {}) {
  const recording = await record();
  const args: MagnumAccessArgs = {
    connection: CONNECTION,
    serverId: "server-id",
    clusterName: "capi-mgmt-x",
    adminKubeconfig: pulumi.secret(ADMIN),
    magnum: { kubeconfig: { kind: "token", rotation: 1 } },
    ...changes,
  };
  const access = new MagnumAccess("magnum", args, providers());
  await recording.settled();
  return { recording, access };
}

test("the token belongs to an account of its own that may do everything: the driver makes roles and bindings", async () => {
  const { recording } = await registered();
  const { roleRef, subjects } = recording.get("magnum-binding").inputs;
  assert.deepEqual(roleRef, {
    apiGroup: "rbac.authorization.k8s.io",
    kind: "ClusterRole",
    name: "cluster-admin",
  });
  assert.deepEqual(subjects, [{ kind: "ServiceAccount", name: "capi-mgmt", namespace: "capi-mgmt" }]);
  assert.deepEqual(recording.get("magnum-account").inputs["metadata"], {
    name: "capi-mgmt",
    namespace: "capi-mgmt",
  });
  assert.equal(recording.get("magnum-token").inputs["type"], "kubernetes.io/service-account-token");
});

for (const kind of ["token", "certificate"] as const) {
  test(`no kubeconfig with a ${kind} is handed out untried`, async () => {
    const { access } = await registered({ magnum: { kubeconfig: { kind, rotation: 1 } } });
    assert.ok((await waitsFor(access.kubeconfig)).includes("magnum-works"));
  });

  test(`a new kubeconfig with a ${kind} is tried again, and another seed tries it too`, async () => {
    const magnum = { kubeconfig: { kind, rotation: 1 } };
    const stdin = async (changes: Partial<MagnumAccessArgs> = {}) =>
      (await registered({ magnum, ...changes })).recording.get("magnum-works").inputs["stdin"];
    const now = await stdin();
    assert.equal(await stdin(), now);
    const moved = pulumi.secret(kubeconfigFor("https://203.0.113.104:6443"));
    assert.notEqual(await stdin({ adminKubeconfig: moved }), now);
    assert.notEqual(await stdin({ serverId: "another" }), now);
  });
}

test("a rotated token is tried as the new one", async () => {
  const { recording } = await registered({ magnum: { kubeconfig: { kind: "token", rotation: 8 } } });
  assert.match(
    String(recording.get("magnum-works").inputs["stdin"]),
    /^TOKEN_SECRET='capi-mgmt-service-account-8'$/m,
  );
});
