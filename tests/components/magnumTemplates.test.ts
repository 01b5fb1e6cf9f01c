/**
 * Component MagnumTemplates: what it asks Magnum and Glance for, and what a later change of the configuration must not
 * touch. Does not prove that Magnum takes it: the lab has no Magnum service.
 */
import assert from "node:assert/strict";
import { MagnumTemplates } from "../../components/magnumTemplates.ts";
import type { Config } from "../../config/schema.ts";
import { inBothModes, providers, valueOf } from "../support/component.ts";
import { configOf } from "../support/config.ts";
import { isUnknown } from "../support/mocks.ts";

const url = "https://images.example.org/ubuntu-noble-kube-v1.34.8.qcow2";
const checksum = `sha256:${"a".repeat(64)}`;

function withTemplates(changes: Partial<Config["magnum"]["templates"]>): Config {
  const config = configOf("dev");
  const templates = { ...config.magnum.templates, enabled: true, ...changes };
  return { ...config, magnum: { ...config.magnum, templates } };
}

const CONFIG = withTemplates({
  public: true,
  labels: { kube_dashboard_enabled: "false", capi_helm_chart_version: "9.9.9" },
  list: [
    { kubernetesVersion: "v1.34.8", chartVersion: "0.27.0", image: { url, checksum } },
    { kubernetesVersion: "v1.34.8", chartVersion: "0.27.0", revision: 2, image: { id: "image-id" } },
    { kubernetesVersion: "v1.33.2", chartVersion: "0.24.0", image: { id: "old-image" }, hidden: true },
  ],
});
const FIRST = "kubernetes-v1.34.8-chart-0.27.0";
const TEMPLATE = "openstack:containerinfra/clusterTemplate:ClusterTemplate";

inBothModes(
  "templates: named by version, chosen by the driver, hidden ones not offered",
  async ({ recording, preview }) => {
    const templates = new MagnumTemplates("templates", CONFIG, providers());
    await recording.settled();
    const found = recording.resources.filter(({ type }) => type === TEMPLATE);
    assert.deepEqual(found.map(({ inputs }) => [inputs["name"], inputs["hidden"]]).sort(), [
      ["kubernetes-v1.33.2-chart-0.24.0", true],
      [FIRST, false],
      [`${FIRST}-2`, false],
    ]);
    const { inputs } = recording.get(`templates-${FIRST}`, "ClusterTemplate");
    assert.deepEqual(
      [inputs["coe"], inputs["serverType"], inputs["public"], inputs["dnsNameserver"]],
      ["kubernetes", "vm", true, "1.1.1.1,8.8.8.8,8.8.4.4"],
    );
    assert.deepEqual(inputs["labels"], {
      capi_helm_chart_version: "0.27.0",
      keystone_auth_enabled: "false",
      kube_dashboard_enabled: "false",
      monitoring_enabled: "true",
      octavia_provider: CONFIG.cluster.apiServer.loadBalancerProvider,
    });
    assert.equal(inputs["masterFlavor"], CONFIG.cluster.controlPlane.flavor);
    if (preview) assert.ok(isUnknown(inputs["image"]), "an image that is not uploaded yet has no id");
    else {
      const offered = (await valueOf(templates.offered)) as object;
      assert.deepEqual(Object.keys(offered).sort(), [FIRST, `${FIRST}-2`]);
    }
  },
);

inBothModes(
  "templates: whatever the configuration says later, an existing one only becomes hidden or public",
  async ({ recording }) => {
    new MagnumTemplates("templates", CONFIG, providers());
    await recording.settled();
    for (const template of recording.resources.filter(({ type }) => type === TEMPLATE)) {
      const free = Object.keys(template.inputs).filter((key) => !template.ignoreChanges.includes(key));
      assert.deepEqual(free.sort(), ["hidden", "name", "public"]);
      assert.deepEqual(template.replaceOnChanges, []);
    }
  },
);

inBothModes(
  "images: uploaded with what driver and Magnum read, seen like the templates, and never exchanged",
  async ({ recording }) => {
    new MagnumTemplates("templates", CONFIG, providers());
    await recording.settled();
    const uploads = recording.resources.filter(({ type }) => type === "openstack:images/image:Image");
    assert.equal(uploads.length, 1);
    const [image] = uploads;
    assert.deepEqual(image?.inputs["properties"], { kube_version: "v1.34.8", os_distro: "ubuntu" });
    assert.equal(image?.inputs["visibility"], "public");
    assert.deepEqual(image?.replaceOnChanges, []);
    assert.ok(image?.ignoreChanges.includes("imageSourceUrl"));
  },
);

inBothModes(
  "templates: what the section says goes before what the management cluster has",
  async ({ recording }) => {
    const said = {
      loadBalancerProvider: "ovn",
      controlPlaneFlavor: "own-control-plane",
      workerFlavor: "own-worker",
      externalNetworkId: "own-external",
    } as const;
    const list = [{ kubernetesVersion: "v1.34.8", chartVersion: "0.27.0", image: { id: "image-id" } }];
    new MagnumTemplates("templates", withTemplates({ ...said, list }), providers());
    await recording.settled();
    const { inputs } = recording.get(`templates-${FIRST}`, "ClusterTemplate");
    assert.deepEqual(
      [inputs["masterFlavor"], inputs["flavor"], inputs["externalNetworkId"]],
      ["own-control-plane", "own-worker", "own-external"],
    );
    assert.equal((inputs["labels"] as Record<string, string>)["octavia_provider"], "ovn");
  },
);
