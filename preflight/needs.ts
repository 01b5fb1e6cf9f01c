/**
 * What a site needs of its project's quota: everything deployed, and with one rolling upgrade under way. Pure; the numbers are azimuth-ops' documented quota list turned into a calculation.
 */
import type { Config } from "../config/schema.ts";
import { bytesOf } from "../config/units.ts";
import { mostMachines, type WorkerGroupConfig } from "../lib/worker-groups.ts";

/** Quota by the name an operator knows it by. Sizes: RAM in MiB, gigabytes in GB. */
export const QUOTA_NAMES = [
  "instances",
  "cores",
  "ram",
  "volumes",
  "gigabytes",
  "networks",
  "subnets",
  "routers",
  "ports",
  "floating_ips",
  "security_groups",
  "security_group_rules",
  "load_balancers",
  "server_groups",
  "server_group_members",
] as const;
export type QuotaName = (typeof QUOTA_NAMES)[number];
export type Quantities = Readonly<Record<QuotaName, number>>;

export interface FlavorSize {
  readonly vcpus: number;
  /** MiB. */
  readonly ram: number;
  /** GB; 0 when the flavor has no disk of its own. */
  readonly disk: number;
}

/** Sizes of the flavors the configuration names; undefined when the cloud has none of that name. */
export interface Flavors {
  readonly seed: FlavorSize | undefined;
  readonly controlPlane: FlavorSize | undefined;
  readonly workers: FlavorSize | undefined;
  /** Of worker groups with a flavor of their own, by group. Default: none. */
  readonly groups?: Readonly<Record<string, FlavorSize | undefined>>;
}

/** Groups CAPO manages beside the seed's: control plane and workers. */
const CAPO_SECURITY_GROUPS = 2;
/** Rules of the seed's group, of CAPO's two groups and of their default egress rules, rounded up from a deployed site. */
const SECURITY_GROUP_RULES = 40;
/** An amphora's VIP port and its own. */
const PORTS_OF_LOAD_BALANCER = 2;
/** DHCP agents' ports on a network that the project owns. */
const PORTS_OF_NETWORK = 2;

/** Machines a rollout adds to a group of `count`: maxSurge, percentages rounded up as Kubernetes does. */
export function surge(count: number, maxSurge: number | string): number {
  if (typeof maxSurge === "number") return maxSurge;
  return Math.ceil((count * Number(maxSurge.slice(0, -1))) / 100);
}

/**
 * The quota needed. Flavors that are not known count as nothing: their own check fails.
 *
 * @param rolling with one rolling upgrade of control plane and workers under way
 */
export function needs(config: Config, flavors: Flavors, rolling: boolean): Quantities {
  const { seed, cluster, monitoring } = config;
  const { enabled: isHa } = cluster;
  // The control plane rolls with one machine more, whatever its size (KubeadmControlPlane maxSurge 1).
  const controlPlanes = isHa ? cluster.controlPlane.count + (rolling ? 1 : 0) : 0;
  const workers = !isHa
    ? 0
    : cluster.workers.count + (rolling ? surge(cluster.workers.count, cluster.workers.rollout.maxSurge) : 0);
  // All groups roll at once, each with its own surge; one that scales is counted at its largest.
  const further = Object.entries(isHa ? cluster.workerGroups : {}).map(([name, group]) => {
    const most = mostMachines(group);
    const { maxSurge } = group.rollout ?? cluster.workers.rollout;
    return { name, group, count: most + (rolling ? surge(most, maxSurge) : 0) };
  });
  const furtherCount = further.reduce((sum, { count }) => sum + count, 0);
  const groups: [
    count: number,
    flavor: FlavorSize | undefined,
    root: { enabled: boolean; sizeGb: number },
  ][] = [
    [1, flavors.seed, seed.rootVolume],
    [controlPlanes, flavors.controlPlane, cluster.controlPlane.rootVolume],
    [workers, flavors.workers, cluster.workers.rootVolume],
    ...further.map(({ name, group, count }): (typeof groups)[number] => [
      count,
      group.flavor === undefined ? flavors.workers : flavors.groups?.[name],
      group.rootVolume === undefined ? cluster.workers.rootVolume : { enabled: true, ...group.rootVolume },
    ]),
  ];
  const total = (one: (flavor: FlavorSize) => number) =>
    groups.reduce((sum, [count, flavor]) => sum + (flavor === undefined ? 0 : count * one(flavor)), 0);
  const roots = groups.filter(([, , root]) => root.enabled);
  const etcdVolumes = cluster.controlPlane.etcdVolume.sizeGb > 0 ? controlPlanes : 0;
  const persistent = monitoring.enabled
    ? [monitoring.prometheus.size, monitoring.alertmanager.size].map(gigabytes)
    : [];

  const seedNetworks = seed.network.networkId === undefined ? 1 : 0;
  const clusterNetworks =
    isHa && !cluster.network.useSeedNetwork && cluster.network.networkId === undefined ? 1 : 0;
  const networks = seedNetworks + clusterNetworks;
  const instances = 1 + controlPlanes + workers + furtherCount;
  const routerInterfaces = networks;
  const furtherPorts = [
    { machines: cluster.controlPlane, count: controlPlanes },
    { machines: cluster.workers, count: workers },
    ...further.map(({ group, count }) => ({ machines: group, count })),
  ].reduce((sum, { machines, count }) => sum + count * (machines.networks ?? []).length, 0);
  const hasOwnGroup = ({ serverGroup, serverGroupId }: WorkerGroupConfig) =>
    serverGroup !== undefined || serverGroupId !== undefined;
  const inWorkersGroup = further.filter(({ group }) => !hasOwnGroup(group));
  const grouped = (
    [
      [cluster.controlPlane, controlPlanes],
      [cluster.workers, inWorkersGroup.reduce((sum, { count }) => sum + count, workers)],
      ...further
        .filter(({ group }) => hasOwnGroup(group))
        .map(({ group, count }) => [{ serverGroup: "none", ...group }, count] as const),
    ] as const
  ).filter(([{ serverGroup, serverGroupId }]) => serverGroup !== "none" || serverGroupId !== undefined);
  return {
    instances,
    cores: total((flavor) => flavor.vcpus),
    ram: total((flavor) => flavor.ram),
    volumes: 1 + roots.reduce((sum, [count]) => sum + count, 0) + etcdVolumes + persistent.length,
    gigabytes:
      seed.dataVolume.sizeGb +
      roots.reduce((sum, [count, , root]) => sum + count * root.sizeGb, 0) +
      etcdVolumes * cluster.controlPlane.etcdVolume.sizeGb +
      persistent.reduce((sum, size) => sum + size, 0),
    networks,
    subnets: networks,
    routers: networks,
    ports:
      instances +
      furtherPorts +
      (seed.access.method === "provisioningNetwork" ? 1 : 0) +
      (isHa ? PORTS_OF_LOAD_BALANCER : 0) +
      routerInterfaces +
      networks * PORTS_OF_NETWORK,
    floating_ips:
      (seed.access.method === "floatingIp" && seed.access.floatingIpAddress === undefined ? 1 : 0) +
      (isHa && cluster.apiServer.floatingIp && cluster.apiServer.floatingIpAddress === undefined ? 1 : 0),
    security_groups: 1 + (isHa ? CAPO_SECURITY_GROUPS : 0),
    security_group_rules: SECURITY_GROUP_RULES + (isHa ? (cluster.network.workerRules ?? []).length : 0),
    load_balancers: isHa ? 1 : 0,
    server_groups: grouped.filter(([{ serverGroupId }]) => isHa && serverGroupId === undefined).length,
    server_group_members: Math.max(0, ...grouped.map(([, machines]) => machines)),
  };
}

/** A Kubernetes quantity in whole GB as Cinder counts them, rounded up. */
function gigabytes(quantity: string): number {
  return Math.ceil(bytesOf(quantity) / 2 ** 30);
}
