/**
 * Asks the cloud, the mirror and the state store, side by side. Changes nothing anywhere.
 */
import type { Credentials } from "../config/credentials.ts";
import type { Config } from "../config/schema.ts";
import { Cloud } from "../openstack/cloud.ts";
import { connectionOf } from "../openstack/connection.ts";
import * as answers from "./answers.ts";
import { answer, find } from "./answers.ts";
import { cachedCloud, type CloudReader } from "./cachedCloud.ts";
import { gatherDownloads } from "./downloads.ts";
import { fact, type Fact, type Facts, type FoundImage, type Namesakes } from "./facts.ts";
import { findNetwork, findSubnets, gatherEndpoints, gatherExisting } from "./networks.ts";
import { type Own, ownNames, groupOf, roleOf } from "./own.ts";
import { gatherQuotas } from "./quotas.ts";
import { inspectState, knownResources } from "./store.ts";

export interface GatherInput {
  readonly stack: string;
  readonly config: Config;
  readonly credentials: Credentials;
  /** PULUMI_BACKEND_URL. */
  readonly backendUrl: string | undefined;
  /** The project's folder. Default: the working folder. */
  readonly folder?: string;
}

/** Everything preflight judges by. Never throws: what cannot be found out is an error of its own fact. */
export async function gather(input: GatherInput): Promise<Facts> {
  const cloud = new Cloud(connectionOf(input.credentials));
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
    return { scope, clockSkew, ...(await askCloud(cachedCloud(cloud), input)), ...(await elsewhere) };
  } finally {
    await cloud.close();
  }
}

async function askCloud(
  cloud: CloudReader,
  input: GatherInput,
): Promise<Omit<Facts, "scope" | "clockSkew" | Local>> {
  const { config, credentials } = input;
  const own = ownNames(input.stack, config);
  const flavors = async () => (await answer(cloud, "compute", "/flavors/detail", answers.flavors)).flavors;
  // Nova takes a flavor by id, and Cluster API's provider by name only.
  const named = async (name: string) => (await flavors()).find((flavor) => flavor.name === name);
  const zones = async (service: "compute" | "volume") =>
    (await answer(cloud, service, "/os-availability-zone", answers.zones)).availabilityZoneInfo.map(
      ({ zoneName }) => zoneName,
    );
  const namesakes = fact(() => findNamesakes(cloud, own));
  // Asked beside the cloud, though a new site has no need of it: it takes as long as the rest.
  const known = fact(() => knownResources(input.folder ?? process.cwd(), input.stack));
  const facts = {
    flavors: all({
      seed: fact(
        async () =>
          (await named(config.seed.flavor)) ?? (await flavors()).find(({ id }) => id === config.seed.flavor),
      ),
      controlPlane: fact(() => named(config.cluster.controlPlane.flavor)),
      workers: fact(() => named(config.cluster.workers.flavor)),
    }),
    groupFlavors: all(
      Object.fromEntries(
        Object.entries(config.cluster.workerGroups).flatMap(([name, { flavor }]) =>
          flavor === undefined ? [] : [[name, fact(() => named(flavor))]],
        ),
      ),
    ),
    allFlavors: fact(flavors),
    images: all({
      seed: fact(() => findImages(cloud, config.seed.image, `${own.seed}-image`)),
      cluster: fact(() =>
        findImages(cloud, config.cluster.image, `${own.cluster}-${config.cluster.kubernetesVersion}`),
      ),
    }),
    externalNetwork: fact(() => findNetwork(cloud, config.seed.network.externalNetworkId)),
    subnets: fact(() => findSubnets(cloud, own)),
    existingNetworks: fact(() => gatherExisting(cloud, config)),
    endpoints: fact(() => gatherEndpoints(cloud, credentials.authUrl)),
    namesakes,
    keyPair: fact(
      async () => (await find(cloud, "compute", `/os-keypairs/${own.seed}`, answers.keyPair)) !== undefined,
    ),
    knownResources: namesakes.then((found) => (hasNamesakes(found) ? known : undefined)),
    loadBalancerProviders: fact(async () =>
      (await answer(cloud, "load-balancer", "/lbaas/providers", answers.providers)).providers.map(
        ({ name }) => name,
      ),
    ),
    volumeTypes: fact(async () =>
      (await answer(cloud, "volume", "/types", answers.volumeTypes)).volume_types.map(({ name }) => name),
    ),
    computeZones: fact(() => zones("compute")),
    volumeZones: fact(() => zones("volume")),
    quotas: gatherQuotas(cloud, own),
  };
  return all(facts);
}

/** The answers to several questions by the same keys, asked side by side. */
async function all<T extends Record<string, Promise<unknown>>>(
  questions: T,
): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  const entries = Object.entries(questions).map(async ([key, value]) => [key, await value] as const);
  return Object.fromEntries(await Promise.all(entries)) as { [K in keyof T]: Awaited<T[K]> };
}

/** By id also one that is shared with the project, or of its community: a list shows neither. */
async function findImages(
  cloud: CloudReader,
  image: Config["seed"]["image"],
  uploadedName: string,
): Promise<FoundImage[]> {
  const found = ({ id, name, status, min_disk }: (typeof answers.image)["_output"]) => ({
    ...{ id, name, status },
    minDisk: min_disk ?? 0,
  });
  if (image.id !== undefined) {
    const one = await find(cloud, "image", `/images/${image.id}`, answers.image);
    return one === undefined ? [] : [found(one)];
  }
  const query = { name: image.name ?? uploadedName };
  const { images } = await answer(cloud, "image", "/images", answers.images, { query });
  return images.map(found);
}

async function findNamesakes(cloud: CloudReader, own: Own): Promise<Namesakes> {
  const [{ servers }, { loadbalancers }] = await Promise.all([
    answer(cloud, "compute", answers.SERVERS.path, answers.servers, answers.SERVERS.options),
    answer(cloud, "load-balancer", "/lbaas/loadbalancers", answers.loadBalancers, {
      query: { name: own.loadBalancer },
    }),
  ]);
  return {
    servers: servers.flatMap(({ name, flavor, image }) => {
      const role = roleOf(name, own);
      return role === undefined
        ? []
        : [{ name, role, group: groupOf(name, own), flavor: flavor.original_name, imageId: image }];
    }),
    loadBalancers: loadbalancers.map(({ name }) => name).filter((name) => name === own.loadBalancer),
  };
}

/** Only where something bears the site's names does it matter what the state knows. */
function hasNamesakes(found: Fact<Namesakes>): boolean {
  return "value" in found && found.value.servers.length + found.value.loadBalancers.length > 0;
}

type Local = "downloads" | "state";

/** What needs no cloud. */
function local({ config, credentials, backendUrl }: GatherInput): Promise<Pick<Facts, Local>> {
  return all({
    downloads: gatherDownloads(config, credentials.authUrl),
    state:
      backendUrl?.startsWith("s3://") === true
        ? fact(() => inspectState(backendUrl))
        : Promise.resolve(undefined),
  });
}

/** Facts when Keystone gives no token: what needs the cloud has one reason in common, and is left out of the report. */
function refused(error: string, rest: Pick<Facts, Local>): Facts {
  const none = { error };
  return {
    scope: none,
    clockSkew: none,
    flavors: { seed: none, controlPlane: none, workers: none },
    allFlavors: none,
    images: { seed: none, cluster: none },
    externalNetwork: none,
    subnets: none,
    existingNetworks: none,
    endpoints: none,
    namesakes: none,
    keyPair: none,
    knownResources: undefined,
    loadBalancerProviders: none,
    volumeTypes: none,
    computeZones: none,
    volumeZones: none,
    quotas: undefined,
    ...rest,
  };
}
