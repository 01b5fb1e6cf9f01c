/**
 * Where the addons' charts come from behind a mirror. The addon provider fetches them, on k3s and for each cluster;
 * without a mirror the chart openstack-cluster says where.
 */
import { mirrored } from "./mirror.ts";

/** Repositories of the addons that are on, as the chart openstack-cluster 0.27.0 names them. */
const REPOSITORIES = {
  calico: "https://projectcalico.docs.tigera.io/charts",
  cloudProvider: "https://kubernetes.github.io/cloud-provider-openstack",
  etcdDefrag: "https://azimuth-cloud.github.io/capi-helm-charts",
  metricsServer: "https://kubernetes-sigs.github.io/metrics-server",
  nodeProblemDetector: "https://charts.deliveryhero.io",
  reloader: "https://stakater.github.io/stakater-charts",
} as const;

/** Where an addon's chart comes from. */
export interface AddonChart {
  readonly chart: { readonly repo: string };
}

export interface AddonRepositories {
  readonly cni: { readonly calico: AddonChart };
  readonly openstack: { readonly ccm: AddonChart; readonly csiCinder: AddonChart };
  readonly etcdDefrag: AddonChart;
  readonly metricsServer: AddonChart;
  readonly nodeProblemDetector: AddonChart;
  readonly reloader: AddonChart;
}

/** The part of the chart's `addons` that names the mirror's copies; undefined without a mirror. */
export function addonRepositories(mirrorUrl: string | undefined): AddonRepositories | undefined {
  if (mirrorUrl === undefined) return undefined;
  const from = (name: keyof typeof REPOSITORIES): AddonChart => ({
    chart: { repo: mirrored(REPOSITORIES[name], mirrorUrl) },
  });
  return {
    cni: { calico: from("calico") },
    openstack: { ccm: from("cloudProvider"), csiCinder: from("cloudProvider") },
    etcdDefrag: from("etcdDefrag"),
    metricsServer: from("metricsServer"),
    nodeProblemDetector: from("nodeProblemDetector"),
    reloader: from("reloader"),
  };
}

/** All of these repositories, for whoever looks whether a mirror has them. */
export const ADDON_REPOSITORIES: readonly string[] = Object.values(REPOSITORIES);
