import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { renderTable, report } from "../../preflight/check.ts";
import type { ExistingNetwork, Facts, FoundServer } from "../../preflight/facts.ts";
import { judge } from "../../preflight/judge.ts";
import { needs, QUOTA_NAMES, surge } from "../../preflight/needs.ts";
import { configOf, SITE_NETWORK } from "../support/siteConfig.ts";

const value = <T>(content: T) => ({ value: content });
const flavor = (name: string) => value({ id: `f-${name}`, name, vcpus: 4, ram: 16384, disk: 100 });

const EXISTING = "5617d17e-fdc1-4aa1-a14b-b9b5136c65af";
const network = (change: Partial<ExistingNetwork> = {}): ExistingNetwork => ({
  ...{ path: "cluster.network", id: EXISTING, exists: true, subnetId: undefined },
  subnets: [{ id: "v4", ipVersion: 4 }],
  routerAddresses: ["198.51.100.9"],
  ...change,
});
/** The site's machines as they run: three and three of flavor m1.large, and the seed. */
const machines = (change: Partial<FoundServer> = {}): FoundServer[] => [
  { name: "capi-mgmt-x-seed", role: "seed", flavor: "old", imageId: "old" },
  ...(["controlPlane", "workers"] as const).flatMap((role) =>
    [1, 2, 3].map((number) => ({
      ...{ name: `capi-mgmt-x-${role}-${number}`, role, flavor: "m1.large", imageId: "i-kube" },
      ...change,
    })),
  ),
];
const site = (change: Partial<FoundServer> = {}): Partial<Facts> => ({
  namesakes: value({ servers: machines(change), loadBalancers: [] }),
  knownResources: value(60),
  keyPair: value(true),
});

/** A cloud on which the site deploys. */
function good(): Facts {
  return {
    scope: value({
      projectId: "p",
      projectName: "capi-mgmt",
      roles: ["member", "load-balancer_member"],
      methods: ["application_credential"],
    }),
    clockSkew: value(0.4),
    flavors: { seed: flavor("m1"), controlPlane: flavor("m1"), workers: flavor("m1") },
    allFlavors: value([
      { id: "f-d0", name: "d0", vcpus: 4, ram: 8192, disk: 0 },
      { id: "f-xl", name: "xl", vcpus: 8, ram: 32768, disk: 100 },
      { id: "f-xs", name: "xs", vcpus: 1, ram: 2048, disk: 20 },
      { id: "f-m1", name: "m1", vcpus: 4, ram: 16384, disk: 100 },
    ]),
    images: {
      seed: value([{ id: "i-noble", name: "noble", status: "active", minDisk: 0 }]),
      cluster: value([{ id: "i-kube", name: "kube", status: "active", minDisk: 0 }]),
    },
    externalNetwork: value({ name: "public", external: true }),
    subnets: value([{ name: "office", cidr: "10.200.0.0/24", own: false }]),
    existingNetworks: value([]),
    endpoints: value([{ host: "keystone.example", addresses: ["192.0.2.1"] }]),
    namesakes: value({ servers: [], loadBalancers: [] }),
    keyPair: value(false),
    knownResources: undefined,
    loadBalancerProviders: value(["amphora", "ovn"]),
    volumeTypes: value(["ssd"]),
    computeZones: value(["nova"]),
    volumeZones: value(["nova"]),
    quotas: Object.fromEntries(
      QUOTA_NAMES.map((name) => [name, value({ limit: 1_000_000, used: 0, own: 0 })]),
    ) as NonNullable<Facts["quotas"]>,
    downloads: new Map([
      ["k3s", { url: "https://github.com/k3s", answer: value({ status: 200, length: 7 }) }],
    ]),
    state: value({ reachable: true, versioning: "Enabled", public: false }),
  };
}

function verdicts(facts: Partial<Facts>, change: Record<string, unknown> = {}) {
  const checks = judge(configOf(change), { ...good(), ...facts });
  return checks
    .filter((check) => check.verdict !== "pass")
    .map((check) => `${check.verdict} ${check.id}: ${check.have}`);
}

void test("a cloud that has everything passes every check", () => {
  assert.deepEqual(verdicts({}), []);
});

const table: [title: string, facts: Partial<Facts>, change: Record<string, unknown>, expected: string[]][] = [
  [
    "a password instead of an application credential",
    { scope: value({ projectId: "p", projectName: "x", roles: ["admin"], methods: ["password"] }) },
    {},
    ["fail credentials.kind: password"],
  ],
  [
    "a role that is missing",
    {
      scope: value({
        projectId: "p",
        projectName: "x",
        roles: ["reader"],
        methods: ["application_credential"],
      }),
    },
    {},
    ["fail roles.member: reader", "warn roles.load-balancer_member: reader"],
  ],
  [
    "another project than the configured one",
    {},
    { openstack: { projectId: "5617d17efdc14aa1a14bb9b5136c65af" } },
    ["fail credentials.project: p"],
  ],
  [
    "a clock that is a minute off",
    { clockSkew: value(-61) },
    {},
    ["warn clock.skew: 61 s ahead of the cloud"],
  ],
  [
    "a clock that is an hour off",
    { clockSkew: value(3600) },
    {},
    ["fail clock.skew: 3600 s behind the cloud"],
  ],
  [
    "no such flavor",
    { flavors: { ...good().flavors, workers: value(undefined) } },
    {},
    ["fail flavor.workers: no such flavor"],
  ],
  [
    "a flavor that is too small",
    {
      flavors: { ...good().flavors, seed: value({ id: "f-xs", name: "xs", vcpus: 1, ram: 2048, disk: 20 }) },
    },
    {},
    ["fail flavor.seed: 1 vCPU, 2048 MiB, 20 GB"],
  ],
  [
    "a flavor without a disk",
    {
      flavors: { ...good().flavors, seed: value({ id: "f-d0", name: "d0", vcpus: 4, ram: 16384, disk: 0 }) },
    },
    {},
    ["warn flavor.seed: 4 vCPU, 16384 MiB, 0 GB"],
  ],
  [
    "an image that is not there",
    { images: { ...good().images, seed: value([]) } },
    {},
    ["fail image.seed: no such image"],
  ],
  [
    "two images of one name",
    {
      images: {
        ...good().images,
        cluster: value([1, 2].map(() => ({ id: "i-kube", name: "kube", status: "active", minDisk: 0 }))),
      },
    },
    { cluster: { image: { id: undefined, name: "kube" } } },
    ["fail image.cluster: 2 images of that name"],
  ],
  [
    "an image still uploading",
    {
      images: {
        ...good().images,
        seed: value([{ id: "i-noble", name: "noble", status: "queued", minDisk: 0 }]),
      },
    },
    {},
    ["fail image.seed: queued"],
  ],
  [
    "no such external network",
    { externalNetwork: value(undefined) },
    {},
    ["fail network.external: no such network"],
  ],
  [
    "a network that is not external",
    { externalNetwork: value({ name: "tenant", external: false }) },
    {},
    ["fail network.external: tenant is not external"],
  ],
  [
    "a subnet in the way",
    { subnets: value([{ name: "office", cidr: SITE_NETWORK, own: false }]) },
    {},
    [`warn network.overlap: seed.network.cidr ${SITE_NETWORK} with office ${SITE_NETWORK}`],
  ],
  [
    "the site's own subnet",
    { subnets: value([{ name: "capi-mgmt-prod-seed", cidr: SITE_NETWORK, own: true }]) },
    {},
    [],
  ],
  [
    "no such load-balancer provider",
    { loadBalancerProviders: value(["ovn"]) },
    {},
    ["fail load-balancer.provider: ovn"],
  ],
  ["no such volume type", {}, { seed: { dataVolume: { type: "nvme" } } }, ["fail volume-type.nvme: ssd"]],
  [
    "no such availability zone",
    {},
    { seed: { availabilityZone: "east" } },
    ["fail availability-zone.compute.east: nova"],
  ],
  [
    "a quota used up by others",
    { quotas: { ...good().quotas!, instances: value({ limit: 10, used: 9, own: 0 }) } },
    {},
    ["fail quota.instances: 1 of 10"],
  ],
  [
    "a quota this site itself uses",
    { quotas: { ...good().quotas!, instances: value({ limit: 10, used: 7, own: 7 }) } },
    {},
    [],
  ],
  [
    "a quota without a limit",
    { quotas: { ...good().quotas!, instances: value({ limit: -1, used: 70, own: 0 }) } },
    {},
    [],
  ],
  [
    "a service that does not answer",
    { loadBalancerProviders: { error: "Octavia did not answer" } },
    {},
    ["fail load-balancer.provider: Octavia did not answer"],
  ],
  [
    "a mirror without the release",
    {
      downloads: new Map([
        ["k3s", { url: "https://m.example/k3s", answer: value({ status: 404, length: 0 }) }],
      ]),
    },
    {},
    ["fail download.k3s: HTTP 404"],
  ],
  [
    "a mirror that is away",
    { downloads: new Map([["k3s", { url: "https://m.example/k3s", answer: { error: "ECONNREFUSED" } }]]) },
    {},
    ["fail download.k3s: ECONNREFUSED"],
  ],
  [
    "a flavor of the machines by its id",
    {
      flavors: { ...good().flavors, workers: value(undefined) },
      allFlavors: value([{ id: "f-1", name: "m1", vcpus: 4, ram: 16384, disk: 100 }]),
    },
    { cluster: { workers: { flavor: "f-1" } } },
    ["fail flavor.workers: an id"],
  ],
  [
    "another site of the same name, with an empty state",
    {
      namesakes: value({
        servers: machines().slice(0, 1),
        loadBalancers: ["k8s-clusterapi-cluster-default-x"],
      }),
      knownResources: value(0),
    },
    {},
    [
      "fail names.free: capi-mgmt-x-seed, k8s-clusterapi-cluster-default-x; the state is empty",
      "fail key-pair.visible: another user's, or gone",
    ],
  ],
  [
    "objects of the same name, with a state that cannot be read",
    { ...site(), knownResources: { error: "spawn pulumi ENOENT\nmore" } },
    {},
    ["warn names.free: capi-mgmt-x-seed, capi-mgmt-x-controlPlane-1, capi-mgmt-x-controlPlane-2 and 4 more"],
  ],
  ["the site itself", site(), {}, []],
  [
    "a key pair of another user",
    { ...site(), keyPair: value(false) },
    {},
    ["fail key-pair.visible: another user's, or gone"],
  ],
  [
    "a failure domain that Cinder does not know",
    { computeZones: value(["az-1", "az-2"]), volumeZones: value(["nova", "az-1"]) },
    {
      cluster: {
        controlPlane: {
          failureDomains: ["az-1", "az-2"],
          rootVolume: { enabled: true },
          etcdVolume: { sizeGb: 10, availabilityZone: "nova" },
        },
        workers: { failureDomain: "az-2", rootVolume: { enabled: true } },
      },
    },
    [
      "fail failure-domain.cluster.controlPlane.rootVolume.availabilityZone.az-2: nova, az-1",
      "fail failure-domain.cluster.workers.rootVolume.availabilityZone.az-2: nova, az-1",
    ],
  ],
  [
    "a failure domain of machines without volumes",
    { computeZones: value(["az-2"]) },
    { cluster: { controlPlane: { failureDomains: ["az-2"] } } },
    [],
  ],
  [
    "a volume zone that Cinder does not know",
    {},
    { cluster: { workers: { rootVolume: { enabled: true, availabilityZone: "ceph" } } } },
    ["fail availability-zone.volume.ceph: nova"],
  ],
  [
    "an endpoint among the pods' addresses",
    { endpoints: value([{ host: "nova.example", addresses: ["2001:db8::1", "172.16.9.9"] }]) },
    {},
    ["fail network.endpoints: nova.example (172.16.9.9) is in cluster.network.podCidr 172.16.0.0/13"],
  ],
  [
    "an endpoint whose name is not known here",
    { endpoints: value([{ host: "nova.internal", addresses: [] }]) },
    {},
    ["warn network.endpoints: nova.internal unknown here"],
  ],
  [
    "an existing network that is not there",
    { existingNetworks: value([network({ exists: false })]) },
    {},
    ["fail network.cluster.network: no such network"],
  ],
  [
    "an existing network without IPv4",
    { existingNetworks: value([network({ subnets: [{ id: "v6", ipVersion: 6 }] })]) },
    {},
    ["fail network.cluster.network.ipv4: IPv6 only"],
  ],
  [
    "a dual-stack network for the machines",
    {
      existingNetworks: value([
        network({
          subnets: [
            { id: "v6", ipVersion: 6 },
            { id: "v4", ipVersion: 4 },
          ],
        }),
      ]),
    },
    {},
    ["fail network.cluster.network.ipv4: IPv4 and IPv6"],
  ],
  [
    "… of which the IPv4 subnet is chosen",
    {
      existingNetworks: value([
        network({
          subnetId: "v4",
          subnets: [
            { id: "v6", ipVersion: 6 },
            { id: "v4", ipVersion: 4 },
          ],
        }),
      ]),
    },
    {},
    [],
  ],
  [
    "a router of an existing network that the API would drop",
    { existingNetworks: value([network()]) },
    { cluster: { apiServer: { routerAddresses: ["198.51.100.8"] } } },
    ["fail network.cluster.network.router: 198.51.100.9"],
  ],
  [
    "… that it lets in",
    { existingNetworks: value([network()]) },
    { cluster: { apiServer: { routerAddresses: ["198.51.100.9"] } } },
    [],
  ],
  [
    "no room to roll while nothing rolls",
    { ...site(), quotas: { ...good().quotas!, instances: value({ limit: 7, used: 7, own: 7 }) } },
    {},
    ["warn quota.instances: 7 of 7 (7 in use by this site)"],
  ],
  [
    "no room to roll with another flavor",
    {
      ...site({ flavor: "m1.small" }),
      quotas: { ...good().quotas!, instances: value({ limit: 7, used: 7, own: 7 }) },
    },
    {},
    ["fail quota.instances: 7 of 7 (7 in use by this site)"],
  ],
  [
    "no room to roll with another image",
    {
      ...site({ imageId: "i-old" }),
      quotas: { ...good().quotas!, instances: value({ limit: 7, used: 7, own: 7 }) },
    },
    {},
    ["fail quota.instances: 7 of 7 (7 in use by this site)"],
  ],
  [
    "server groups that hold too few",
    { quotas: { ...good().quotas!, server_group_members: value({ limit: 3, used: 0, own: 0 }) } },
    {},
    ["warn quota.server_group_members: 3 of 3"],
  ],
  ["no state store", { state: undefined }, {}, ["warn state.backend: none in PULUMI_BACKEND_URL"]],
  [
    "a state store without versions, open to all",
    { state: value({ reachable: true, versioning: undefined, public: true }) },
    {},
    ["fail state.versioned: off", "fail state.private: anybody can list it"],
  ],
];
for (const [title, facts, change, expected] of table) {
  void test(`${title} is told`, () => {
    assert.deepEqual(verdicts(facts, change), expected);
  });
}

void test("refused credentials are told once, with what needs no cloud", () => {
  const refusal = { error: "Keystone answered 401 to POST /auth/tokens: no" };
  const checks = judge(configOf({}), { ...good(), scope: refusal, quotas: undefined });
  assert.deepEqual(
    checks.map((check) => `${check.verdict} ${check.id}`),
    [
      "fail credentials.valid",
      "pass download.k3s",
      "pass state.reachable",
      "pass state.versioned",
      "pass state.private",
    ],
  );
});

void test("every check that does not pass says how to go on", () => {
  for (const [, facts, change] of table) {
    for (const check of judge(configOf(change), { ...good(), ...facts })) {
      assert.equal(check.hint === "", check.verdict === "pass", JSON.stringify(check));
    }
  }
});

void test("the need of a default site: seed, three and three machines, one more of each while rolling", () => {
  const size = { vcpus: 4, ram: 16384, disk: 100 };
  const needed = needs(
    configOf({ monitoring: { enabled: false } }),
    {
      seed: size,
      controlPlane: size,
      workers: size,
    },
    true,
  );
  assert.deepEqual(
    {
      instances: needed.instances,
      cores: needed.cores,
      ram: needed.ram,
      volumes: needed.volumes,
      load_balancers: needed.load_balancers,
    },
    { instances: 9, cores: 36, ram: 9 * 16384, volumes: 1, load_balancers: 1 },
  );
});

void test("an existing network, address and flavor disk are not counted as needed", () => {
  const change = {
    seed: {
      network: { networkId: "5617d17e-fdc1-4aa1-a14b-b9b5136c65af" },
      access: { floatingIpAddress: "198.51.100.7" },
    },
    cluster: { apiServer: { floatingIpAddress: "198.51.100.8", routerAddresses: ["198.51.100.9"] } },
  };
  const { networks, routers, floating_ips } = needs(
    configOf(change),
    {
      seed: undefined,
      controlPlane: undefined,
      workers: undefined,
    },
    true,
  );
  assert.deepEqual({ networks, routers, floating_ips }, { networks: 0, routers: 0, floating_ips: 0 });
});

void test("a volume size that is none is an error, not a site without volumes", () => {
  const config = configOf({ monitoring: { enabled: true } });
  const { prometheus } = config.monitoring;
  const broken = {
    ...config,
    monitoring: { ...config.monitoring, prometheus: { ...prometheus, size: "10GB" } },
  };
  const none = { seed: undefined, controlPlane: undefined, workers: undefined };
  assert.throws(() => needs(broken, none, true), { message: /"10GB" is not a quantity/ });
});

void test("a worker group's flavor is judged like the workers'", () => {
  const config = configOf({ cluster: { workerGroups: { gpu: { flavor: "gpu.large", count: 1 } } } });
  const missing = judge(config, { ...good(), groupFlavors: { gpu: value(undefined) } });
  assert.match(
    missing
      .filter(({ verdict }) => verdict === "fail")
      .map(({ id, have }) => `${id}: ${have}`)
      .join(),
    /^flavor\.workers\.gpu: no such flavor$/,
  );
  const found = judge(config, { ...good(), groupFlavors: { gpu: flavor("gpu.large") } });
  assert.equal(found.find(({ id }) => id === "flavor.workers.gpu")?.verdict, "pass");
});

void test("surge rounds a percentage up, as Kubernetes does", () => {
  assert.deepEqual([surge(3, 1), surge(3, "34%"), surge(10, "25%"), surge(3, 0)], [1, 2, 3, 0]);
});

void test("needs never shrink when machines are added", () => {
  const size = { vcpus: 2, ram: 8192, disk: 40 };
  const at = (count: number) =>
    needs(
      configOf({ cluster: { workers: { count } } }),
      { seed: size, controlPlane: size, workers: size },
      true,
    );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 49 }), fc.integer({ min: 1, max: 50 }), (count, more) => {
      const [less, moreNeeds] = [at(count), at(count + more)];
      return QUOTA_NAMES.every((name) => moreNeeds[name] >= less[name]);
    }),
    { numRuns: 20 },
  );
});

void test("the worst check decides, and the table shows each hint below its row", () => {
  const checks = judge(configOf({}), {
    ...good(),
    externalNetwork: value(undefined),
    clockSkew: value(61),
  });
  const result = report(checks);
  assert.equal(result.verdict, "fail");
  const lines = renderTable(result).split("\n");
  const row = lines.findIndex((line) => line.startsWith("network.external"));
  assert.match(lines[row + 1] ?? "", /^ {4}→ openstack network list --external/);
  assert.match(lines.at(-1) ?? "", /^preflight: fail \(\d+ passed, 1 warned, 1 failed\)$/);
});

test("where a flavor is missing or too small, the hint names those that do, or says that none does", () => {
  const hint = (facts: Partial<Facts>) =>
    judge(configOf({}), {
      ...good(),
      flavors: { ...good().flavors, workers: value(undefined) },
      ...facts,
    }).find(({ id }) => id === "flavor.workers")?.hint;
  assert.equal(hint({}), "choose m1, xl, d0");
  const tiny = value([{ id: "f-xs", name: "xs", vcpus: 1, ram: 2048, disk: 20 }]);
  assert.match(hint({ allFlavors: tiny }) ?? "", /^none of the 1 flavors is large enough/);
  const many = Array.from({ length: 9 }, (_, index) => ({
    id: `id-${index}`,
    name: `f${index}`,
    vcpus: 4,
    ram: 9000 + index,
    disk: 50,
  }));
  assert.match(
    hint({ allFlavors: value(many) }) ?? "",
    /^choose f0, f1, f2, f3, f4, f5 \(openstack flavor list/,
  );
  assert.equal(hint({ allFlavors: { error: "503" } }), "openstack flavor list names those there are");
});
