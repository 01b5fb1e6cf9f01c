/**
 * Property values as they travel between engine and provider, and as commands want them.
 * Upstream source of the marks: sdk/go/common/resource/sig and sdk/nodejs/runtime/rpc.ts.
 */

/** A value that is not known before the deployment. Only in a preview. */
export const UNKNOWN: unique symbol = Symbol("unknown");

/** Any property value, secrets unwrapped. */
export type Value = null | boolean | number | string | typeof UNKNOWN | Value[] | { [key: string]: Value };

/** A resource's inputs or outputs, secrets unwrapped. */
export type Properties = Record<string, Value>;

/** The same as the engine sends it: secrets are maps with a mark, unknowns are strings that nobody else writes. */
export type Wire = null | boolean | number | string | Wire[] | { [key: string]: Wire };

/** A resource's inputs or outputs as the engine sends them. */
export type WireMap = Record<string, Wire>;

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
/** How the Node.js SDK writes every unknown value. */
const UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Whether `value` is a map, as opposed to a list, a text, a number or nothing. */
export function isMap<T>(value: T | Record<string, T> | undefined): value is Record<string, T> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const isSecret = (value: Wire): value is { value: Wire } => isMap(value) && value[SIGNATURE] === SECRET;

const secret = (value: Wire): Wire => (isSecret(value) ? value : { [SIGNATURE]: SECRET, value: value });

/**
 * What the engine sent, with secrets unwrapped.
 *
 * @throws Error for an asset, an archive or a resource, which no command takes
 */
export function reveal(wire: WireMap): Properties {
  return Object.fromEntries(Object.entries(wire).map(([name, value]) => [name, revealValue(value)]));
}

function revealValue(wire: Wire): Value {
  if (wire === UNKNOWN_STRING) return UNKNOWN;
  if (Array.isArray(wire)) return wire.map(revealValue);
  if (!isMap(wire)) return wire;
  if (isSecret(wire)) return revealValue(wire.value);
  if (wire[SIGNATURE] !== undefined)
    throw new Error("an asset, an archive or a resource is no input of a command");
  return reveal(wire);
}

/**
 * `values` for the engine, secret wherever `marked` is, and `connection` in any case: it holds a key.
 *
 * @param marked what the engine sent, from which `values` were made
 */
export function conceal(values: Properties, marked: WireMap): WireMap {
  const wire = concealMap(values, marked);
  const { connection } = wire;
  return connection === undefined ? wire : { ...wire, connection: secret(connection) };
}

function concealMap(values: Properties, marked: WireMap): WireMap {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, concealValue(value, marked[name])]),
  );
}

function concealValue(value: Value, marked: Wire | undefined): Wire {
  if (marked !== undefined && isSecret(marked)) return secret(concealValue(value, marked.value));
  if (value === UNKNOWN) return UNKNOWN_STRING;
  if (Array.isArray(value)) {
    return value.map((item, index) => concealValue(item, Array.isArray(marked) ? marked[index] : undefined));
  }
  if (!isMap(value)) return value;
  return concealMap(value, isMap(marked) ? marked : {});
}

type Kind = "add" | "update" | "delete";

/** The paths at which two values differ, as far down as both go. An unknown differs from everything. */
export function differences(
  before: Value | undefined,
  after: Value | undefined,
  path: string,
): [string, Kind][] {
  if (before === after && after !== UNKNOWN) return [];
  if (before === undefined) return [[path, "add"]];
  if (after === undefined) return [[path, "delete"]];
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, at) => differences(before[at], after[at], `${path}[${at}]`)).flat();
  }
  if (isMap(before) && isMap(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => {
      const step = /^[A-Za-z_$][\w$-]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
      return differences(before[name], after[name], path + step);
    });
  }
  return [[path, "update"]];
}
