/**
 * The addons' charts as the cluster gets them: each renders with the values that the chart openstack-cluster gives it and
 * refuses one it does not know, and the cloud's settings are those of the real chart. Real helm.
 * Does not prove that what is rendered runs: deploying does.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { ensurePart } from "../../lab/prepare/cache.ts";
import { goParts } from "../../lab/prepare/parts.ts";
import { run } from "../../lab/run.ts";
import { projectDir } from "../../lab/site.ts";

interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly stringData?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly chart?: { readonly name: string };
    readonly releaseName?: string;
    readonly targetNamespace?: string;
    readonly manifestSources?: readonly { readonly template: string }[];
  };
}

const charts = join(projectDir, "lab", "charts");
const dir = mkdtempSync(join(tmpdir(), "capi-mgmt-charts-"));
let helm: string;
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

/** Renders a chart; values may be several files' worth, the last one wins. */
async function render(chart: string, release: string, namespace: string, ...values: (object | string)[]) {
  const files = values.map((content, index) => {
    const file = join(dir, `${release}-${index}.yaml`);
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    return ["--values", file];
  });
  const rendered = await run(helm, [
    ...["template", release, join(charts, chart), "--namespace", namespace],
    ...files.flat(),
  ]);
  return parseAllDocuments(rendered.stdout).map((document) => document.toJS() as KubernetesObject);
}

const found = (kind: string, name: string) => {
  const object = cluster.find((item) => item.kind === kind && item.metadata.name === `site-${name}`);
  assert.ok(object, `${kind} ${name}`);
  return object;
};

before(async () => {
  helm = join(await ensurePart(goParts.helm(), () => undefined), "helm");
  cluster = await render("openstack-cluster", "site", "default", VALUES);
});

after(() => {
  rmSync(dir, { recursive: true, force: true });
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
    const release = found("HelmRelease", name).spec;
    const values = Object.values(found("Secret", `${name}-config`).stringData ?? {}).map((text) =>
      text.replace(/\{\{ cluster\.spec\.controlPlaneEndpoint\.(\w+) \}\}/g, (_, field) =>
        field === "port" ? "6443" : "203.0.113.103",
      ),
    );
    const chart = release?.chart?.name ?? "";
    const namespace = release?.targetNamespace ?? "";
    const objects = await render(chart, name, namespace, ...values);
    const running = objects.filter(({ kind }) => /Set|Deployment|CronJob|CSIDriver/.test(kind));
    assert.deepEqual(running.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort(), expected);
    await assert.rejects(render(chart, name, namespace, ...values, { mispelt: true }), /mispelt/);
  });
}

test("flannel gets the cluster's pod network and the API's address", async () => {
  const [defaults] = Object.values(found("Secret", "cni-calico-config").stringData ?? {});
  const text = (defaults ?? "").replace(/'\{\{ cluster\.spec\.controlPlaneEndpoint\.\w+ \}\}'/g, '"7777"');
  const objects = JSON.stringify(await render("tigera-operator", "cni-calico", "tigera-operator", text));
  assert.match(objects, /\\"Network\\": \\"172\.16\.0\.0\/13\\"/);
  assert.match(objects, /"name":"KUBERNETES_SERVICE_HOST","value":"7777"/);
  await assert.rejects(render("tigera-operator", "cni-calico", "tigera-operator"), /ipPools/);
});

test("the cloud's settings are those that the real chart renders", () => {
  const [source] = found("Manifests", "cloud-config").spec?.manifestSources ?? [];
  assert.equal(
    source?.template,
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
  const [source] = found("Manifests", "csi-cinder-storageclass").spec?.manifestSources ?? [];
  assert.deepEqual(parse(source?.template ?? ""), {
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
