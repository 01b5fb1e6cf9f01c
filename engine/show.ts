/**
 * Property values and their differences as text. Secrets and unknown values are never shown.
 * Upstream analogue: pkg/backend/display (object_diff.go).
 */
import { formatPath, type Path } from "./paths.ts";
import {
  ResourceReference,
  Secret,
  isPropertyMap,
  sameProperty,
  type Property,
  type PropertyMap,
} from "./property.ts";
import { Archive, Asset, UNKNOWN } from "./values.ts";

export type Shown = null | boolean | number | string | Shown[] | { [key: string]: Shown };

/** One property that differs. */
export interface Change {
  path: Path;
  kind: "add" | "delete" | "update";
  old: Property | undefined;
  new: Property | undefined;
}

/** Longer values are cut in the middle of a line; the JSON report has them whole. */
const WIDEST = 100;
/** Of a text of many lines, this many changed ones are shown. */
const MOST_LINES = 8;
/** Kept by providers for themselves. */
const HIDDEN = new Set(["__defaults", "__internal"]);

/** A value fit for JSON: secrets as `[secret]` (unless `showSecrets`), unknown values as `[unknown]`. */
export function plain(property: Property, showSecrets = false): Shown {
  if (property === UNKNOWN) return "[unknown]";
  if (property instanceof Secret) return showSecrets ? plain(property.value, true) : "[secret]";
  if (property instanceof ResourceReference)
    return property.id === undefined ? property.urn : plain(property.id, showSecrets);
  if (property instanceof Asset)
    return `[asset ${property.path ?? property.uri ?? property.hash.slice(0, 12)}]`;
  if (property instanceof Archive)
    return `[archive ${property.path ?? property.uri ?? property.hash.slice(0, 12)}]`;
  if (Array.isArray(property)) return property.map((item) => plain(item, showSecrets));
  return isPropertyMap(property) ? plainMap(property, showSecrets) : property;
}

export function plainMap(properties: PropertyMap, showSecrets = false): { [key: string]: Shown } {
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([key]) => !HIDDEN.has(key))
      .map(([key, value]) => [key, plain(value, showSecrets)]),
  );
}

/** A value on one line. */
export function brief(property: Property, widest = WIDEST): string {
  const shown = plain(property);
  if (shown === "[secret]" || shown === "[unknown]") return shown;
  const text = JSON.stringify(shown).replaceAll(/"(\[(?:secret|unknown)\])"/g, "$1");
  return text.length <= widest ? text : `${text.slice(0, widest - 1)}…`;
}

/** What differs between two sets of properties, deepest first where both sides have the same shape. */
export function changesBetween(olds: PropertyMap, news: PropertyMap): Change[] {
  const changes: Change[] = [];
  collect(olds, news, [], changes);
  return changes.filter(({ path }) => !HIDDEN.has(String(path[0])));
}

/** A change as lines: `~ path: old => new`, and for texts of several lines what came and went. */
export function changeLines(change: Change, note = ""): string[] {
  const name = formatPath(change.path);
  if (change.kind === "add") return [`+ ${name}: ${brief(change.new ?? null)}${note}`];
  if (change.kind === "delete") return [`- ${name}: ${brief(change.old ?? null)}${note}`];
  const { old = null, new: now = null } = change;
  if (typeof old === "string" && typeof now === "string" && old.includes("\n") && now.includes("\n")) {
    return [`~ ${name}:${note}`, ...textLines(old, now)];
  }
  return [`~ ${name}: ${brief(old)} => ${brief(now)}${note}`];
}

function collect(old: Property | undefined, now: Property | undefined, path: Path, changes: Change[]): void {
  if (sameProperty(old, now)) return;
  if (isPropertyMap(old) && isPropertyMap(now)) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
      collect(old[key], now[key], [...path, key], changes);
    }
  } else if (Array.isArray(old) && Array.isArray(now)) {
    for (let index = 0; index < Math.max(old.length, now.length); index += 1) {
      collect(old[index], now[index], [...path, index], changes);
    }
  } else {
    changes.push({
      path,
      kind: old === undefined ? "add" : now === undefined ? "delete" : "update",
      old,
      new: now,
    });
  }
}

function textLines(old: string, now: string): string[] {
  const before = new Set(old.split("\n"));
  const after = new Set(now.split("\n"));
  const lines = [
    ...[...before].filter((line) => !after.has(line)).map((line) => `    - ${line}`),
    ...[...after].filter((line) => !before.has(line)).map((line) => `    + ${line}`),
  ];
  const rest = lines.length - MOST_LINES;
  const cut = lines
    .slice(0, MOST_LINES)
    .map((line) => (line.length <= WIDEST ? line : `${line.slice(0, WIDEST - 1)}…`));
  return rest > 0 ? [...cut, `    … and ${rest} more lines`] : cut;
}
