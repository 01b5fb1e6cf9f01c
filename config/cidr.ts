/**
 * IPv4 network arithmetic for validation. Owns parsing, containment and overlap, nothing else.
 */
import { isIPv4 } from "node:net";

export interface Cidr {
  /** The address's 32 bits as a number. */
  readonly address: number;
  /** Length of the network's prefix, 0 to 32. */
  readonly prefixLength: number;
  /** First address of the network. */
  readonly first: number;
  /** Last address of the network. */
  readonly last: number;
  /** What the address has beside the network; 0 for a network written properly. */
  readonly hostBits: number;
}

/** Turns dotted decimal into a number; undefined if it is not an IPv4 address. */
export function parseAddress(text: string): number | undefined {
  if (!isIPv4(text)) return undefined;
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** Reads `a.b.c.d/n`; undefined if it is anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([\d.]+)\/(\d|[12]\d|3[0-2])$/.exec(text);
  const address = parseAddress(match?.[1] ?? "");
  if (match === null || address === undefined) return undefined;
  const prefixLength = Number(match[2]);
  const size = 2 ** (32 - prefixLength);
  const hostBits = address % size;
  const first = address - hostBits;
  return { address, prefixLength, first, last: first + size - 1, hostBits };
}

/** Whether two networks share an address. */
export function overlaps(one: Cidr, other: Cidr): boolean {
  return one.first <= other.last && other.first <= one.last;
}
