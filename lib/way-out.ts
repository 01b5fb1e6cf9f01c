/**
 * The way of a question of this process to a host: directly, or through a proxy. As curl and Go go it; undici's agent alone knows no
 * networks in NO_PROXY, so that the program's providers would reach a cloud directly that preflight asks a proxy for.
 */
import { BlockList, isIP } from "node:net";
import { Agent, type Dispatcher, EnvHttpProxyAgent } from "undici";
import type { ProxySettings } from "./proxy.ts";

/** Whether a host is an address in one of the networks (`10.0.0.0/8`) among the entries of a NO_PROXY. */
export function isInNetworks(host: string, noProxy: readonly string[]): boolean {
  const address = host.replace(/^\[|\]$/g, "");
  const kind = isIP(address);
  if (kind === 0) return false;
  const networks = new BlockList();
  for (const entry of noProxy) {
    const [network = "", length, ...others] = entry.trim().split("/");
    if (length === undefined || others.length > 0 || isIP(network) === 0 || !/^\d{1,3}$/.test(length))
      continue;
    if (Number(length) > (isIP(network) === 4 ? 32 : 128)) continue;
    networks.addSubnet(network, Number(length), isIP(network) === 4 ? "ipv4" : "ipv6");
  }
  return networks.check(address, kind === 4 ? "ipv4" : "ipv6");
}

/** Agents for both ways, with the same settings; whoever makes it closes it. */
export class WayOut {
  private readonly direct: Agent;
  private readonly proxied: EnvHttpProxyAgent;
  private readonly noProxy: readonly string[];

  /**
   * @param options of both agents; authorities belong into `connect` and `requestTls`
   * @param proxy the site's; undefined: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY of this process say, if they do
   */
  constructor(options: EnvHttpProxyAgent.Options, proxy?: ProxySettings) {
    const variable = process.env["no_proxy"] ?? process.env["NO_PROXY"] ?? "";
    this.noProxy = proxy?.noProxy ?? variable.split(",");
    this.direct = new Agent(options);
    this.proxied = new EnvHttpProxyAgent({
      ...options,
      ...(proxy?.http === undefined ? {} : { httpProxy: proxy.http }),
      ...(proxy?.https === undefined ? {} : { httpsProxy: proxy.https }),
      noProxy: this.noProxy.join(","),
    });
  }

  /** The agent for a URL. */
  to(url: string | URL): Dispatcher {
    return isInNetworks(new URL(url).hostname, this.noProxy) ? this.direct : this.proxied;
  }

  async close(): Promise<void> {
    await Promise.all([this.direct.close(), this.proxied.close()]);
  }
}
