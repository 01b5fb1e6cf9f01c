/**
 * What a site may switch on on its HA cluster: logs, backups, and extras of its own. Upstream analogue: the addons of the
 * chart cluster-addons that are off by default.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { ExtraValues, ReleaseName } from "../lib/extra-values.ts";
import { Backups } from "./backups.ts";
import { type ExtrasSource, makeExtras } from "./extras.ts";
import { Logs } from "./logs.ts";

export interface ClusterOptionsArgs extends ExtrasSource {
  /** The operator's own values of each release. */
  readonly extraValues: Readonly<Record<ReleaseName, ExtraValues>>;
  /** The HA cluster's name, label of its logs. */
  readonly clusterName: string;
  /** What the cluster has already; extras may be of kinds that it brings. */
  readonly parts: readonly pulumi.Resource[];
  /** The cluster with every machine: extras come after all of it. */
  readonly complete: pulumi.Resource;
  /** Where Grafana looks for sources. Default: there is no Grafana. */
  readonly grafanaNamespace: pulumi.Output<string> | undefined;
}

/**
 * Makes what the configuration switches on, each after what it needs.
 * @returns the cluster's parts, these included
 */
export function makeClusterOptions(
  args: ClusterOptionsArgs,
  onCluster: pulumi.ComponentResourceOptions,
): readonly pulumi.Resource[] {
  const { config, clusterName, grafanaNamespace } = args;
  const { mirror, logs, backups, monitoring } = config;
  const { logCollector: collector, loki, backups: extraValues } = args.extraValues;
  const parts = [...args.parts];
  if (logs.enabled) {
    const logsArgs = { clusterName, logs, mirror, grafanaNamespace, extraValues: { collector, loki } };
    parts.push(new Logs("logs", logsArgs, onCluster));
  }
  if (backups.enabled && backups.store !== undefined) {
    const hasMonitoring = monitoring.enabled;
    const backupsArgs = { backups, store: backups.store, mirror, hasMonitoring, extraValues };
    parts.push(new Backups("backups", { ...backupsArgs, needed: [...parts] }, onCluster));
  }
  return [...parts, ...makeExtras("cluster", args, [...parts, args.complete], onCluster)];
}
