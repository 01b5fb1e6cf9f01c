/**
 * Worker groups and what machines get beside flavor and disks: from the configuration to the chart's values. Does not
 * prove that Cluster API makes such machines.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { plannedValues } from "../../lib/release-values.ts";
import { needs } from "../../preflight/needs.ts";
import { problemsOf } from "../config/support.ts";
import { unwrapped } from "../support/mocks.ts";
import { FULL, ID, TAINTS } from "../support/fullSite.ts";
import { runSite } from "../support/program.ts";
import { configOf, type Values } from "../support/siteConfig.ts";

process.env["CAPI_MGMT_OFFLINE"] = "0";
process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";

const planned = (change: Values) => plannedValues(configOf(change), "https://keystone.example:5000/v3");

/** A site that uses every option of the cluster once. */
const OPTIONS = { cluster: FULL.cluster };

test("a site without groups has one, and no key more than before", () => {
  const { cluster } = planned({}) as { cluster: Values };
  assert.deepEqual(cluster["nodeGroups"], [{ name: "md-0", machineCount: 3 }]);
  for (const key of ["machineMetadata", "nodeLabels"])
    assert.equal(JSON.stringify(cluster).includes(key), false);
});

test("groups are spelled as the chart reads them, in the order of their names", () => {
  const { cluster } = planned(OPTIONS) as {
    cluster: Values & { controlPlane: Values; clusterNetworking: Values };
  };
  const ports = [
    {},
    {
      network: { id: ID },
      fixedIPs: [{ subnet: { id: ID } }],
      securityGroups: [{ id: ID }],
      vnicType: "direct",
    },
    { network: { id: ID }, disablePortSecurity: true },
  ];
  const optionValues = (name: string) => ({
    nodeLabels: { "example.org/pool": name },
    machineConfigDrive: true,
    machineNetworking: { ports },
  });
  const kubeadmConfigSpec = {
    joinConfiguration: { nodeRegistration: { taints: TAINTS, kubeletExtraArgs: { "max-pods": "200" } } },
  };
  assert.deepEqual(cluster["nodeGroups"], [
    { name: "md-0", machineCount: 3, ...optionValues("workers"), kubeadmConfigSpec },
    {
      name: "burst",
      autoscale: true,
      machineCountMin: 0,
      machineCountMax: 6,
      serverGroupId: "<id of its server group>",
    },
    {
      name: "gpu",
      machineCount: 2,
      machineFlavor: "gpu.large",
      machineRootVolume: { diskSize: 200, volumeType: "ssd", availabilityZone: "ceph" },
      failureDomain: "az-2",
      rolloutStrategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "0%", maxUnavailable: 1 } },
      ...optionValues("gpu"),
      kubeadmConfigSpec,
    },
  ]);
  assert.deepEqual(cluster["machineMetadata"], { owner: "cloud-team" });
  assert.deepEqual(cluster.clusterNetworking["workerNodesSecurityGroupRules"], [
    {
      name: "metrics",
      direction: "ingress",
      etherType: "IPv4",
      protocol: "tcp",
      portRangeMin: 9100,
      portRangeMax: 9101,
      remoteIPPrefix: "192.0.2.0/24",
    },
  ]);
  const { nodeLabels, machineConfigDrive, machineNetworking } = cluster.controlPlane;
  assert.deepEqual({ nodeLabels, machineConfigDrive, machineNetworking }, optionValues("control-plane"));
});

test("what makes no sense is told by its key, all at once", () => {
  const group = (change: Values) => ({ cluster: { workerGroups: { gpu: change } } });
  const cases: [change: Values, expected: string[]][] = [
    [
      group({}),
      [
        "cluster.workerGroups.gpu.count: is required (got nothing; legal count, or autoscale with min and max)",
      ],
    ],
    [
      group({ count: 1, autoscale: { min: 1, max: 2 } }),
      [
        "cluster.workerGroups.gpu: sets options that exclude each other (got count, autoscale; legal one of count, autoscale)",
      ],
    ],
    [
      group({ autoscale: { min: 3, max: 2 } }),
      ["cluster.workerGroups.gpu.autoscale.max: is less than min (got 2; legal at least 3)"],
    ],
    [
      group({ count: 1, serverGroup: "anti-affinity", serverGroupId: ID }),
      [
        "cluster.workerGroups.gpu: sets options that exclude each other (got serverGroup, serverGroupId; legal one of serverGroup, serverGroupId)",
      ],
    ],
    [
      group({ count: 1, rollout: { maxSurge: 0, maxUnavailable: "0%" } }),
      [
        "cluster.workerGroups.gpu.rollout: could never replace a machine (got maxSurge 0 and maxUnavailable 0; legal at least one of them above 0)",
      ],
    ],
    [
      { cluster: { workerGroups: { "md-0": { count: 1 }, seed: { count: 1 } } } },
      ["md-0", "seed"].map(
        (name) =>
          `cluster.workerGroups.${name}: has a name that other machines have (legal another than md-0, control-plane, seed)`,
      ),
    ],
    [
      { cluster: { workers: { labels: { "node-role.kubernetes.io/worker": "" } } } },
      [
        'cluster.workers.labels["node-role.kubernetes.io/worker"]: is a label that a kubelet may not set for itself: the node would not join (legal a label outside of kubernetes.io and k8s.io, or of kubelet.kubernetes.io, node.kubernetes.io)',
      ],
    ],
    [
      {
        cluster: {
          controlPlane: { networks: [{ networkId: ID, portSecurity: false, securityGroupIds: [ID] }] },
        },
      },
      [
        "cluster.controlPlane.networks[0]: sets options that exclude each other (got securityGroupIds, portSecurity: false; legal one of securityGroupIds, portSecurity: false)",
      ],
    ],
    [
      {
        cluster: {
          network: {
            workerRules: [
              { name: "a", protocol: "tcp", source: "192.0.2.0/24" },
              { name: "a", protocol: "icmp", portMin: 1, source: "192.0.2.0/24" },
            ],
          },
        },
      },
      [
        "cluster.network.workerRules[0].portMin: is required (got nothing; legal first and last port, the same for one port)",
        'cluster.network.workerRules[1].name: is another rule\'s name too (got "a")',
        "cluster.network.workerRules[1].portMin: has no meaning with protocol icmp (legal tcp or udp)",
      ],
    ],
  ];
  for (const [change, expected] of cases) assert.deepEqual(problemsOf(change), expected);
  assert.deepEqual(problemsOf({ cluster: { workers: { labels: { "node.kubernetes.io/pool": "a" } } } }), []);
});

test("the quota counts every group at its largest, with its surge, its ports and its server group", () => {
  const size = { vcpus: 4, ram: 16384, disk: 100 };
  const of = (change: Values, rolling: boolean) =>
    needs(
      configOf(change),
      { seed: size, controlPlane: size, workers: size, groups: { gpu: { vcpus: 16, ram: 65536, disk: 0 } } },
      rolling,
    );
  const workerGroups = {
    gpu: {
      flavor: "gpu.large",
      count: 2,
      serverGroup: "anti-affinity",
      rootVolume: { sizeGb: 200 },
      networks: [{ networkId: ID }],
    },
    burst: { autoscale: { min: 0, max: 6 }, rollout: { maxSurge: "50%", maxUnavailable: 0 } },
  };
  const [plain, grouped] = [of({}, true), of({ cluster: { workerGroups } }, true)];
  const more = (name: keyof typeof plain) => grouped[name] - plain[name];
  // gpu: 2 and 1 of surge; burst: 6 and 3.
  assert.equal(more("instances"), 3 + 9);
  assert.equal(more("cores"), 3 * 16 + 9 * 4);
  assert.equal(more("gigabytes"), 3 * 200);
  assert.equal(more("ports"), 3 + 9 + 3);
  assert.equal(more("server_groups"), 1);
  // burst is in the workers' group: 3 + 1 and 9.
  assert.equal(grouped.server_group_members, 13);
  assert.equal(of({ cluster: { workerGroups } }, false).instances - of({}, false).instances, 8);
});

test("adding, renaming and removing a group changes the release and its waits, and the group's own server group", async () => {
  const group = { count: 1, serverGroup: "anti-affinity" };
  const run = async (workerGroups: Values) => {
    const recording = await runSite("prod", {
      change: (config) => {
        config["capi-mgmt:cluster"] = { ...config["capi-mgmt:cluster"], workerGroups };
      },
    });
    // The mocks' kubeconfigs differ from run to run.
    const shown = recording.resources.filter(({ type }) => !type.startsWith("pulumi:providers:"));
    return new Map(shown.map((one) => [`${one.type} ${one.name}`, JSON.stringify(unwrapped(one.inputs))]));
  };
  const [none, one, renamed] = [await run({}), await run({ gpu: group }), await run({ tpu: group })];
  const difference = (before: Map<string, string>, after: Map<string, string>) =>
    [...new Set([...before.keys(), ...after.keys()])]
      .filter((key) => before.get(key) !== after.get(key))
      .map((key) => key.split(" ")[1])
      .sort();
  const follows = ["cluster-complete", "cluster-ready", "cluster-release", "cluster-teardown"];
  const server = (name: string) => `cluster-workers-${name}-group`;
  assert.deepEqual(difference(none, one), [...follows, server("gpu")]);
  assert.deepEqual(difference(one, renamed), [...follows, server("gpu"), server("tpu")]);
  assert.deepEqual(difference(one, none), difference(none, one));
});
