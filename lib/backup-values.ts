/**
 * Values of the chart velero. Upstream analogue: velero_release_defaults and velero_backup_schedule_spec of azimuth-ops
 * role velero.
 */
import type { Config } from "../config/schema.ts";

type BackupsConfig = Config["backups"];
type Store = NonNullable<BackupsConfig["store"]>;

export const BACKUPS_NAMESPACE = "velero";

/** Secret with the store's credential. */
export const BACKUPS_SECRET = "velero-store";

/** What the cluster makes again by itself, or what a restore must not bring back. */
const LEFT_OUT = ["kube-node-lease", "kube-public", "kube-system", BACKUPS_NAMESPACE];

/** Content of the secret, in the form of an AWS credentials file. */
export function backupsSecret({ accessKeyId, secretAccessKey }: Store): Record<string, string> {
  const lines = ["[default]", `aws_access_key_id=${accessKeyId}`, `aws_secret_access_key=${secretAccessKey}`];
  return { cloud: `${lines.join("\n")}\n` };
}

/**
 * @param hasMonitoring whether the kinds of prometheus-operator are there
 */
export function backupValues(config: BackupsConfig, store: Store, hasMonitoring: boolean): object {
  const { url, bucket, prefix, region = "notused", caCert } = store;
  return {
    initContainers: [
      {
        name: "velero-plugin-for-aws",
        image: `docker.io/velero/velero-plugin-for-aws:${config.pluginVersion}`,
        imagePullPolicy: "IfNotPresent",
        volumeMounts: [{ mountPath: "/target", name: "plugins" }],
      },
    ],
    credentials: { existingSecret: BACKUPS_SECRET },
    configuration: {
      backupStorageLocation: [
        {
          name: "default",
          provider: "aws",
          default: true,
          bucket,
          ...(prefix === undefined ? {} : { prefix }),
          ...(caCert === undefined ? {} : { caCert: Buffer.from(caCert).toString("base64") }),
          // Ceph's older gateways refuse the plugin's checksums; a region has to be said (azimuth-ops #1304).
          config: { region, s3Url: url, s3ForcePathStyle: "true", checksumAlgorithm: "" },
        },
      ],
      volumeSnapshotLocation: [],
    },
    snapshotsEnabled: false,
    schedules: {
      default: {
        schedule: config.schedule,
        useOwnerReferencesInBackup: false,
        template: {
          ttl: config.keep,
          includedNamespaces: ["*"],
          excludedNamespaces: LEFT_OUT,
          excludedResources: ["events"],
          includeClusterResources: true,
          snapshotVolumes: false,
        },
      },
    },
    ...(hasMonitoring
      ? { metrics: { serviceMonitor: { enabled: true, additionalLabels: WATCHED }, prometheusRule: RULES } }
      : {}),
  };
}

const failing = (alert: string, metric: string, what: string) => ({
  alert,
  expr: `sum(increase(${metric}{schedule!=""}[24h])) by (schedule) > 0`,
  for: "15m",
  labels: { severity: "warning" },
  annotations: {
    summary: `Velero's schedule {{ $labels.schedule }} has ${what} backups in the last 24 hours`,
  },
});

/** Prometheus of the release kube-prometheus-stack looks at what has its label only. */
const WATCHED = { release: "kube-prometheus-stack" };

const RULES = {
  enabled: true,
  additionalLabels: WATCHED,
  spec: [
    failing("VeleroBackupFailed", "velero_backup_failure_total", "failed"),
    failing("VeleroBackupPartlyFailed", "velero_backup_partial_failure_total", "partly failed"),
  ],
};
