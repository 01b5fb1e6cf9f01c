/**
 * Putting layers together: maps merge, lists and scalars replace, a key without a value (`key:`) leaves the lower
 * layer's. Three exceptions, all told by the schema: choosing one of several alternatives drops the lower layer's
 * choice, changing a version drops the lower layer's checksum of it, and an empty map of mirrors means none.
 */
import { z } from "zod";
import { unwrap } from "./schemaTree.ts";
import { isMap } from "./tree.ts";

/** Lower under higher, without the schema's exceptions. Neither is changed. */
export function merge(lower: unknown, higher: unknown): unknown {
  if (higher === null || higher === undefined) return lower;
  if (!isMap(higher)) return higher;
  const base = isMap(lower) ? lower : {};
  const keys = [...new Set([...Object.keys(base), ...Object.keys(higher)])];
  return Object.fromEntries(
    keys
      .map((key) => [key, merge(own(base, key), own(higher, key))] as const)
      .filter(([, value]) => value !== undefined && value !== null),
  );
}

/** Lower under higher, as the schema wants it. */
export function mergeLayers(schema: z.core.$ZodType, lower: unknown, higher: unknown): unknown {
  return merge(dropStale(schema, lower, higher), higher);
}

/** The lower layer without what the higher one makes stale. */
function dropStale(schema: z.core.$ZodType, lower: unknown, higher: unknown): unknown {
  const { schema: inner, meta } = unwrap(schema);
  if (meta.emptyClears === true && isMap(higher) && Object.keys(higher).length === 0) return undefined;
  if (!(inner instanceof z.ZodObject) || !isMap(lower) || !isMap(higher)) return lower;
  const chosen = (meta.alternatives ?? []).filter((group) => group.some((key) => isSet(higher, key)));
  const dropped = new Set(
    chosen.length === 0 ? [] : (meta.alternatives ?? []).filter((group) => !chosen.includes(group)).flat(),
  );
  for (const [key, value] of Object.entries(inner.shape)) {
    const leader = unwrap(value as z.core.$ZodType).meta.follows;
    if (leader !== undefined && isSet(higher, leader) && own(higher, leader) !== own(lower, leader))
      dropped.add(key);
  }
  return Object.fromEntries(
    Object.entries(lower)
      .filter(([key]) => !dropped.has(key))
      .map(([key, value]) => {
        const below = Object.hasOwn(inner.shape, key) ? (inner.shape[key] as z.core.$ZodType) : undefined;
        return [key, below === undefined ? value : dropStale(below, value, own(higher, key))];
      }),
  );
}

function own(map: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

function isSet(map: Record<string, unknown>, key: string): boolean {
  const value = own(map, key);
  return value !== undefined && value !== null;
}
