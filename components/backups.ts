/**
 * Velero on the HA cluster, with a schedule. Upstream analogue: azimuth-ops role velero.
 */
import * as pulumi from "@pulumi/pulumi";
import type { Config } from "../config/schema.ts";
import { BACKUPS_NAMESPACE, BACKUPS_SECRET, backupsSecret, backupValues } from "../lib/backup-values.ts";
import type { ExtraValues } from "../lib/extra-values.ts";
import { chart } from "./chart.ts";
import { namespaceWith } from "./namespace.ts";

export interface BackupsArgs {
  /** Section `backups` of the configuration. Holds a secret. */
  readonly backups: Config["backups"];
  /** Its `store`, which is there. */
  readonly store: NonNullable<Config["backups"]["store"]>;
  /** Section `mirror` of the configuration. */
  readonly mirror: Config["mirror"];
  /** Whether prometheus-operator's kinds are there. */
  readonly hasMonitoring: boolean;
  /** What brings kinds that its release has objects of. */
  readonly needed: readonly pulumi.Resource[];
  /** Values over those of velero. Default: none. */
  readonly extraValues?: ExtraValues | undefined;
}

/** Velero, ready, with a credential for its store. */
export class Backups extends pulumi.ComponentResource {
  constructor(name: string, args: BackupsArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:Backups", name, {}, opts);
    const { backups, store, mirror } = args;
    const secret = { role: "store", name: BACKUPS_SECRET, content: backupsSecret(store) };
    const place = namespaceWith(name, BACKUPS_NAMESPACE, secret, this);
    chart(
      `${name}-release`,
      {
        chart: "velero",
        version: backups.version,
        repository: backups.repository,
        mirrorUrl: mirror.url,
        namespace: BACKUPS_NAMESPACE,
        values: { ...backupValues(backups, store, args.hasMonitoring) },
        extraValues: args.extraValues,
        timeout: backups.timeouts.ready,
      },
      // It mounts the secret and does not start without it.
      { parent: this, dependsOn: [...place, ...args.needed] },
    );
    this.registerOutputs({});
  }
}
