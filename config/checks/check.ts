/**
 * What a cross-field check is. Checks see only values that are legal by themselves; the rest is left out.
 */
import type { Config } from "../schema.ts";
import type { Problem } from "../problems.ts";

type DeepPartial<T> = T extends readonly (infer E)[]
  ? readonly E[]
  : T extends object
    ? { readonly [K in keyof T]?: DeepPartial<T[K]> }
    : T;

/** A configuration in which anything may be missing. */
export type PartialConfig = DeepPartial<Config>;

/** Returns what is wrong between fields; an empty list if nothing is. */
export type Check = (config: PartialConfig) => Problem[];

/** A list with a problem if a condition holds. */
export function when(condition: boolean | undefined, problem: () => Problem): Problem[] {
  return condition === true ? [problem()] : [];
}

/** The entries of an optional list; none if it is no list of maps, which a check may see and the schema reports. */
export function entriesOf<T extends object>(list: readonly T[] | undefined): readonly T[] {
  const entries = Array.isArray(list) ? (list as readonly T[]) : [];
  return entries.every((entry) => typeof entry === "object" && entry !== null) ? entries : [];
}
