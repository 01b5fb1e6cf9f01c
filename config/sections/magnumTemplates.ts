/**
 * Section magnum.templates: what tenants' cluster templates are made of. Upstream analogue: openstack-config's
 * generate-magnum-capi-templates.yml and its magnum_… variables.
 */
import { z } from "zod";
import { chartVersion, choice, flag, ipv4List, line, tag, uuid, wholeNumber } from "../formats.ts";
import { image } from "./common.ts";

/** A template once made is never changed: what the list says about it, but `hidden`, counts on the day it is made. */
const template = z.strictObject({
  kubernetesVersion: tag.meta({ description: "Kubernetes release of the image." }),
  chartVersion: chartVersion.meta({
    description: "Release of the chart openstack-cluster for its clusters.",
  }),
  revision: wholeNumber(1, 1000).optional().meta({
    description:
      "Tells templates of the same two releases apart, for one with other settings. Without it 1, which is not in the name.",
  }),
  image: image("the template's machines"),
  hidden: flag.optional().meta({
    description:
      "Not offered for new clusters; the clusters it has go on. Magnum's policy allows that to administrators only. Without it false.",
  }),
});

export const templates = z.strictObject({
  enabled: flag.meta({
    description:
      "Make Magnum's cluster templates in this stack. They are the stack's project's unless `public`.",
  }),
  controlPlaneFlavor: line
    .optional()
    .meta({ description: "Flavor of control plane machines. Without it cluster.controlPlane.flavor." }),
  workerFlavor: line
    .optional()
    .meta({ description: "Flavor of worker machines. Without it cluster.workers.flavor." }),
  externalNetworkId: uuid.optional().meta({
    description: "External network of tenants' clusters. Without it seed.network.externalNetworkId.",
  }),
  dnsNameservers: ipv4List.meta({ description: "Name servers of tenants' machines." }),
  networkDriver: choice("calico", "cilium").meta({ description: "Pod network." }),
  loadBalancerProvider: line
    .optional()
    .meta({ description: "Octavia provider. Without it cluster.apiServer.loadBalancerProvider." }),
  public: flag.meta({
    description:
      "Offer templates and images to every project. Magnum's and Glance's policies allow that to administrators only.",
  }),
  labels: z.record(z.string().regex(/^[a-z0-9_]+$/), line).meta({
    description: "Labels of magnum-capi-helm for every template, over the usual ones.",
    legal: "a map of label to text",
  }),
  list: z.array(template).meta({
    description:
      "The templates. One that is taken out is deleted, which Magnum refuses while clusters use it.",
    legal: "a list of {kubernetesVersion, chartVersion, revision, image, hidden}",
  }),
});
