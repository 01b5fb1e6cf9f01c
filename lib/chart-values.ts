/**
 * Values of the chart openstack-cluster. Upstream analogue: capi_cluster_release_defaults of azimuth-ops role
 * capi_cluster. The chart withdrew its schema (capi-helm-charts #806): a misspelt key is silently ignored there, so
 * the spelling is fixed here by types and held by tests. Machines and addons are in chart-machines.ts, chart-addons.ts.
 *
 * Nothing here knows Pulumi: what only the cloud knows is passed in as it is (type R) and put in its place.
 */
import type { ClusterConfig, Config, RegistriesConfig } from "../config/schema.ts";
import { type AddonValues, addonValues } from "./chart-addons.ts";
import {
  type ControlPlaneValues,
  controlPlaneValues,
  type EtcdValues,
  etcdValues,
  type WorkerValues,
  workerValues,
} from "./chart-machines.ts";
import type { ProxySettings } from "./proxy.ts";
import { machineAuthorities, machineMirrors } from "./registries.ts";
import { type NodeGroup, nodeGroups, workerSecurityGroupRules } from "./worker-groups.ts";

/** What the machines find around them. */
export interface Surroundings {
  readonly mirror: Config["mirror"];
  readonly registries: RegistriesConfig;
  /** Undefined: the machines go out directly. */
  readonly proxy?: ProxySettings | undefined;
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

interface ApiServerValues<R, L> {
  readonly enableLoadBalancer: true;
  readonly loadBalancerProvider: string;
  readonly associateFloatingIP: boolean;
  readonly floatingIP?: R;
  readonly port: number;
  /** Read by the chart from 0.24.0; `allowedCidrs`, as magnum-capi-helm 1.4.0 sends it, has no effect. */
  readonly allowedCIDRs?: L;
}

/** The authority of the issuer has no value here: lib/kubeadm.ts. */
type OidcValues = Omit<NonNullable<ClusterConfig["apiServer"]["oidc"]>, "caCert">;

interface InternalNetwork<R> {
  readonly networkFilter?: { readonly id: R };
  readonly subnetFilter?: { readonly id: R };
  readonly nodeCidr?: string;
  readonly dnsNameservers?: readonly string[];
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
    readonly internalNetwork: InternalNetwork<R>;
  };
  readonly registryMirrors: ReturnType<typeof machineMirrors>;
  /** Holds secrets. */
  readonly registryAuth?: RegistriesConfig["auth"];
  readonly trustedCAs?: Readonly<Record<string, string>>;
  readonly oidc?: OidcValues;
  readonly etcd: EtcdValues;
  readonly apiServer: ApiServerValues<R, L>;
  readonly controlPlane: ControlPlaneValues<R>;
  readonly nodeGroupDefaults: WorkerValues<R>;
  readonly nodeGroups: readonly NodeGroup<R>[];
  readonly addons: AddonValues;
}

/** The values for a validated configuration. */
export function openstackClusterValues<R, L = readonly string[]>(
  config: ClusterConfig,
  refs: ChartRefs<R, L>,
  { registries, mirror, proxy }: Surroundings,
): OpenStackClusterValues<R, L> {
  const { workerRules } = config.network;
  const authorities = machineAuthorities(registries, mirror);
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
    ...oidcValues(config.apiServer),
    etcd: etcdValues(config),
    apiServer: apiServerValues(config.apiServer, refs),
    controlPlane: controlPlaneValues(config, refs.controlPlaneGroupId, proxy),
    nodeGroupDefaults: workerValues(config, refs.workersGroupId, proxy),
    nodeGroups: nodeGroups(config, refs.workerGroupIds ?? {}),
    addons: addonValues(config, mirror.url),
  };
}

function apiServerValues<R, L>(
  config: ClusterConfig["apiServer"],
  refs: ChartRefs<R, L>,
): ApiServerValues<R, L> {
  return {
    enableLoadBalancer: true,
    loadBalancerProvider: config.loadBalancerProvider,
    associateFloatingIP: config.floatingIp,
    ...(refs.floatingIp === undefined ? {} : { floatingIP: refs.floatingIp }),
    port: config.port,
    ...(config.allowedCidrs.length === 0 ? {} : { allowedCIDRs: refs.apiSources }),
  };
}

function oidcValues({ oidc }: ClusterConfig["apiServer"]): { oidc?: OidcValues } {
  if (oidc === undefined) return {};
  return { oidc: Object.fromEntries(Object.entries(oidc).filter(([key]) => key !== "caCert")) as OidcValues };
}

function internalNetwork<R, L>(config: ClusterConfig["network"], refs: ChartRefs<R, L>): InternalNetwork<R> {
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
