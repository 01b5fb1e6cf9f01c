/**
 * The embedded engine's openstack provider against a real OpenStack: every resource kind is created, found unchanged, changed in
 * place, read, found again after a change behind its back, and deleted.
 * By itself on the lab. OS_CLIENT_CONFIG_FILE with an entry `openstack` (or OS_CLOUD) names another cloud; then LAB_FLAVORS
 * names two flavors to resize between, LAB_EXTERNAL_NETWORK the external network (default external).
 * Does not prove: booting (the images made here are 64 KiB of zeros, which only the lab's fake machines run).
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import ssh2 from "ssh2";
import { factory } from "../../engine/providers/openstack/index.ts";
import type { Properties, Provider } from "../../engine/provider.ts";
import { enterLab, labEnvironment, output } from "../support/lab.ts";

const given = process.env["OS_CLIENT_CONFIG_FILE"] !== undefined;
const skip = given || process.getuid?.() === 0 ? false : "the lab needs root";
const cloud = process.env["OS_CLOUD"] ?? "openstack";
const flavors = (process.env["LAB_FLAVORS"] ?? "lab.worker").split(",");
const [small = ""] = flavors;
let [, large = ""] = flavors;
const external = process.env["LAB_EXTERNAL_NETWORK"] ?? "external";
const run = `prov-${Date.now().toString(36)}`;

interface Made {
  type: string;
  name: string;
  id: string;
  inputs: Properties;
  outputs: Properties;
}

describe("the openstack provider on a real cloud", { skip }, () => {
  let provider: Provider;
  const folder = mkdtempSync(join(tmpdir(), "openstack-provider-"));
  const made: Made[] = [];
  const times: string[] = [];
  const request = (type: string, name: string) => ({
    urn: `urn:pulumi:test::p::openstack:${type}::${name}`,
    type: `openstack:${type}`,
    name,
    preview: false,
    signal: new AbortController().signal,
    log: () => undefined,
  });
  const timed = async <T>(what: string, work: Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await work;
    times.push(`${what} ${((performance.now() - start) / 1000).toFixed(2)} s`);
    return result;
  };
  const check = async (
    type: string,
    name: string,
    news: Properties,
    olds?: Properties,
  ): Promise<Properties> => {
    const autonaming = (): string => `${run}-${name}`;
    const answer = await provider.check({
      ...request(type, name),
      news,
      ...(olds ? { olds } : {}),
      autonaming,
    });
    assert.deepEqual(answer.failures, []);
    return answer.inputs;
  };
  const diff = (object: Made, newInputs: Properties) =>
    provider.diff({
      ...request(object.type, object.name),
      id: object.id,
      oldInputs: object.inputs,
      oldOutputs: object.outputs,
      newInputs,
      ignoreChanges: [],
    });
  /** Creates, and sees that neither a diff nor a read finds anything to change. */
  const create = async (type: string, name: string, news: Properties): Promise<Made> => {
    const inputs = await check(type, name, news);
    const answer = await timed(
      `create ${type}`,
      provider.create({ ...request(type, name), inputs, timeoutSeconds: 180 }),
    );
    assert.equal(answer.partial, undefined);
    const object = { type, name, id: answer.id, inputs, outputs: answer.outputs };
    made.push(object);
    await unchanged(object);
    return object;
  };
  const unchanged = async (object: Made): Promise<void> => {
    assert.deepEqual(
      (await diff(object, object.inputs)).detailed,
      {},
      `${object.type} differs after it was made`,
    );
    const found = await provider.read({ ...object, ...request(object.type, object.name) });
    assert.ok(found);
    assert.deepEqual(found.inputs, object.inputs, `${object.type} reads otherwise`);
    assert.deepEqual((await diff({ ...object, outputs: found.outputs }, object.inputs)).detailed, {});
  };
  /** Changes in place and sees the change arrive; `drift` undoes it without the provider's caller noticing, until a read does. */
  const update = async (object: Made, news: Properties, expected: string[]): Promise<void> => {
    const before = object.inputs;
    const newInputs = await check(object.type, object.name, { ...before, ...news }, before);
    const found = await diff(object, newInputs);
    assert.deepEqual([Object.keys(found.detailed ?? {}).sort(), found.replaces], [expected.sort(), []]);
    const change = async (from: Made, to: Properties): Promise<Properties> => {
      const answer = await timed(
        `update ${object.type} ${expected.join(",")}`,
        provider.update({
          ...request(object.type, object.name),
          id: from.id,
          oldInputs: from.inputs,
          oldOutputs: from.outputs,
          newInputs: to,
          timeoutSeconds: 180,
        }),
      );
      assert.equal(answer.partial, undefined);
      return answer.outputs;
    };
    const old = { ...object };
    object.outputs = await change(object, newInputs);
    object.inputs = newInputs;
    await unchanged(object);
    // What was recorded before the change is now a state with drift: a read must say so.
    const drift = await provider.read({ ...old, ...request(object.type, object.name) });
    assert.ok(drift);
    const shown = await diff({ ...old, inputs: drift.inputs, outputs: drift.outputs }, old.inputs);
    assert.deepEqual(
      tops(Object.keys(shown.detailed ?? {})),
      tops(expected),
      `a refresh of ${object.type} does not see the change`,
    );
  };
  const remove = async (object: Made): Promise<void> => {
    const asked = { ...object, ...request(object.type, object.name), timeoutSeconds: 180 };
    await timed(`delete ${object.type}`, provider.delete(asked));
    assert.equal(await provider.read(asked), null);
    await provider.delete(asked);
    made.splice(made.indexOf(object), 1);
  };
  const id = (name: string): string => made.find((object) => object.name === name)?.id ?? `no ${name}`;
  const the = (name: string): Made => {
    const found = made.find((object) => object.name === name);
    assert.ok(found, `${name} was not made`);
    return found;
  };

  before(async () => {
    if (!given) {
      enterLab();
      Object.assign(process.env, labEnvironment());
      // Another one that is not booted: the lab's own differ in what becomes of their servers.
      large = `${run}-large`;
      const size = ["--vcpus", "4", "--ram", "16384", "--disk", "40"];
      output("openstack", ["--os-cloud", "admin", "flavor", "create", large, ...size]);
    }
    provider = factory();
    await provider.configure({ cloud });
    writeFileSync(join(folder, "image"), Buffer.alloc(65536));
  });
  after(async () => {
    if (!given) output("openstack", ["--os-cloud", "admin", "flavor", "delete", large]);
    for (const object of made.toReversed()) {
      await provider
        .delete({ ...object, ...request(object.type, object.name), timeoutSeconds: 60 })
        .catch((error: unknown) => console.error(error));
    }
    await provider.close?.();
    rmSync(folder, { recursive: true });
    console.log(times.join("\n"));
  });

  test("network", async () => {
    const network = await create("networking/network:Network", "network", {
      description: "d",
      tags: ["a"],
      adminStateUp: true,
    });
    assert.equal(network.outputs["name"], `${run}-network`);
    await update(network, { name: `${run}-renamed`, description: "e", tags: ["a", "b"] }, [
      "name",
      "description",
      "tags",
    ]);
    await update(network, { adminStateUp: false }, ["adminStateUp"]);
    await update(network, { adminStateUp: true }, ["adminStateUp"]);
  });

  test("subnet", async () => {
    const subnet = await create("networking/subnet:Subnet", "subnet", {
      networkId: id("network"),
      cidr: "192.168.77.0/24",
      allocationPools: [{ start: "192.168.77.10", end: "192.168.77.200" }],
      dnsNameservers: ["192.0.2.1"],
    });
    assert.equal(subnet.outputs["gatewayIp"], "192.168.77.1");
    await update(subnet, { dnsNameservers: ["192.0.2.2", "192.0.2.1"] }, ["dnsNameservers"]);
    await update(subnet, { enableDhcp: false, name: `${run}-subnet-2` }, ["enableDhcp", "name"]);
    const replaced = await diff(subnet, { ...subnet.inputs, cidr: "192.168.78.0/24" });
    assert.deepEqual(replaced.replaces, ["cidr"]);
  });

  test("router and its interface", async () => {
    const network = await provider.invoke("openstack:networking/getNetwork:getNetwork", { name: external });
    const router = await create("networking/router:Router", "router", {
      externalNetworkId: network["id"] ?? "",
      tags: ["t"],
    });
    await update(router, { name: `${run}-router-2`, description: "d" }, ["name", "description"]);
    const link = await create("networking/routerInterface:RouterInterface", "interface", {
      routerId: router.id,
      subnetId: id("subnet"),
    });
    assert.equal(link.outputs["portId"], link.id);
  });

  test("security group and rules", async () => {
    const group = await create("networking/secGroup:SecGroup", "group", {
      deleteDefaultRules: true,
      description: "open",
    });
    await update(group, { name: `${run}-group-2`, description: "closed" }, ["name", "description"]);
    const rule = {
      direction: "ingress",
      ethertype: "IPv4",
      protocol: "tcp",
      portRangeMin: 22,
      portRangeMax: 22,
      remoteIpPrefix: "203.0.113.0/24",
      securityGroupId: group.id,
    };
    const first = await create("networking/secGroupRule:SecGroupRule", "rule", rule);
    await create("networking/secGroupRule:SecGroupRule", "rule-all", {
      direction: "egress",
      ethertype: "IPv4",
      securityGroupId: group.id,
    });
    const changed = await diff(first, { ...first.inputs, portRangeMax: 23 });
    assert.deepEqual(changed.replaces, ["portRangeMax"]);
    await create("networking/secGroup:SecGroup", "group-two", {});
  });

  test("port", async () => {
    const port = await create("networking/port:Port", "port", {
      networkId: id("network"),
      fixedIps: [{ subnetId: id("subnet"), ipAddress: "192.168.77.20" }],
      securityGroupIds: [id("group")],
      allowedAddressPairs: [{ ipAddress: "192.168.77.99" }],
      tags: ["o"],
    });
    assert.deepEqual(port.outputs["allFixedIps"], ["192.168.77.20"]);
    await update(port, { securityGroupIds: [id("group"), id("group-two")] }, ["securityGroupIds"]);
    await update(port, { fixedIps: [{ subnetId: id("subnet"), ipAddress: "192.168.77.21" }] }, [
      "fixedIps[0].ipAddress",
    ]);
    await update(port, { allowedAddressPairs: [], description: "d", tags: ["p"] }, [
      "allowedAddressPairs",
      "description",
      "tags",
    ]);
  });

  test("floating IP and its association", async () => {
    const address = await create("networking/floatingIp:FloatingIp", "address", { pool: external });
    await update(address, { description: "seed" }, ["description"]);
    const link = await create("networking/floatingIpAssociate:FloatingIpAssociate", "association", {
      floatingIp: address.outputs["address"] ?? "",
      portId: id("port"),
    });
    assert.equal(link.outputs["fixedIp"], "192.168.77.21");
  });

  test("keypairs, given and generated", async () => {
    const publicKey = ssh2.utils.generateKeyPairSync("ed25519").public;
    await create("compute/keypair:Keypair", "keypair", { publicKey: `${publicKey} comment\n` });
    const generated = await provider.create({
      ...request("compute/keypair:Keypair", "generated"),
      inputs: { name: `${run}-generated` },
    });
    assert.match(JSON.stringify(generated.outputs["privateKey"]), /PRIVATE KEY/);
    assert.deepEqual(generated.secretOutputs, ["privateKey"]);
    await provider.delete({
      ...request("compute/keypair:Keypair", "generated"),
      id: generated.id,
      inputs: {},
      outputs: generated.outputs,
    });
  });

  test("server group", async () => {
    await create("compute/serverGroup:ServerGroup", "servers", {
      policies: ["anti-affinity"],
      rules: { maxServerPerHost: 2 },
    });
  });

  test("image", async () => {
    const image = await create("images/image:Image", "image", {
      containerFormat: "bare",
      diskFormat: "raw",
      localFilePath: join(folder, "image"),
      properties: { os_distro: "ubuntu", kube_version: "v1.36.3" },
      tags: ["t"],
    });
    assert.equal(image.outputs["status"], "active");
    await update(
      image,
      {
        name: `${run}-image-2`,
        properties: { os_distro: "debian", os_version: "24.04" },
        minDiskGb: 1,
        tags: [],
      },
      ["name", "properties", "minDiskGb", "tags"],
    );
    await update(image, { protected: true }, ["protected"]);
    await update(image, { protected: false }, ["protected"]);
    await create("images/image:Image", "image-two", {
      containerFormat: "bare",
      diskFormat: "raw",
      localFilePath: join(folder, "image"),
    });
  });

  test("volume", async () => {
    const volume = await create("blockstorage/volume:Volume", "volume", { size: 1, metadata: { a: "1" } });
    await update(volume, { name: `${run}-volume-2`, description: "data", metadata: { b: "2" } }, [
      "name",
      "description",
      "metadata",
    ]);
    await update(volume, { size: 2 }, ["size"]);
    await assert.rejects(async () => {
      const answer = await provider.update({
        ...request(volume.type, volume.name),
        id: volume.id,
        oldInputs: volume.inputs,
        oldOutputs: volume.outputs,
        newInputs: { ...volume.inputs, size: 1 },
      });
      throw new Error(answer.partial?.reason);
    }, /updating volume "volume" failed: volume \S+ has 2 GB and cannot shrink to 1 GB/);
  });

  test("instance", async () => {
    const instance = await create("compute/instance:Instance", "server", {
      flavorName: small,
      imageId: id("image"),
      keyPair: id("keypair"),
      networks: [{ port: id("port") }],
      userData: "#cloud-config\n",
      metadata: { role: "seed" },
      configDrive: true,
      tags: ["zero"],
      schedulerHints: [{ group: id("servers") }],
    });
    assert.equal(instance.outputs["accessIpV4"], "192.168.77.21");
    assert.equal(instance.outputs["userData"], createHash("sha1").update("#cloud-config\n").digest("hex"));
    await update(instance, { name: `${run}-server-2`, metadata: { purpose: "x" } }, ["name", "metadata"]);
    await update(instance, { tags: ["one"] }, ["tags"]);
    await update(instance, { powerState: "shutoff" }, ["powerState"]);
    await update(instance, { powerState: "active" }, ["powerState"]);
    await update(instance, { flavorName: large }, ["flavorName"]);
    await update(instance, { imageId: id("image-two") }, ["imageId"]);
    const changed = await diff(instance, { ...instance.inputs, userData: "#cloud-config\n{}\n" });
    assert.deepEqual([changed.replaces, changed.deleteBeforeReplace], [["userData"], true]);
  });

  test("volume attachment, and growing the volume while it is attached", async () => {
    const link = await create("compute/volumeAttach:VolumeAttach", "attachment", {
      instanceId: id("server"),
      volumeId: id("volume"),
    });
    assert.equal(link.id, `${id("server")}/${id("volume")}`);
    const volume = the("volume");
    const offline = await provider.update({
      ...request(volume.type, volume.name),
      id: volume.id,
      oldInputs: volume.inputs,
      oldOutputs: volume.outputs,
      newInputs: { ...volume.inputs, size: 3 },
    });
    assert.match(offline.partial?.reason ?? "", /is attached: set enableOnlineResize/);
    volume.inputs = { ...volume.inputs, enableOnlineResize: true };
    volume.outputs = { ...volume.outputs, enableOnlineResize: true };
    await update(volume, { size: 3 }, ["size"]);
  });

  test("a server on a network by name, booting from a volume that goes with it", async () => {
    const booted = await create("compute/instance:Instance", "from-volume", {
      flavorName: small,
      networks: [{ name: the("network").outputs["name"] ?? "" }],
      securityGroups: [the("group").outputs["name"] ?? ""],
      blockDevices: [
        {
          sourceType: "image",
          uuid: id("image-two"),
          destinationType: "volume",
          volumeSize: 1,
          bootIndex: 0,
          deleteOnTermination: true,
        },
      ],
    });
    await update(booted, { securityGroups: [the("group").outputs["name"] ?? "", "default"] }, [
      "securityGroups",
    ]);
  });

  test("data sources", async () => {
    const find = (token: string, args: Properties): Promise<Properties> =>
      provider.invoke(`openstack:${token}:${token.split("/")[1] ?? ""}`, args);
    assert.equal((await find("networking/getNetwork", { networkId: id("network") }))["id"], id("network"));
    assert.equal((await find("networking/getNetwork", { name: external }))["external"], true);
    assert.equal((await find("networking/getSubnet", { networkId: id("network") }))["id"], id("subnet"));
    assert.equal((await find("networking/getRouter", { name: `${run}-router-2` }))["id"], id("router"));
    assert.equal((await find("networking/getSecGroup", { name: `${run}-group-2` }))["id"], id("group"));
    assert.equal(
      (await find("networking/getPort", { fixedIp: "192.168.77.21", networkId: id("network") }))["id"],
      id("port"),
    );
    assert.equal((await find("compute/getFlavor", { name: small }))["name"], small);
    assert.equal((await find("images/getImage", { name: `${run}-image-2` }))["id"], id("image"));
    assert.equal((await find("compute/getKeypair", { name: id("keypair") }))["id"], id("keypair"));
    assert.ok(((await find("compute/getAvailabilityZones", {}))["names"] as string[]).includes("nova"));
    await assert.rejects(find("images/getImage", { name: "absent" }), /no image fits name=absent/);
  });

  test("refusals are told in the cloud's own words", async () => {
    const failing = (type: string, name: string, inputs: Properties) =>
      provider.create({ ...request(type, name), inputs, timeoutSeconds: 60 });
    await assert.rejects(
      failing("compute/instance:Instance", "no-flavor", {
        name: "x",
        flavorName: "absent",
        imageId: id("image"),
      }),
      new RegExp(
        `creating compute instance "no-flavor" failed: no flavor is called absent; the project may use .*${small}`,
      ),
    );
    await assert.rejects(
      failing("compute/instance:Instance", "no-flavor-id", {
        name: "x",
        flavorId: "absent",
        imageId: id("image"),
      }),
      /creating compute instance "no-flavor-id" failed: Nova answered 400 to POST \/servers: .*[Ff]lavor.* \(request req-/,
    );
    await assert.rejects(
      failing("blockstorage/volume:Volume", "too-big", { name: "x", size: 900000 }),
      /creating volume "too-big" failed: Cinder answered 413 to POST \/volumes: .*quota.*\(request req-/i,
    );
    const wrong = factory();
    await wrong.configure({
      authUrl: await authUrl(),
      applicationCredentialId: "0123456789abcdef0123456789abcdef",
      applicationCredentialSecret: "not-the-secret",
    });
    await assert.rejects(
      wrong.invoke("openstack:networking/getNetwork:getNetwork", { name: external }),
      (error: Error) =>
        /Keystone answered 40[14] to POST \/auth\/tokens: .+/.test(error.message) &&
        !error.message.includes("not-the-secret"),
    );
    await wrong.close?.();
  });

  test("deletes, each gone when the call returns", async () => {
    for (const object of made.toReversed()) await remove(object);
  });
});

/** The top-level names of property paths, in order. */
function tops(paths: string[]): string[] {
  return paths.map((path) => path.split(/[.[]/)[0] ?? "").toSorted();
}

async function authUrl(): Promise<string> {
  const { loadCredentials } = await import("../../engine/providers/openstack/credentials.ts");
  return loadCredentials({ cloud }).authUrl;
}
