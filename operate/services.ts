/**
 * What an operator looks at through a tunnel, by name. Upstream analogue: the services of azimuth-config's
 * bin/port-forward.
 */
import type { Config } from "../config/schema.ts";
import { CommandError } from "../lib/command-error.ts";
import { siteNames } from "../lib/names.ts";
import type { Service } from "./tunnel.ts";

/** Services of the chart kube-prometheus-stack, whose release has the chart's name, in its namespace. */
const MONITORING = {
  grafana: { name: "kube-prometheus-stack-grafana", port: 80 },
  prometheus: { name: "kube-prometheus-stack-prometheus", port: 9090 },
  alertmanager: { name: "kube-prometheus-stack-alertmanager", port: 9093 },
} as const;

export const MONITORING_NAMESPACE = "monitoring-system";

export type MonitoringService = keyof typeof MONITORING;

export function isMonitoringService(name: string): name is MonitoringService {
  return Object.hasOwn(MONITORING, name);
}

/**
 * Where a service of the monitoring is.
 *
 * @param settings the stack's configuration; undefined where it is not known
 * @throws CommandError if the configuration says that it is not there
 */
export function monitoringService(
  stack: string,
  name: MonitoringService,
  settings: Pick<Config, "monitoring"> | undefined,
): Service {
  const off = (key: string) =>
    new CommandError(`stack ${stack} has no ${name}: its configuration says ${key}: false`);
  if (settings?.monitoring.enabled === false) throw off("monitoring.enabled");
  if (name === "grafana" && settings?.monitoring.grafana.enabled === false) {
    throw off("monitoring.grafana.enabled");
  }
  return {
    kubeconfigFile: siteNames(stack).kubeconfigFile,
    namespace: MONITORING_NAMESPACE,
    ...MONITORING[name],
  };
}
