/**
 * What the openstack provider decides without a cloud: checks, differences, replacements, credentials.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadCredentials } from "../../engine/providers/openstack/credentials.ts";
import { wordsOf } from "../../openstack/errors.ts";
import { factory } from "../../engine/providers/openstack/index.ts";
import { UNKNOWN, type Properties } from "../../engine/provider.ts";

const provider = factory();
const check = (type: string, news: Properties, olds?: Properties) =>
  provider.check({
    urn: "",
    type: `openstack:${type}`,
    name: "thing",
    news,
    ...(olds ? { olds } : {}),
    preview: false,
    autonaming: () => "thing-0123abc",
  });
const diff = (type: string, state: Properties, newInputs: Properties, ignoreChanges: string[] = []) =>
  provider.diff({
    urn: `urn:pulumi:s::p::openstack:${type}::thing`,
    type: `openstack:${type}`,
    id: "id",
    oldInputs: {},
    oldOutputs: state,
    newInputs,
    ignoreChanges,
  });

const SUBNET = "networking/subnet:Subnet";
const PORT = "networking/port:Port";
const RULE = "networking/secGroupRule:SecGroupRule";
const INSTANCE = "compute/instance:Instance";
const VOLUME = "blockstorage/volume:Volume";
const ATTACH = "compute/volumeAttach:VolumeAttach";
const KEYPAIR = "compute/keypair:Keypair";
const TEMPLATE = "containerinfra/clusterTemplate:ClusterTemplate";

test("check fills in upstream's defaults and a name that stays", async () => {
  const { inputs, failures } = await check(SUBNET, { networkId: UNKNOWN, cidr: "10.0.0.0/24" });
  assert.deepEqual(failures, []);
  assert.deepEqual(inputs, {
    networkId: UNKNOWN,
    cidr: "10.0.0.0/24",
    noGateway: false,
    ipVersion: 4,
    enableDhcp: true,
    name: "thing-0123abc",
  });
  const kept = await check(SUBNET, { networkId: "n", cidr: "10.0.0.0/24" }, { name: "thing-fffffff" });
  assert.equal(kept.inputs["name"], "thing-fffffff");
  const dropped = await check(SUBNET, { networkId: "n", cidr: "10.0.0.0/24" }, { name: "given" });
  assert.equal(dropped.inputs["name"], "thing-0123abc");
});

for (const [name, type, news, expected] of [
  [
    "a missing property",
    RULE,
    { direction: "ingress", ethertype: "IPv4" },
    ["missing required property securityGroupId"],
  ],
  [
    "an unknown one, with the nearest",
    PORT,
    { networkId: "n", fixedIp: [] },
    ["unknown property fixedIp; did you mean fixedIps?"],
  ],
  [
    "one in a list",
    PORT,
    { networkId: "n", fixedIps: [{ subnet: "s" }] },
    ["unknown property fixedIps[0].subnet; did you mean subnetId?"],
  ],
  ["an output", KEYPAIR, { privateKey: "secret" }, ["privateKey is an output and cannot be set"]],
  [
    "one upstream has and this does not",
    INSTANCE,
    { flavorId: "f", imageId: "i", floatingIp: "1.2.3.4" },
    ["the embedded engine's openstack provider does not implement the property floatingIp"],
  ],
  [
    "a wrong type, without the value",
    VOLUME,
    { size: "much-secret" },
    ["size must be a whole number, got a string"],
  ],
  [
    "a word outside the list",
    INSTANCE,
    { flavorId: "f", imageId: "i", powerState: "on" },
    ["powerState must be one of active, shutoff, shelved_offloaded, paused, got a string"],
  ],
  [
    "two that exclude each other",
    SUBNET,
    { networkId: "n", cidr: "10.0.0.0/24", gatewayIp: "10.0.0.1", noGateway: true },
    ["gatewayIp and noGateway exclude each other"],
  ],
  [
    "one that needs another",
    RULE,
    { direction: "ingress", ethertype: "IPv4", securityGroupId: "g", portRangeMin: 22 },
    ["portRangeMin needs protocol to be set as well", "portRangeMin needs portRangeMax to be set as well"],
  ],
  [
    "host bits in a CIDR",
    SUBNET,
    { networkId: "n", cidr: "10.0.0.5/24" },
    ["cidr must be the address of the network itself, without host bits"],
  ],
  [
    "a server without image",
    INSTANCE,
    { flavorName: "f" },
    ["one of imageId, imageName and blockDevices is required"],
  ],
] as const) {
  test(`check: ${name}`, async () => {
    const { failures } = await check(type, news as unknown as Properties);
    assert.deepEqual(
      failures.map((failure) => failure.reason),
      expected,
    );
    assert.ok(!JSON.stringify(failures).includes("much-secret"));
  });
}

test("strings that spell numbers and truth values are taken as such", async () => {
  const { inputs, failures } = await check(VOLUME, {
    size: "10",
    enableOnlineResize: "true",
    metadata: { a: 1 },
  });
  assert.deepEqual(failures, []);
  assert.deepEqual(
    [inputs["size"], inputs["enableOnlineResize"], inputs["metadata"]],
    [10, true, { a: "1" }],
  );
});

for (const [name, type, state, news, detailed] of [
  ["nothing", VOLUME, { size: 1, name: "v", availabilityZone: "nova" }, { size: 1, name: "v" }, {}],
  ["a size", VOLUME, { size: 1 }, { size: 2 }, { size: "update" }],
  [
    "a zone",
    VOLUME,
    { size: 1, availabilityZone: "a" },
    { size: 1, availabilityZone: "b" },
    { availabilityZone: "update-replace" },
  ],
  ["a description dropped", VOLUME, { size: 1, description: "x" }, { size: 1 }, { description: "delete" }],
  ["blank and absent", VOLUME, { size: 1, description: "", metadata: {} }, { size: 1 }, {}],
  [
    "an unknown that would replace",
    ATTACH,
    { instanceId: "a", volumeId: "v" },
    { instanceId: UNKNOWN, volumeId: "v" },
    { instanceId: "update-replace" },
  ],
  [
    "a device Nova chose otherwise",
    ATTACH,
    { instanceId: "a", volumeId: "v", device: "/dev/vdb" },
    { instanceId: "a", volumeId: "v", device: "/dev/sdb" },
    {},
  ],
  [
    "a set in another order",
    PORT,
    { networkId: "n", securityGroupIds: ["a", "b"] },
    { networkId: "n", securityGroupIds: ["b", "a"] },
    {},
  ],
  [
    "an address that the program no longer names",
    PORT,
    { networkId: "n", fixedIps: [{ subnetId: "s", ipAddress: "10.0.0.5" }] },
    { networkId: "n", fixedIps: [{ subnetId: "s" }] },
    { "fixedIps[0].ipAddress": "delete" },
  ],
  [
    "another address",
    PORT,
    { networkId: "n", fixedIps: [{ subnetId: "s", ipAddress: "10.0.0.5" }] },
    { networkId: "n", fixedIps: [{ subnetId: "s", ipAddress: "10.0.0.6" }] },
    { "fixedIps[0].ipAddress": "update" },
  ],
  [
    "user data",
    INSTANCE,
    { userData: "5bbf5a52328e7439ae6e719dfe712200" },
    { userData: "x" },
    { userData: "update-replace" },
  ],
  [
    "user data kept as its hash",
    INSTANCE,
    { userData: "11f6ad8ec52a2984abaafd7c3b516503785c2072" },
    { userData: "x" },
    {},
  ],
  ["an image is an update", INSTANCE, { imageId: "a" }, { imageId: "b" }, { imageId: "update" }],
  [
    "a flavor is an update",
    INSTANCE,
    { flavorName: "a", flavorId: "1" },
    { flavorName: "b" },
    { flavorName: "update" },
  ],
  [
    "a flavor that is gone is not",
    INSTANCE,
    { flavorName: "", flavorId: "" },
    { flavorName: "b" },
    { flavorName: "update-replace" },
  ],
  [
    "another port",
    INSTANCE,
    { networks: [{ port: "a", uuid: "n", mac: "m" }] },
    { networks: [{ port: "b" }] },
    { "networks[0].port": "update-replace" },
  ],
  ["a server in ERROR is not told to start", INSTANCE, { powerState: "error" }, { powerState: "active" }, {}],
  [
    "a stopped one is",
    INSTANCE,
    { powerState: "shutoff" },
    { powerState: "active" },
    { powerState: "update" },
  ],
  ["a zone with a host", INSTANCE, { availabilityZone: "nova" }, { availabilityZone: "nova:host1" }, {}],
  [
    "a key with another last newline",
    KEYPAIR,
    { publicKey: "ssh-ed25519 AAAA" },
    { publicKey: "ssh-ed25519 AAAA\n" },
    {},
  ],
  ["names of one protocol", RULE, { protocol: "ipv6-icmp" }, { protocol: "icmpv6" }, {}],
] as const) {
  test(`diff: ${name}`, async () => {
    const found = await diff(type, state as unknown as Properties, news as unknown as Properties);
    assert.deepEqual(found.detailed, detailed);
    assert.equal(found.changes, Object.keys(detailed).length > 0);
    const replaced = Object.values(detailed).some((kind) => kind.endsWith("-replace"));
    assert.equal(found.replaces.length > 0, replaced);
  });
}

test("the old object goes first when the program named it, and what is ignored is no change", async () => {
  const own = await diff(INSTANCE, { name: "own", keyPair: "a" }, { name: "own", keyPair: "b" });
  assert.equal(own.deleteBeforeReplace, true);
  const auto = await diff(
    INSTANCE,
    { name: "thing-0123abc", keyPair: "a" },
    { name: "thing-0123abc", keyPair: "b" },
  );
  assert.equal(auto.deleteBeforeReplace, false);
  assert.deepEqual((await diff(INSTANCE, { imageId: "a" }, { imageId: "b" }, ["imageId"])).changes, false);
});

test("a preview knows what the program said and nothing of what only the cloud decides", async () => {
  const { outputs } = await provider.create({
    urn: "",
    type: `openstack:${PORT}`,
    inputs: { networkId: "n", name: "p" },
    preview: true,
    signal: new AbortController().signal,
    log: () => undefined,
  });
  assert.equal(outputs["name"], "p");
  assert.equal(outputs["allFixedIps"], UNKNOWN);
  assert.equal(outputs["description"], undefined);
});

const folder = mkdtempSync(join(tmpdir(), "clouds-"));
after(() => rmSync(folder, { recursive: true }));
const file = join(folder, "clouds.yaml");
writeFileSync(
  file,
  JSON.stringify({
    clouds: {
      site: {
        auth_type: "v3applicationcredential",
        auth: {
          auth_url: "https://site:5000",
          application_credential_id: "id",
          application_credential_secret: "s",
        },
        region_name: "R1",
        interface: "internal",
        verify: false,
        cacert: "-----BEGIN CERTIFICATE-----\nx",
      },
      plain: {
        auth: {
          auth_url: "https://plain:5000/v3",
          username: "u",
          password: "p",
          project_name: "proj",
          user_domain_name: "Default",
        },
      },
    },
  }),
);

test("credentials from clouds.yaml, where the provider's own settings win and stray OS_* variables do not", () => {
  const environment = { OS_CLIENT_CONFIG_FILE: file, OS_PASSWORD: "stray", OS_AUTH_URL: "https://stray" };
  const found = loadCredentials({ cloud: "site", region: "R2" }, environment, folder);
  assert.deepEqual(found, {
    authUrl: "https://site:5000",
    identity: {
      methods: ["application_credential"],
      application_credential: { id: "id", secret: "s" },
    },
    region: "R2",
    interface: "internal",
    ca: "-----BEGIN CERTIFICATE-----\nx",
    certificate: undefined,
    key: undefined,
    insecure: true,
    endpoints: {},
  });
  const plain = loadCredentials({ cloud: "plain" }, environment, folder);
  assert.deepEqual(plain.identity, {
    methods: ["password"],
    password: { user: { name: "u", domain: { name: "Default" }, password: "p" } },
    scope: { project: { name: "proj", domain: { id: "default" } } },
  });
});

test("credentials from the environment, and settings as the SDK spells them", () => {
  const environment = {
    OS_AUTH_URL: "https://e/v3/",
    OS_APPLICATION_CREDENTIAL_ID: "i",
    OS_APPLICATION_CREDENTIAL_SECRET: "s",
    OS_REGION_NAME: "R",
    OS_INTERFACE: "admin",
  };
  const found = loadCredentials(
    { insecure: "false", endpointOverrides: '{"network":"https://n"}' },
    environment,
  );
  assert.deepEqual(
    [found.authUrl, found.region, found.interface, found.insecure, found.endpoints],
    ["https://e/v3", "R", "admin", false, { network: "https://n" }],
  );
});

for (const [name, inputs, expected] of [
  ["no URL", {}, /no OpenStack authentication URL/],
  ["no such entry", { cloud: "absent" }, /has no entry clouds\.absent/],
  [
    "no secret",
    { authUrl: "https://a", applicationCredentialId: "i" },
    /application credential's secret is missing/,
  ],
  ["no credentials at all", { authUrl: "https://a" }, /no OpenStack credentials/],
  [
    "an unknown setting",
    { authUrl: "https://a", colour: "red" },
    /unknown openstack provider setting colour/,
  ],
  ["one that is not implemented", { swauth: "true" }, /does not implement the setting swauth/],
  ["one not known yet", { authUrl: UNKNOWN }, /authUrl is not known yet/],
  [
    "a CA that is not there",
    { authUrl: "https://a", token: "t", cacertFile: "/absent.pem" },
    /certificate authority cannot be read/,
  ],
] as const) {
  test(`credentials: ${name}`, () => {
    assert.throws(() => loadCredentials(inputs, { OS_CLIENT_CONFIG_FILE: file }, folder), expected);
  });
}

for (const [name, body, said] of [
  [
    "Nova",
    '{"badRequest":{"code":400,"message":"Flavor absent could not be found."}}',
    "Flavor absent could not be found.",
  ],
  [
    "Neutron",
    '{"NeutronError":{"type":"OverQuota","message":"Quota exceeded for resources: [\'port\'].","detail":""}}',
    "Quota exceeded for resources: ['port'].",
  ],
  [
    "Keystone",
    '{"error":{"code":401,"message":"The request you have made requires authentication.","title":"Unauthorized"}}',
    "The request you have made requires authentication.",
  ],
  [
    "Placement",
    '{"errors":[{"status":404,"title":"Not Found","detail":"No resource provider."}]}',
    "No resource provider.",
  ],
  [
    "Glance, as a page",
    "<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1>Image is protected.</body></html>",
    "403 Forbidden 403 Forbidden Image is protected.",
  ],
  [
    "Glance, in JSON",
    '{"message":"URI for web-download does not pass filtering: http://a<br /><br />","code":"400 Bad Request"}',
    "URI for web-download does not pass filtering: http://a",
  ],
  ["nothing", "", "HTTP 502"],
] as const) {
  test(`words of ${name}`, () => assert.equal(wordsOf(body, "HTTP 502").said, said));
}

test("a cluster template changes in place, and what the program ignores not at all", async () => {
  const state = { name: "t", coe: "kubernetes", image: "i", labels: { a: "b" }, networkDriver: "calico" };
  const wanted = { name: "t", coe: "kubernetes", image: "other", labels: { a: "c" }, hidden: true };
  const { inputs, failures } = await check(TEMPLATE, wanted);
  assert.deepEqual([inputs, failures], [wanted, []]);
  const free = await diff(TEMPLATE, state, wanted);
  assert.deepEqual(
    [Object.keys(free.detailed ?? {}).sort(), free.replaces],
    [["hidden", "image", "labels"], []],
  );
  const fixed = await diff(TEMPLATE, state, wanted, ["image", "labels"]);
  assert.deepEqual([Object.keys(fixed.detailed ?? {}), fixed.replaces], [["hidden"], []]);
  assert.equal((await diff(TEMPLATE, { ...state, hidden: false, public: false }, state)).changes, false);
});
