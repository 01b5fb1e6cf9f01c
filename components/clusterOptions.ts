/**
 * What a site may switch on on its HA cluster: logs, backups, and extras of its own. Upstream analogue: the addons of the
 * chart cluster-addons that are off by default.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { Config } from "../config/schema.ts";
import { Backups } from "./backups.ts";
import { makeExtras } from "./extras.ts";
import { Logs } from "./logs.ts";

export interface ClusterOptionsArgs {
  /** The site's configuration. Holds secrets. */
  readonly config: Config;
  /** Paths of it that the stack file holds encrypted. */
  readonly encryptedPaths: ReadonlySet<string>;
  /** The HA cluster's name, label of its logs. */
  readonly clusterName: string;
  /** What the cluster has already; extras may be of kinds that it brings. */
  readonly parts: readonly pulumi.Resource[];
  /** Where Grafana looks for sources. Default: there is no Grafana. */
  readonly grafanaNamespace: pulumi.Output<string> | undefined;
}

/** Makes what the configuration switches on, each after what it needs. */
export function makeClusterOptions(
  args: ClusterOptionsArgs,
  onCluster: pulumi.ComponentResourceOptions,
): void {
  const { config, clusterName, grafanaNamespace } = args;
  const { mirror, logs, backups, monitoring } = config;
  const parts = [...args.parts];
  if (logs.enabled) parts.push(new Logs("logs", { clusterName, logs, mirror, grafanaNamespace }, onCluster));
  if (backups.enabled && backups.store !== undefined) {
    const backupsArgs = { backups, store: backups.store, mirror, hasMonitoring: monitoring.enabled };
    parts.push(new Backups("backups", { ...backupsArgs, needed: [...parts] }, onCluster));
  }
  makeExtras("cluster", config, args.encryptedPaths, parts, onCluster);
}
