/**
 * Which objects are a site's own, by name.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { groupOf, isOwn, ownNames, roleOf } from "../../preflight/own.ts";
import { configOf } from "../support/siteConfig.ts";

const own = ownNames("prod", configOf({}));

test("machines are told by their role, and another stack's of a longer name are not taken for ours", () => {
  const names = [
    ...["capi-mgmt-prod-seed", "capi-mgmt-prod-control-plane-x7k2p", "capi-mgmt-prod-md-0-abcde-fghij"],
    ...["capi-mgmt-prod-2-seed", "capi-mgmt-prod2-control-plane-x7k2p", "capi-mgmt-prod-2-md-0-a-b"],
  ];
  assert.deepEqual(
    names.map((name) => roleOf(name, own)),
    ["seed", "controlPlane", "workers", undefined, undefined, undefined],
  );
});

test("machines of worker groups are workers, and the longest of several names that fit is theirs", () => {
  const groups = ownNames(
    "prod",
    configOf({
      cluster: { workerGroups: { gpu: { count: 1 }, "gpu-big": { count: 1 }, "md-0-x": { count: 1 } } },
    }),
  );
  const names = ["gpu-ab1cd-x2y3z", "gpu-big-ab1cd-x2y3z", "md-0-ab1cd-x2y3z", "md-0-x-ab1cd-x2y3z"];
  assert.deepEqual(
    names.map((name) => [
      roleOf(`capi-mgmt-prod-${name}`, groups),
      groupOf(`capi-mgmt-prod-${name}`, groups),
    ]),
    [
      ["workers", "gpu"],
      ["workers", "gpu-big"],
      ["workers", undefined],
      ["workers", "md-0-x"],
    ],
  );
  assert.equal(isOwn("capi-mgmt-prod-workers-gpu", groups), true);
  assert.equal(isOwn("capi-mgmt-prod-workers-gpu", own), false);
});

test("other objects by their whole name, Cluster API's by its own prefix", () => {
  const ours = [
    ...["capi-mgmt-prod", "capi-mgmt-prod-seed", "capi-mgmt-prod-seed-data", "capi-mgmt-prod-control-plane"],
    ...[
      "k8s-cluster-default-capi-mgmt-prod-secgroup-worker",
      "k8s-clusterapi-cluster-default-capi-mgmt-prod",
    ],
  ];
  assert.deepEqual(
    ours.filter((name) => !isOwn(name, own)),
    [],
  );
  const others = [
    "capi-mgmt-prod-2",
    "capi-mgmt-prod-2-seed",
    "k8s-cluster-default-capi-mgmt-prod-2-secgroup-worker",
  ];
  assert.deepEqual(
    others.filter((name) => isOwn(name, own)),
    [],
  );
  assert.equal(own.loadBalancer, "k8s-clusterapi-cluster-default-capi-mgmt-prod-kubeapi");
});
