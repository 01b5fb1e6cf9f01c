/**
 * The API server's options, the storage class and the addons': from the configuration to the chart's values. That the
 * chart reads them so was seen by rendering openstack-cluster 0.27.0; this test holds the spelling.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { plannedValues } from "../../lib/release-values.ts";
import { CERTIFICATE } from "../config/certificate.ts";
import { problemsOf } from "../config/support.ts";
import { AUDIT_POLICY, FULL, ID } from "../support/fullSite.ts";
import { configOf, type Values } from "../support/siteConfig.ts";

const planned = (change: Values) =>
  plannedValues(configOf(change), "https://keystone.example:5000/v3").cluster as Values;

/** A site that uses every option of the cluster once. */
const OPTIONS = { cluster: FULL.cluster };

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
  const values = planned(OPTIONS);
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
  assert.deepEqual(parse(policy?.content ?? ""), AUDIT_POLICY);
  assert.deepEqual(
    extraVolumes.map(({ mountPath, readOnly }) => [mountPath, readOnly]),
    [
      ["/etc/kubernetes/audit", true],
      ["/var/log/kubernetes/audit", false],
    ],
  );
  const registration = { nodeRegistration: { kubeletExtraArgs: { "max-pods": "200" } } };
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
  const { addons } = planned(OPTIONS) as { addons: Values };
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
  const { addons } = planned({ ...OPTIONS, mirror: { url: "https://mirror.example.org" } }) as {
    addons: Values;
  };
  assert.deepEqual(addons["metricsServer"], {
    chart: { repo: "https://mirror.example.org/kubernetes-sigs.github.io/metrics-server" },
    enabled: false,
  });
  const { calico } = addons["cni"] as { calico: Values };
  assert.deepEqual(Object.keys(calico), ["chart", "release"]);
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
