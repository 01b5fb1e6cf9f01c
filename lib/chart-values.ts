/**
 * Values of the chart openstack-cluster. Upstream analogue: capi_cluster_release_defaults of azimuth-ops role
 * capi_cluster. The chart withdrew its schema (capi-helm-charts #806): a misspelt key is silently ignored there, so
 * the spelling is fixed here by types and held by tests.
 *
 * Nothing here knows Pulumi: what only the cloud knows is passed in as it is (type R) and put in its place.
 */
import type { ClusterConfig, Config, RegistriesConfig } from "../config/schema.ts";
import { type AddonChart, type AddonRepositories, addonRepositories } from "./addon-repositories.ts";
import { containerdDropIn, type ProxySettings } from "./proxy.ts";
import {
  machineOptionValues,
  type MachineOptionValues,
  type NodeGroup,
  nodeGroups,
  workerSecurityGroupRules,
} from "./worker-groups.ts";
import { machineAuthorities, machineMirrors } from "./registries.ts";
import { atLeast, CHART_WITHOUT_CERTIFICATE_ROLLOUT, parseRelease } from "../config/versions.ts";

/** What the machines find around them. */
export interface Surroundings {
  readonly mirror: Config["mirror"];
  readonly registries: RegistriesConfig;
  /** Undefined: the machines go out directly. */
  readonly proxy?: ProxySettings | undefined;
}

/** The part of a kubeadm configuration that we add; the chart puts its own beside it. */
interface KubeadmConfig {
  readonly files: readonly {
    readonly path: string;
    readonly content: string;
    readonly owner: string;
    readonly permissions: string;
  }[];
  readonly preKubeadmCommands: readonly string[];
}

/** Values that come from other resources: R one of them, L a list whose length is not known either. */
export interface ChartRefs<R, L = readonly string[]> {
  /** Name of the secret beside the Cluster that holds clouds.yaml and cacert. */
  readonly credentialsSecret: R;
  readonly imageId: R;
  /** Nova key pair for the machines. */
  readonly keyPair: R;
  readonly externalNetworkId: R;
  /** Network to use; undefined lets CAPO make one with `network.nodeCidr`. */
  readonly networkId?: R | undefined;
  readonly subnetId?: R | undefined;
  /** Address of the API's floating IP; undefined where the API has none. */
  readonly floatingIp?: R | undefined;
  /** Sources let in to the API: the configured ones and our own, from lib/addresses.ts. */
  readonly apiSources: L;
  /** Server groups of control plane and workers; undefined leaves the choice of hypervisors to Nova. */
  readonly controlPlaneGroupId?: R | undefined;
  readonly workersGroupId?: R | undefined;
  /** Server groups of worker groups that have one of their own, by group. Default: none. */
  readonly workerGroupIds?: Readonly<Record<string, R>>;
}

interface RootVolume {
  readonly diskSize?: number;
  readonly volumeType?: string;
  readonly availabilityZone?: string;
}

interface HealthCheck {
  readonly enabled: true;
  readonly spec: {
    readonly maxUnhealthy: number | string;
    readonly nodeStartupTimeout: string;
    readonly unhealthyConditions: readonly {
      readonly type: "Ready";
      readonly status: string;
      readonly timeout: string;
    }[];
  };
}

interface NodeTimeouts {
  readonly nodeDrainTimeout: string;
  readonly nodeVolumeDetachTimeout: string;
  readonly nodeDeletionTimeout: string;
}

/** The part of the chart's values that we set; everything else stays the chart's default. */
export interface OpenStackClusterValues<R, L = readonly string[]> {
  readonly cloudCredentialsSecretName: R;
  readonly kubernetesVersion: string;
  readonly machineImageId: R;
  readonly machineSSHKeyName: R;
  readonly machineMetadata?: Readonly<Record<string, string>>;
  readonly kubeNetwork: {
    readonly pods: { readonly cidrBlocks: readonly string[] };
    readonly services: { readonly cidrBlocks: readonly string[] };
  };
  readonly clusterNetworking: {
    readonly externalNetworkId: R;
    readonly workerNodesSecurityGroupRules?: ReturnType<typeof workerSecurityGroupRules>;
    readonly internalNetwork: {
      readonly networkFilter?: { readonly id: R };
      readonly subnetFilter?: { readonly id: R };
      readonly nodeCidr?: string;
      readonly dnsNameservers?: readonly string[];
    };
  };
  readonly registryMirrors: ReturnType<typeof machineMirrors>;
  /** Holds secrets. */
  readonly registryAuth?: RegistriesConfig["auth"];
  readonly trustedCAs?: Readonly<Record<string, string>>;
  readonly etcd: {
    readonly extraArgs: Readonly<
      Record<"heartbeat-interval" | "election-timeout" | "quota-backend-bytes", string>
    >;
    readonly blockDevice?: {
      readonly size: number;
      readonly type: "Volume";
      readonly volumeType?: string;
      readonly availabilityZone?: string;
    };
  };
  readonly apiServer: {
    readonly enableLoadBalancer: true;
    readonly loadBalancerProvider: string;
    readonly associateFloatingIP: boolean;
    readonly floatingIP?: R;
    readonly port: number;
    /** Read by the chart from 0.24.0; `allowedCidrs`, as magnum-capi-helm 1.4.0 sends it, has no effect. */
    readonly allowedCIDRs?: L;
  };
  readonly controlPlane: NodeTimeouts &
    MachineOptionValues & {
      readonly machineCount: number;
      readonly machineFlavor: string;
      readonly machineRootVolume?: RootVolume;
      readonly serverGroupId?: R;
      readonly omitFailureDomain: boolean;
      readonly failureDomains?: readonly string[];
      readonly remediationStrategy: {
        readonly maxRetry: number;
        readonly retryPeriod: string;
        readonly minHealthyPeriod: string;
      };
      readonly certificatesExpiryDays?: number;
      readonly kubeadmConfigSpec?: KubeadmConfig;
      readonly healthCheck: HealthCheck;
    };
  readonly nodeGroupDefaults: NodeTimeouts & {
    readonly machineFlavor: string;
    readonly machineRootVolume?: RootVolume;
    readonly serverGroupId?: R;
    readonly failureDomain?: string;
    readonly kubeadmConfigSpec?: KubeadmConfig;
    readonly rolloutStrategy: {
      readonly type: "RollingUpdate";
      readonly rollingUpdate: {
        readonly maxUnavailable: number | string;
        readonly maxSurge: number | string;
      };
    };
    readonly healthCheck: HealthCheck;
  };
  readonly nodeGroups: readonly NodeGroup<R>[];
  readonly addons: Partial<Omit<AddonRepositories, "openstack" | "reloader">> & {
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
  };
}

function rootVolume(config: ClusterConfig["workers"]["rootVolume"]): { machineRootVolume?: RootVolume } {
  if (!config.enabled) return {};
  return {
    machineRootVolume: {
      diskSize: config.sizeGb,
      ...(config.type === undefined ? {} : { volumeType: config.type }),
      // Without it the chart asks Cinder for a zone of the machine's Nova zone's name.
      ...(config.availabilityZone === undefined ? {} : { availabilityZone: config.availabilityZone }),
    },
  };
}

function healthCheck(config: ClusterConfig["healthChecks"], maxUnhealthy: number | string): HealthCheck {
  const unhealthy = (status: string) => ({ type: "Ready" as const, status, timeout: config.unhealthy });
  return {
    enabled: true,
    spec: {
      maxUnhealthy,
      nodeStartupTimeout: config.nodeStartup,
      unhealthyConditions: [unhealthy("Unknown"), unhealthy("False")],
    },
  };
}

function internalNetwork<R, L>(config: ClusterConfig["network"], refs: ChartRefs<R, L>) {
  if (refs.networkId !== undefined) {
    return {
      networkFilter: { id: refs.networkId },
      ...(refs.subnetId === undefined ? {} : { subnetFilter: { id: refs.subnetId } }),
    };
  }
  return {
    nodeCidr: config.nodeCidr,
    ...(config.dnsNameservers.length === 0 ? {} : { dnsNameservers: config.dnsNameservers }),
  };
}

function etcdValues(config: ClusterConfig): OpenStackClusterValues<never>["etcd"] {
  const { sizeGb, type, availabilityZone } = config.controlPlane.etcdVolume;
  return {
    extraArgs: {
      "heartbeat-interval": String(config.etcd.heartbeatIntervalMs),
      "election-timeout": String(config.etcd.electionTimeoutMs),
      "quota-backend-bytes": String(config.etcd.quotaBackendBytes),
    },
    ...(sizeGb === 0
      ? {}
      : {
          blockDevice: {
            size: sizeGb,
            type: "Volume" as const,
            ...(type === undefined ? {} : { volumeType: type }),
            ...(availabilityZone === undefined ? {} : { availabilityZone }),
          },
        }),
  };
}

/** containerd pulls through the proxy; kubelet and the control plane go nowhere. */
function kubeadmProxy(proxy: ProxySettings | undefined): { kubeadmConfigSpec?: KubeadmConfig } {
  if (proxy === undefined) return {};
  const path = "/etc/systemd/system/containerd.service.d/capi-mgmt-proxy.conf";
  return {
    kubeadmConfigSpec: {
      files: [{ path, content: containerdDropIn(proxy), owner: "root:root", permissions: "0644" }],
      preKubeadmCommands: ["systemctl daemon-reload", "systemctl restart containerd"],
    },
  };
}

/** The values for a validated configuration. */
export function openstackClusterValues<R, L = readonly string[]>(
  config: ClusterConfig,
  refs: ChartRefs<R, L>,
  surroundings: Surroundings,
): OpenStackClusterValues<R, L> {
  const { controlPlane, workers, apiServer, healthChecks } = config;
  const { workerRules } = config.network;
  const { registries, mirror } = surroundings;
  const authorities = machineAuthorities(registries, mirror);
  const addons = addonRepositories(mirror.url);
  const proxy = kubeadmProxy(surroundings.proxy);
  const timeouts: NodeTimeouts = {
    nodeDrainTimeout: config.nodeTimeouts.drain,
    nodeVolumeDetachTimeout: config.nodeTimeouts.volumeDetach,
    nodeDeletionTimeout: config.nodeTimeouts.deletion,
  };
  return {
    cloudCredentialsSecretName: refs.credentialsSecret,
    kubernetesVersion: config.kubernetesVersion.replace(/^v/, ""),
    machineImageId: refs.imageId,
    machineSSHKeyName: refs.keyPair,
    ...(config.machineMetadata === undefined ? {} : { machineMetadata: config.machineMetadata }),
    kubeNetwork: {
      pods: { cidrBlocks: [config.network.podCidr] },
      services: { cidrBlocks: [config.network.serviceCidr] },
    },
    clusterNetworking: {
      externalNetworkId: refs.externalNetworkId,
      ...(workerRules === undefined || workerRules.length === 0
        ? {}
        : { workerNodesSecurityGroupRules: workerSecurityGroupRules(workerRules) }),
      internalNetwork: internalNetwork(config.network, refs),
    },
    registryMirrors: machineMirrors(config.registryMirrors),
    ...(Object.keys(registries.auth).length === 0 ? {} : { registryAuth: registries.auth }),
    ...(Object.keys(authorities).length === 0 ? {} : { trustedCAs: authorities }),
    etcd: etcdValues(config),
    apiServer: {
      enableLoadBalancer: true,
      loadBalancerProvider: apiServer.loadBalancerProvider,
      associateFloatingIP: apiServer.floatingIp,
      ...(refs.floatingIp === undefined ? {} : { floatingIP: refs.floatingIp }),
      port: apiServer.port,
      ...(apiServer.allowedCidrs.length === 0 ? {} : { allowedCIDRs: refs.apiSources }),
    },
    controlPlane: {
      machineCount: controlPlane.count,
      machineFlavor: controlPlane.flavor,
      ...rootVolume(controlPlane.rootVolume),
      ...(refs.controlPlaneGroupId === undefined ? {} : { serverGroupId: refs.controlPlaneGroupId }),
      omitFailureDomain: controlPlane.failureDomains.length === 0,
      ...(controlPlane.failureDomains.length === 0 ? {} : { failureDomains: controlPlane.failureDomains }),
      ...timeouts,
      remediationStrategy: {
        maxRetry: healthChecks.remediation.maxRetry,
        retryPeriod: healthChecks.remediation.retryPeriod,
        minHealthyPeriod: healthChecks.remediation.minHealthyPeriod,
      },
      ...(controlPlane.certificatesExpiryDays === 0 || !chartRollsCertificates(config.chart.version)
        ? {}
        : { certificatesExpiryDays: controlPlane.certificatesExpiryDays }),
      ...machineOptionValues(controlPlane),
      ...proxy,
      healthCheck: healthCheck(healthChecks, healthChecks.controlPlaneMaxUnhealthy),
    },
    nodeGroupDefaults: {
      machineFlavor: workers.flavor,
      ...rootVolume(workers.rootVolume),
      ...(refs.workersGroupId === undefined ? {} : { serverGroupId: refs.workersGroupId }),
      ...(workers.failureDomain === undefined ? {} : { failureDomain: workers.failureDomain }),
      ...timeouts,
      rolloutStrategy: {
        type: "RollingUpdate",
        rollingUpdate: {
          maxUnavailable: workers.rollout.maxUnavailable,
          maxSurge: workers.rollout.maxSurge,
        },
      },
      ...proxy,
      healthCheck: healthCheck(healthChecks, healthChecks.workersMaxUnhealthy),
    },
    nodeGroups: nodeGroups(config, refs.workerGroupIds ?? {}),
    addons: {
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
            availabilityZone: config.storage.availabilityZone,
            ...(config.storage.volumeType === undefined ? {} : { volumeType: config.storage.volumeType }),
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
    },
  };
}

/** Whether a release of the chart reads `controlPlane.certificatesExpiryDays`; before, it is set beside the chart. */
export function chartRollsCertificates(version: string): boolean {
  const release = parseRelease(version);
  return release !== undefined && !atLeast(CHART_WITHOUT_CERTIFICATE_ROLLOUT, release);
}

/** What the chart would refuse only while it is installed, as `path: problem` lines. */
export function chartProblems(config: ClusterConfig): string[] {
  const problems: string[] = [];
  const { groupName } = config.workers;
  if (!/^[a-z][a-z0-9-]+[a-z0-9]$/.test(groupName)) {
    problems.push(
      `cluster.workers.groupName: the chart wants at least three of a-z, 0-9 and dash, starting with a letter (got ${JSON.stringify(groupName)})`,
    );
  }
  return problems;
}
