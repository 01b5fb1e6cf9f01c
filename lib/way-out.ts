/**
 * The way of a question of this process to a host: directly, or through a proxy. As curl and Go go it; undici's agent alone knows no
 * networks in NO_PROXY, so that the program's providers would reach a cloud directly that preflight asks a proxy for.
 */
import { BlockList, isIP } from "node:net";
import { Agent, type Dispatcher, EnvHttpProxyAgent } from "undici";
import type { ProxySettings } from "./proxy.ts";

/**
 * The networks (`10.0.0.0/8`) among the entries of a NO_PROXY; other entries, which undici compares, count for nothing.
 * @returns whether a URL's host is an address in one of them
 */
export function networksOf(noProxy: readonly string[]): (host: string) => boolean {
  const networks = new BlockList();
  for (const entry of noProxy) {
    const [, network = "", length] = /^([^/]+)\/(\d{1,3})$/.exec(entry.trim()) ?? [];
    const bits = { 0: -1, 4: 32, 6: 128 }[isIP(network)] ?? -1;
    if (Number(length) <= bits) networks.addSubnet(network, Number(length), kindOf(network));
  }
  return (host) => {
    const address = host.replace(/^\[|\]$/g, "");
    return isIP(address) !== 0 && networks.check(address, kindOf(address));
  };
}

const kindOf = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");

/** Agents for both ways, with the same settings; whoever makes it closes it. */
export class WayOut {
  private readonly direct: Agent;
  private readonly proxied: EnvHttpProxyAgent;
  private readonly isDirect: (host: string) => boolean;

  /**
   * @param options of both agents; authorities belong into `connect` and `requestTls`
   * @param proxy the site's; undefined: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY of this process say, if they do
   */
  constructor(options: EnvHttpProxyAgent.Options, proxy?: ProxySettings) {
    const variable = process.env["no_proxy"] ?? process.env["NO_PROXY"] ?? "";
    const noProxy = proxy?.noProxy ?? variable.split(",");
    this.isDirect = networksOf(noProxy);
    this.direct = new Agent(options);
    this.proxied = new EnvHttpProxyAgent({
      ...options,
      ...(proxy?.http === undefined ? {} : { httpProxy: proxy.http }),
      ...(proxy?.https === undefined ? {} : { httpsProxy: proxy.https }),
      noProxy: noProxy.join(","),
    });
  }

  /** The agent for a URL. */
  to(url: string | URL): Dispatcher {
    return this.isDirect(new URL(url).hostname) ? this.direct : this.proxied;
  }

  async close(): Promise<void> {
    await Promise.all([this.direct.close(), this.proxied.close()]);
  }
}
