/**
 * Component SeedNetwork. Does not prove that Neutron makes it so.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeedNetwork, type SeedNetworkArgs } from "../../components/seedNetwork.ts";
import { inBothModes, providers, valueOf, waitsFor } from "../support/component.ts";
import { record } from "../support/mocks.ts";

const ARGS: SeedNetworkArgs = {
  objectName: "capi-mgmt-x-seed",
  externalNetworkId: "external-id",
  cidr: "192.168.100.0/24",
  dnsNameservers: ["192.0.2.53"],
  mtu: 1450,
  protect: true,
};

inBothModes("a network is made with subnet and router, all protected", async ({ recording }) => {
  new SeedNetwork("net", ARGS, providers());
  await recording.settled();
  const children = recording.resources.filter(({ parent }) => parent === "net");
  assert.deepEqual(
    children.map(({ name, provider, protect }) => [name, provider, protect]).sort(),
    ["net-network", "net-router", "net-router-interface", "net-subnet"].map((name) => [name, "cloud", true]),
  );
  assert.equal(recording.get("net-network").inputs["mtu"], 1450);
  assert.deepEqual(recording.get("net-subnet").inputs["dnsNameservers"], ["192.0.2.53"]);
  assert.equal(recording.get("net-router").inputs["externalNetworkId"], "external-id");
});

test("the subnet is known through the router: a floating IP needs that one", async () => {
  const recording = await record();
  const network = new SeedNetwork("net", ARGS, providers());
  await recording.settled();
  assert.equal(await valueOf(network.outputs.subnetId), "net-subnet-id");
  assert.ok((await waitsFor(network.outputs.subnetId)).includes("net-router-interface"));
  // Every IPv4 address of it, and no other: the router may show any of them.
  assert.deepEqual(await valueOf(network.outputs.routerAddresses), ["203.0.113.101", "198.51.100.101"]);
});

test("no DNS and no MTU leave both to the cloud", async () => {
  const recording = await record();
  new SeedNetwork("net", { ...ARGS, dnsNameservers: [], mtu: undefined, protect: false }, providers());
  await recording.settled();
  assert.equal("mtu" in recording.get("net-network").inputs, false);
  assert.equal("dnsNameservers" in recording.get("net-subnet").inputs, false);
  assert.equal(recording.get("net-network").protect, false);
});

inBothModes("an existing network makes nothing and has no router that we know", async ({ recording }) => {
  const given = providers();
  const network = new SeedNetwork("net", { ...ARGS, networkId: "n", subnetId: "s" }, given);
  const anySubnet = new SeedNetwork("other", { ...ARGS, networkId: "n" }, given);
  await recording.settled();
  assert.deepEqual(
    recording.resources.filter(({ parent }) => parent !== ""),
    [],
  );
  assert.equal(await valueOf(network.outputs.networkId), "n");
  assert.equal(await valueOf(network.outputs.subnetId), "s");
  assert.equal(network.outputs.routerAddresses, undefined);
  assert.equal(anySubnet.outputs.subnetId, undefined);
});
