/**
 * What preflight asks about networks: the external one, those that exist already, and where the cloud's own endpoints are.
 */
import { lookup } from "node:dns/promises";
import { isIPv4 } from "node:net";
import type { Config } from "../config/schema.ts";
import * as answers from "./answers.ts";
import { answer, find } from "./answers.ts";
import type { CloudReader } from "./cachedCloud.ts";
import type { Endpoint, ExistingNetwork, FoundNetwork, FoundSubnet } from "./facts.ts";
import { isOwn, type Own } from "./own.ts";

/** Owners of a router's port on a network: plain, distributed, highly available. */
const ROUTER_PORTS = [
  "network:router_interface",
  "network:router_interface_distributed",
  "network:ha_router_replicated_interface",
];

export async function findNetwork(cloud: CloudReader, id: string): Promise<FoundNetwork | undefined> {
  const found = await find(cloud, "network", `/networks/${id}`, answers.network);
  if (found === undefined) return undefined;
  return { name: found.network.name, external: found.network["router:external"] === true };
}

export async function findSubnets(cloud: CloudReader, own: Own): Promise<FoundSubnet[]> {
  const { projectId } = await cloud.scope();
  const query: Record<string, string> = projectId === undefined ? {} : { project_id: projectId };
  const { subnets } = await answer(cloud, "network", "/subnets", answers.subnets, { query });
  return subnets.map(({ id, name, cidr }) => ({ name: name || id, cidr, own: isOwn(name, own) }));
}

/** The existing networks that the configuration names, by the setting that names them. */
export function existingNetworks(
  config: Config,
): { readonly path: string; readonly id: string; readonly subnetId?: string | undefined }[] {
  const { seed, cluster } = config;
  const named = [
    { path: "seed.network", id: seed.network.networkId, subnetId: seed.network.subnetId },
    ...(cluster.network.useSeedNetwork
      ? []
      : [{ path: "cluster.network", id: cluster.network.networkId, subnetId: cluster.network.subnetId }]),
    { path: "seed.access.provisioningNetwork", id: seed.access.provisioningNetworkId, subnetId: undefined },
  ];
  return named.flatMap(({ id, ...rest }) => (id === undefined ? [] : [{ id, ...rest }]));
}

export function gatherExisting(cloud: CloudReader, config: Config): Promise<ExistingNetwork[]> {
  return Promise.all(
    existingNetworks(config).map(async ({ path, id, subnetId }) => {
      const [network, { subnets }, routers] = await Promise.all([
        findNetwork(cloud, id),
        answer(cloud, "network", "/subnets", answers.subnets, { query: { network_id: id } }),
        routersOf(cloud, id),
      ]);
      return {
        path,
        id,
        exists: network !== undefined,
        subnetId,
        subnets: subnets.map((subnet) => ({ id: subnet.id, ipVersion: subnet.ip_version })),
        routerAddresses: routers,
      };
    }),
  );
}

/** External IPv4 addresses of the routers on a network, as far as this project may see them. */
async function routersOf(cloud: CloudReader, networkId: string): Promise<string[]> {
  const lists = await Promise.all(
    ROUTER_PORTS.map((owner) =>
      answer(cloud, "network", "/ports", answers.ports, {
        query: { network_id: networkId, device_owner: owner },
      }),
    ),
  );
  const ids = [...new Set(lists.flatMap(({ ports }) => ports.map(({ device_id }) => device_id)))];
  const found = await Promise.all(ids.map((id) => find(cloud, "network", `/routers/${id}`, answers.router)));
  return found.flatMap((one) =>
    (one?.router.external_gateway_info?.external_fixed_ips ?? [])
      .map(({ ip_address }) => ip_address)
      .filter((address) => isIPv4(address)),
  );
}

/** Where the cloud's services answer: what pods of the cluster have to reach. */
export async function gatherEndpoints(cloud: CloudReader, authUrl: string): Promise<Endpoint[]> {
  const { endpoints } = await cloud.scope();
  const hosts = new Set([authUrl, ...endpoints].map((url) => new URL(url).hostname));
  return Promise.all(
    [...hosts].map(async (host) => {
      try {
        const found = await lookup(host, { all: true });
        return { host, addresses: found.map(({ address }) => address) };
      } catch {
        // Another machine may know the name: the seed's script asks again.
        return { host, addresses: [] };
      }
    }),
  );
}
