/**
 * Component Seed and its parts. Does not prove that Nova boots it, that cloud-init takes the host key or that the
 * volume is found: the lab does.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { Seed, type SeedArgs } from "../../components/seed.ts";
import type { SeedConfig } from "../../config/schema.ts";
import { deriveConnectionKey, deriveHostKey } from "../../lib/openssh.ts";
import { inBothModes, providers, valueOf, waitsFor } from "../support/component.ts";
import { configOf } from "../support/config.ts";
import { isSecret, isUnknown, leaks, PLANTED, record, type Recording, unwrapped } from "../support/mocks.ts";

const PROTECT = { dataVolume: true, retainDataVolume: true, seed: true, cluster: true, network: true };
const NAME = "capi-mgmt-x-seed";

function args(seed: Partial<SeedConfig> = {}, rest: Partial<SeedArgs> = {}): SeedArgs {
  return {
    objectName: NAME,
    seed: { ...configOf("dev").seed, image: { id: "image-id" }, ...seed },
    network: {
      networkId: pulumi.output("network-id"),
      subnetId: pulumi.output("subnet-id"),
      routerAddresses: pulumi.output(["203.0.113.101"]),
    },
    protect: PROTECT,
    ...rest,
  };
}

async function build(recording: Recording, given: SeedArgs): Promise<Seed> {
  const seed = new Seed("seed", given, providers());
  await recording.settled();
  return seed;
}

inBothModes(
  "what holds data or an address is protected, the data volume is retained, nothing leaks",
  async ({ recording }) => {
    await build(recording, args());
    const guarded = recording.resources.filter(({ protect }) => protect).map(({ name }) => name);
    assert.deepEqual(guarded.toSorted(), [
      "seed-address-floating-ip",
      "seed-data",
      "seed-keypair",
      "seed-server",
    ]);
    assert.deepEqual(
      recording.resources.filter(({ retainOnDelete }) => retainOnDelete).map(({ name }) => name),
      ["seed-data"],
    );
    assert.deepEqual(
      recording.resources.flatMap(({ name, inputs }) => leaks(inputs, name)),
      [],
    );
    assert.ok(
      isSecret(recording.get("seed-server").inputs["userData"]),
      "user data holds the host's private key",
    );
  },
);

test("nothing is protected where configuration says so", async () => {
  const recording = await record();
  const protect = { dataVolume: false, retainDataVolume: false, seed: false, cluster: false, network: false };
  await build(recording, args({}, { protect }));
  assert.deepEqual(
    recording.resources.filter((resource) => resource.protect || resource.retainOnDelete),
    [],
  );
});

test("the security group lets in exactly the configured networks, by rules named after them", async () => {
  const recording = await record();
  const access = {
    method: "floatingIp",
    allowedCidrs: { ssh: ["192.0.2.0/28", "192.0.2.0/28"], api: ["198.51.100.7/32"] },
  } as const;
  await build(recording, args({ access }));
  const rules = recording.resources
    .filter(({ type }) => type.endsWith(":SecGroupRule"))
    .map(({ name, inputs }) => [
      name,
      inputs["direction"],
      inputs["protocol"],
      inputs["portRangeMin"],
      inputs["portRangeMax"],
      inputs["remoteIpPrefix"],
    ]);
  assert.deepEqual(rules.toSorted(), [
    ["seed-firewall-api-198.51.100.7-32", "ingress", "tcp", 6443, 6443, "198.51.100.7/32"],
    ["seed-firewall-ssh-192.0.2.0-28", "ingress", "tcp", 22, 22, "192.0.2.0/28"],
  ]);
  const { inputs, dependsOn } = recording.get("seed-address-port");
  assert.deepEqual(inputs["securityGroupIds"], ["seed-firewall-group-id"]);
  assert.deepEqual(inputs["fixedIps"], [{ subnetId: "subnet-id" }]);
  // Nobody connects through a port whose rules are still missing.
  assert.ok(dependsOn.includes("seed-firewall-ssh-192.0.2.0-28"));
});

test("the connection pins the derived host key and waits as long as configured", async () => {
  const recording = await record();
  const seed = await build(recording, args({ timeouts: { ssh: "10m" } }));
  const connection = unwrapped(recording.get("seed-ready").inputs["connection"]);
  assert.deepEqual(connection, {
    host: "203.0.113.102",
    port: 22,
    user: "ubuntu",
    privateKey: deriveConnectionKey(PLANTED.privateKey, NAME).privateKey,
    hostKey: deriveHostKey(PLANTED.privateKey, NAME).publicKey,
    perDialTimeout: 10,
    dialErrorLimit: 120,
  });
  assert.equal(await pulumi.isSecret(seed.privateKey), true);
  assert.equal(await pulumi.isSecret(seed.hostKey), false);
  assert.deepEqual(await valueOf(seed.egressAddresses), ["203.0.113.102", "203.0.113.101"]);
});

test("a preview's connection is unknown as a whole: a part of it would be printed in errors", async () => {
  const recording = await record({ preview: true });
  await build(recording, args());
  assert.ok(isUnknown(recording.get("seed-ready").inputs["connection"]));
});

test("a key pair of the operator's is uploaded, and its private half never leaves the secrets", async () => {
  const recording = await record();
  const privateKey = PLANTED.token;
  const seed = await build(recording, args({ keypair: { publicKey: "ssh-ed25519 AAAA ours", privateKey } }));
  assert.equal(recording.get("seed-keypair").inputs["publicKey"], "ssh-ed25519 AAAA ours");
  assert.equal(await valueOf(seed.privateKey), privateKey);
  assert.equal(await pulumi.isSecret(seed.privateKey), true);
  assert.deepEqual(
    recording.resources.flatMap(({ name, inputs }) => leaks(inputs, name)),
    [],
  );
});

const methods: [string, Partial<SeedConfig["access"]>, string, string[], string[]][] = [
  [
    "a new floating IP",
    { method: "floatingIp" },
    "203.0.113.102",
    ["seed-address-floating-ip", "seed-address-floating-ip-association"],
    ["seed-address-port-id"],
  ],
  [
    "a floating IP of the project",
    { method: "floatingIp", floatingIpAddress: "203.0.113.77" },
    "203.0.113.77",
    ["seed-address-floating-ip-association"],
    ["seed-address-port-id"],
  ],
  [
    "a provisioning network",
    { method: "provisioningNetwork", provisioningNetworkId: "prov-id" },
    "10.9.9.9",
    [],
    // Cloud images give the first interface the better default route: azimuth-ops' order.
    ["seed-address-provisioning-port-id", "seed-address-port-id"],
  ],
  ["its own address", { method: "direct" }, "192.168.100.5", [], ["seed-address-port-id"]],
];
for (const [what, access, address, made, ports] of methods) {
  test(`the seed is reached by ${what}`, async () => {
    const recording = await record();
    const { allowedCidrs } = configOf("dev").seed.access;
    const seed = await build(recording, args({ access: { method: "direct", allowedCidrs, ...access } }));
    assert.equal(await valueOf(seed.address), address);
    const floating = recording.resources
      .filter(({ type }) => type.includes("/floatingIp"))
      .map(({ name }) => name);
    assert.deepEqual(floating.toSorted(), made);
    // A floating IP leads nowhere before it is associated.
    for (const name of made.filter((name) => name.endsWith("-association"))) {
      assert.ok((await waitsFor(seed.address)).includes(name), name);
      assert.ok(recording.get("seed-ready").dependsOn.includes(name), name);
    }
    assert.deepEqual(
      recording.get("seed-server").inputs["networks"],
      ports.map((port) => ({ port })),
    );
  });
}

test("an image change is ignored, or replaces the server, but is never an update: that would rebuild it in place", async () => {
  const ignoring = await record();
  await build(ignoring, args());
  const ignored = ignoring.get("seed-server");
  assert.deepEqual([ignored.ignoreChanges, ignored.replaceOnChanges], [["imageId", "imageName"], []]);
  const replacing = await record();
  await build(replacing, args({ replaceOnImageChange: true }));
  const replaced = replacing.get("seed-server");
  assert.deepEqual([replaced.ignoreChanges, replaced.replaceOnChanges], [[], ["imageId", "imageName"]]);
  assert.equal(replaced.deleteBeforeReplace, true);
  assert.equal(replaced.inputs["stopBeforeDestroy"], true);
});

test("with a root volume the image is the volume's and not the server's", async () => {
  const recording = await record();
  await build(recording, args({ rootVolume: { enabled: true, sizeGb: 40, type: "ssd" } }));
  const { inputs, ignoreChanges } = recording.get("seed-server");
  assert.equal("imageId" in inputs, false);
  assert.deepEqual(inputs["blockDevices"], [
    {
      uuid: "image-id",
      sourceType: "image",
      destinationType: "volume",
      volumeSize: 40,
      volumeType: "ssd",
      bootIndex: 0,
      deleteOnTermination: true,
    },
  ]);
  assert.ok(ignoreChanges.includes("blockDevices[0].uuid"));
});

test("the attachment goes with its server, and everything on the seed waits for it", async () => {
  const recording = await record();
  const seed = await build(recording, args());
  assert.equal(recording.get("seed-data-attachment").deletedWith, "seed-server");
  assert.equal(await valueOf(seed.dataVolumeId), "seed-data-id");
  assert.ok((await waitsFor(seed.dataVolumeId)).includes("seed-data-attachment"));
});

test("whoever names the server finds its first boot over", async () => {
  const recording = await record();
  const seed = await build(recording, args());
  assert.equal(await valueOf(seed.serverId), "seed-server-id");
  assert.ok((await waitsFor(seed.serverId)).includes("seed-ready"));
});

test("another server is waited for anew", async () => {
  const recording = await record();
  await build(recording, args());
  assert.match(String(recording.get("seed-ready").inputs["stdin"]), /^RUN_AGAIN_ON=\('seed-server-id'/m);
});

test("the data volume is where and what the configuration says, grows under a running k3s, and moves with its server", async () => {
  const recording = await record();
  const dataVolume = { sizeGb: 77, type: "ssd", availabilityZone: "az-2" };
  await build(recording, args({ dataVolume, availabilityZone: "az-1" }));
  const { inputs } = recording.get("seed-data");
  assert.deepEqual(
    ["size", "volumeType", "availabilityZone", "enableOnlineResize"].map((key) => inputs[key]),
    [77, "ssd", "az-2", true],
  );
  assert.equal(recording.get("seed-server").inputs["availabilityZone"], "az-1");
  // A volume belongs to one server at a time.
  assert.equal(recording.get("seed-data-attachment").deleteBeforeReplace, true);
});

test("every port of the seed is behind its security group, also the one on a provisioning network", async () => {
  const recording = await record();
  const { allowedCidrs } = configOf("dev").seed.access;
  await build(
    recording,
    args({ access: { method: "provisioningNetwork", provisioningNetworkId: "prov-id", allowedCidrs } }),
  );
  const ports = recording.resources.filter(({ type }) => type.endsWith(":Port"));
  assert.equal(ports.length, 2);
  for (const { name, inputs } of ports)
    assert.deepEqual(inputs["securityGroupIds"], ["seed-firewall-group-id"], name);
});

test("a flavor is given by name or by id", async () => {
  const byName = await record();
  await build(byName, args({ flavor: "m1.large" }));
  assert.deepEqual(
    [byName.get("seed-server").inputs["flavorName"], "flavorId" in byName.get("seed-server").inputs],
    ["m1.large", false],
  );
  const byId = await record();
  const flavor = "5617d17e-fdc1-4aa1-a14b-b9b5136c65af";
  await build(byId, args({ flavor }));
  assert.equal(byId.get("seed-server").inputs["flavorId"], flavor);
});

test("an image is found by name, or uploaded after its publisher's checksum was compared", async () => {
  const named = await record();
  await build(named, args({ image: { name: "ubuntu-noble" } }));
  assert.equal(named.get("seed-server").inputs["imageId"], "image-ubuntu-noble");
  assert.deepEqual(
    named.invokes.filter((token) => token.includes("getImage")),
    ["openstack:images/getImage:getImage"],
  );

  const url = "https://images.example.org/noble.img";
  const compared = await record();
  await build(compared, args({ image: { url, checksum: `sha256:${"a".repeat(64)}`, diskFormat: "raw" } }));
  const upload = compared.get("seed-image-upload");
  assert.deepEqual(
    [upload.inputs["localFilePath"], upload.inputs["diskFormat"], "imageSourceUrl" in upload.inputs],
    ["/home/runner/.cache/capi-mgmt/images/image", "raw", false],
    "what the download printed",
  );
  assert.match(String(compared.get("seed-image-download").inputs["stdin"]), /^SUM_PROGRAM='sha256sum'$/m);
  assert.equal(compared.get("seed-server").inputs["imageId"], "seed-image-upload-id");

  const plain = await record();
  await build(plain, args({ image: { url } }));
  assert.equal(plain.get("seed-image-upload").inputs["imageSourceUrl"], url);
});

test("an image without any of the three ways is an error at once", async () => {
  await record();
  assert.throws(() => new Seed("seed", args({ image: {} }), providers()), {
    message: "seed-image: one of image.id, image.name and image.url is required",
  });
});
