/**
 * Machine groups as the chart openstack-cluster takes them. Upstream analogue: nodeGroups in its values.
 *
 * The chart merges nodeGroupDefaults into each group wherever the group has nothing or an empty value. So a group has
 * what it does not say from cluster.workers, of which the defaults are made, and cannot take it back.
 */
import type { ClusterConfig } from "../config/schema.ts";
import { groupKubeadm, type KubeadmConfig } from "./kubeadm.ts";

type WorkersConfig = ClusterConfig["workers"];
export type WorkerGroupConfig = ClusterConfig["workerGroups"][string];
type MachineOptions = Pick<WorkersConfig, "labels" | "configDrive" | "networks">;

/** A port as cluster-api-provider-openstack's v1beta1 has it; an empty one is on the cluster's network. */
interface Port {
  readonly network?: { readonly id: string };
  readonly fixedIPs?: readonly { readonly subnet: { readonly id: string } }[];
  readonly securityGroups?: readonly { readonly id: string }[];
  readonly disablePortSecurity?: true;
  readonly vnicType?: string;
}

/** The options that the control plane and each group take alike. */
export interface MachineOptionValues {
  readonly nodeLabels?: Readonly<Record<string, string>>;
  readonly machineConfigDrive?: boolean;
  readonly machineNetworking?: { readonly ports: readonly Port[] };
}

/** One group of machines; R is an id that another resource has. */
export interface NodeGroup<R> extends MachineOptionValues {
  readonly name: string;
  readonly machineCount?: number;
  readonly autoscale?: true;
  readonly machineCountMin?: number;
  readonly machineCountMax?: number;
  readonly machineFlavor?: string;
  readonly machineRootVolume?: {
    readonly diskSize: number;
    readonly volumeType?: string;
    readonly availabilityZone?: string;
  };
  readonly serverGroupId?: R;
  readonly failureDomain?: string;
  readonly rolloutStrategy?: {
    readonly type: "RollingUpdate";
    readonly rollingUpdate: {
      readonly maxUnavailable: number | string;
      readonly maxSurge: number | string;
    };
  };
  readonly kubeadmConfigSpec?: KubeadmConfig;
}

/** Whatever is not set leaves no key. */
export function machineOptionValues({ labels, configDrive, networks }: MachineOptions): MachineOptionValues {
  return {
    ...(labels === undefined || Object.keys(labels).length === 0 ? {} : { nodeLabels: labels }),
    ...(configDrive === undefined ? {} : { machineConfigDrive: configDrive }),
    // With any port given the one on the cluster's network has to be given too; first, for it is the node's address.
    ...(networks === undefined || networks.length === 0
      ? {}
      : { machineNetworking: { ports: [{}, ...networks.map(port)] } }),
  };
}

function port(network: NonNullable<MachineOptions["networks"]>[number]): Port {
  const { networkId, subnetId, securityGroupIds, portSecurity, vnicType } = network;
  return {
    network: { id: networkId },
    ...(subnetId === undefined ? {} : { fixedIPs: [{ subnet: { id: subnetId } }] }),
    ...(securityGroupIds === undefined ? {} : { securityGroups: securityGroupIds.map((id) => ({ id })) }),
    ...(portSecurity === false ? { disablePortSecurity: true as const } : {}),
    ...(vnicType === undefined ? {} : { vnicType }),
  };
}

/**
 * The groups, that of `cluster.workers` first, the others by name.
 *
 * @param groupIds ids of the server groups that are the groups' own, by group
 */
export function nodeGroups<R>(
  { workers, workerGroups }: Pick<ClusterConfig, "workers" | "workerGroups">,
  groupIds: Readonly<Record<string, R>>,
): NodeGroup<R>[] {
  const first = {
    name: workers.groupName,
    machineCount: workers.count,
    ...machineOptionValues(workers),
    ...groupKubeadm(workers),
  };
  return [
    first,
    ...sortedGroups(workerGroups).map(([name, group]) => nodeGroup(name, group, groupIds[name])),
  ];
}

function nodeGroup<R>(name: string, group: WorkerGroupConfig, serverGroupId: R | undefined): NodeGroup<R> {
  const { flavor, count, autoscale, rootVolume, failureDomain, rollout } = group;
  return {
    name,
    ...(autoscale === undefined
      ? { machineCount: count ?? 0 }
      : { autoscale: true, machineCountMin: autoscale.min, machineCountMax: autoscale.max }),
    ...(flavor === undefined ? {} : { machineFlavor: flavor }),
    ...(rootVolume === undefined
      ? {}
      : {
          machineRootVolume: {
            diskSize: rootVolume.sizeGb,
            ...(rootVolume.type === undefined ? {} : { volumeType: rootVolume.type }),
            ...(rootVolume.availabilityZone === undefined
              ? {}
              : { availabilityZone: rootVolume.availabilityZone }),
          },
        }),
    ...(serverGroupId === undefined ? {} : { serverGroupId }),
    ...(failureDomain === undefined ? {} : { failureDomain }),
    ...(rollout === undefined
      ? {}
      : {
          rolloutStrategy: {
            type: "RollingUpdate",
            rollingUpdate: { maxSurge: said(rollout.maxSurge), maxUnavailable: said(rollout.maxUnavailable) },
          },
        }),
    ...machineOptionValues(group),
    ...groupKubeadm(group),
  };
}

/** The chart takes a 0 of a group for nothing said, and puts the default's number in its place. */
function said(value: number | string): number | string {
  return value === 0 ? "0%" : value;
}

/** The groups in one order, whatever the file's: Pulumi hands maps over sorted, a file does not. */
export function sortedGroups(groups: ClusterConfig["workerGroups"]): [string, WorkerGroupConfig][] {
  return Object.entries(groups).sort(([one], [other]) => (one < other ? -1 : 1));
}

/** Machines of a group at its largest. */
export function mostMachines({ count, autoscale }: WorkerGroupConfig): number {
  return autoscale?.max ?? count ?? 0;
}

/** Rules as cluster-api-provider-openstack's v1beta1 has them. */
export function workerSecurityGroupRules(rules: NonNullable<ClusterConfig["network"]["workerRules"]>) {
  return rules.map(({ name, protocol, portMin, portMax, source }) => ({
    name,
    direction: "ingress",
    etherType: "IPv4",
    protocol,
    ...(portMin === undefined ? {} : { portRangeMin: portMin }),
    ...(portMax === undefined ? {} : { portRangeMax: portMax }),
    remoteIPPrefix: source,
  }));
}
