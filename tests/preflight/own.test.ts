/**
 * Which objects are a site's own, by name.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isOwn, ownNames, roleOf } from "../../preflight/own.ts";
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
