/**
 * Property paths as ignoreChanges and replaceOnChanges spell them: `a.b[0]["c"]`, with `*` for every element.
 * Upstream analogue: sdk/go/property/path.go and sdk/go/common/resource/property_path.go.
 */
import { Secret, isPropertyMap, type Property, type PropertyMap } from "./property.ts";

export type Path = (string | number)[];

/** Throws with the path on one it cannot read. */
export function parsePath(text: string): Path {
  const path: Path = [];
  let rest = text;
  while (rest !== "") {
    const quoted = /^\["((?:[^"\\]|\\.)*)"\]/.exec(rest);
    const indexed = /^\[(\d+|\*)\]/.exec(rest);
    const named = /^\.?([^.[\]"]+)/.exec(rest);
    const match = quoted ?? indexed ?? named;
    if (match === null)
      throw new Error(`cannot read the property path ${JSON.stringify(text)} at ${JSON.stringify(rest)}`);
    if (quoted !== null) path.push((quoted[1] ?? "").replaceAll(/\\(.)/g, "$1"));
    else if (indexed !== null) path.push(indexed[1] === "*" ? "*" : Number(indexed[1]));
    else path.push(named?.[1] ?? "");
    rest = rest.slice(match[0].length);
  }
  return path;
}

/** A path as text, the way diffs show it. */
export function formatPath(path: Path): string {
  return path
    .map((part, index) => {
      if (typeof part === "number") return `[${part}]`;
      if (/^[A-Za-z_$][\w$-]*$/.test(part)) return index === 0 ? part : `.${part}`;
      return `[${JSON.stringify(part)}]`;
    })
    .join("");
}

/** Whether `outer` is `inner` or a part of the way to it; `*` stands for any one step. */
export function containsPath(outer: Path, inner: Path): boolean {
  return (
    outer.length <= inner.length &&
    outer.every((part, at) => part === "*" || String(part) === String(inner[at]))
  );
}

/**
 * `news` with what the paths name taken from `olds`. A path whose way exists on one side only is left alone and returned in
 * `impossible`: such an element was added or removed, which cannot be ignored.
 */
export function resetPaths(
  news: PropertyMap,
  olds: PropertyMap,
  paths: readonly string[],
): { inputs: PropertyMap; impossible: string[] } {
  let inputs = news;
  const impossible: string[] = [];
  for (const text of paths) {
    const changed = reset(inputs, olds, parsePath(text));
    if (changed === undefined) impossible.push(text);
    else inputs = changed as PropertyMap;
  }
  return { inputs, impossible };
}

/** `fresh` with the element at `path` taken from `old`; undefined when the two do not line up. */
function reset(fresh: Property, old: Property, path: Path): Property | undefined {
  if (fresh instanceof Secret || old instanceof Secret) {
    const inner = reset(bare(fresh), bare(old), path);
    return inner === undefined ? undefined : fresh instanceof Secret ? new Secret(inner) : inner;
  }
  const [step, ...rest] = path;
  if (step === undefined) return old;
  if (Array.isArray(fresh) && Array.isArray(old)) return resetList(fresh, old, step, rest);
  if (!isPropertyMap(fresh) || !isPropertyMap(old)) return undefined;
  const keys = step === "*" ? [...new Set([...Object.keys(fresh), ...Object.keys(old)])] : [String(step)];
  const result: PropertyMap = { ...fresh };
  for (const key of keys) {
    const before = old[key];
    const now = fresh[key];
    if (rest.length === 0) {
      if (before === undefined) delete result[key];
      else result[key] = before;
    } else if (before !== undefined && now !== undefined) {
      const inner = reset(now, before, rest);
      if (inner === undefined) return undefined;
      result[key] = inner;
    } else if (before !== now) {
      return undefined;
    }
  }
  return result;
}

function resetList(
  fresh: Property[],
  old: Property[],
  step: string | number,
  rest: Path,
): Property | undefined {
  if (step === "*" && fresh.length !== old.length) return undefined;
  const result = [...fresh];
  for (const index of step === "*" ? fresh.keys() : [Number(step)]) {
    const before = old[index];
    const now = fresh[index];
    if (before === undefined || now === undefined) return before === now ? result : undefined;
    const inner = reset(now, before, rest);
    if (inner === undefined) return undefined;
    result[index] = inner;
  }
  return result;
}

function bare(property: Property): Property {
  return property instanceof Secret ? property.value : property;
}
