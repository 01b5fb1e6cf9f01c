/**
 * Property values as the engine holds them: a provider's values plus secrets and references to resources.
 * Upstream analogue: resource.PropertyValue of sdk/go/common/resource, and annotateSecrets of its plugin package.
 */
import type { UNKNOWN } from "./values.ts";
import { Archive, Asset, equal, type Properties, type Value } from "./values.ts";

/** A value that must never be shown or stored in the clear. */
export class Secret {
  readonly value: Property;
  constructor(value: Property) {
    this.value = value instanceof Secret ? value.value : value;
  }
}

/** A resource given as a value: providers see its id, or its URN when it is a component. */
export class ResourceReference {
  readonly urn: string;
  /** Undefined for components. */
  readonly id: Property | undefined;
  readonly packageVersion: string;
  constructor(urn: string, id: Property | undefined, packageVersion: string) {
    this.urn = urn;
    this.id = id;
    this.packageVersion = packageVersion;
  }
}

export type Property =
  | null
  | boolean
  | number
  | string
  | typeof UNKNOWN
  | Property[]
  | { [key: string]: Property }
  | Asset
  | Archive
  | Secret
  | ResourceReference;

export type PropertyMap = Record<string, Property>;

/** Whether `value` is a plain map. */
export function isPropertyMap(value: unknown): value is PropertyMap {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** What a provider sees: secrets unwrapped, references as ids. */
export function reveal(property: Property): Value {
  if (property instanceof Secret) return reveal(property.value);
  if (property instanceof ResourceReference)
    return property.id === undefined ? property.urn : reveal(property.id);
  if (Array.isArray(property)) return property.map(reveal);
  return isPropertyMap(property) ? revealMap(property) : property;
}

export function revealMap(properties: PropertyMap): Properties {
  return Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, reveal(value)]));
}

/** Whether a secret occurs anywhere in `property`. */
export function hasSecret(property: Property | undefined): boolean {
  if (property instanceof Secret) return true;
  if (Array.isArray(property)) return property.some(hasSecret);
  return isPropertyMap(property) && Object.values(property).some(hasSecret);
}

/**
 * Puts the secret marks of `marked` on `plain`, which a provider made from it without seeing them: maps are followed key
 * by key, anything else is secret as a whole as soon as its counterpart holds a secret.
 */
export function remark(plain: Property, marked: Property | undefined): Property {
  if (plain instanceof Secret || !hasSecret(marked)) return plain;
  // A secret may hold secrets of its own, which providers that compare with them see (pulumi-go-provider).
  if (marked instanceof Secret) return new Secret(remark(plain, marked.value));
  if (isPropertyMap(plain) && isPropertyMap(marked)) return remarkMap(plain, marked);
  return new Secret(plain);
}

export function remarkMap(plain: PropertyMap, marked: PropertyMap): PropertyMap {
  return Object.fromEntries(Object.entries(plain).map(([key, value]) => [key, remark(value, marked[key])]));
}

/** `property` with what is at `path`, if anything, marked secret; the marks around it stay. */
export function markPath(property: Property, path: readonly string[]): Property {
  const [key, ...rest] = path;
  if (property instanceof Secret) return new Secret(markPath(property.value, path));
  if (key === undefined) return new Secret(property);
  const inner = isPropertyMap(property) ? property[key] : undefined;
  return inner === undefined ? property : { ...(property as PropertyMap), [key]: markPath(inner, rest) };
}

/**
 * A resource's outputs as the engine keeps them: marked like the inputs of the same name, and secret where the provider or
 * the program (`additionalSecretOutputs`) says so.
 */
export function markOutputs(
  outputs: Properties,
  inputs: PropertyMap,
  secretNames: readonly string[],
): PropertyMap {
  const marked = remarkMap(outputs, inputs);
  for (const [name, input] of Object.entries(inputs)) {
    const output = marked[name];
    if (input instanceof Secret && output !== undefined) marked[name] = new Secret(output);
  }
  for (const name of secretNames) {
    const output = marked[name];
    if (output !== undefined && name !== "id") marked[name] = new Secret(output);
  }
  return marked;
}

/** Deep equality of values and of what is secret. */
export function sameProperty(a: Property | undefined, b: Property | undefined): boolean {
  if (a === b) return true;
  if (a instanceof Secret) return b instanceof Secret && sameProperty(a.value, b.value);
  if (a instanceof ResourceReference) {
    return b instanceof ResourceReference && a.urn === b.urn && sameProperty(a.id, b.id);
  }
  if (a instanceof Asset || a instanceof Archive) return equal(a, b as Value | undefined);
  if (Array.isArray(a)) {
    return (
      Array.isArray(b) && a.length === b.length && a.every((item, index) => sameProperty(item, b[index]))
    );
  }
  if (!isPropertyMap(a) || !isPropertyMap(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameProperty(a[key], b[key]))
  );
}

/** The strings inside the secrets of `property`, which nothing printed may contain. */
export function secretStrings(property: Property, inside = false): string[] {
  if (property instanceof Secret) return secretStrings(property.value, true);
  if (typeof property === "string") return inside ? [property] : [];
  if (Array.isArray(property)) return property.flatMap((item) => secretStrings(item, inside));
  if (property instanceof Asset) return inside && property.text !== undefined ? [property.text] : [];
  if (!isPropertyMap(property)) return [];
  const open = inside && isConnection(property) ? CONNECTION_ADDRESS : undefined;
  return (
    Object.entries(property)
      // The Kubernetes provider's copy of the inputs is secret as a whole; what is secret in it is marked in the inputs.
      .filter(([key]) => open?.has(key) !== true && key !== "__inputs")
      .flatMap(([, item]) => secretStrings(item, inside))
  );
}

/** Where a remote command's connection leads: @pulumi/command marks the whole connection secret, this part is public. */
const CONNECTION_ADDRESS: ReadonlySet<string> = new Set(["host", "hostKey", "port", "user"]);

function isConnection(map: PropertyMap): boolean {
  return "host" in map && ("privateKey" in map || "password" in map || "agentSocketPath" in map);
}
