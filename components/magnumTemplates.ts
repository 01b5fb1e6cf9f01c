/**
 * Magnum's cluster templates and their images, for sites that do not make them with openstack-config. Upstream
 * analogue: openstack-config's roles os_images and os_container_clusters.
 */
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import type { Config } from "../config/schema.ts";
import { templateName } from "../config/templateName.ts";
import { imageProperties, templateLabels } from "../lib/cluster-templates.ts";
import { MachineImage } from "./machineImage.ts";

type Template = Config["magnum"]["templates"]["list"][number];

/**
 * Everything that makes a template what it is. Magnum refuses to change it while clusters use it, and a change would
 * mean another template under the same name: what the configuration says later counts for new templates only.
 */
const FIXED = [
  "image",
  "coe",
  "serverType",
  "masterFlavor",
  "flavor",
  "externalNetworkId",
  "dnsNameserver",
  "networkDriver",
  "masterLbEnabled",
  "floatingIpEnabled",
  "labels",
];

/**
 * One image and one template for each entry of `magnum.templates.list`. An entry that becomes `hidden` is hidden in
 * place, which Magnum allows at any time; one that is taken out is deleted, which Magnum refuses while clusters use it.
 */
export class MagnumTemplates extends pulumi.ComponentResource {
  /** Name of each template that is offered, to its id. */
  readonly offered: pulumi.Output<Record<string, string>>;

  /** @param args the whole configuration: what the section does not say follows from the clusters' sections */
  constructor(name: string, args: Config, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:MagnumTemplates", name, {}, opts);
    const ids: Record<string, pulumi.Output<string>> = {};
    for (const template of args.magnum.templates.list) {
      const id = this.template(name, args, template);
      if (template.hidden !== true) ids[templateName(template)] = id;
    }
    this.offered = pulumi.output(ids);
    this.registerOutputs({ offered: this.offered });
  }

  private template(name: string, args: Config, template: Template): pulumi.Output<string> {
    const { seed, cluster, magnum } = args;
    const settings = magnum.templates;
    const objectName = templateName(template);
    // Each template has an image of its own: one that several share could not go with the first of them.
    const image = new MachineImage(
      `${name}-${objectName}-image`,
      {
        image: template.image,
        imageName: `${objectName}-image`,
        visibility: settings.public ? "public" : "private",
        fixed: true,
        properties: imageProperties(template.kubernetesVersion),
      },
      { parent: this },
    );
    const provider = settings.loadBalancerProvider ?? cluster.apiServer.loadBalancerProvider;
    return new openstack.containerinfra.ClusterTemplate(
      `${name}-${objectName}`,
      {
        name: objectName,
        image: image.imageId,
        coe: "kubernetes",
        serverType: "vm",
        masterFlavor: settings.controlPlaneFlavor ?? cluster.controlPlane.flavor,
        flavor: settings.workerFlavor ?? cluster.workers.flavor,
        externalNetworkId: settings.externalNetworkId ?? seed.network.externalNetworkId,
        dnsNameserver: settings.dnsNameservers.join(","),
        networkDriver: settings.networkDriver,
        masterLbEnabled: true,
        floatingIpEnabled: true,
        labels: templateLabels(template.chartVersion, provider, settings.labels),
        public: settings.public,
        hidden: template.hidden ?? false,
      },
      { parent: this, ignoreChanges: FIXED },
    ).id;
  }
}
