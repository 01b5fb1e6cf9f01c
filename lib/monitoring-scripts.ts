/**
 * The script beside kube-prometheus-stack's release that runs on the seed. Upstream analogue: azimuth-ops role
 * kube_prometheus_stack, which applies the CRDs first, and the life-cycle hooks of openstack-cluster's monitoring addon.
 */
import type { MonitoringConfig } from "../config/schema.ts";
import { mirrored } from "./mirror.ts";
import { script } from "./shell.ts";

/** How long a volume may take to go; Cinder takes seconds, a loaded one minutes. */
const VOLUME_SECONDS = 300;

/** Prometheus and Alertmanager as the chart names them for a release of its own name, and the label of their volumes. */
const PROGRAMS = [
  {
    program: "prometheus",
    owner: "prometheuses.monitoring.coreos.com/kube-prometheus-stack-prometheus",
    label: "operator.prometheus.io/name=kube-prometheus-stack-prometheus",
  },
  {
    program: "alertmanager",
    owner: "alertmanagers.monitoring.coreos.com/kube-prometheus-stack-alertmanager",
    label: "alertmanager=kube-prometheus-stack-alertmanager",
  },
] as const;

export interface MonitoringScriptArgs {
  readonly namespace: string;
  readonly monitoring: Pick<MonitoringConfig, "version" | "repository" | "prometheus" | "alertmanager">;
  /** Path of the cluster's kubeconfig on the seed. */
  readonly kubeconfigFile: string;
  readonly mirrorUrl?: string | undefined;
  readonly mirrorCaCert?: string | undefined;
}

/** Upgrades the chart's CRDs and grows its volumes, before the release; deletes the volumes after it. */
export function monitoringScript(args: MonitoringScriptArgs): string {
  const { monitoring } = args;
  return script(["monitoring"], {
    KUBECONFIG_FILE: args.kubeconfigFile,
    MONITORING_NAMESPACE: args.namespace,
    CHART_REPOSITORY: mirrored(monitoring.repository, args.mirrorUrl),
    CHART_VERSION: monitoring.version,
    VOLUME_SECONDS,
    VOLUME_LABELS: PROGRAMS.map(({ label }) => label),
    VOLUME_SIZES: PROGRAMS.map(({ program }) => monitoring[program].size),
    VOLUME_SETTINGS: PROGRAMS.map(({ program }) => `monitoring.${program}.size`),
    VOLUME_OWNERS: PROGRAMS.map(({ owner }) => owner),
    MIRROR_CA: args.mirrorCaCert,
  });
}
