/**
 * The API server's options, the storage class and the addons': from the configuration to the chart's values. That the
 * chart reads them so was seen by rendering openstack-cluster 0.27.0; this test holds the spelling.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { configSchema } from "../../config/schema.ts";
import { fields } from "../../config/schemaTree.ts";
import { plannedValues } from "../../lib/release-values.ts";
import { CERTIFICATE } from "../config/certificate.ts";
import { problemsOf } from "../config/support.ts";
import { configOf, type Values } from "../support/siteConfig.ts";

const ID = "5617d17e-fdc1-4aa1-a14b-b9b5136c65af";
const OTHER_ID = "0f1e2d3c-4b5a-4968-8776-655443322110";

const planned = (change: Values) =>
  plannedValues(configOf(change), "https://keystone.example:5000/v3").cluster as Values;

const POLICY = { apiVersion: "audit.k8s.io/v1", kind: "Policy", rules: [{ level: "Metadata" }] };

/** A site that uses every option once. */
const FULL = {
  cluster: {
    apiServer: {
      oidc: {
        issuerUrl: "https://login.example.org/realms/cloud",
        clientId: "kubernetes",
        usernameClaim: "email",
        usernamePrefix: "-",
        groupsClaim: "roles",
        groupsPrefix: "sso:",
        caCert: CERTIFICATE,
      },
      auditPolicy: POLICY,
      auditLog: { maxAgeDays: 7, maxBackups: 3, maxSizeMb: 50 },
      extraArgs: { profiling: false, "event-ttl": "2h" },
    },
    controlPlane: { kubeletArgs: { "max-pods": 50 } },
    storage: { volumeType: "ssd", className: "ceph", reclaimPolicy: "Retain", fsType: "xfs" },
    addons: {
      calico: { mtu: 1400 },
      loadBalancers: {
        method: "LEAST_CONNECTIONS",
        flavorId: ID,
        availabilityZone: "az1",
        createMonitor: true,
      },
      blockStorage: { nodeVolumeAttachLimit: 25, rescanOnResize: true, ignoreVolumeZone: false },
      metadataSearchOrder: "metadataService",
      metricsServer: { enabled: false },
      nodeProblemDetector: { enabled: false },
      etcdDefrag: { enabled: true, schedule: "0 3 * * 0" },
    },
  },
} as const;

/** What the program adds to the chart's kubeadm configuration. */
interface Kubeadm {
  files: { path: string; content: string; permissions: string }[];
  clusterConfiguration: { apiServer: { extraArgs: Values; extraVolumes: Values[] } };
  initConfiguration: Values;
  joinConfiguration: Values;
}

test("a site without options says none to the chart", () => {
  const values = planned({});
  assert.equal("oidc" in values, false);
  assert.equal("kubeadmConfigSpec" in (values["controlPlane"] as Values), false);
  const { addons } = values as { addons: Values };
  for (const key of ["cni", "metricsServer", "nodeProblemDetector", "etcdDefrag"])
    assert.equal(key in addons, false, key);
});

test("the API server gets its arguments as text, and the files and volumes they need", () => {
  const values = planned(FULL);
  const { kubeadmConfigSpec } = values["controlPlane"] as { kubeadmConfigSpec: Kubeadm };
  const { extraArgs, extraVolumes } = kubeadmConfigSpec.clusterConfiguration.apiServer;
  assert.deepEqual(extraArgs, {
    "event-ttl": "2h",
    profiling: "false",
    "oidc-ca-file": "/etc/kubernetes/pki/capi-mgmt-oidc-ca.crt",
    "audit-policy-file": "/etc/kubernetes/audit/policy.yaml",
    "audit-log-path": "/var/log/kubernetes/audit/audit.log",
    "audit-log-maxage": "7",
    "audit-log-maxbackup": "3",
    "audit-log-maxsize": "50",
  });
  const [ca, policy] = kubeadmConfigSpec.files;
  assert.deepEqual([ca?.path, ca?.content], [extraArgs["oidc-ca-file"], CERTIFICATE]);
  assert.equal(policy?.path, extraArgs["audit-policy-file"]);
  assert.deepEqual(parse(policy?.content ?? ""), POLICY);
  assert.deepEqual(
    extraVolumes.map(({ mountPath, readOnly }) => [mountPath, readOnly]),
    [
      ["/etc/kubernetes/audit", true],
      ["/var/log/kubernetes/audit", false],
    ],
  );
  const registration = { nodeRegistration: { kubeletExtraArgs: { "max-pods": "50" } } };
  assert.deepEqual(kubeadmConfigSpec.initConfiguration, registration);
  assert.deepEqual(kubeadmConfigSpec.joinConfiguration, registration);
  assert.deepEqual(values["oidc"], {
    issuerUrl: "https://login.example.org/realms/cloud",
    clientId: "kubernetes",
    usernameClaim: "email",
    usernamePrefix: "-",
    groupsClaim: "roles",
    groupsPrefix: "sso:",
  });
});

test("addons are spelled as the chart reads them", () => {
  const { addons } = planned(FULL) as { addons: Values };
  const { cni, openstack, metricsServer, nodeProblemDetector, etcdDefrag } = addons;
  assert.deepEqual(cni, {
    calico: { release: { values: { installation: { calicoNetwork: { mtu: 1400 } } } } },
  });
  assert.deepEqual(openstack, {
    cloudConfig: {
      global: { "tls-insecure": "false" },
      LoadBalancer: {
        "lb-provider": "amphora",
        "lb-method": "LEAST_CONNECTIONS",
        "flavor-id": ID,
        "availability-zone": "az1",
        "create-monitor": "true",
      },
      BlockStorage: {
        "node-volume-attach-limit": "25",
        "rescan-on-resize": "true",
        "ignore-volume-az": "false",
      },
      Metadata: { "search-order": "metadataService" },
    },
    csiCinder: {
      defaultStorageClass: {
        availabilityZone: "nova",
        volumeType: "ssd",
        name: "ceph",
        reclaimPolicy: "Retain",
        fstype: "xfs",
      },
    },
  });
  assert.deepEqual([metricsServer, nodeProblemDetector], [{ enabled: false }, { enabled: false }]);
  assert.deepEqual(etcdDefrag, { release: { values: { schedule: "0 3 * * 0" } } });
});

test("behind a mirror an addon keeps its repository beside its options", () => {
  const { addons } = planned({ ...FULL, mirror: { url: "https://mirror.example.org" } }) as {
    addons: Values;
  };
  assert.deepEqual(addons["metricsServer"], {
    chart: { repo: "https://mirror.example.org/kubernetes-sigs.github.io/metrics-server" },
    enabled: false,
  });
  const { calico } = addons["cni"] as { calico: Values };
  assert.deepEqual(Object.keys(calico), ["chart", "release"]);
});

/** Another legal value of each key. */
const OTHER: Readonly<Record<string, unknown>> = {
  "cluster.apiServer.oidc.issuerUrl": "https://other.example.org",
  "cluster.apiServer.oidc.clientId": "other",
  "cluster.apiServer.oidc.usernameClaim": "other",
  "cluster.apiServer.oidc.usernamePrefix": "other",
  "cluster.apiServer.oidc.groupsClaim": "other",
  "cluster.apiServer.oidc.groupsPrefix": "other",
  "cluster.apiServer.oidc.caCert": `${CERTIFICATE}\n${CERTIFICATE}`,
  "cluster.apiServer.auditPolicy": { ...POLICY, omitStages: ["RequestReceived"] },
  "cluster.apiServer.auditLog.maxAgeDays": 8,
  "cluster.apiServer.auditLog.maxBackups": 4,
  "cluster.apiServer.auditLog.maxSizeMb": 51,
  "cluster.apiServer.extraArgs": { profiling: true },
  "cluster.controlPlane.kubeletArgs": { "max-pods": 51 },
  "cluster.storage.volumeType": "hdd",
  "cluster.storage.availabilityZone": "other",
  "cluster.storage.className": "other",
  "cluster.storage.reclaimPolicy": "Delete",
  "cluster.storage.fsType": "ext4",
  "cluster.addons.calico.mtu": 1401,
  "cluster.addons.loadBalancers.method": "SOURCE_IP",
  "cluster.addons.loadBalancers.flavorId": OTHER_ID,
  "cluster.addons.loadBalancers.availabilityZone": "az2",
  "cluster.addons.loadBalancers.createMonitor": false,
  "cluster.addons.blockStorage.nodeVolumeAttachLimit": 26,
  "cluster.addons.blockStorage.rescanOnResize": false,
  "cluster.addons.blockStorage.ignoreVolumeZone": true,
  "cluster.addons.metadataSearchOrder": "configDrive",
  "cluster.addons.metricsServer.enabled": true,
  "cluster.addons.nodeProblemDetector.enabled": true,
  "cluster.addons.etcdDefrag.schedule": "0 4 * * 0",
};
const ALONE = ["cluster.addons.etcdDefrag.enabled"];

function changed(tree: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value;
  const map = (tree ?? {}) as Values;
  return { ...map, [key]: changed(map[key], rest, value) };
}

test("the table has every key of the options", () => {
  const known = fields(configSchema)
    .map(({ path }) => path.join("."))
    .filter((path) =>
      /^cluster\.(addons|storage|apiServer\.(oidc|audit\w+|extraArgs)|controlPlane\.kubeletArgs)\b/.test(
        path,
      ),
    );
  assert.deepEqual(known.toSorted(), [...Object.keys(OTHER), ...ALONE].toSorted());
});

for (const [path, value] of Object.entries(OTHER)) {
  test(`${path}: a change arrives in the release's values`, () => {
    assert.notDeepEqual(planned(changed(FULL, path.split("."), value) as Values), planned(FULL));
  });
}

test("cluster.addons.etcdDefrag.enabled: a change arrives in the release's values", () => {
  const { addons } = planned({ cluster: { addons: { etcdDefrag: { enabled: false } } } }) as {
    addons: Values;
  };
  assert.deepEqual(addons["etcdDefrag"], { enabled: false });
});

const cluster = (change: Values) => ({ cluster: change });
const REFUSED: readonly [what: string, change: Values, expected: string[]][] = [
  [
    "an argument that a setting makes",
    cluster({ apiServer: { extraArgs: { "oidc-client-id": "x", v: 4 } } }),
    [
      "cluster.apiServer.extraArgs.oidc-client-id: is set by something else (legal cluster.apiServer.oidc.clientId)",
      "cluster.apiServer.extraArgs.v: is set by something else (legal extraValues.cluster.values.apiServer.logLevel)",
    ],
  ],
  [
    "a kubelet's argument that the chart makes",
    cluster({
      controlPlane: { kubeletArgs: { "cloud-provider": "external" } },
      workerGroups: { gpu: { count: 1, kubeletArgs: { "node-labels": "a=b" } } },
    }),
    [
      "cluster.controlPlane.kubeletArgs.cloud-provider: is set by something else (legal the chart's)",
      "cluster.workerGroups.gpu.kubeletArgs.node-labels: is set by something else (legal labels beside kubeletArgs)",
    ],
  ],
  [
    "dashes before an argument",
    cluster({ apiServer: { extraArgs: { "--profiling": false } } }),
    [
      "cluster.apiServer.extraArgs.--profiling: is not a legal key (legal a map of argument, without the dashes before it, to text, a number, true or false)",
    ],
  ],
  [
    "a list for an argument",
    cluster({ apiServer: { extraArgs: { "enable-admission-plugins": ["NodeRestriction"] } } }),
    [
      "cluster.apiServer.extraArgs.enable-admission-plugins: is not valid (got a list of 1; legal text, a number, true or false)",
    ],
  ],
  [
    "an audit policy that is none",
    cluster({ apiServer: { auditPolicy: { kind: "policy", rules: [{ level: "All" }, "Metadata"] } } }),
    [
      "cluster.apiServer.auditPolicy.apiVersion: is not that of an audit policy (got nothing; legal audit.k8s.io/v1)",
      'cluster.apiServer.auditPolicy.kind: is not that of an audit policy (got "policy"; legal Policy)',
      'cluster.apiServer.auditPolicy.rules[0].level: is not an audit level (got "All"; legal None, Metadata, Request, RequestResponse)',
      "cluster.apiServer.auditPolicy.rules[1].level: is not an audit level (got nothing; legal None, Metadata, Request, RequestResponse)",
    ],
  ],
  [
    "an issuer in plain",
    cluster({ apiServer: { oidc: { issuerUrl: "http://login.example.org" } } }),
    [
      'cluster.apiServer.oidc.issuerUrl: is not valid (got "http://login.example.org"; legal an https:// URL without credentials)',
      "cluster.apiServer.oidc.clientId: is required (got nothing; legal text on one line: Client that tokens must be issued for)",
    ],
  ],
  [
    "a method that OVN lacks",
    cluster({
      apiServer: { loadBalancerProvider: "ovn", allowedCidrs: [] },
      addons: { loadBalancers: { method: "ROUND_ROBIN" } },
    }),
    [
      'cluster.addons.loadBalancers.method: is none that provider ovn has (got "ROUND_ROBIN"; legal SOURCE_IP_PORT)',
    ],
  ],
  [
    "a schedule without its job, and one that is none",
    cluster({ addons: { etcdDefrag: { enabled: false, schedule: "daily" } } }),
    [
      'cluster.addons.etcdDefrag.schedule: is not valid (got "daily"; legal a cron schedule of five fields such as 0 3 * * *)',
      "cluster.addons.etcdDefrag.schedule: has no effect with enabled false (legal enabled true)",
    ],
  ],
  [
    "packets of pods that the network drops",
    { seed: { network: { mtu: 1442 } }, ...cluster({ addons: { calico: { mtu: 1400 } } }) },
    [
      "cluster.addons.calico.mtu: leaves no room for VXLAN in the machines' network (got 1400; legal at most 1392)",
    ],
  ],
];

for (const [what, change, expected] of REFUSED) {
  test(`${what} is refused by its key`, () => assert.deepEqual(problemsOf(change), expected));
}
