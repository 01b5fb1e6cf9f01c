/**
 * Prometheus, Alertmanager and Grafana on the HA cluster, with alerts to Slack. Upstream analogue: the monitoring
 * addon of openstack-cluster and azimuth-ops role alertmanager_config.
 */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Config, MonitoringConfig } from "../config/schema.ts";
import { monitoringValues } from "../lib/monitoring-values.ts";
import { SLACK_SECRET, slackUrls } from "../lib/slack.ts";
import { chart } from "./chart.ts";

/** Namespace that azimuth-ops uses too. */
const NAMESPACE = "monitoring-system";

export interface MonitoringArgs {
  /** Section `monitoring` of the configuration. Holds secrets. */
  readonly monitoring: MonitoringConfig;
  /** Section `mirror` of the configuration. */
  readonly mirror: Config["mirror"];
}

/** kube-prometheus-stack, ready. */
export class Monitoring extends pulumi.ComponentResource {
  /** Namespace that everything is in. */
  readonly namespace: pulumi.Output<string>;

  constructor(name: string, args: MonitoringArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:Monitoring", name, {}, opts);
    const { monitoring } = args;
    const namespace = new k8s.core.v1.Namespace(
      `${name}-namespace`,
      { metadata: { name: NAMESPACE } },
      { parent: this },
    );
    const urls = slackUrls(monitoring.slack);
    const slack =
      Object.keys(urls).length === 0
        ? []
        : [
            new k8s.core.v1.Secret(
              `${name}-slack`,
              {
                metadata: { name: SLACK_SECRET, namespace: namespace.metadata.name },
                stringData: pulumi.secret(urls),
              },
              { parent: this },
            ),
          ];
    chart(
      `${name}-release`,
      {
        chart: "kube-prometheus-stack",
        version: monitoring.version,
        repository: monitoring.repository,
        mirrorUrl: args.mirror.url,
        namespace: NAMESPACE,
        values: { ...monitoringValues(monitoring) },
        timeout: monitoring.timeouts.ready,
      },
      // Alertmanager mounts the secret and does not start without it.
      { parent: this, dependsOn: [namespace, ...slack] },
    );
    this.namespace = namespace.metadata.name;
    this.registerOutputs({ namespace: this.namespace });
  }
}
