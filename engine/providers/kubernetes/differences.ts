/**
 * Property-by-property differences between two sets of inputs, with those that need a new object.
 * Upstream analogue: convertPatchToDiff of provider.go; paths are spelled as Pulumi's property paths.
 */
import type { DiffResult } from "../../provider.ts";
import { equal, isMap, type Properties, type Value } from "../../values.ts";

/** A step into a value: a map's key or a list's index. */
type Step = string | number;

interface Change {
  readonly path: Step[];
  readonly before: Value | undefined;
  readonly after: Value | undefined;
}

/** Where `before` and `after` differ, as deep as both are maps or lists. A null entry counts as absent. */
export function changesBetween(before: Properties, after: Properties): Change[] {
  const found: Change[] = [];
  const visit = (path: Step[], old: Value | undefined, now: Value | undefined): void => {
    if (equal(old, now) || (isAbsent(old) && isAbsent(now))) return;
    if (isMap(old) && isMap(now)) {
      for (const key of new Set([...Object.keys(old), ...Object.keys(now)]))
        visit([...path, key], old[key], now[key]);
    } else if (Array.isArray(old) && Array.isArray(now)) {
      for (let index = 0; index < Math.max(old.length, now.length); index += 1) {
        visit([...path, index], old[index], now[index]);
      }
    } else {
      found.push({ path, before: isAbsent(old) ? undefined : old, after: isAbsent(now) ? undefined : now });
    }
  };
  visit([], before, after);
  return found;
}

/** The engine's answer for these changes; `replacing` are patterns such as `spec.containers[*].image`. */
export function diffOf(changes: Change[], replacing: string[]): DiffResult {
  const patterns = replacing.map(parsePath);
  const replaces: string[] = [];
  const detailed: NonNullable<DiffResult["detailed"]> = {};
  for (const change of changes) {
    const path = formatPath(change.path);
    const kind = change.before === undefined ? "add" : change.after === undefined ? "delete" : "update";
    if (patterns.some((pattern) => touches(change, pattern))) {
      replaces.push(path);
      detailed[path] = `${kind}-replace`;
    } else {
      detailed[path] = kind;
    }
  }
  return { changes: changes.length > 0, replaces, deleteBeforeReplace: false, detailed };
}

/** The changes without those at or below one of the ignored paths. */
export function withoutIgnored(changes: Change[], ignored: string[]): Change[] {
  const patterns = ignored.map(parsePath);
  return changes.filter((change) => !patterns.some((pattern) => covers(pattern, change.path)));
}

/** Pulumi's spelling: `metadata.annotations["pulumi.com/x"]`, `spec.containers[0].image`. */
export function formatPath(path: Step[]): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** The steps of a property path; `*` stands for any index or key. */
export function parsePath(path: string): Step[] {
  const steps: Step[] = [];
  for (const match of path.matchAll(/\[(?:(\d+)|"((?:[^"\\]|\\.)*)"|(\*))\]|([^.[\]]+)/g)) {
    if (match[1] !== undefined) steps.push(Number(match[1]));
    else steps.push(match[2]?.replace(/\\(.)/g, "$1") ?? match[3] ?? match[4] ?? "");
  }
  return steps;
}

/** Whether `pattern` is the path or one of its parents. */
function covers(pattern: Step[], path: Step[]): boolean {
  return (
    pattern.length <= path.length && pattern.every((step, index) => step === "*" || step === path[index])
  );
}

/** Whether a change is at, below or (a map that comes or goes whole) above the pattern. */
function touches(change: Change, pattern: Step[]): boolean {
  if (covers(pattern, change.path)) return true;
  if (!covers(pattern.slice(0, change.path.length), change.path)) return false;
  const rest = pattern.slice(change.path.length);
  return has(change.before, rest) || has(change.after, rest);
}

function has(value: Value | undefined, rest: Step[]): boolean {
  const [step, ...deeper] = rest;
  if (step === undefined) return !isAbsent(value);
  if (Array.isArray(value)) return step === "*" ? value.some((item) => has(item, deeper)) : false;
  if (!isMap(value)) return false;
  return step === "*" ? Object.values(value).some((item) => has(item, deeper)) : has(value[step], deeper);
}

function isAbsent(value: Value | undefined): boolean {
  return value === undefined || value === null;
}
