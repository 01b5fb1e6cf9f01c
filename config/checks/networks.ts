/**
 * Checks between networks: addresses must not overlap where traffic crosses, and options for an existing network
 * exclude those for one that is made.
 */
import { overlaps, parseCidr } from "../cidr.ts";
import type { Problem } from "../problems.ts";
import { type Check, type PartialConfig, when } from "./check.ts";

/** k3s's own pod and service networks, which we leave at k3s's defaults (k3s docs, `server` flags). */
const K3S_NETWORKS = [
  { path: "k3s's pods", cidr: "10.42.0.0/16" },
  { path: "k3s's services", cidr: "10.43.0.0/16" },
];

/** Octavia's and Neutron's smallest useful subnet for seed, machines, load balancer, router and DHCP. */
const LONGEST_PREFIX = 27;

function named(config: PartialConfig) {
  const { seed, cluster } = config;
  const makesSeedNetwork = seed?.network?.networkId === undefined;
  const makesNodeNetwork =
    cluster?.network?.useSeedNetwork === false && cluster.network.networkId === undefined;
  return [
    ...(makesSeedNetwork ? [{ path: "seed.network.cidr", cidr: seed?.network?.cidr }] : []),
    ...(makesNodeNetwork ? [{ path: "cluster.network.nodeCidr", cidr: cluster?.network?.nodeCidr }] : []),
    { path: "cluster.network.podCidr", cidr: cluster?.network?.podCidr },
    { path: "cluster.network.serviceCidr", cidr: cluster?.network?.serviceCidr },
  ].filter((network): network is { path: string; cidr: string } => network.cidr !== undefined);
}

/** No two networks that share routes may share addresses. */
export const noOverlaps: Check = (config) => {
  const networks = named(config);
  const pairs = networks.flatMap((one, index) =>
    networks.slice(index + 1).map((other) => [one, other] as const),
  );
  const withK3s = networks
    .filter(
      ({ path }) =>
        !path.startsWith("cluster.network.podCidr") && !path.startsWith("cluster.network.serviceCidr"),
    )
    .flatMap((one) => K3S_NETWORKS.map((other) => [one, other] as const));
  return [...pairs, ...withK3s].flatMap(([one, other]): Problem[] => {
    const [first, second] = [parseCidr(one.cidr), parseCidr(other.cidr)];
    if (first === undefined || second === undefined || !overlaps(first, second)) return [];
    return [
      {
        path: one.path,
        problem: `overlaps with ${other.path} ${other.cidr}`,
        got: JSON.stringify(one.cidr),
        legal: "networks that share no address",
      },
    ];
  });
};

/** A network must have room for what goes into it. */
export const networksLargeEnough: Check = (config) =>
  named(config).flatMap(({ path, cidr }) => {
    const prefixLength = parseCidr(cidr)?.prefixLength ?? 0;
    return when(prefixLength > LONGEST_PREFIX, () => ({
      path,
      problem: "is too small a network",
      got: JSON.stringify(cidr),
      legal: `a prefix of at most /${LONGEST_PREFIX}`,
    }));
  });

/** Options for a network that exists need that network. */
export const existingNetworks: Check = ({ seed, cluster }) => [
  ...when(seed?.network?.subnetId !== undefined && seed.network.networkId === undefined, () => ({
    path: "seed.network.subnetId",
    problem: "has no effect without seed.network.networkId",
    legal: "both or neither",
  })),
  ...when(cluster?.network?.subnetId !== undefined && cluster.network.networkId === undefined, () => ({
    path: "cluster.network.subnetId",
    problem: "has no effect without cluster.network.networkId",
    legal: "both or neither",
  })),
  ...when(cluster?.network?.useSeedNetwork === true && cluster.network.networkId !== undefined, () => ({
    path: "cluster.network.networkId",
    problem: "contradicts cluster.network.useSeedNetwork",
    got: "useSeedNetwork true",
    legal: "useSeedNetwork false with networkId",
  })),
];

/** Properties of a network that is made have no effect on one that exists. */
export const propertiesOfExistingNetworks: Check = ({ seed, cluster }) => {
  const ofCluster = cluster?.network;
  const clusterUses =
    ofCluster?.useSeedNetwork === true
      ? "cluster.network.useSeedNetwork"
      : ofCluster?.networkId === undefined
        ? undefined
        : "cluster.network.networkId";
  return [
    ...when(seed?.network?.networkId !== undefined && (seed.network.dnsNameservers?.length ?? 0) > 0, () => ({
      path: "seed.network.dnsNameservers",
      problem: "has no effect with seed.network.networkId",
      legal: "an empty list: the existing subnet says it",
    })),
    ...when(clusterUses !== undefined && (ofCluster?.dnsNameservers?.length ?? 0) > 0, () => ({
      path: "cluster.network.dnsNameservers",
      problem: `has no effect with ${clusterUses}`,
      legal: "an empty list: that network says it",
    })),
    ...when(ofCluster?.useSeedNetwork === true && ofCluster.mtu !== undefined, () => ({
      path: "cluster.network.mtu",
      problem: "has no effect with cluster.network.useSeedNetwork",
      legal: "seed.network.mtu",
    })),
  ];
};

/** How the seed is reached must fit what is given for it. */
export const seedAccess: Check = ({ seed }) => {
  const { method, floatingIpAddress, provisioningNetworkId, allowedCidrs } = seed?.access ?? {};
  return [
    ...when(floatingIpAddress !== undefined && method !== undefined && method !== "floatingIp", () => ({
      path: "seed.access.floatingIpAddress",
      problem: `has no effect with seed.access.method ${method}`,
      legal: "method floatingIp, or no floatingIpAddress",
    })),
    ...when(method === "provisioningNetwork" && provisioningNetworkId === undefined, () => ({
      path: "seed.access.provisioningNetworkId",
      problem: "is required with seed.access.method provisioningNetwork",
      got: "nothing",
      legal: "the network's id",
    })),
    ...when(
      provisioningNetworkId !== undefined && method !== undefined && method !== "provisioningNetwork",
      () => ({
        path: "seed.access.provisioningNetworkId",
        problem: `has no effect with seed.access.method ${method}`,
        legal: "method provisioningNetwork, or no provisioningNetworkId",
      }),
    ),
    // A network that the program makes hangs behind a router of its own: nobody reaches it directly.
    ...when(
      method === "direct" && seed?.network !== undefined && seed.network.networkId === undefined,
      () => ({
        path: "seed.network.networkId",
        problem: "is required with seed.access.method direct",
        got: "nothing",
        legal: "the id of a network that the runner reaches",
      }),
    ),
    ...(["ssh", "api"] as const).flatMap((port) =>
      when(allowedCidrs?.[port]?.length === 0, () => ({
        path: `seed.access.allowedCidrs.${port}`,
        problem: "lets nobody in, not even this program",
        got: "a list of 0",
        legal: "a list with the runner's address or network",
      })),
    ),
  ];
};

/** Routers of existing networks are nobody's to look up: they may belong to another project. */
function existingRouters({ seed, cluster }: PartialConfig): Problem[] {
  const { allowedCidrs, routerAddresses } = cluster?.apiServer ?? {};
  if ((allowedCidrs?.length ?? 0) === 0 || routerAddresses !== undefined) return [];
  const ofMachines =
    cluster?.network?.useSeedNetwork === true ? seed?.network?.networkId : cluster?.network?.networkId;
  const method = seed?.access?.method;
  const ofSeed =
    method === "floatingIp"
      ? undefined
      : method === "provisioningNetwork"
        ? seed?.access?.provisioningNetworkId
        : seed?.network?.networkId;
  const why =
    ofMachines !== undefined
      ? `the machines' network ${ofMachines}`
      : ofSeed !== undefined
        ? `the seed's network ${ofSeed}`
        : undefined;
  return when(why !== undefined, () => ({
    path: "cluster.apiServer.routerAddresses",
    problem: `is required with ${why}, which exists: what is behind its router would not reach the API`,
    got: "nothing",
    legal:
      "the external addresses of that router (openstack router show), an empty list if no router changes the sources' addresses, or an empty cluster.apiServer.allowedCidrs",
  }));
}

/** How the HA cluster's API is reached must fit what is given for it. */
export const apiAccess: Check = ({ seed, cluster }) => {
  const { floatingIp, floatingIpAddress, allowedCidrs, loadBalancerProvider } = cluster?.apiServer ?? {};
  return [
    ...when(floatingIp === false && floatingIpAddress !== undefined, () => ({
      path: "cluster.apiServer.floatingIpAddress",
      problem: "has no effect with cluster.apiServer.floatingIp false",
      legal: "floatingIp true, or no floatingIpAddress",
    })),
    ...when(floatingIpAddress !== undefined && floatingIpAddress === seed?.access?.floatingIpAddress, () => ({
      path: "cluster.apiServer.floatingIpAddress",
      problem: "is also seed.access.floatingIpAddress",
      got: JSON.stringify(floatingIpAddress),
      legal: "two different addresses",
    })),
    // The ovn driver refuses allowed_cidrs (ovn-octavia-provider, driver.py), so CAPO leaves them out without a word.
    ...when(loadBalancerProvider === "ovn" && (allowedCidrs?.length ?? 0) > 0, () => ({
      path: "cluster.apiServer.allowedCidrs",
      problem:
        "cannot be enforced by cluster.apiServer.loadBalancerProvider ovn: the API would be open to all",
      got: `a list of ${allowedCidrs?.length}`,
      legal: "loadBalancerProvider amphora, or an empty list to open the API deliberately",
    })),
    ...existingRouters({ seed, cluster }),
    // Without a floating IP the seed reaches the load balancer only inside one network.
    ...when(
      floatingIp === false &&
        cluster?.network?.useSeedNetwork === false &&
        cluster.network.networkId === undefined,
      () => ({
        path: "cluster.apiServer.floatingIp",
        problem: "cannot be false while the cluster is in a network of its own that the seed does not reach",
        got: "false",
        legal: "true, or cluster.network.useSeedNetwork true, or an existing cluster.network.networkId",
      }),
    ),
  ];
};
