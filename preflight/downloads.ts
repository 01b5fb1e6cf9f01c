/**
 * Whether everything that a deployment downloads is there, through the proxy that this machine's environment names.
 */
import { EnvHttpProxyAgent, fetch as send } from "undici";
import type { Config } from "../config/schema.ts";
import { mirrored, releases } from "../lib/mirror.ts";
import { fact, type Answer, type Facts } from "./facts.ts";

/** One slow answer must not hold up the report. */
export const DOWNLOAD_TIMEOUT = 15_000;

/** What a deployment will download, by what it is; chart repositories are looked at by their index. */
export function downloadUrls(config: Config): ReadonlyMap<string, string> {
  const { clusterApi, cluster, monitoring, k3s, tools } = config;
  const index = ({ repository }: { repository: string }) => `${repository.replace(/\/$/, "")}/index.yaml`;
  const urls: Record<string, string | undefined> = {
    k3s: releases.k3s(k3s.version).binary.amd64,
    kubectl: `${releases.kubectl(tools.kubectl.version)}/amd64/kubectl`,
    helm: `${releases.helm(tools.helm.version)}-amd64.tar.gz`,
    orc: releases.orc(clusterApi.orc.version),
    "cluster-api": releases.clusterApi(clusterApi.core.version),
    capo: releases.capo(clusterApi.openstack.version),
    "charts.cert-manager": index(clusterApi.certManager),
    "charts.addon-provider": index(clusterApi.addonProvider),
    "charts.openstack-cluster": index(cluster.chart),
    "charts.janitor": clusterApi.janitor.enabled ? index(clusterApi.janitor) : undefined,
    "charts.monitoring": monitoring.enabled ? index(monitoring) : undefined,
    "image.seed": config.seed.image.url,
    "image.cluster": cluster.image.url,
  };
  const wanted = Object.entries(urls).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new Map(wanted.map(([name, url]) => [name, mirrored(url, config.mirror.url)]));
}

/** Asks for each of them. */
export async function gatherDownloads(config: Config): Promise<Facts["downloads"]> {
  const answers = await Promise.all(
    [...downloadUrls(config)].map(async ([name, url]) => {
      const answer = await fact(() => head(url, config.mirror.caCert));
      return [name, { url, answer }] as const;
    }),
  );
  return new Map(answers);
}

async function head(url: string, caCert: string | undefined): Promise<Answer> {
  const tls = caCert === undefined ? {} : { ca: caCert };
  // Directly, or through a proxy and then with the same authorities.
  const dispatcher = new EnvHttpProxyAgent({ connect: tls, requestTls: tls });
  try {
    const response = await send(url, {
      method: "HEAD",
      dispatcher,
      signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT),
    });
    const length = response.headers.get("content-length");
    return { status: response.status, length: length === null ? undefined : Number(length) };
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { message?: string } };
    throw new Error(cause?.message ?? message, { cause: error });
  } finally {
    await dispatcher.close();
  }
}
