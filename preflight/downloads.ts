/**
 * Whether everything that a deployment downloads is there, through the site's proxy or the one that this
 * machine's environment names.
 */
import { fetch as send } from "undici";
import type { Config } from "../config/schema.ts";
import { ADDON_REPOSITORIES } from "../lib/addon-repositories.ts";
import { mirrored, releases } from "../lib/mirror.ts";
import { TOOL_SOURCES } from "../lib/more-tools.ts";
import { type ProxySettings, proxySettings } from "../lib/proxy.ts";
import { WayOut } from "../lib/way-out.ts";
import { fact, type Answer, type Facts } from "./facts.ts";

/** One slow answer must not hold up the report. */
export const DOWNLOAD_TIMEOUT = 15_000;

/** What a deployment will download, by what it is; chart repositories are looked at by their index. */
export function downloadUrls(config: Config): ReadonlyMap<string, string> {
  const { clusterApi, cluster, monitoring, logs, backups, k3s, tools } = config;
  const index = ({ repository }: { repository: string }) => `${repository.replace(/\/$/, "")}/index.yaml`;
  const urls: Record<string, string | undefined> = {
    k3s: releases.k3s(k3s.version).binary.amd64,
    kubectl: `${releases.kubectl(tools.kubectl.version)}/amd64/kubectl`,
    helm: `${releases.helm(tools.helm.version)}-amd64.tar.gz`,
    ...Object.fromEntries(
      tools.install.map((name) => [
        name,
        TOOL_SOURCES[name](tools[name].version).url.replaceAll("ARCH", "amd64"),
      ]),
    ),
    orc: releases.orc(clusterApi.orc.version),
    "cluster-api": releases.clusterApi(clusterApi.core.version),
    capo: releases.capo(clusterApi.openstack.version),
    "charts.cert-manager": index(clusterApi.certManager),
    "charts.addon-provider": index(clusterApi.addonProvider),
    "charts.openstack-cluster": index(cluster.chart),
    "charts.janitor": clusterApi.janitor.enabled ? index(clusterApi.janitor) : undefined,
    "charts.monitoring": monitoring.enabled ? index(monitoring) : undefined,
    "charts.logs": logs.enabled ? index(logs.collector) : undefined,
    "charts.loki": logs.enabled && logs.external === undefined ? index(logs.loki) : undefined,
    "charts.backups": backups.enabled ? index(backups) : undefined,
    ...Object.fromEntries(
      Object.entries(config.extras).map(([name, { release }]) => [
        `charts.extras.${name}`,
        release === undefined ? undefined : index(release),
      ]),
    ),
    // Without a mirror the chart says where they come from, and preflight has no opinion on that.
    ...Object.fromEntries(
      config.mirror.url === undefined
        ? []
        : ADDON_REPOSITORIES.map((repository) => [
            `charts.${new URL(repository).hostname}`,
            index({ repository }),
          ]),
    ),
    "image.seed": config.seed.image.url,
    "image.cluster": cluster.enabled ? cluster.image.url : undefined,
  };
  const wanted = Object.entries(urls).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new Map(wanted.map(([name, url]) => [name, mirrored(url, config.mirror.url)]));
}

/** Asks for each of them; `authUrl` is never reached through the proxy. */
export async function gatherDownloads(config: Config, authUrl: string): Promise<Facts["downloads"]> {
  const proxy = proxySettings(config, authUrl);
  const answers = await Promise.all(
    [...downloadUrls(config)].map(async ([name, url]) => {
      const answer = await fact(() => head(url, config.mirror.caCert, proxy));
      return [name, { url, answer }] as const;
    }),
  );
  return new Map(answers);
}

/** Asks for a download's head: directly, or through a proxy and then with the same authorities. */
export async function head(
  url: string,
  caCert: string | undefined,
  proxy: ProxySettings | undefined,
): Promise<Answer> {
  const tls = caCert === undefined ? {} : { ca: caCert };
  const way = new WayOut({ connect: tls, requestTls: tls }, proxy);
  try {
    const response = await send(url, {
      method: "HEAD",
      dispatcher: way.to(url),
      signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT),
    });
    const length = response.headers.get("content-length");
    return { status: response.status, length: length === null ? undefined : Number(length) };
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { message?: string } };
    throw new Error(cause?.message ?? message, { cause: error });
  } finally {
    await way.close();
  }
}
