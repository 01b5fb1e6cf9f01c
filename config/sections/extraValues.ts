/**
 * Section extraValues: values for the charts that the program has no setting for. Upstream analogue: the
 * `*_release_overrides` of azimuth-ops, which are merged over the roles' own values without a word.
 */
import { z } from "zod";

/** Charts whose releases take values of the operator's. */
export const EXTRA_VALUES_RELEASES = [
  "cluster",
  "monitoring",
  "certManager",
  "addonProvider",
  "janitor",
  "logCollector",
  "loki",
  "backups",
] as const;

const extra = (chart: string, azimuth: string) =>
  z
    .strictObject({
      values: z
        .record(z.string(), z.unknown())
        .optional()
        .meta({
          description: `Values for the chart ${chart}, merged over the program's own: maps merge, lists and single values replace. What the chart does not read has no effect, unless its schema refuses it. Nothing is added without it.`,
          legal: "a map of the chart's values",
          source: azimuth,
        }),
      override: z
        .record(z.string(), z.literal(true).meta({ legal: "true" }))
        .optional()
        .meta({
          description:
            "Paths in values that may replace what the program sets, such as `apiServer.port`. Policy reports each. Without it such a value is refused.",
          legal: "a map of paths in values to true",
        }),
    })
    .optional();

export const extraValues = z.strictObject({
  cluster: extra("openstack-cluster", "azimuth-ops capi_cluster_release_overrides"),
  monitoring: extra("kube-prometheus-stack", "azimuth-ops kube_prometheus_stack_release_overrides"),
  certManager: extra("cert-manager, on both clusters", "azimuth-ops certmanager_release_overrides"),
  addonProvider: extra(
    "cluster-api-addon-provider, on both clusters",
    "azimuth-ops clusterapi_addon_provider_release_overrides",
  ),
  janitor: extra("cluster-api-janitor-openstack", "azimuth-ops clusterapi_janitor_openstack_release_values"),
  logCollector: extra("fluent-bit", "azimuth-ops capi_cluster_release_overrides, below addons.monitoring"),
  loki: extra("loki", "azimuth-ops capi_cluster_release_overrides, below addons.monitoring"),
  backups: extra("velero", "azimuth-ops velero_release_overrides"),
});
