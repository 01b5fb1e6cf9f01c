/**
 * What an unknown key was probably meant to be: a key spelled nearly so beside it, the same key elsewhere in the
 * schema, or the key that took the place of an azimuth variable.
 */
import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import { AZIMUTH } from "./azimuth.ts";
import { fields } from "./schemaTree.ts";
import { formatPath, type Key } from "./tree.ts";

/**
 * The path that was probably meant; undefined if nothing is near.
 *
 * @param path the unknown key's path
 * @param siblings the legal keys in its place
 */
export function nearestPath(root: z.core.$ZodType, path: readonly Key[], siblings: readonly string[]) {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const all = fields(root);
  const renamed = AZIMUTH.find(({ variable }) => variable === key)?.settings?.[0];
  if (renamed !== undefined) return renamed;
  const near = closestOf(key, siblings);
  if (near !== undefined) return formatPath([...parent, near]);
  const ends = all.filter((field) => field.path.at(-1) === key || field.path.at(-2) === key);
  const elsewhere = ends.map((field) => field.path.slice(0, field.path.lastIndexOf(key) + 1));
  const within = elsewhere.filter((other) => other[0] === path[0]);
  const unique = [...new Set((within.length > 0 ? within : elsewhere).map((other) => formatPath(other)))];
  return unique.length === 1 ? unique[0] : undefined;
}

/** The candidate nearest to a key, at most a third of the key's length away, at least two changes being allowed. */
export function closestOf(key: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const lower = new Map(candidates.map((candidate) => [candidate.toLowerCase(), candidate]));
  const best = closest(key.toLowerCase(), [...lower.keys()]);
  const allowed = Math.max(2, Math.floor(key.length / 3));
  return distance(key.toLowerCase(), best) <= allowed ? lower.get(best) : undefined;
}
