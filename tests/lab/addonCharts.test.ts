/**
 * The addons' charts as the cluster gets them: each renders with the values that the chart openstack-cluster gives it and
 * refuses one it does not know, and the cloud's settings are those of the real chart. Real helm.
 * Does not prove that what is rendered runs: deploying does.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { parse } from "yaml";
import { addonOf, type KubernetesObject, rendered } from "../support/helm.ts";

let cluster: KubernetesObject[];

const VALUES = {
  cloudCredentialsSecretName: "credentials",
  kubernetesVersion: "1.36.3",
  machineImageId: "image",
  controlPlane: { machineFlavor: "small" },
  nodeGroupDefaults: { machineFlavor: "small" },
  addons: {
    openstack: {
      cloudConfig: { global: { "tls-insecure": "false" }, LoadBalancer: { "lb-provider": "ovn" } },
    },
    reloader: {
      enabled: true,
      release: { values: { reloader: { watchGlobally: false, autoReloadAll: true } } },
    },
  },
};

/** The template of what the cluster is given as manifests. */
const template = (name: string) => {
  const object = cluster.find(
    ({ kind, metadata }) => kind === "Manifests" && metadata.name === `site-${name}`,
  );
  const sources = object?.spec?.["manifestSources"] as { template: string }[] | undefined;
  return sources?.[0]?.template ?? "";
};

before(async () => {
  cluster = await rendered("openstack-cluster", "site", "default", VALUES);
});

const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  "cni-calico": ["DaemonSet kube-flannel-ds"],
  "ccm-openstack": ["DaemonSet openstack-cloud-controller-manager"],
  "csi-cinder": [
    "CSIDriver cinder.csi.openstack.org",
    "DaemonSet openstack-cinder-csi-nodeplugin",
    "Deployment openstack-cinder-csi-controllerplugin",
  ],
  "etcd-defrag": ["CronJob etcd-defrag"],
  "node-problem-detector": [],
  reloader: ["Deployment reloader-reloader"],
};

for (const [name, expected] of Object.entries(EXPECTED)) {
  test(`${name} renders with the values it gets and refuses a misspelt one`, async () => {
    const addon = addonOf(cluster, name);
    assert.ok(addon !== undefined);
    const { chart, namespace, values } = addon;
    const objects = await rendered(chart, name, namespace, ...values);
    const running = objects.filter(({ kind }) => /Set|Deployment|CronJob|CSIDriver/.test(kind));
    assert.deepEqual(running.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort(), expected);
    await assert.rejects(rendered(chart, name, namespace, ...values, { mispelt: true }), /mispelt/);
  });
}

test("a group that scales by itself has bounds and no count, which the autoscaler would fight with", async () => {
  const nodeGroups = [
    { name: "md-0", machineCount: 3 },
    { name: "burst", autoscale: true, machineCountMin: 0, machineCountMax: 6 },
  ];
  const objects = await rendered("openstack-cluster", "site", "default", VALUES, { nodeGroups });
  const group = (name: string) =>
    objects.find(({ kind, metadata }) => kind === "MachineDeployment" && metadata.name === `site-${name}`);
  const [burst, fixed] = [group("burst"), group("md-0")];
  const bound = (name: string) =>
    burst?.metadata.annotations?.[`cluster.x-k8s.io/cluster-api-autoscaler-node-group-${name}-size`];
  assert.deepEqual([bound("min"), bound("max"), burst?.spec?.["replicas"]], ["0", "6", undefined]);
  assert.deepEqual([fixed?.metadata.annotations, fixed?.spec?.["replicas"]], [undefined, 3]);
});

test("flannel gets the cluster's pod network and the API's address", async () => {
  const { values = [] } = addonOf(cluster, "cni-calico") ?? {};
  const place = ["tigera-operator", "cni-calico", "tigera-operator"] as const;
  const objects = JSON.stringify(await rendered(...place, ...values));
  assert.match(objects, /\\"Network\\":\\"172\.16\.0\.0\/13\\"/);
  assert.match(objects, /"name":"KUBERNETES_SERVICE_HOST","value":"203\.0\.113\.103"/);
  await assert.rejects(rendered(...place), /ipPools/);
});

test("the cloud's settings are those that the real chart renders", () => {
  assert.equal(
    template("cloud-config"),
    `apiVersion: v1
kind: Secret
metadata:
  name: cloud-config
data:
  {{ cloud_identity.data | toyaml | indent(2) }}
stringData:
  cloud.conf: |
    [Global]
    use-clouds=true
    clouds-file=/etc/config/clouds.yaml
    cloud=openstack
{%- if "cacert" in cloud_identity.data %}
    ca-file=/etc/config/cacert
{%- else %}
    tls-insecure=true
{%- endif %}
    [Networking]
    internal-network-name={{ infra_cluster.status.network.name }}
    [LoadBalancer]
  {%- if "externalNetwork" in infra_cluster.status %}
    floating-network-id={{ infra_cluster.status.externalNetwork.id }}
  {%- endif %}
    lb-provider=ovn
    [BlockStorage]
    ignore-volume-az=true
    [global]
    tls-insecure=false
`,
  );
});

test("volumes of the default class are made where their pod is, deleted with their claim, and grow", () => {
  assert.deepEqual(parse(template("csi-cinder-storageclass")), {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: {
      name: "csi-cinder",
      annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
    },
    provisioner: "cinder.csi.openstack.org",
    parameters: { availability: "nova" },
    reclaimPolicy: "Delete",
    allowVolumeExpansion: true,
    volumeBindingMode: "WaitForFirstConsumer",
  });
});
