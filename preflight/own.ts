/**
 * Which objects of a project are a site's own, by name. A stack `prod` beside a stack `prod-2` must not take that one's
 * for its own, so machines are told by the roles behind the cluster's name.
 */
import type { Config } from "../config/schema.ts";
import { CLUSTER_NAMESPACE, siteNames } from "../lib/names.ts";

export type Role = "seed" | "controlPlane" | "workers";

/** What a site's objects are called. */
export interface Own {
  /** Name of the cluster: all names begin with it, or have it behind Cluster API's own prefix. */
  readonly cluster: string;
  readonly seed: string;
  /** Begin of the names of a role's machines. */
  readonly machines: Readonly<Record<"controlPlane" | "workers", string>>;
  /** Begin of the names of a worker group's machines, by group. */
  readonly groups: Readonly<Record<string, string>>;
  /** The name by which Cluster API's provider looks for its load balancer, and adopts what it finds. */
  readonly loadBalancer: string;
}

export function ownNames(stack: string, config: Config): Own {
  const { cluster, seed } = siteNames(stack);
  return {
    cluster,
    seed,
    machines: {
      controlPlane: `${cluster}-control-plane-`,
      workers: `${cluster}-${config.cluster.workers.groupName}-`,
    },
    groups: Object.fromEntries(
      Object.keys(config.cluster.workerGroups).map((name) => [name, `${cluster}-${name}-`]),
    ),
    // cluster-api-provider-openstack 0.14.7, getLoadBalancerName.
    loadBalancer: `k8s-clusterapi-cluster-${CLUSTER_NAMESPACE}-${cluster}-kubeapi`,
  };
}

/** The role of a server, or undefined if it is not the site's. */
export function roleOf(server: string, own: Own): Role | undefined {
  if (server === own.seed) return "seed";
  if (groupOf(server, own) !== undefined) return "workers";
  return (["controlPlane", "workers"] as const).find((role) => server.startsWith(own.machines[role]));
}

/** The worker group of a server, or undefined if it is of none. One group's name may begin with another's. */
export function groupOf(server: string, own: Own): string | undefined {
  const prefixes: readonly (readonly [string | undefined, string])[] = [
    ...Object.entries(own.groups),
    ...Object.values(own.machines).map((prefix) => [undefined, prefix] as const),
  ];
  const [found] = prefixes
    .filter(([, prefix]) => server.startsWith(prefix))
    .sort(([, one], [, other]) => other.length - one.length);
  return found?.[0];
}

/** Whether an object that is no server is the site's: network, router, group, volume. */
export function isOwn(name: string, { cluster, seed, groups }: Own): boolean {
  const suffixes = [
    ...["", "-data", "-image", "-provisioning", "-control-plane", "-workers"],
    ...Object.keys(groups).map((group) => `-workers-${group}`),
  ];
  if ([cluster, seed].some((base) => suffixes.some((suffix) => name === base + suffix))) return true;
  // Cluster API's: k8s-cluster-default-<cluster>-secgroup-worker, k8s-clusterapi-cluster-default-<cluster>-kubeapi.
  return new RegExp(
    `^k8s-(clusterapi-)?cluster-${CLUSTER_NAMESPACE}-${cluster}(-secgroup-\\w+|-kubeapi)?$`,
  ).test(name);
}
