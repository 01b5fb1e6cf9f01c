import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { renderTable, report } from "../../preflight/check.ts";
import type { Facts } from "../../preflight/facts.ts";
import { judge } from "../../preflight/judge.ts";
import { needs, QUOTA_NAMES, surge } from "../../preflight/needs.ts";
import { configOf, SITE_NETWORK } from "../support/siteConfig.ts";

const value = <T>(content: T) => ({ value: content });
const flavor = (name: string) => value({ name, vcpus: 4, ram: 16384, disk: 100 });

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
      { name: "d0", vcpus: 4, ram: 8192, disk: 0 },
      { name: "xl", vcpus: 8, ram: 32768, disk: 100 },
      { name: "xs", vcpus: 1, ram: 2048, disk: 20 },
      { name: "m1", vcpus: 4, ram: 16384, disk: 100 },
    ]),
    images: {
      seed: value([{ name: "noble", status: "active", minDisk: 0 }]),
      cluster: value([{ name: "kube", status: "active", minDisk: 0 }]),
    },
    externalNetwork: value({ name: "public", external: true }),
    subnets: value([{ name: "office", cidr: "10.200.0.0/24", own: false }]),
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
    { flavors: { ...good().flavors, seed: value({ name: "xs", vcpus: 1, ram: 2048, disk: 20 }) } },
    {},
    ["fail flavor.seed: 1 vCPU, 2048 MiB, 20 GB"],
  ],
  [
    "a flavor without a disk",
    { flavors: { ...good().flavors, seed: value({ name: "d0", vcpus: 4, ram: 16384, disk: 0 }) } },
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
        cluster: value([1, 2].map(() => ({ name: "kube", status: "active", minDisk: 0 }))),
      },
    },
    { cluster: { image: { id: undefined, name: "kube" } } },
    ["fail image.cluster: 2 images of that name"],
  ],
  [
    "an image still uploading",
    { images: { ...good().images, seed: value([{ name: "noble", status: "queued", minDisk: 0 }]) } },
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
  const needed = needs(configOf({ monitoring: { enabled: false } }), {
    seed: size,
    controlPlane: size,
    workers: size,
  });
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
    cluster: { apiServer: { floatingIpAddress: "198.51.100.8" } },
  };
  const { networks, routers, floating_ips } = needs(configOf(change), {
    seed: undefined,
    controlPlane: undefined,
    workers: undefined,
  });
  assert.deepEqual({ networks, routers, floating_ips }, { networks: 0, routers: 0, floating_ips: 0 });
});

void test("surge rounds a percentage up, as Kubernetes does", () => {
  assert.deepEqual([surge(3, 1), surge(3, "34%"), surge(10, "25%"), surge(3, 0)], [1, 2, 3, 0]);
});

void test("needs never shrink when machines are added", () => {
  const size = { vcpus: 2, ram: 8192, disk: 40 };
  const at = (count: number) =>
    needs(configOf({ cluster: { workers: { count } } }), { seed: size, controlPlane: size, workers: size });
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
  const tiny = value([{ name: "xs", vcpus: 1, ram: 2048, disk: 20 }]);
  assert.match(hint({ allFlavors: tiny }) ?? "", /^none of the 1 flavors is large enough/);
  const many = Array.from({ length: 9 }, (_, index) => ({
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
