/**
 * Trees of plain values as YAML and JSON give them: paths into them, and nothing of what they mean.
 */

export type Key = string | number;

/** A map of plain values, not a list. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A path as operators write it and as `pulumi config set --path` reads it: `a.b[0]["docker.io"]`. */
export function formatPath(path: readonly Key[]): string {
  return path
    .map((key, index) => {
      if (typeof key === "number") return `[${key}]`;
      if (!/^[\w-]+$/.test(key)) return `[${JSON.stringify(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join("");
}

/** The value at a path; undefined if there is none. Never follows what is inherited. */
export function valueAt(tree: unknown, path: readonly Key[]): unknown {
  let value = tree;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<Key, unknown>)[key];
  }
  return value;
}

/** The paths of a tree that a path with `*` for any key of a map means. */
export function matchingPaths(tree: unknown, path: readonly string[]): string[][] {
  const [key, ...rest] = path;
  if (key === undefined) return [[]];
  const keys = key !== "*" ? [key] : isMap(tree) ? Object.keys(tree) : [];
  return keys
    .filter((one) => valueAt(tree, [one]) !== undefined)
    .flatMap((one) => matchingPaths(valueAt(tree, [one]), rest).map((below) => [one, ...below]));
}

/** A copy of a tree without the values at the paths given. A list stays whole, or its length would lie. */
export function without(tree: unknown, paths: ReadonlySet<string>, at: readonly Key[] = []): unknown {
  if (!isMap(tree)) return tree;
  return Object.fromEntries(
    Object.entries(tree)
      .filter(([key]) => !paths.has(formatPath([...at, key])))
      .map(([key, value]) => [key, without(value, paths, [...at, key])]),
  );
}

/** Every value that is not a map with something in it, with its path, in order. Lists count as one value. */
export function leaves(tree: unknown, at: readonly Key[] = []): { path: Key[]; value: unknown }[] {
  if (!isMap(tree) || (at.length > 0 && Object.keys(tree).length === 0))
    return [{ path: [...at], value: tree }];
  return Object.entries(tree).flatMap(([key, value]) => leaves(value, [...at, key]));
}
