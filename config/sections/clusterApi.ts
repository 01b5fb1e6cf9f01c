/**
 * Section clusterApi: the controllers that both Kubernetes clusters run. Upstream analogue: azimuth-ops roles
 * clusterapi, certmanager and capi_janitor.
 */
import { z } from "zod";
import { choice, flag, httpUrl, sha256, tag, wholeNumber } from "../formats.ts";
import { chart, featureGates, timeout } from "./common.ts";

const manifest = (project: string) => ({
  version: tag.meta({ description: `Release of ${project}.` }),
  sha256: sha256.optional().meta({
    follows: "version",
    description: `SHA-256 of that release's manifest. Without it the manifest is taken as served.`,
  }),
});

export const clusterApi = z.strictObject({
  certManager: z.strictObject({
    version: tag.meta({ description: "Release of cert-manager, which is also its chart's version." }),
    repository: httpUrl.meta({ description: "Repository of its chart." }),
  }),
  orc: z.strictObject(manifest("openstack-resource-controller, which CAPO needs")),
  core: z.strictObject({
    ...manifest("Cluster API"),
    featureGates: featureGates("Cluster API's core controller"),
  }),
  kubeadmBootstrap: z.strictObject({ featureGates: featureGates("the kubeadm bootstrap controller") }),
  kubeadmControlPlane: z.strictObject({ featureGates: featureGates("the kubeadm control plane controller") }),
  openstack: z.strictObject({
    ...manifest("cluster-api-provider-openstack (CAPO)"),
    featureGates: featureGates("CAPO"),
  }),
  addonProvider: z.strictObject(chart),
  janitor: z.strictObject({
    enabled: flag.meta({
      description:
        "Install the janitor on the HA cluster: it deletes what a tenant cluster's controllers left in OpenStack. Switched off, its finalizer is taken off the clusters, and what they leave stays.",
    }),
    ...chart,
    defaultVolumesPolicy: choice("delete", "keep").meta({
      description:
        "What the janitor does with a deleted cluster's Cinder volumes unless the cluster says otherwise.",
    }),
    retrySeconds: wholeNumber(1, 3600).meta({ description: "Seconds between the janitor's attempts." }),
  }),
  timeouts: z.strictObject({
    deployments: timeout(
      "How long to wait for the controllers' Deployments.",
      "azimuth-ops clusterapi: 60 × 10 s",
    ),
    certManager: timeout("How long cert-manager's release may take."),
    charts: timeout("How long the addon provider's and the janitor's release may take."),
  }),
});
