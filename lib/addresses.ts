/**
 * Addresses: which of an object's is meant, and whom the cluster's API lets in. On a dual-stack network Neutron gives a port and a router one of each
 * family, in no order; everything here speaks IPv4.
 */
import { isIPv4 } from "node:net";

/**
 * The IPv4 addresses among `addresses`.
 *
 * @param owner what they belong to, for the message
 * @param remedy what to set so that there is one
 * @throws Error if there is none
 */
export function ipv4Addresses(addresses: readonly string[], owner: string, remedy: string): string[] {
  const found = addresses.filter((address) => isIPv4(address));
  if (found.length > 0) return found;
  const have = addresses.length === 0 ? "no address" : addresses.join(", ");
  throw new Error(`${owner} has no IPv4 address (got ${have}; legal ${remedy})`);
}

/** The first of them. Errors as above. */
export function ipv4Address(addresses: readonly string[], owner: string, remedy: string): string {
  return ipv4Addresses(addresses, owner, remedy)[0] ?? "";
}

/**
 * Sources that may reach the API. None configured means all, and then none may be named: a list closes the port.
 *
 * Cluster API's provider adds the subnets of a network that it is given, but no router (CAPO #1851): machines without a
 * floating IP reach the API's from their router's external address and would be dropped.
 *
 * @param configured `cluster.apiServer.allowedCidrs`
 * @param own addresses by which seed and machines are seen
 */
export function apiSources(configured: readonly string[], own: readonly string[]): string[] {
  if (configured.length === 0) return [];
  return [...new Set([...configured, ...own.map((address) => `${address}/32`)])];
}
