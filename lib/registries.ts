/**
 * Container registries as k3s and the cluster's machines are told of them: they differ in what a mirror's URL means and
 * in what every registry is called. Upstream analogue: the values registryMirrors, registryAuth and trustedCAs of
 * openstack-cluster.
 */
import type { RegistriesConfig } from "../config/schema.ts";

export type Mirrors = Readonly<Record<string, readonly string[]>>;

/** Registries for which the chart openstack-cluster has mirrors of its own (0.27.0, values.yaml). */
const CHART_MIRRORED = ["docker.io", "ghcr.io", "nvcr.io", "quay.io", "registry.k8s.io"];

/** Mirrors of one registry, as the chart takes them. */
type MachineMirror = readonly string[] | { readonly upstream: ""; readonly mirrors: readonly string[] };

/** containerd's name for every registry without a folder of its own. */
const EVERY_REGISTRY = "_default";

/** Where the seed keeps the registries' certificates. */
export const K3S_REGISTRY_CA = "/etc/rancher/k3s/registries-ca.pem";

/** The chart makes containerd take a URL as it is (override_path); the registry's API begins at /v2, as k3s knows. */
export function withApiPath(url: string): string {
  const { pathname } = new URL(url);
  return pathname === "/" || pathname === "" ? `${url.replace(/\/+$/, "")}/v2` : url;
}

/**
 * The chart's `registryMirrors`. Helm merges maps: what is not named here would keep the chart's mirror, so those get
 * an empty list, which makes containerd ask the registry itself.
 */
export function machineMirrors(mirrors: Mirrors): Record<string, MachineMirror> {
  const values: Record<string, MachineMirror> = {};
  for (const host of CHART_MIRRORED) values[host] = [];
  for (const [host, urls] of Object.entries(mirrors)) {
    const list = urls.map(withApiPath);
    // There is no server of that name: the registry that was asked for comes after the mirrors.
    values[host] = host === EVERY_REGISTRY ? { upstream: "", mirrors: list } : list;
  }
  return values;
}

/** The chart's `trustedCAs`: names of files to certificates. */
export function machineAuthorities(
  registries: RegistriesConfig,
  mirror: { readonly caCert?: string | undefined },
): Record<string, string> {
  return {
    ...(registries.caCert === undefined ? {} : { "capi-mgmt-registries": registries.caCert }),
    ...(mirror.caCert === undefined ? {} : { "capi-mgmt-mirror": mirror.caCert }),
  };
}

/** k3s's registries.yaml as an object: mirrors, and for each host whom to trust and what to log in with. */
export function k3sRegistryConfig(mirrors: Mirrors, registries: RegistriesConfig): object {
  const { caCert, auth } = registries;
  const hosts = [
    ...Object.values(mirrors)
      .flat()
      .map((url) => new URL(url).host),
    ...Object.keys(auth),
  ];
  const configs = [...new Set(hosts)].flatMap((host) => {
    const login = auth[host];
    const config = {
      ...(login === undefined ? {} : { auth: { username: login.username, password: login.password } }),
      // Beside the public ones: containerd adds it to the system's.
      ...(caCert === undefined ? {} : { tls: { ca_file: K3S_REGISTRY_CA } }),
    };
    return Object.keys(config).length === 0 ? [] : [[host, config] as const];
  });
  const entries = Object.entries(mirrors).map(([host, urls]) => [host, { endpoint: [...urls] }] as const);
  return {
    ...(entries.length === 0 ? {} : { mirrors: Object.fromEntries(entries) }),
    ...(configs.length === 0 ? {} : { configs: Object.fromEntries(configs) }),
  };
}
