/**
 * The addons' part of the chart openstack-cluster's values: what is on, where its charts come from, how the cloud is
 * spoken to. Upstream analogue: capi_cluster_addons_* of azimuth-ops role capi_cluster.
 */
import type { ClusterConfig } from "../config/schema.ts";
import { type AddonChart, addonRepositories } from "./addon-repositories.ts";

type Section = Readonly<Record<string, string>>;

export interface AddonValues {
  readonly cni?: {
    readonly calico?: Partial<AddonChart> & {
      readonly release?: {
        readonly values: { readonly installation: { readonly calicoNetwork: { readonly mtu: number } } };
      };
    };
  };
  readonly etcdDefrag?: Switchable & {
    readonly release?: { readonly values: { readonly schedule: string } };
  };
  readonly metricsServer?: Switchable;
  readonly nodeProblemDetector?: Switchable;
  readonly openstack: {
    readonly ccm?: AddonChart;
    readonly cloudConfig: {
      /** Lower case on purpose: the chart writes [Global] itself and drops a section of that very name. */
      readonly global: { readonly "tls-insecure": "false" };
      readonly LoadBalancer: Section;
      readonly BlockStorage?: Section;
      readonly Metadata?: Section;
    };
    readonly csiCinder: Partial<AddonChart> & {
      readonly defaultStorageClass: {
        readonly availabilityZone: string;
        readonly volumeType?: string;
        readonly name?: string;
        readonly reclaimPolicy?: string;
        readonly fstype?: string;
      };
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

/** On unless it says otherwise, as the chart has it. */
type Switchable = Partial<AddonChart> & { readonly enabled?: false };

/** Values of the addons: `addons`. */
export function addonValues(config: ClusterConfig, mirrorUrl: string | undefined): AddonValues {
  const { apiServer, storage } = config;
  const { calico, blockStorage, metadataSearchOrder, metricsServer, nodeProblemDetector, etcdDefrag } =
    config.addons;
  const addons = addonRepositories(mirrorUrl);
  const { schedule } = etcdDefrag;
  // The order is part of what the wait for the cluster follows: another one would run it again on deployed sites.
  return {
    ...key("cni", key("calico", { ...addons?.cni.calico, ...calicoRelease(calico?.mtu) })),
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
          ...loadBalancerSettings(config.addons.loadBalancers),
        },
        ...key("BlockStorage", {
          ...said("node-volume-attach-limit", blockStorage?.nodeVolumeAttachLimit),
          ...said("rescan-on-resize", blockStorage?.rescanOnResize),
          ...said("ignore-volume-az", blockStorage?.ignoreVolumeZone),
        }),
        ...key("Metadata", said("search-order", metadataSearchOrder)),
      },
      csiCinder: {
        ...addons?.openstack.csiCinder,
        defaultStorageClass: {
          availabilityZone: storage.availabilityZone,
          ...said("volumeType", storage.volumeType),
          ...said("name", storage.className),
          ...said("reclaimPolicy", storage.reclaimPolicy),
          ...said("fstype", storage.fsType),
        },
      },
    },
    ...key("etcdDefrag", {
      ...addons?.etcdDefrag,
      ...off(etcdDefrag),
      ...(schedule === undefined ? {} : { release: { values: { schedule } } }),
    }),
    ...key("metricsServer", { ...addons?.metricsServer, ...off(metricsServer) }),
    ...key("nodeProblemDetector", { ...addons?.nodeProblemDetector, ...off(nodeProblemDetector) }),
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

/** A key for what says something. */
function key<const K extends string, V extends object>(name: K, value: V): { readonly [P in K]?: V } {
  return Object.keys(value).length === 0 ? {} : ({ [name]: value } as { readonly [P in K]?: V });
}

/** A setting of a cloud-config or a chart, as text, if there is a value. */
function said<const K extends string>(name: K, value: string | number | boolean | undefined) {
  return (value === undefined ? {} : { [name]: String(value) }) as { readonly [P in K]?: string };
}

function off({ enabled }: { readonly enabled: boolean }): { enabled?: false } {
  return enabled ? {} : { enabled };
}

function loadBalancerSettings(config: ClusterConfig["addons"]["loadBalancers"]): Section {
  return {
    ...said("lb-method", config?.method),
    ...said("flavor-id", config?.flavorId),
    ...said("availability-zone", config?.availabilityZone),
    ...said("create-monitor", config?.createMonitor),
  };
}

function calicoRelease(mtu: number | undefined) {
  return mtu === undefined ? {} : { release: { values: { installation: { calicoNetwork: { mtu } } } } };
}
