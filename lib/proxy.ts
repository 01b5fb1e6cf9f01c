/**
 * The way out through a proxy, for whoever the site makes go out: the seed's downloads, containerd of every machine, the
 * controllers. Upstream analogue: none; magnum-cluster-api and operators set the same variables by hand.
 */
import type { Config } from "../config/schema.ts";
import { quote } from "./shell.ts";

/** k3s's pods and services, which stay k3s's defaults. */
const K3S_NETWORKS = ["10.42.0.0/16", "10.43.0.0/16"];

/** No proxy serves these: RFC 1918, loopback, and the metadata service's range. */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"];

/** Names inside a cluster. */
const CLUSTER_NAMES = [".svc", ".cluster.local", "localhost"];

export interface ProxySettings {
  readonly http?: string | undefined;
  readonly https?: string | undefined;
  readonly noProxy: readonly string[];
}

/** The configuration that says what is reached directly. */
type ProxyConfig = Pick<Config, "proxy" | "seed" | "cluster" | "mirror">;

/**
 * The proxy of a site, or undefined if it has none.
 *
 * @param authUrl the identity endpoint: the cloud is reached directly unless `proxy.noProxy` says otherwise
 */
export function proxySettings(config: ProxyConfig, authUrl: string): ProxySettings | undefined {
  const { http, https, noProxy, alsoDirect } = config.proxy;
  if (http === undefined && https === undefined) return undefined;
  const direct = [...(noProxy ?? computed(config, authUrl)), ...alsoDirect];
  return { http, https, noProxy: [...new Set(direct)] };
}

function computed({ seed, cluster, mirror }: ProxyConfig, authUrl: string): string[] {
  const { podCidr, serviceCidr, nodeCidr } = cluster.network;
  const maybe = [
    seed.access.floatingIpAddress,
    cluster.apiServer.floatingIpAddress,
    new URL(authUrl).hostname,
    mirror.url === undefined ? undefined : new URL(mirror.url).hostname,
  ];
  return [
    ...CLUSTER_NAMES,
    ...PRIVATE,
    ...K3S_NETWORKS,
    podCidr,
    serviceCidr,
    nodeCidr,
    seed.network.cidr,
    ...maybe.filter((host) => host !== undefined),
  ];
}

/** NAME to value; curl reads the first one in lower case only. */
export function proxyVariables({ http, https, noProxy }: ProxySettings): Record<string, string> {
  return {
    ...(http === undefined ? {} : { HTTP_PROXY: http }),
    ...(https === undefined ? {} : { HTTPS_PROXY: https }),
    NO_PROXY: noProxy.join(","),
  };
}

/** A file of assignments for a shell, in both spellings; empty without a proxy. */
export function proxyShellFile(settings: ProxySettings | undefined): string {
  if (settings === undefined) return "";
  return Object.entries(proxyVariables(settings))
    .flatMap(([name, value]) => [name, name.toLowerCase()].map((spelt) => `${spelt}=${quote(value)}`))
    .join("\n");
}

/** What k3s gives its containerd, and nothing else of it: k3s docs, advanced options. Empty without a proxy. */
export function k3sProxyFile(settings: ProxySettings | undefined): string {
  if (settings === undefined) return "";
  return Object.entries(proxyVariables(settings))
    .map(([name, value]) => `CONTAINERD_${name}="${value}"`)
    .join("\n");
}

/** systemd's drop-in for containerd on the cluster's machines. */
export function containerdDropIn(settings: ProxySettings): string {
  const lines = Object.entries(proxyVariables(settings)).map(
    ([name, value]) => `Environment="${name}=${value}"`,
  );
  return ["[Service]", ...lines, ""].join("\n");
}
