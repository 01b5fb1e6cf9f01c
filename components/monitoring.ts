/**
 * Prometheus, Alertmanager and Grafana on the HA cluster, with alerts to Slack. Upstream analogue: the monitoring
 * addon of openstack-cluster and azimuth-ops role alertmanager_config.
 */
import * as pulumi from "@pulumi/pulumi";
import type { Config, MonitoringConfig } from "../config/schema.ts";
import type { ExtraValues } from "../lib/extra-values.ts";
import { monitoringScript } from "../lib/monitoring-scripts.ts";
import { monitoringValues } from "../lib/monitoring-values.ts";
import { SLACK_SECRET, slackUrls } from "../lib/slack.ts";
import { chart } from "./chart.ts";
import { type Connection, seedScript } from "./connection.ts";
import { namespaceWith } from "./namespace.ts";

/** Namespace that azimuth-ops uses too. */
const NAMESPACE = "monitoring-system";

export interface MonitoringArgs {
  readonly connection: pulumi.Input<Connection>;
  /** The seed: another one looks at the volumes again. */
  readonly serverId: pulumi.Input<string>;
  /** Path of the cluster's kubeconfig on the seed. */
  readonly kubeconfigFile: pulumi.Input<string>;
  /** Section `monitoring` of the configuration. Holds secrets. */
  readonly monitoring: MonitoringConfig;
  /** Section `mirror` of the configuration. */
  readonly mirror: Config["mirror"];
  /** Values over those of kube-prometheus-stack. Default: none. */
  readonly extraValues?: ExtraValues | undefined;
}

/** kube-prometheus-stack, ready. */
export class Monitoring extends pulumi.ComponentResource {
  /** Namespace that everything is in. */
  readonly namespace: pulumi.Output<string>;

  constructor(name: string, args: MonitoringArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:Monitoring", name, {}, opts);
    const { monitoring } = args;
    const secret = { role: "slack", name: SLACK_SECRET, content: slackUrls(monitoring.slack) };
    const place = namespaceWith(name, NAMESPACE, secret, this);
    const [namespace] = place;
    const prepared = seedScript(
      `${name}-volumes`,
      {
        connection: args.connection,
        script: pulumi.output(args.kubeconfigFile).apply((kubeconfigFile) =>
          monitoringScript({
            namespace: NAMESPACE,
            monitoring,
            kubeconfigFile,
            mirrorUrl: args.mirror.url,
            mirrorCaCert: args.mirror.caCert,
          }),
        ),
        runAgainOn: [args.serverId],
        hasDelete: true,
      },
      // The volumes are in it.
      { parent: this, dependsOn: [namespace] },
    );
    chart(
      `${name}-release`,
      {
        chart: "kube-prometheus-stack",
        version: monitoring.version,
        repository: monitoring.repository,
        mirrorUrl: args.mirror.url,
        namespace: NAMESPACE,
        values: { ...monitoringValues(monitoring) },
        extraValues: args.extraValues,
        timeout: monitoring.timeouts.ready,
      },
      // CRDs and volumes change before what uses them. Alertmanager mounts the secret and does not start without it.
      { parent: this, dependsOn: [...place, prepared] },
    );
    this.namespace = namespace.metadata.name;
    this.registerOutputs({ namespace: this.namespace });
  }
}
