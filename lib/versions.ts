/**
 * What is deployed, by component, for the stack output `versions` and for those who generate cluster templates from
 * it. Upstream analogue: dependencies.json of capi-helm-charts.
 */
import type { Config } from "../config/schema.ts";

/** Component to release, as upstream spells it. */
export function deployedVersions(config: Config): Record<string, string> {
  const { k3s, tools, clusterApi, cluster, monitoring, logs, backups } = config;
  return {
    k3s: k3s.version,
    kubectl: tools.kubectl.version,
    helm: tools.helm.version,
    ...(cluster.enabled ? { kubernetes: cluster.kubernetesVersion } : {}),
    certManager: clusterApi.certManager.version,
    clusterApi: clusterApi.core.version,
    clusterApiProviderOpenstack: clusterApi.openstack.version,
    openstackResourceController: clusterApi.orc.version,
    addonProvider: clusterApi.addonProvider.version,
    ...(clusterApi.janitor.enabled ? { janitor: clusterApi.janitor.version } : {}),
    openstackClusterChart: cluster.chart.version,
    ...(monitoring.enabled ? { kubePrometheusStack: monitoring.version } : {}),
    ...(logs.enabled ? { fluentBit: logs.collector.version } : {}),
    ...(logs.enabled && logs.external === undefined ? { loki: logs.loki.version } : {}),
    ...(backups.enabled ? { velero: backups.version } : {}),
  };
}
