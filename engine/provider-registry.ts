/**
 * Provider instances by reference (URN::id), loaded when first used.
 * Upstream analogue: pkg/resource/deploy/providers/registry.go and default_providers.go.
 */
import { revealMap, type PropertyMap } from "./property.ts";
import type { DiffResult, Provider, ProviderFactory } from "./provider.ts";
import type { ResourceState } from "./state.ts";
import { packageOf, parseReference, providerPackage, typeOf } from "./urn.ts";
import { equal, hasUnknown, type Properties } from "./values.ts";

/** A configured provider. */
export interface Instance {
  provider: Provider;
  /** False in a preview when an input of the provider itself is not known yet: it can then be asked nothing. */
  known: boolean;
}

/** The engine's own entries among a provider resource's inputs. */
const OWN_INPUTS = new Set(["__internal", "version", "pluginDownloadURL", "__pulumi-go-provider-version"]);

export class ProviderRegistry {
  readonly #factories: Readonly<Record<string, ProviderFactory>>;
  readonly #offline: boolean;
  readonly #loaded = new Map<string, Promise<ProviderFactory>>();
  readonly #instances = new Map<string, Promise<Instance>>();
  readonly #configured: Provider[] = [];

  /**
   * `factories` take the place of engine/providers/<name>, by package; with `offline` no provider is loaded at all.
   */
  constructor(options: { factories?: Readonly<Record<string, ProviderFactory>>; offline: boolean }) {
    this.#factories = options.factories ?? {};
    this.#offline = options.offline;
  }

  /** Makes and configures an instance from a provider resource's inputs, under `reference`. */
  register(reference: string, inputs: PropertyMap): Promise<Instance> {
    const instance = this.#configure(reference, inputs);
    // Whoever uses it meets the failure; until then nobody may be waiting.
    instance.catch(() => undefined);
    this.#instances.set(reference, instance);
    return instance;
  }

  /** The instance under `reference`, or the one a state's provider resource describes. */
  get(reference: string, states: readonly ResourceState[]): Promise<Instance> {
    const existing = this.#instances.get(reference);
    if (existing !== undefined) return existing;
    const { urn, id } = parseReference(reference);
    const state = states.find((candidate) => candidate.urn === urn && candidate.id === id);
    if (state === undefined)
      return Promise.reject(new Error(`provider ${reference} is neither registered nor in the state`));
    return this.register(reference, state.inputs);
  }

  /** How a change of a provider resource's inputs bears on the resources it manages. */
  async diffConfig(type: string, olds: PropertyMap, news: PropertyMap): Promise<DiffResult> {
    const before = ownConfig(olds);
    const after = ownConfig(news);
    const provider = (await this.#load(providerPackage(type)))();
    if (provider.diffConfig !== undefined && !this.#offline) return provider.diffConfig(before, after);
    return { changes: !equal(before, after), replaces: [], deleteBeforeReplace: false };
  }

  /** Lets go of every provider's connections. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#configured.map(async (provider) => provider.close?.()));
  }

  async #configure(reference: string, inputs: PropertyMap): Promise<Instance> {
    const provider = (await this.#load(providerPackage(typeOf(parseReference(reference).urn))))();
    const config = ownConfig(inputs);
    await provider.configure(config);
    this.#configured.push(provider);
    return { provider, known: !this.#offline && !hasUnknown(config) };
  }

  #load(packageName: string): Promise<ProviderFactory> {
    let factory = this.#loaded.get(packageName);
    if (factory === undefined) {
      factory = this.#import(packageName);
      factory.catch(() => undefined);
      this.#loaded.set(packageName, factory);
    }
    return factory;
  }

  async #import(packageName: string): Promise<ProviderFactory> {
    const given = this.#factories[packageName];
    if (given !== undefined) return given;
    if (this.#offline) {
      const { offlineProvider } = await import("./offline-provider.ts");
      return () => offlineProvider(packageName);
    }
    const load = PROVIDERS[packageName];
    if (load === undefined) {
      throw new Error(
        `the embedded engine has no provider for package ${packageName} (it has: ${Object.keys(PROVIDERS).join(", ")})`,
      );
    }
    return (await load()).factory;
  }
}

/** Loaded only when a program uses them: each pulls in its own client libraries. */
const PROVIDERS: Readonly<Record<string, () => Promise<{ factory: ProviderFactory }>>> = {
  openstack: () => load("./providers/openstack/index.ts"),
  kubernetes: () => load("./providers/kubernetes/index.ts"),
  command: () => load("./providers/command/index.ts"),
};

async function load(module: string): Promise<{ factory: ProviderFactory }> {
  return (await import(module)) as { factory: ProviderFactory };
}

function ownConfig(inputs: PropertyMap): Properties {
  return revealMap(Object.fromEntries(Object.entries(inputs).filter(([key]) => !OWN_INPUTS.has(key))));
}

/** The name Pulumi gives the provider a program did not make itself: `default_3_15_2`. */
export function defaultProviderName(version: string): string {
  return version === "" ? "default" : `default_${version.replaceAll(/[.+-]/g, "_")}`;
}

/** Whether `pulumi:disable-default-providers` forbids a default provider for `packageName`. */
export function defaultProviderDenied(
  config: Readonly<Record<string, string>>,
  packageName: string,
): boolean {
  const text = config["pulumi:disable-default-providers"];
  if (text === undefined || text === "") return false;
  const names: unknown = JSON.parse(text);
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string")) {
    throw new Error("pulumi:disable-default-providers must be a list of package names");
  }
  return names.includes("*") || names.includes(packageName);
}

/** The stack's configuration for a default provider: the keys in the package's own namespace. */
export function defaultProviderInputs(
  config: Readonly<Record<string, string>>,
  type: string,
  version: string,
): PropertyMap {
  const prefix = `${packageOf(type)}:`;
  const inputs: PropertyMap = {};
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith(prefix)) inputs[key.slice(prefix.length)] = value;
  }
  return version === "" ? inputs : { ...inputs, __internal: {}, version };
}
