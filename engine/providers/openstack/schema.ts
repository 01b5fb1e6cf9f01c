/**
 * How a resource kind's properties are described, checked and given their defaults.
 * Upstream analogue: the schema.Schema of terraform-plugin-sdk as the Pulumi bridge reads it (Optional, Computed, ForceNew,
 * Default, ConflictsWith), with the names of @pulumi/openstack.
 */
import { distance } from "fastest-levenshtein";
import { Archive, Asset, UNKNOWN, type Properties, type Value } from "../../provider.ts";
import { isMap } from "../../values.ts";

/** One property. Nothing set: optional, updatable in place, told by the cloud. */
export interface Property {
  readonly type: "string" | "integer" | "boolean" | "map" | "list" | "set" | "object";
  readonly required?: boolean;
  /** The cloud fills it when the program does not; then leaving it out is no change. */
  readonly computed?: boolean;
  /** A change needs a new object (ForceNew). */
  readonly replace?: boolean;
  /** Only an output: refused among the inputs. */
  readonly output?: boolean;
  readonly secret?: boolean;
  /** Named from the resource's name when left out. */
  readonly autoname?: boolean;
  readonly default?: Value;
  /** Members of a list or set (default: strings), or the fields of an object. */
  readonly fields?: Schema;
  /** Properties that may not be set beside this one. */
  readonly conflicts?: readonly string[];
  /** Properties that must be set beside this one. */
  readonly needs?: readonly string[];
  readonly legal?: readonly string[];
  /** A problem with the value, in words, or nothing. */
  readonly problem?: (value: Value) => string | undefined;
  /** How the value is kept in the state (userData only as its hash). */
  readonly kept?: (value: Value) => Value;
  /** Whether a kept and a wanted value mean the same although they are spelled differently. */
  readonly same?: (kept: Value, wanted: Value) => boolean;
}

export type Schema = Readonly<Record<string, Property>>;

/** A problem with one property, as a check reports it. */
export interface Failure {
  property: string;
  reason: string;
}

export const text = (rest: Omit<Property, "type"> = {}): Property => ({ type: "string", ...rest });
export const integer = (rest: Omit<Property, "type"> = {}): Property => ({ type: "integer", ...rest });
export const flag = (rest: Omit<Property, "type"> = {}): Property => ({ type: "boolean", ...rest });
export const map = (rest: Omit<Property, "type"> = {}): Property => ({ type: "map", ...rest });
export const list = (rest: Omit<Property, "type"> = {}): Property => ({ type: "list", ...rest });
export const set = (rest: Omit<Property, "type"> = {}): Property => ({ type: "set", ...rest });
export const object = (fields: Schema, rest: Omit<Property, "type" | "fields"> = {}): Property => ({
  type: "object",
  fields,
  ...rest,
});

/** Region as every OpenStack resource has it. */
export const region = text({ computed: true, replace: true });
/** The two properties of a taggable object: what the program asks for, and what is there. */
export const tagged: Schema = { tags: set(), allTags: set({ output: true }) };

/** Whether a value says nothing: Terraform's provider holds a zero value and an absent one for the same. */
export function blank(value: Value | undefined): boolean {
  if (value === undefined || value === null || value === "" || value === false || value === 0) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isMap(value) && Object.keys(value).length === 0;
}

/**
 * Checks `news` against `schema` and fills in defaults. Strings that spell a number or a truth value are taken as such, as the
 * bridge does. Unknown values pass. `unsupported` lists properties that upstream has and this provider refuses.
 */
export function checkProperties(
  news: Properties,
  schema: Schema,
  unsupported: readonly string[] = [],
  path = "",
): { inputs: Properties; failures: Failure[] } {
  const inputs: Properties = {};
  const failures: Failure[] = [];
  const fail = (name: string, reason: string): void => void failures.push({ property: path + name, reason });
  for (const [name, value] of Object.entries(news)) {
    if (name === "__defaults" || value === null) continue;
    const property = Object.hasOwn(schema, name) ? schema[name] : undefined;
    if (unsupported.includes(name)) {
      fail(name, `the embedded engine's openstack provider does not implement the property ${path}${name}`);
    } else if (!property) {
      const legal = Object.keys(schema).filter((key) => !schema[key]?.output);
      const near = legal.sort((a, b) => distance(a, name) - distance(b, name))[0];
      fail(name, `unknown property ${path}${name}${near ? `; did you mean ${near}?` : ""}`);
    } else if (property.output) {
      fail(name, `${path}${name} is an output and cannot be set`);
    } else {
      const checked = checkValue(value, property, path + name);
      failures.push(...checked.failures);
      inputs[name] = checked.value;
    }
  }
  for (const [name, property] of Object.entries(schema)) {
    if (!Object.hasOwn(inputs, name)) {
      if (property.default !== undefined) inputs[name] = property.default;
      else if (property.required) fail(name, `missing required property ${path}${name}`);
      continue;
    }
    if (blank(inputs[name])) continue;
    for (const other of property.conflicts ?? []) {
      // Only the program's own words conflict: a default that was just filled in does not.
      if (!blank(news[other]) && name < other)
        fail(name, `${path}${name} and ${path}${other} exclude each other`);
    }
    for (const other of property.needs ?? []) {
      if (blank(news[other])) fail(name, `${path}${name} needs ${path}${other} to be set as well`);
    }
  }
  return { inputs, failures };
}

function checkValue(value: Value, property: Property, path: string): { value: Value; failures: Failure[] } {
  if (value === UNKNOWN) return { value, failures: [] };
  const wrong = (expected: string): { value: Value; failures: Failure[] } => ({
    value,
    failures: [{ property: path, reason: `${path} must be ${expected}, got ${describe(value)}` }],
  });
  const right = (checked: Value): { value: Value; failures: Failure[] } => {
    if (
      property.legal &&
      !property.legal.includes(typeof checked === "number" ? String(checked) : (checked as string)) &&
      checked !== ""
    ) {
      return wrong(`one of ${property.legal.join(", ")}`);
    }
    const problem = property.problem?.(checked);
    return {
      value: checked,
      failures: problem ? [{ property: path, reason: `${path} ${problem}` }] : [],
    };
  };
  switch (property.type) {
    case "string":
      return typeof value === "string"
        ? right(value)
        : typeof value === "number" || typeof value === "boolean"
          ? right(String(value))
          : wrong("a string");
    case "integer": {
      const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
      return typeof number === "number" && Number.isInteger(number) ? right(number) : wrong("a whole number");
    }
    case "boolean":
      if (value === "true" || value === "false") return right(value === "true");
      return typeof value === "boolean" ? right(value) : wrong("true or false");
    case "map":
      if (!isMap(value)) return wrong("a map");
      return right(
        Object.fromEntries(
          Object.entries(value).map(([key, item]) => [
            key,
            typeof item === "number" || typeof item === "boolean" ? String(item) : item,
          ]),
        ),
      );
    case "object": {
      if (!isMap(value)) return wrong("an object");
      const checked = checkProperties(value, property.fields ?? {}, [], `${path}.`);
      return { value: checked.inputs, failures: checked.failures };
    }
    case "list":
    case "set": {
      if (!Array.isArray(value)) return wrong("a list");
      const member: Property = property.fields ? object(property.fields) : text();
      const items = value.map((item, index) => checkValue(item, member, `${path}[${index}]`));
      const checked = right(items.map((item) => item.value));
      return {
        value: checked.value,
        failures: [...items.flatMap((item) => item.failures), ...checked.failures],
      };
    }
  }
}

/** A value's type in words: never the value, which may be a secret. */
function describe(value: Value): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (value instanceof Asset || value instanceof Archive) return "an asset";
  return isMap(value) ? "a map" : `a ${typeof value}`;
}
