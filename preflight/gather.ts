/**
 * Asks the cloud, the mirror and the state store, side by side. Changes nothing anywhere.
 */
import { Agent, fetch as send } from "undici";
import type { Credentials } from "../config/credentials.ts";
import type { Config } from "../config/schema.ts";
import { Cloud, type Json } from "../openstack/cloud.ts";
import { connectionOf } from "../openstack/connection.ts";
import { mirrored, releases } from "../lib/mirror.ts";
import { siteNames } from "../lib/names.ts";
import { cachedCloud } from "./cachedCloud.ts";
import type {
  Answer,
  Fact,
  Facts,
  FoundFlavor,
  FoundImage,
  FoundNetwork,
  FoundSubnet,
  StateStore,
} from "./facts.ts";
import { gatherQuotas } from "./quotas.ts";

/** One slow answer must not hold up the report. */
const DOWNLOAD_TIMEOUT = 15_000;

export interface GatherInput {
  readonly stack: string;
  readonly config: Config;
  readonly credentials: Credentials;
  /** PULUMI_BACKEND_URL. */
  readonly backendUrl: string | undefined;
}

/** The outcome of an action, as a fact. */
export async function fact<T>(action: () => Promise<T>): Promise<Fact<T>> {
  try {
    return { value: await action() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** Everything preflight judges by. Never throws: what cannot be found out is an error of its own fact. */
export async function gather(input: GatherInput): Promise<Facts> {
  const { config, credentials } = input;
  const cloud = new Cloud(connectionOf(credentials));
  try {
    const authenticated = fact(() => cloud.scope());
    const elsewhere = local(input);
    const scope = await authenticated;
    // Without a token every other question gets the same refusal: it is asked once.
    if ("error" in scope) return refused(scope.error, await elsewhere);
    const { keystoneTime } = scope.value;
    const clockSkew: Fact<number> =
      keystoneTime === undefined
        ? { error: "Keystone sends no Date header" }
        : { value: (keystoneTime - Date.now()) / 1000 };
    const own = siteNames(input.stack).cluster;
    const reader = cachedCloud(cloud);
    const list = (
      service: Parameters<Cloud["get"]>[0],
      path: string,
      key: string,
      query: Record<string, string> = {},
    ) => reader.get(service, path, { query }).then((body) => (body[key] ?? []) as Json[]);
    const flavors = () => list("compute", "/flavors/detail", "flavors");
    const [
      seed,
      controlPlane,
      workers,
      allFlavors,
      seedImage,
      clusterImage,
      externalNetwork,
      subnets,
      providers,
      types,
      zones,
      volumeZones,
      quotas,
      rest,
    ] = await Promise.all([
      fact(async () => findFlavor(await flavors(), config.seed.flavor)),
      fact(async () => findFlavor(await flavors(), config.cluster.controlPlane.flavor)),
      fact(async () => findFlavor(await flavors(), config.cluster.workers.flavor)),
      fact(async () => (await flavors()).map(flavorOf)),
      fact(() => findImages(list, config.seed.image)),
      fact(() => findImages(list, config.cluster.image)),
      fact(() => findNetwork(cloud, config.seed.network.externalNetworkId)),
      fact(() => findSubnets(list, cloud, own)),
      fact(async () =>
        (await list("load-balancer", "/lbaas/providers", "providers")).map((item) => String(item["name"])),
      ),
      fact(async () => (await list("volume", "/types", "volume_types")).map((item) => String(item["name"]))),
      fact(async () =>
        (await list("compute", "/os-availability-zone", "availabilityZoneInfo")).map((item) =>
          String(item["zoneName"]),
        ),
      ),
      fact(async () =>
        (await list("volume", "/os-availability-zone", "availabilityZoneInfo")).map((item) =>
          String(item["zoneName"]),
        ),
      ),
      gatherQuotas(reader, own),
      elsewhere,
    ]);
    return {
      scope,
      clockSkew,
      flavors: { seed, controlPlane, workers },
      allFlavors,
      images: { seed: seedImage, cluster: clusterImage },
      externalNetwork,
      subnets,
      loadBalancerProviders: providers,
      volumeTypes: types,
      computeZones: zones,
      volumeZones,
      quotas,
      ...rest,
    };
  } finally {
    await cloud.close();
  }
}

type List = (
  service: Parameters<Cloud["get"]>[0],
  path: string,
  key: string,
  query?: Record<string, string>,
) => Promise<Json[]>;

function findFlavor(flavors: readonly Json[], nameOrId: string): FoundFlavor | undefined {
  const found =
    flavors.find((flavor) => flavor["name"] === nameOrId) ??
    flavors.find((flavor) => flavor["id"] === nameOrId);
  return found === undefined ? undefined : flavorOf(found);
}

function flavorOf(flavor: Json): FoundFlavor {
  return {
    name: String(flavor["name"]),
    vcpus: Number(flavor["vcpus"]),
    ram: Number(flavor["ram"]),
    disk: Number(flavor["disk"]),
  };
}

async function findImages(list: List, image: Config["seed"]["image"]): Promise<FoundImage[]> {
  if (image.url !== undefined) return [];
  const query = (image.id !== undefined ? { id: image.id } : { name: image.name ?? "" }) as Record<
    string,
    string
  >;
  const images = await list("image", "/images", "images", query);
  return images.map((item) => ({
    name: String(item["name"]),
    status: String(item["status"]),
    minDisk: Number(item["min_disk"] ?? 0),
  }));
}

async function findNetwork(cloud: Cloud, id: string): Promise<FoundNetwork | undefined> {
  const body = await cloud.find("network", `/networks/${id}`);
  if (body === null) return undefined;
  const network = body["network"] as Json;
  return { name: String(network["name"]), external: network["router:external"] === true };
}

async function findSubnets(list: List, cloud: Cloud, own: string): Promise<FoundSubnet[]> {
  const { projectId } = await cloud.scope();
  const subnets = await list(
    "network",
    "/subnets",
    "subnets",
    projectId === undefined ? {} : { project_id: projectId },
  );
  return subnets.map((item) => ({
    name: String(item["name"]) || String(item["id"]),
    cidr: String(item["cidr"]),
    own: String(item["name"]).includes(own),
  }));
}

/** What needs no cloud. */
async function local({ config, backendUrl }: GatherInput): Promise<Pick<Facts, "downloads" | "state">> {
  const [downloads, state] = await Promise.all([
    Promise.all(
      [...downloadUrls(config)].map(async ([name, url]) => {
        const answer = await fact(() => head(url, config.mirror.caCert));
        return [name, { url, answer }] as const;
      }),
    ),
    backendUrl?.startsWith("s3://") === true ? fact(() => inspectState(backendUrl)) : undefined,
  ]);
  return { downloads: new Map(downloads), state };
}

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

async function head(url: string, caCert: string | undefined): Promise<Answer> {
  const dispatcher = new Agent({ connect: caCert === undefined ? {} : { ca: caCert } });
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

async function inspectState(backendUrl: string): Promise<StateStore> {
  const url = new URL(backendUrl);
  const endpoint = url.searchParams.get("endpoint");
  const options = {
    region: url.searchParams.get("region") ?? "us-east-1",
    forcePathStyle: url.searchParams.get("s3ForcePathStyle") === "true",
    ...(endpoint === null ? {} : { endpoint: endpoint.includes("://") ? endpoint : `https://${endpoint}` }),
    maxAttempts: 2,
  };
  // Loaded while the cloud answers: the client takes longer to load than to ask.
  const { GetBucketVersioningCommand, HeadBucketCommand, S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client(options);
  try {
    await client.send(new HeadBucketCommand({ Bucket: url.hostname }));
    const { Status } = await client.send(new GetBucketVersioningCommand({ Bucket: url.hostname }));
    return {
      reachable: true,
      versioning: Status,
      public: await isPublic(options.endpoint, options.region, url.hostname),
    };
  } catch (error) {
    const { name, message } = error as Error;
    throw new Error(`bucket ${url.hostname}: ${name}: ${message}`, { cause: error });
  } finally {
    client.destroy();
  }
}

/** Asks as somebody without credentials would. */
async function isPublic(endpoint: string | undefined, region: string, bucket: string): Promise<boolean> {
  const address =
    endpoint === undefined
      ? `https://${bucket}.s3.${region}.amazonaws.com/`
      : `${endpoint.replace(/\/$/, "")}/${bucket}`;
  try {
    return (await send(address, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT) })).ok;
  } catch {
    return false;
  }
}

/** Facts when Keystone gives no token: what needs the cloud has one reason in common, and is left out of the report. */
function refused(error: string, rest: Pick<Facts, "downloads" | "state">): Facts {
  const none = { error };
  return {
    scope: none,
    clockSkew: none,
    flavors: { seed: none, controlPlane: none, workers: none },
    allFlavors: none,
    images: { seed: none, cluster: none },
    externalNetwork: none,
    subnets: none,
    loadBalancerProviders: none,
    volumeTypes: none,
    computeZones: none,
    volumeZones: none,
    quotas: undefined,
    ...rest,
  };
}
