/**
 * Values of the chart kube-prometheus-stack. Upstream analogue: azimuth-ops roles kube_prometheus_stack and
 * alertmanager_config.
 */
import type { MonitoringConfig } from "../config/schema.ts";
import { bytesOf } from "../config/units.ts";
import { alertRules, kubeStateMetricsValues } from "./alert-rules.ts";
import { alertmanagerConfig, SLACK_SECRET, slackUrls } from "./slack.ts";

function claim(storage: { readonly size: string; readonly storageClass?: string }) {
  return {
    volumeClaimTemplate: {
      spec: {
        accessModes: ["ReadWriteOnce"],
        ...(storage.storageClass === undefined ? {} : { storageClassName: storage.storageClass }),
        resources: { requests: { storage: storage.size } },
      },
    },
  };
}

/**
 * For another size of the volume prometheus-operator makes the StatefulSet anew, and its data would go with the old
 * one. What deletes the volumes with the release is scripts/monitoring.sh.
 */
const VOLUMES = { persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" } };

/** Share of the volume that Prometheus may fill with blocks: openstack-cluster's addon leaves as much for the WAL. */
const RETENTION_SHARE = 0.85;

/** A size as Prometheus reads it: its MB are MiB. */
function retentionSize(volume: string): string {
  return `${Math.floor((bytesOf(volume) * RETENTION_SHARE) / 2 ** 20)}MB`;
}

function podMonitor(name: string, namespace: string, labels: Record<string, string>, port: string) {
  return {
    name,
    namespaceSelector: { matchNames: [namespace] },
    selector: { matchLabels: labels },
    podMetricsEndpoints: [{ port }],
  };
}

/** The values for a validated configuration. They hold no secret: the webhooks are read from a mounted secret. */
export function monitoringValues(config: MonitoringConfig): object {
  const slack = slackUrls(config.slack);
  return {
    defaultRules: { disabled: Object.fromEntries(config.rules.disabled.map((name) => [name, true])) },
    ...(config.rules.enabled
      ? {
          additionalPrometheusRulesMap: alertRules(config.rules.certificateExpiryDays),
          "kube-state-metrics": kubeStateMetricsValues(),
        }
      : {}),
    grafana: { enabled: config.grafana.enabled },
    prometheus: {
      prometheusSpec: {
        retention: config.prometheus.retention,
        retentionSize: retentionSize(config.prometheus.size),
        storageSpec: claim(config.prometheus),
        ...VOLUMES,
      },
      additionalPodMonitors: [
        podMonitor(
          "capo-controller-manager",
          "capo-system",
          { "control-plane": "capo-controller-manager" },
          "metrics",
        ),
        podMonitor(
          "cert-manager",
          "cert-manager",
          { "app.kubernetes.io/name": "cert-manager" },
          "http-metrics",
        ),
      ],
    },
    alertmanager: {
      config: alertmanagerConfig(config.slack),
      alertmanagerSpec: {
        retention: config.alertmanager.retention,
        storage: claim(config.alertmanager),
        ...VOLUMES,
        ...(Object.keys(slack).length === 0 ? {} : { secrets: [SLACK_SECRET] }),
      },
    },
  };
}
