/**
 * The values of every release of a site as far as they are known before it is deployed: what `npm run config` shows, and
 * what extra values are held against. Upstream analogue: none.
 */
import type { Config } from "../config/schema.ts";
import { backupValues } from "./backup-values.ts";
import { openstackClusterValues } from "./chart-values.ts";
import { addonProviderValues, certManagerValues, janitorValues } from "./cluster-api-values.ts";
import type { ReleaseName } from "./extra-values.ts";
import { collectorValues, lokiValues } from "./logs-values.ts";
import { monitoringValues } from "./monitoring-values.ts";
import { proxySettings } from "./proxy.ts";

/** Stands for what only the deployment knows. */
const later = (what: string) => `<${what}>`;

/**
 * What the program itself sets, by release.
 *
 * @param authUrl the identity endpoint, of which a proxy's exceptions are computed
 */
export function plannedValues(config: Config, authUrl: string): Record<ReleaseName, object> {
  const { cluster, logs, backups } = config;
  const { network, apiServer, controlPlane, workers } = cluster;
  const hasNetwork = network.useSeedNetwork || network.networkId !== undefined || network.mtu !== undefined;
  const hasGroup = ({ serverGroup, serverGroupId }: typeof controlPlane | typeof workers) =>
    serverGroupId !== undefined || serverGroup !== "none";
  const refs = {
    credentialsSecret: later("name of the credentials secret"),
    imageId: later("id of the cluster's image"),
    keyPair: later("name of the key pair"),
    externalNetworkId: network.externalNetworkId ?? config.seed.network.externalNetworkId,
    ...(hasNetwork ? { networkId: later("id of the network"), subnetId: later("id of the subnet") } : {}),
    ...(apiServer.floatingIp ? { floatingIp: later("the API's floating IP") } : {}),
    apiSources: [...apiServer.allowedCidrs, later("the seed and the routers")],
    ...(hasGroup(controlPlane) ? { controlPlaneGroupId: later("id of its server group") } : {}),
    workerGroupIds: Object.fromEntries(
      Object.entries(cluster.workerGroups)
        .filter(([, group]) => group.serverGroup !== undefined || group.serverGroupId !== undefined)
        .map(([name]) => [name, later("id of its server group")]),
    ),
    ...(hasGroup(workers) ? { workersGroupId: later("id of their server group") } : {}),
  };
  const surroundings = {
    mirror: config.mirror,
    registries: config.registries,
    proxy: proxySettings(config, authUrl),
  };
  return {
    cluster: openstackClusterValues<string>(cluster, refs, surroundings),
    monitoring: monitoringValues(config.monitoring),
    certManager: certManagerValues,
    addonProvider: addonProviderValues,
    janitor: janitorValues(config.clusterApi),
    logCollector: collectorValues(logs, later("name of the cluster")),
    loki: lokiValues(logs),
    backups:
      backups.store === undefined ? {} : backupValues(backups, backups.store, config.monitoring.enabled),
  };
}
