/**
 * What preflight finds out about a cloud, its mirror and its state store, before judging. Everything is asked for at
 * once; what cannot be found out is an error of its own, never a reason to stop looking.
 */
import type { FlavorSize, QuotaName } from "./needs.ts";
import type { Role } from "./own.ts";

/** An answer, or why there is none. */
export type Fact<T> = { readonly value: T } | { readonly error: string };

/** The outcome of an action, as a fact. */
export async function fact<T>(action: () => Promise<T>): Promise<Fact<T>> {
  try {
    return { value: await action() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

export interface Scope {
  readonly projectId: string | undefined;
  readonly projectName: string | undefined;
  readonly roles: readonly string[];
  readonly methods: readonly string[];
}

export interface FoundFlavor extends FlavorSize {
  readonly id: string;
  readonly name: string;
}

export interface FoundImage {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  /** GB the image asks for. */
  readonly minDisk: number;
}

export interface FoundNetwork {
  readonly name: string;
  readonly external: boolean;
}

export interface FoundSubnet {
  readonly name: string;
  readonly cidr: string;
  /** True for those this very stack made. */
  readonly own: boolean;
}

/** A network that the configuration names. */
export interface ExistingNetwork {
  /** Setting that names it, without the last word: `seed.network`. */
  readonly path: string;
  readonly id: string;
  readonly exists: boolean;
  readonly subnetId: string | undefined;
  /** Those this project may see. */
  readonly subnets: readonly { readonly id: string; readonly ipVersion: number }[];
  /** External IPv4 addresses of its routers, as far as this project may see them. */
  readonly routerAddresses: readonly string[];
}

/** A host of the cloud's catalog; no addresses if its name is not known here. */
export interface Endpoint {
  readonly host: string;
  readonly addresses: readonly string[];
}

/** A server by one of this site's names. */
export interface FoundServer {
  readonly name: string;
  readonly role: Role;
  /** Worker group, unless it is that of cluster.workers. */
  readonly group?: string | undefined;
  readonly flavor: string;
  /** Undefined for one that boots from a volume. */
  readonly imageId: string | undefined;
}

/** What bears this site's names already. */
export interface Namesakes {
  readonly servers: readonly FoundServer[];
  readonly loadBalancers: readonly string[];
}

/** Limit and use of one quota; a limit of -1 is none. `own` is what this stack already uses of it. */
export interface Quota {
  readonly limit: number;
  readonly used: number;
  readonly own: number;
}

/** A URL preflight asked for its first bytes. */
export interface Answer {
  readonly status: number;
  /** Bytes, from Content-Length; undefined when the server does not tell. */
  readonly length: number | undefined;
}

export interface StateStore {
  readonly reachable: boolean;
  /** `Enabled`, `Suspended`, or undefined when never set. */
  readonly versioning: string | undefined;
  /** True when somebody without credentials can list the bucket. */
  readonly public: boolean;
}

export interface Facts {
  readonly scope: Fact<Scope>;
  /** Seconds by which the cloud's clock is ahead of ours. */
  readonly clockSkew: Fact<number>;
  /** By role: seed, controlPlane, workers. `undefined` as value: no such flavor. */
  readonly flavors: Readonly<Record<"seed" | "controlPlane" | "workers", Fact<FoundFlavor | undefined>>>;
  /** Of worker groups with a flavor of their own, by group. Default: none. */
  readonly groupFlavors?: Readonly<Record<string, Fact<FoundFlavor | undefined>>>;
  /** Every flavor that the project may use: what could be named instead. */
  readonly allFlavors: Fact<readonly FoundFlavor[]>;
  /** Images that match id or name, by `seed` and `cluster`; one that is uploaded by the name it gets. */
  readonly images: Readonly<Record<"seed" | "cluster", Fact<readonly FoundImage[]>>>;
  readonly externalNetwork: Fact<FoundNetwork | undefined>;
  readonly subnets: Fact<readonly FoundSubnet[]>;
  readonly existingNetworks: Fact<readonly ExistingNetwork[]>;
  readonly endpoints: Fact<readonly Endpoint[]>;
  readonly namesakes: Fact<Namesakes>;
  /** Whether the credential sees the machines' key pair. */
  readonly keyPair: Fact<boolean>;
  /** Resources that the state knows; undefined when nobody had to ask. */
  readonly knownResources: Fact<number> | undefined;
  readonly loadBalancerProviders: Fact<readonly string[]>;
  readonly volumeTypes: Fact<readonly string[]>;
  readonly computeZones: Fact<readonly string[]>;
  readonly volumeZones: Fact<readonly string[]>;
  /** Undefined when the credentials are refused: every other fact then holds that refusal. */
  readonly quotas: Readonly<Record<QuotaName, Fact<Quota>>> | undefined;
  /** By what is downloaded: `k3s`, `charts.cert-manager`. */
  readonly downloads: ReadonlyMap<string, { readonly url: string; readonly answer: Fact<Answer> }>;
  /** Undefined when no S3 backend is configured for this run. */
  readonly state: Fact<StateStore> | undefined;
}
