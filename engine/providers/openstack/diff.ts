/**
 * What differs between an object's recorded state and what the program now wants, and whether that needs a new object.
 * Upstream analogue: schema.Resource.Diff of terraform-plugin-sdk: the state is compared, not the former inputs, so that drift
 * found by a refresh shows.
 */
import { UNKNOWN, type DiffResult, type Properties, type Value } from "../../provider.ts";
import { hasUnknown, isMap } from "../../values.ts";
import { blank, type Property, type Schema } from "./schema.ts";

export interface Change {
  /** The property's path, for the display. */
  path: string;
  action: "add" | "update" | "delete";
  replace: boolean;
}

/** Every changed property of `news` against `state`, by top-level name. */
export function changesOf(schema: Schema, state: Properties, news: Properties): Map<string, Change[]> {
  const changes = new Map<string, Change[]>();
  for (const [name, property] of Object.entries(schema)) {
    if (property.output) continue;
    const found = compare(property, state[name], news[name], name, property.replace === true);
    if (found.length > 0) changes.set(name, found);
  }
  return changes;
}

function compare(
  property: Property,
  kept: Value | undefined,
  wanted: Value | undefined,
  path: string,
  replace: boolean,
): Change[] {
  const change = (action: Change["action"]): Change[] => [{ path, action, replace }];
  if (wanted === undefined || wanted === null) {
    return property.computed || blank(kept) ? [] : change("delete");
  }
  if (wanted === UNKNOWN) return change(kept === undefined ? "add" : "update");
  if (blank(wanted) && blank(kept)) return [];
  if (kept === undefined || kept === null) return change("add");
  const target = property.kept && !hasUnknown(wanted) ? property.kept(wanted) : wanted;
  if (property.same?.(kept, target)) return [];
  switch (property.type) {
    case "string":
    case "integer":
    case "boolean":
      return spell(kept) === spell(target) ? [] : change("update");
    case "map":
      return sameMap(kept, target) ? [] : change("update");
    case "object":
      if (!isMap(kept) || !isMap(target)) return change("update");
      return compareFields(property.fields ?? {}, kept, target, path, replace);
    case "list":
      return compareLists(property, asList(kept), asList(target), path, replace);
    case "set":
      return sameSet(property, asList(kept), asList(target)) ? [] : change("update");
  }
}

function compareFields(
  fields: Schema,
  kept: Properties,
  wanted: Properties,
  path: string,
  replace: boolean,
): Change[] {
  return Object.entries(fields)
    .filter(([, field]) => !field.output)
    .flatMap(([name, field]) =>
      compare(field, kept[name], wanted[name], `${path}.${name}`, replace || field.replace === true),
    );
}

function compareLists(
  property: Property,
  kept: Value[],
  wanted: Value[],
  path: string,
  replace: boolean,
): Change[] {
  if (kept.length !== wanted.length) {
    const nested = Object.values(property.fields ?? {}).some((field) => field.replace);
    return [{ path, action: "update", replace: replace || nested }];
  }
  return wanted.flatMap((item, index): Change[] => {
    const old = kept[index];
    const at = `${path}[${index}]`;
    if (item === UNKNOWN) return [{ path: at, action: "update", replace }];
    if (property.fields && isMap(item) && isMap(old)) {
      return compareFields(property.fields, old, item, at, replace);
    }
    return spell(item) === spell(old) ? [] : [{ path: at, action: "update", replace }];
  });
}

function sameSet(property: Property, kept: Value[], wanted: Value[]): boolean {
  if (hasUnknown(wanted)) return false;
  if (!property.fields) {
    const left = new Set(kept.map(spell));
    const right = new Set(wanted.map(spell));
    return left.size === right.size && [...left].every((item) => right.has(item));
  }
  if (kept.length !== wanted.length) return false;
  const rest = [...kept];
  return wanted.every((item) => {
    const index = rest.findIndex(
      (old) =>
        isMap(old) && isMap(item) && compareFields(property.fields ?? {}, old, item, "", false).length === 0,
    );
    if (index >= 0) rest.splice(index, 1);
    return index >= 0;
  });
}

function sameMap(kept: Value, wanted: Value): boolean {
  if (!isMap(kept) || !isMap(wanted) || hasUnknown(wanted)) return false;
  const keys = new Set([...Object.keys(kept), ...Object.keys(wanted)]);
  return [...keys].every((key) => spell(kept[key]) === spell(wanted[key]));
}

function asList(value: Value): Value[] {
  return Array.isArray(value) ? value : [];
}

function spell(value: Value | undefined): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/**
 * The answer to a diff. `named` says that the program gave the object its name: then the old object goes first, as
 * the bridge does, since many names are unique in a project.
 */
export function toDiffResult(
  changes: ReadonlyMap<string, Change[]>,
  ignored: readonly string[],
  named: boolean,
): DiffResult {
  const detailed: NonNullable<DiffResult["detailed"]> = {};
  const replaces: string[] = [];
  for (const [name, found] of changes) {
    if (ignored.some((path) => path === name || path.startsWith(`${name}[`) || path.startsWith(`${name}.`)))
      continue;
    for (const { path, action, replace } of found) detailed[path] = replace ? `${action}-replace` : action;
    if (found.some((change) => change.replace)) replaces.push(name);
  }
  return {
    changes: Object.keys(detailed).length > 0,
    replaces,
    deleteBeforeReplace: replaces.length > 0 && named,
    detailed,
  };
}
