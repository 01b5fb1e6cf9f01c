/**
 * Components K3s, ClusterApi, HaCluster, Monitoring, SeedAccess and MagnumAccess. Does not prove that a cluster comes
 * up: the lab does. Scripts are held in tests/lib, values too.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { parse } from "yaml";
import { ClusterApi } from "../../components/clusterApi.ts";
import { HaCluster, type HaClusterArgs } from "../../components/haCluster.ts";
import { K3s } from "../../components/k3s.ts";
import { MagnumAccess } from "../../components/magnumAccess.ts";
import { Monitoring } from "../../components/monitoring.ts";
import { SeedAccess } from "../../components/seedAccess.ts";
import type { ClusterConfig } from "../../config/schema.ts";
import { CONNECTION, inBothModes, providers, valueOf, waitsFor } from "../support/component.ts";
import { configOf } from "../support/config.ts";
import {
  isSecret,
  isUnknown,
  kubeconfigFor,
  leaks,
  PLANTED,
  record,
  type Recording,
  unwrapped,
} from "../support/mocks.ts";

const config = configOf("dev");
const mirror = {};
const connection = pulumi.secret(CONNECTION);
const onSeed = { connection, serverId: "server-id" };
const adminKubeconfig = kubeconfigFor("https://203.0.113.103:6443");

const isSecretOutput = (output: unknown) => pulumi.isSecret(output as pulumi.Output<unknown>);

function noLeaks(recording: Recording): void {
  assert.deepEqual(
    recording.resources.flatMap(({ name, inputs }) => leaks(inputs, name)),
    [],
  );
  assert.deepEqual(
    [...recording.outputs].flatMap(([urn, values]) => leaks(values, urn)),
    [],
  );
}

inBothModes(
  "k3s: its kubeconfig comes after k3s and kubectl, and is a secret that is not logged",
  async ({ recording, preview }) => {
    const k3s = new K3s("k3s", {
      ...onSeed,
      serverName: "capi-mgmt-x-seed",
      user: "ubuntu",
      dataVolumeId: "volume-id",
      dataVolumeGb: 100,
      address: "203.0.113.102",
      fixedAddress: "192.168.100.5",
      k3s: config.k3s,
      tools: config.tools,
      mirror,
      registries: config.registries,
      kubeconfigs: config.kubeconfigs,
    });
    await recording.settled();
    const kubeconfig = recording.get("k3s-kubeconfig");
    assert.deepEqual(kubeconfig.dependsOn, ["k3s-install", "k3s-tools"]);
    assert.deepEqual(
      [kubeconfig.inputs["logging"], kubeconfig.additionalSecretOutputs.includes("stdout")],
      ["none", true],
    );
    assert.equal(await pulumi.isSecret(k3s.kubeconfig), true);
    assert.match(String(recording.get("k3s-install").inputs["stdin"]), /^VOLUME_ID='volume-id'$/m);
    assert.match(
      String(recording.get("k3s-install").inputs["stdin"]),
      / {2}- 203\.0\.113\.102\n {2}- 192\.168\.100\.5\n {2}- capi-mgmt-x-seed\n/,
    );
    if (!preview) noLeaks(recording);
  },
);

inBothModes(
  "Cluster API: certificates first, then controllers, then what watches their kinds",
  async ({ recording }) => {
    new ClusterApi(
      "capi",
      { ...onSeed, instance: "bootstrap", janitor: true, clusterApi: config.clusterApi, mirror },
      providers(),
    );
    await recording.settled();
    const names = ["capi-controllers", "capi-addon-provider", "capi-janitor-finalizers", "capi-janitor"];
    assert.deepEqual(
      names.map((name) => recording.get(name).dependsOn),
      [["capi-cert-manager"], ["capi-controllers"], ["capi-controllers"], ["capi-janitor-finalizers"]],
    );
    for (const { name, inputs, provider } of recording.resources.filter(({ type }) =>
      type.endsWith(":Release"),
    )) {
      assert.deepEqual([inputs["atomic"], inputs["skipAwait"], provider], [true, false, "cluster"], name);
    }
    assert.equal(recording.get("capi-controllers").inputs["delete"], "sudo -n bash -s -- delete");
  },
);

test("Cluster API on another cluster finds its kubeconfig in a file on the seed", async () => {
  const recording = await record();
  const kubeconfigFile = pulumi.output("/home/ubuntu/kubeconfig-capi-mgmt-x.yaml");
  new ClusterApi(
    "capi",
    {
      ...onSeed,
      instance: "management",
      kubeconfigFile,
      janitor: false,
      clusterApi: config.clusterApi,
      mirror,
    },
    providers(),
  );
  await recording.settled();
  const { stdin } = recording.get("capi-controllers").inputs;
  assert.match(String(stdin), /^KUBECONFIG_FILE='\/home\/ubuntu\/kubeconfig-capi-mgmt-x\.yaml'$/m);
  assert.throws(() => recording.get("capi-janitor"));
  noLeaks(recording);
});

const PROXY = { https: "http://proxy.example.org:3128", noProxy: [".svc"] };

test("controllers of charts get a proxy and authorities once they are there, and again with each release", async () => {
  const recording = await record();
  const authority = { caCert: "-----BEGIN CERTIFICATE-----" };
  const args = { ...onSeed, instance: "bootstrap" as const, janitor: true, clusterApi: config.clusterApi };
  new ClusterApi("capi", { ...args, mirror: authority, proxy: PROXY }, providers());
  await recording.settled();
  const { inputs, dependsOn } = recording.get("capi-surroundings");
  assert.deepEqual(dependsOn.toSorted(), ["capi-addon-provider", "capi-janitor"]);
  assert.match(String(inputs["stdin"]), /^TRUSTING=\('capi-addon-system\/cluster-api-addon-provider'\)$/m);
  assert.match(
    String(inputs["stdin"]),
    /^PROXY_VARIABLES=\('HTTPS_PROXY=http:\/\/proxy\.example\.org:3128' 'NO_PROXY=\.svc'\)$/m,
  );
  // The chart's own value would take the public authorities away.
  assert.deepEqual(recording.get("capi-addon-provider").inputs["values"], {});
  assert.match(String(recording.get("capi-controllers").inputs["stdin"]), /name: HTTPS_PROXY/);
});

test("passwords of registries are secrets wherever they go", async () => {
  const recording = await record();
  const registries = { auth: { "quay.io": { username: "robot", password: PLANTED.slack } } };
  const args = haArgs({}, { registries });
  new HaCluster("ha", args, providers());
  new K3s("k3s", {
    ...onSeed,
    ...{ serverName: "s", user: "u", dataVolumeId: "v", dataVolumeGb: 100, address: "a", fixedAddress: "f" },
    ...{ k3s: config.k3s, tools: config.tools, mirror, registries, kubeconfigs: config.kubeconfigs },
  });
  await recording.settled();
  assert.ok(isSecret(recording.get("k3s-install").inputs["stdin"]));
  const values = recording.get("ha-release").inputs["values"] as Record<string, unknown>;
  assert.ok(isSecret(values["registryAuth"]));
  assert.deepEqual(unwrapped(values["registryAuth"]), registries.auth);
  noLeaks(recording);
});

test("a chart that rolls no certificates has it done on the seed, a later one by its value", async () => {
  const daysWith = async (version: string) => {
    const recording = await record();
    new HaCluster("ha", haArgs({ chart: { ...config.cluster.chart, version } }), providers());
    await recording.settled();
    const { controlPlane } = recording.get("ha-release").inputs["values"] as {
      controlPlane: { certificatesExpiryDays?: number };
    };
    const script = String(recording.get("ha-ready").inputs["stdin"]);
    return [controlPlane.certificatesExpiryDays, /^CERTIFICATES_EXPIRY_DAYS='(.*)'$/m.exec(script)?.[1]];
  };
  assert.deepEqual(await daysWith("0.27.0"), [undefined, "60"]);
  assert.deepEqual(await daysWith("0.28.0"), [60, ""]);
});

/** Stands for Cluster API on k3s where a test is not about it. */
class Controllers extends pulumi.ComponentResource {
  constructor() {
    super("capi-mgmt:test:Controllers", "controllers");
  }
}

function haArgs(cluster: Partial<ClusterConfig> = {}, rest: Partial<HaClusterArgs> = {}): HaClusterArgs {
  return {
    ...onSeed,
    clusterName: "capi-mgmt-x",
    cluster: { ...config.cluster, ...cluster },
    mirror,
    registries: config.registries,
    credentials: {
      authUrl: "https://cloud:5000/v3",
      applicationCredentialId: "id",
      applicationCredentialSecret: PLANTED.applicationCredential,
      interface: "public",
      source: "test",
    },
    projectId: "project-id",
    keyPair: "capi-mgmt-x-seed",
    externalNetworkId: "external-id",
    seedNetwork: { networkId: pulumi.output("seed-net"), subnetId: pulumi.output("seed-subnet") },
    seedAddresses: pulumi.output(["203.0.113.102"]),
    controllers: new Controllers(),
    protect: { dataVolume: true, retainDataVolume: true, seed: true, cluster: true, network: true },
    kubeconfigs: config.kubeconfigs,
    ...rest,
  };
}

inBothModes(
  "the cluster goes before credentials, address and controllers, whatever of it was made",
  async ({ recording }) => {
    const opts = providers();
    const bootstrap = new ClusterApi(
      "capi",
      { ...onSeed, instance: "bootstrap", janitor: false, clusterApi: config.clusterApi, mirror },
      opts,
    );
    new HaCluster("ha", haArgs({}, { controllers: bootstrap }), opts);
    await recording.settled();
    const teardown = recording.get("ha-teardown");
    // What something depends on goes after it.
    for (const name of [
      ...["ha-credentials", "ha-floating-ip", "capi-controllers", "capi-addon-provider"],
      ...["ha-control-plane-group", "ha-workers-group"],
    ]) {
      assert.ok(teardown.dependsOn.includes(name), `${name} must outlive the teardown`);
    }
    assert.ok(recording.get("ha-release").dependsOn.includes("ha-teardown"));
    assert.ok(recording.get("ha-ready").dependsOn.includes("ha-release"));
    assert.equal(teardown.inputs["delete"], "sudo -n bash -s -- delete");
    const guarded = recording.resources.filter(({ protect }) => protect).map(({ name }) => name);
    assert.deepEqual(guarded.toSorted(), [
      ...["ha-control-plane-group", "ha-credentials", "ha-floating-ip", "ha-release", "ha-teardown"],
      "ha-workers-group",
    ]);
    assert.deepEqual(
      recording.resources.flatMap(({ name, inputs }) => leaks(inputs, name)),
      [],
    );
  },
);

test("the cluster's kubeconfig is read once it is ready, and is a secret; the API's address is none", async () => {
  const recording = await record();
  const cluster = new HaCluster("cluster", haArgs(), providers());
  await recording.settled();
  assert.ok(recording.get("cluster-kubeconfig").dependsOn.includes("cluster-ready"));
  // What is made on the cluster does not wait for the rest of its control plane.
  assert.ok(recording.get("cluster-complete").dependsOn.includes("cluster-ready"));
  assert.ok(!recording.get("cluster-kubeconfig").dependsOn.includes("cluster-complete"));
  assert.equal(recording.get("cluster-kubeconfig").inputs["logging"], "none");
  assert.equal(await pulumi.isSecret(cluster.kubeconfig), true);
  assert.equal(await pulumi.isSecret(cluster.apiServerAddress), false);
  assert.equal(await valueOf(cluster.apiServerAddress), "203.0.113.103");
  noLeaks(recording);
});

test("the release is not atomic: it would uninstall or roll back a cluster that takes long", async () => {
  const recording = await record();
  new HaCluster("ha", haArgs(), providers());
  await recording.settled();
  const { atomic, skipAwait, name } = recording.get("ha-release").inputs;
  assert.deepEqual([atomic, skipAwait, name], [false, true, "capi-mgmt-x"]);
});

test("credentials name the project: the configured one, else the one that the seed is in", async () => {
  const clouds = async (projectId?: string) => {
    const recording = await record();
    const args = haArgs();
    new HaCluster(
      "ha",
      { ...args, credentials: { ...args.credentials, ...(projectId === undefined ? {} : { projectId }) } },
      providers(),
    );
    await recording.settled();
    const secret = recording.get("ha-credentials").inputs["stringData"];
    assert.ok(isSecret(secret));
    return parse((unwrapped(secret) as Record<string, string>)["clouds.yaml"] ?? "") as {
      clouds: { openstack: { auth: { project_id: string } } };
    };
  };
  assert.equal((await clouds()).clouds.openstack.auth.project_id, "project-id");
  assert.equal((await clouds("configured")).clouds.openstack.auth.project_id, "configured");
});

const values = (recording: Recording) =>
  recording.get("ha-release").inputs["values"] as Record<string, Record<string, unknown>>;

test("without a floating IP the API's address is the one in the kubeconfig", async () => {
  const recording = await record();
  const { apiServer } = config.cluster;
  const cluster = new HaCluster(
    "cluster",
    haArgs({ apiServer: { ...apiServer, floatingIp: false } }),
    providers(),
  );
  await recording.settled();
  assert.deepEqual(
    recording.resources.filter(({ type }) => type.endsWith(":FloatingIp")),
    [],
  );
  assert.equal(await valueOf(cluster.apiServerAddress), "203.0.113.103");
});

test("the release is tried only once the seed has reached the cloud: its controllers would try for an hour and name no reason", async () => {
  const recording = await record();
  new HaCluster("ha", haArgs(), providers());
  await recording.settled();
  assert.ok(recording.get("ha-release").dependsOn.includes("ha-cloud-reachable"));
  const { stdin } = recording.get("ha-cloud-reachable").inputs;
  assert.match(String(stdin), /^AUTH_URL='https:\/\/cloud:5000\/v3'$/m);
  assert.match(String(stdin), /^REACH_SECONDS='\d+'$/m);
});

test("whatever changes the release makes the cluster be waited for again, and another seed too", async () => {
  const stdin = async (name: string, cluster: Partial<ClusterConfig>, rest: Partial<HaClusterArgs> = {}) => {
    const recording = await record();
    new HaCluster("ha", haArgs(cluster, rest), providers());
    await recording.settled();
    return recording.get(name).inputs["stdin"];
  };
  const { workers, chart } = config.cluster;
  const changes: [string, Partial<ClusterConfig>, Partial<HaClusterArgs>?][] = [
    ["the values", { workers: { ...workers, count: workers.count + 1 } }],
    ["the chart", { chart: { ...chart, version: "9.9.9" } }],
    ["what others made for it", {}, { keyPair: "another" }],
    ["the seed", {}, { serverId: "another" }],
  ];
  assert.equal(await stdin("ha-ready", {}), await stdin("ha-ready", {}), "nothing changed");
  for (const [what, cluster, rest] of changes)
    assert.notEqual(await stdin("ha-ready", {}), await stdin("ha-ready", cluster, rest), what);
  // And the kubeconfig is read anew in time, before the certificate in it ends.
  assert.notEqual(
    await stdin("ha-kubeconfig", {}),
    await stdin("ha-kubeconfig", {}, { kubeconfigs: { rotation: 2 } }),
  );
});

test("the seed is let in to the API as one address, and nothing wider than what is configured", async () => {
  const recording = await record();
  new HaCluster("ha", haArgs(), providers());
  await recording.settled();
  const allowed = values(recording)["apiServer"]?.["allowedCIDRs"] as string[];
  assert.ok(allowed.includes("203.0.113.102/32"), allowed.join());
  const ours = allowed.filter((cidr) => !config.cluster.apiServer.allowedCidrs.includes(cidr));
  for (const cidr of ours) assert.match(cidr, /^[\d.]+\/32$/);
});

test("the cluster's chart comes from the mirror where one is set, and may take as long as the cluster", async () => {
  const recording = await record();
  const { chart, timeouts } = config.cluster;
  const ready = { ...timeouts, ready: "47m" };
  new HaCluster(
    "ha",
    haArgs({ timeouts: ready }, { mirror: { url: "https://mirror.example.org" } }),
    providers(),
  );
  await recording.settled();
  const { repositoryOpts, version, timeout, chart: name } = recording.get("ha-release").inputs;
  assert.match((repositoryOpts as { repo: string }).repo, /^https:\/\/mirror\.example\.org\/\S+/);
  assert.deepEqual([name, version, timeout], ["openstack-cluster", chart.version, 47 * 60]);
  assert.match(String(recording.get("ha-ready").inputs["stdin"]), /^READY_SECONDS='2820'$/m);
});

test("the credentials are where the release and Cluster API look for them", async () => {
  const recording = await record();
  new HaCluster("ha", haArgs(), providers());
  await recording.settled();
  const { name, namespace } = recording.get("ha-credentials").inputs["metadata"] as Record<string, string>;
  assert.equal(recording.get("ha-release").inputs["namespace"], namespace);
  assert.equal(values(recording)["cloudCredentialsSecretName"], name);
  for (const script of ["ha-ready", "ha-teardown", "ha-kubeconfig"])
    assert.match(
      String(recording.get(script).inputs["stdin"]),
      new RegExp(`^NAMESPACE='${namespace}'$`, "m"),
    );
});

test("a floating IP of the project is the API's, and none is made", async () => {
  const recording = await record();
  const apiServer = { ...config.cluster.apiServer, floatingIpAddress: "203.0.113.88" };
  const cluster = new HaCluster("ha", haArgs({ apiServer }), providers());
  await recording.settled();
  assert.equal(values(recording)["apiServer"]?.["floatingIP"], "203.0.113.88");
  assert.equal(await valueOf(cluster.apiServerAddress), "203.0.113.88");
  assert.throws(() => recording.get("ha-floating-ip"));
});

test("the cloud is asked with the site's own authority", async () => {
  const recording = await record();
  const args = haArgs();
  new HaCluster("ha", { ...args, credentials: { ...args.credentials, caCert: "PEM" } }, providers());
  await recording.settled();
  assert.match(String(recording.get("ha-cloud-reachable").inputs["stdin"]), /^CLOUD_CA='PEM'$/m);
  const secret = unwrapped(recording.get("ha-credentials").inputs["stringData"]) as Record<string, string>;
  assert.equal(secret["cacert"], "PEM");
});

test("an external network of the cluster's own is the chart's and its router's", async () => {
  const recording = await record();
  const network = { ...config.cluster.network, useSeedNetwork: false, mtu: 1400, externalNetworkId: "own" };
  new HaCluster("ha", haArgs({ network }), providers());
  await recording.settled();
  assert.equal(values(recording)["clusterNetworking"]?.["externalNetworkId"], "own");
  assert.equal(recording.get("ha-network-router").inputs["externalNetworkId"], "own");
  const unprotected = recording.resources.filter((one) => one.parent === "ha-network" && !one.protect);
  assert.deepEqual(unprotected, [], "machines hang on this network");
});

test("each value of the configuration reaches the chart where the chart reads it", async () => {
  const recording = await record();
  const { cluster } = config;
  const { network, controlPlane, workers, healthChecks, apiServer } = cluster;
  const changed: Partial<ClusterConfig> = {
    image: { id: "image-id" },
    network: { ...network, podCidr: "10.1.0.0/16", serviceCidr: "10.2.0.0/16" },
    controlPlane: { ...controlPlane, count: 5, flavor: "cp", failureDomains: ["az-1", "az-2"] },
    workers: { ...workers, count: 7, flavor: "worker", groupName: "group", failureDomain: "az-3" },
    nodeTimeouts: { drain: "1m", volumeDetach: "2m", deletion: "3m" },
    healthChecks: {
      ...healthChecks,
      ...{ unhealthy: "4m", nodeStartup: "5m", controlPlaneMaxUnhealthy: 1, workersMaxUnhealthy: "40%" },
      remediation: { maxRetry: 3, retryPeriod: "6m", minHealthyPeriod: "7m" },
    },
    apiServer: { ...apiServer, port: 8443 },
    storage: { ...cluster.storage, availabilityZone: "cinder-az", volumeType: "ssd" },
  };
  const { apiServerAddress } = new HaCluster("ha", haArgs(changed, { keyPair: "the-key" }), providers());
  await recording.settled();
  const at = (path: string) =>
    path
      .split(".")
      .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], values(recording));
  const expected: Record<string, unknown> = {
    kubernetesVersion: cluster.kubernetesVersion.replace("v", ""),
    machineSSHKeyName: "the-key",
    machineImageId: "image-id",
    "kubeNetwork.pods.cidrBlocks": ["10.1.0.0/16"],
    "kubeNetwork.services.cidrBlocks": ["10.2.0.0/16"],
    "apiServer.port": 8443,
    "apiServer.floatingIP": await valueOf(apiServerAddress),
    "controlPlane.machineCount": 5,
    "controlPlane.machineFlavor": "cp",
    "controlPlane.omitFailureDomain": false,
    "controlPlane.failureDomains": ["az-1", "az-2"],
    "controlPlane.nodeDrainTimeout": "1m",
    "controlPlane.nodeVolumeDetachTimeout": "2m",
    "controlPlane.nodeDeletionTimeout": "3m",
    "controlPlane.remediationStrategy": { maxRetry: 3, retryPeriod: "6m", minHealthyPeriod: "7m" },
    "controlPlane.healthCheck.enabled": true,
    "controlPlane.healthCheck.spec.maxUnhealthy": 1,
    "nodeGroups.0.name": "group",
    "nodeGroups.0.machineCount": 7,
    "nodeGroupDefaults.machineFlavor": "worker",
    "nodeGroupDefaults.failureDomain": "az-3",
    "nodeGroupDefaults.nodeDrainTimeout": "1m",
    "nodeGroupDefaults.nodeVolumeDetachTimeout": "2m",
    "nodeGroupDefaults.nodeDeletionTimeout": "3m",
    "nodeGroupDefaults.healthCheck": {
      enabled: true,
      spec: {
        maxUnhealthy: "40%",
        nodeStartupTimeout: "5m",
        unhealthyConditions: ["Unknown", "False"].map((status) => ({ type: "Ready", status, timeout: "4m" })),
      },
    },
    "addons.openstack.csiCinder.defaultStorageClass": { availabilityZone: "cinder-az", volumeType: "ssd" },
  };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((path) => [path, at(path)])), expected);
});

const networks: [string, Partial<ClusterConfig["network"]>, unknown, string[]][] = [
  ["the seed's", {}, { networkFilter: { id: "seed-net" }, subnetFilter: { id: "seed-subnet" } }, []],
  ["one that CAPO makes", { useSeedNetwork: false }, { nodeCidr: "192.168.3.0/24" }, []],
  ["an existing one", { useSeedNetwork: false, networkId: "n" }, { networkFilter: { id: "n" } }, []],
  [
    "one of ours where an MTU is set, which the chart cannot say",
    { useSeedNetwork: false, mtu: 1400 },
    { networkFilter: { id: "ha-network-network-id" }, subnetFilter: { id: "ha-network-subnet-id" } },
    ["ha-network-network", "ha-network-router", "ha-network-router-interface", "ha-network-subnet"],
  ],
];
for (const [what, network, expected, made] of networks) {
  test(`the machines' network: ${what}`, async () => {
    const recording = await record();
    new HaCluster("ha", haArgs({ network: { ...config.cluster.network, ...network } }), providers());
    await recording.settled();
    assert.deepEqual(values(recording)["clusterNetworking"]?.["internalNetwork"], expected);
    const ours = recording.resources.filter(({ parent }) => parent === "ha-network").map(({ name }) => name);
    assert.deepEqual(ours.toSorted(), made);
  });
}

const sources = (recording: Recording) => values(recording)["apiServer"]?.["allowedCIDRs"];
const LISTED = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

test("the API lets in the seed and the router behind which the machines reach it (CAPO #1851)", async () => {
  const recording = await record();
  const seedNetwork = {
    networkId: pulumi.output("seed-net"),
    routerAddresses: pulumi.output(["203.0.113.101"]),
  };
  new HaCluster("ha", haArgs({}, { seedNetwork }), providers());
  await recording.settled();
  assert.deepEqual(sources(recording), [...LISTED, "203.0.113.102/32", "203.0.113.101/32"]);
});

test("the API lets in the router of a network of ours with an MTU", async () => {
  const recording = await record();
  const network = { ...config.cluster.network, useSeedNetwork: false, mtu: 1400 };
  new HaCluster("ha", haArgs({ network }), providers());
  await recording.settled();
  const ours = ["203.0.113.102/32", "203.0.113.101/32", "198.51.100.101/32"];
  assert.deepEqual(sources(recording), [...LISTED, ...ours]);
});

test("the API lets in the routers of existing networks that the configuration names", async () => {
  const recording = await record();
  const network = { ...config.cluster.network, useSeedNetwork: false, networkId: "n" };
  const apiServer = { ...config.cluster.apiServer, routerAddresses: ["198.51.100.9"] };
  new HaCluster("ha", haArgs({ network, apiServer }), providers());
  await recording.settled();
  assert.deepEqual(sources(recording), [...LISTED, "203.0.113.102/32", "198.51.100.9/32"]);
});

test("the addon provider watches the credentials: a new one goes into the cluster", async () => {
  const recording = await record();
  new HaCluster("ha", haArgs(), providers());
  await recording.settled();
  const metadata = recording.get("ha-credentials").inputs["metadata"] as { labels: unknown };
  assert.deepEqual(metadata.labels, { "addons.stackhpc.com/watch": "" });
});

test("server groups keep the machines apart: strictly the control plane, workers where there is room", async () => {
  const recording = await record();
  new HaCluster("ha", haArgs({ controlPlane: configOf("prod").cluster.controlPlane }), providers());
  await recording.settled();
  assert.deepEqual(
    ["ha-control-plane-group", "ha-workers-group"].map((name) => recording.get(name).inputs),
    [
      { name: "capi-mgmt-x-control-plane", policies: ["anti-affinity"] },
      { name: "capi-mgmt-x-workers", policies: ["soft-anti-affinity"] },
    ],
  );
  assert.deepEqual(
    ["controlPlane", "nodeGroupDefaults"].map((part) => values(recording)[part]?.["serverGroupId"]),
    ["ha-control-plane-group-id", "ha-workers-group-id"],
  );
});

test("a server group that is given is used, and none is made where none is wanted", async () => {
  const recording = await record();
  const { controlPlane, workers } = config.cluster;
  const cluster = {
    controlPlane: { ...controlPlane, serverGroupId: "given" },
    workers: { ...workers, serverGroup: "none" as const },
  };
  new HaCluster("ha", haArgs(cluster), providers());
  await recording.settled();
  assert.deepEqual(
    recording.resources.filter(({ type }) => type.endsWith(":ServerGroup")),
    [],
  );
  assert.equal(values(recording)["controlPlane"]?.["serverGroupId"], "given");
  assert.equal("serverGroupId" in (values(recording)["nodeGroupDefaults"] ?? {}), false);
});

test("in a preview of something new the known values are shown and the rest is unknown", async () => {
  const recording = await record({ preview: true });
  new HaCluster("ha", haArgs(), providers());
  await recording.settled();
  assert.equal(values(recording)["controlPlane"]?.["machineFlavor"], "m1.large");
  assert.ok(isUnknown(values(recording)["apiServer"]?.["floatingIP"]));
});

test("monitoring: webhooks are in the secret only, which is there before Alertmanager", async () => {
  const recording = await record();
  const slack = { ...config.monitoring.slack, webhookUrl: `https://hooks.example.org/${PLANTED.slack}` };
  new Monitoring(
    "mon",
    { ...onSeed, kubeconfigFile: "/k", monitoring: { ...config.monitoring, slack }, mirror },
    providers(),
  );
  await recording.settled();
  assert.ok(isSecret(recording.get("mon-slack").inputs["stringData"]));
  // CRDs and volumes change before the release, and the volumes go after it, while there is a namespace.
  assert.deepEqual(recording.get("mon-release").dependsOn.toSorted(), [
    "mon-namespace",
    "mon-slack",
    "mon-volumes",
  ]);
  assert.deepEqual(recording.get("mon-volumes").dependsOn, ["mon-namespace"]);
  assert.equal(recording.get("mon-volumes").inputs["delete"], "sudo -n bash -s -- delete");
  noLeaks(recording);
});

test("monitoring without a webhook has no secret", async () => {
  const recording = await record();
  new Monitoring(
    "mon",
    {
      ...onSeed,
      kubeconfigFile: "/k",
      monitoring: { ...config.monitoring, slack: { severities: ["critical"] } },
      mirror,
    },
    providers(),
  );
  await recording.settled();
  assert.throws(() => recording.get("mon-slack"));
});

inBothModes(
  "seed access: the kubeconfig never travels, its change writes the file anew, which goes with the resource",
  async ({ recording }) => {
    const access = {
      ...onSeed,
      user: "ubuntu",
      fileName: "kubeconfig-capi-mgmt-x.yaml",
      clusterName: "capi-mgmt-x",
    };
    new SeedAccess("access", { ...access, kubeconfig: pulumi.secret(adminKubeconfig) });
    new SeedAccess("rotated", { ...access, kubeconfig: pulumi.secret(`${adminKubeconfig}#`) });
    await recording.settled();
    const [before, after] = ["access", "rotated"].map((name) => recording.get(`${name}-kubeconfig`).inputs);
    assert.ok(typeof before?.["stdin"] === "string" && typeof after?.["stdin"] === "string");
    assert.notEqual(before["stdin"], after["stdin"]);
    new SeedAccess("moved", { ...access, serverId: "another", kubeconfig: pulumi.secret(adminKubeconfig) });
    await recording.settled();
    assert.notEqual(before["stdin"], recording.get("moved-kubeconfig").inputs["stdin"], "another seed");
    assert.equal(before["delete"], "sudo -n bash -s -- delete");
    noLeaks(recording);
  },
);

inBothModes(
  "Magnum's token: its secret waits to be filled, is named by rotation, and comes after its rights",
  async ({ recording, preview }) => {
    const access = new MagnumAccess(
      "magnum",
      {
        ...onSeed,
        clusterName: "capi-mgmt-x",
        adminKubeconfig: pulumi.secret(adminKubeconfig),
        magnum: { ...config.magnum, kubeconfig: { kind: "token", rotation: 7 } },
      },
      providers(),
    );
    await recording.settled();
    const token = recording.get("magnum-token");
    assert.deepEqual(token.inputs["metadata"], {
      name: "capi-mgmt-service-account-7",
      namespace: "capi-mgmt",
      annotations: {
        "kubernetes.io/service-account.name": "capi-mgmt",
        "pulumi.com/waitFor": "jsonpath={.data.token}",
      },
    });
    assert.ok(token.dependsOn.includes("magnum-binding"));
    // The new token first, the old one revoked once it works: the engine replaces in that order only without this.
    assert.equal(token.deleteBeforeReplace, false);
    assert.equal(access.kubeconfigExpiry, undefined);
    assert.equal(await isSecretOutput(access.kubeconfig), true);
    // Nothing is deleted before everything else went well, so a new token that fails here revokes no old one.
    const works = recording.get("magnum-works");
    assert.deepEqual(works.dependsOn, ["magnum-token"]);
    assert.ok((await waitsFor(access.kubeconfig)).includes("magnum-works"), "untried");
    if (preview) return;
    assert.ok(!isSecret(works.inputs["stdin"]), "the script finds the kubeconfig where it is kept");
    assert.match(String(works.inputs["stdin"]), /^TOKEN_SECRET='capi-mgmt-service-account-7'$/m);
    const kubeconfig = parse(String(await valueOf(access.kubeconfig))) as Record<string, unknown>;
    assert.deepEqual(kubeconfig["users"], [{ name: "capi-mgmt-x", user: { token: PLANTED.token } }]);
    assert.deepEqual(kubeconfig["clusters"], [
      {
        name: "capi-mgmt-x",
        cluster: {
          server: "https://203.0.113.103:6443",
          "certificate-authority-data": Buffer.from("CA").toString("base64"),
        },
      },
    ]);
    noLeaks(recording);
  },
);

test("Magnum's certificate form is the admin kubeconfig, with its end as an output", async () => {
  const recording = await record();
  const access = new MagnumAccess(
    "magnum",
    {
      ...onSeed,
      clusterName: "capi-mgmt-x",
      adminKubeconfig: pulumi.secret(adminKubeconfig),
      magnum: { ...config.magnum, kubeconfig: { kind: "certificate", rotation: 1 } },
    },
    providers(),
  );
  await recording.settled();
  assert.equal(await valueOf(access.kubeconfig), adminKubeconfig);
  assert.ok((await waitsFor(access.kubeconfig)).includes("magnum-works"), "untried");
  assert.equal(await isSecretOutput(access.kubeconfigExpiry), false);
  assert.deepEqual(
    recording.resources.filter(({ parent }) => parent === "magnum").map(({ name }) => name),
    ["magnum-works"],
    "no account of its own",
  );
});
