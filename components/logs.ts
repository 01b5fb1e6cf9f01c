/**
 * Logs of the HA cluster, in a Loki of its own or in one elsewhere. Upstream analogue: loki-stack of openstack-cluster's
 * monitoring addon.
 */
import { ConfigMap } from "@pulumi/kubernetes/core/v1/index.js";
import * as pulumi from "@pulumi/pulumi";
import type { Config } from "../config/schema.ts";
import type { ExtraValues } from "../lib/extra-values.ts";
import {
  collectorValues,
  LOGS_NAMESPACE,
  LOGS_SECRET,
  logsSecret,
  LOKI_URL,
  lokiValues,
} from "../lib/logs-values.ts";
import { chart } from "./chart.ts";
import { namespaceWith } from "./namespace.ts";

export interface LogsArgs {
  /** Label of every line. */
  readonly clusterName: string;
  /** Section `logs` of the configuration. Holds a secret. */
  readonly logs: Config["logs"];
  /** Section `mirror` of the configuration. */
  readonly mirror: Config["mirror"];
  /** Namespace in which Grafana looks for where to read logs. Default: there is no Grafana. */
  readonly grafanaNamespace?: pulumi.Input<string> | undefined;
  /** Values over those of fluent-bit and of loki. Default: none. */
  readonly extraValues?: { readonly collector: ExtraValues; readonly loki: ExtraValues } | undefined;
}

/** Collector on every machine and, without a Loki elsewhere, Loki. */
export class Logs extends pulumi.ComponentResource {
  constructor(name: string, args: LogsArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:Logs", name, {}, opts);
    const { logs, clusterName, grafanaNamespace } = args;
    const secret = { role: "destination", name: LOGS_SECRET, content: logsSecret(logs) };
    const place = namespaceWith(name, LOGS_NAMESPACE, secret, this);
    const common = {
      mirrorUrl: args.mirror.url,
      namespace: LOGS_NAMESPACE,
      timeout: logs.timeouts.ready,
    };
    const needed: pulumi.Resource[] = [...place];
    if (logs.external === undefined) {
      const { version, repository } = logs.loki;
      needed.push(
        chart(
          `${name}-loki`,
          {
            ...common,
            chart: "loki",
            version,
            repository,
            values: { ...lokiValues(logs) },
            extraValues: args.extraValues?.loki,
          },
          { parent: this, dependsOn: [...place] },
        ),
      );
      if (grafanaNamespace !== undefined) this.grafanaSource(name, grafanaNamespace);
    }
    chart(
      `${name}-collector`,
      {
        ...common,
        chart: "fluent-bit",
        ...logs.collector,
        values: { ...collectorValues(logs, clusterName) },
        extraValues: args.extraValues?.collector,
      },
      // It reads the secret when it starts, and has somewhere to send to.
      { parent: this, dependsOn: needed },
    );
    this.registerOutputs({});
  }

  /** Grafana's sidecar reads what carries this label. */
  private grafanaSource(name: string, namespace: pulumi.Input<string>): void {
    new ConfigMap(
      `${name}-grafana-source`,
      {
        metadata: { name: "loki-grafana-source", namespace, labels: { grafana_datasource: "1" } },
        data: {
          "loki.yaml": JSON.stringify({
            apiVersion: 1,
            datasources: [{ name: "Loki", type: "loki", access: "proxy", url: LOKI_URL, isDefault: false }],
          }),
        },
      },
      { parent: this },
    );
  }
}
