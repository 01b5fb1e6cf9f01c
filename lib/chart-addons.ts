/**
 * The addons' part of the chart openstack-cluster's values: what is on, where its charts come from, how the cloud is
 * spoken to. Upstream analogue: capi_cluster_addons_* of azimuth-ops role capi_cluster.
 */
import type { ClusterConfig } from "../config/schema.ts";
import { type AddonChart, type AddonRepositories, addonRepositories } from "./addon-repositories.ts";

export interface AddonValues extends Partial<Omit<AddonRepositories, "openstack" | "reloader">> {
  readonly openstack: {
    readonly ccm?: AddonChart;
    readonly cloudConfig: {
      /** Lower case on purpose: the chart writes [Global] itself and drops a section of that very name. */
      readonly global: { readonly "tls-insecure": "false" };
      readonly LoadBalancer: Readonly<Record<string, string>>;
    };
    readonly csiCinder: Partial<AddonChart> & {
      readonly defaultStorageClass: { readonly availabilityZone: string; readonly volumeType?: string };
    };
  };
  readonly reloader: Partial<AddonChart> & {
    readonly enabled: true;
    readonly release: {
      readonly values: {
        readonly reloader: { readonly watchGlobally: false; readonly autoReloadAll: true };
      };
    };
  };
  readonly monitoring: { readonly enabled: false };
  readonly ingress: { readonly enabled: false };
  readonly nodeFeatureDiscovery: { readonly enabled: false };
  readonly nvidiaGPUOperator: { readonly enabled: false };
  readonly mellanoxNetworkOperator: { readonly enabled: false };
}

/** Values of the addons: `addons`. */
export function addonValues(config: ClusterConfig, mirrorUrl: string | undefined): AddonValues {
  const { apiServer, storage } = config;
  const addons = addonRepositories(mirrorUrl);
  return {
    ...addons,
    openstack: {
      ...(addons === undefined ? {} : { ccm: addons.openstack.ccm }),
      cloudConfig: {
        // Without a cacert the chart's cloud-config says tls-insecure=true: the cloud controller manager and Cinder's
        // driver would send the credential to whoever answers. With one this changes nothing.
        global: { "tls-insecure": "false" },
        LoadBalancer: {
          "lb-provider": apiServer.loadBalancerProvider,
          // OVN's load balancers know no other algorithm.
          ...(apiServer.loadBalancerProvider === "ovn" ? { "lb-method": "SOURCE_IP_PORT" } : {}),
        },
      },
      csiCinder: {
        ...addons?.openstack.csiCinder,
        defaultStorageClass: {
          availabilityZone: storage.availabilityZone,
          ...(storage.volumeType === undefined ? {} : { volumeType: storage.volumeType }),
        },
      },
    },
    // The cloud controller manager and Cinder's driver read their credential once: whatever uses a changed secret in
    // their namespace, where nothing else runs, is restarted.
    reloader: {
      ...addons?.reloader,
      enabled: true,
      release: { values: { reloader: { watchGlobally: false, autoReloadAll: true } } },
    },
    // Monitoring is a release of its own (component Monitoring): the addon's drift is never corrected
    // (cluster-api-addon-provider-helm #289) and its upgrade would wait for a change of the cluster.
    monitoring: { enabled: false },
    ingress: { enabled: false },
    nodeFeatureDiscovery: { enabled: false },
    nvidiaGPUOperator: { enabled: false },
    mellanoxNetworkOperator: { enabled: false },
  };
}
