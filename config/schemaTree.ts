/**
 * The schema seen as a tree of fields: what the messages, the secret check and the reference table need to know
 * about a path. The one place that knows zod's classes.
 */
import { z } from "zod";
import { formatPath, type Key } from "./tree.ts";

export type Meta = z.GlobalMeta;

export interface Field {
  /** Keys from the root; `*` stands for any key of a map, `[]` for any item of a list. */
  readonly path: readonly string[];
  readonly meta: Meta;
  readonly required: boolean;
}

/** A schema without its optional wrapper, with the metadata of both. */
export function unwrap(schema: z.core.$ZodType): { schema: z.core.$ZodType; meta: Meta; optional: boolean } {
  const meta = z.globalRegistry.get(schema) ?? {};
  if (!(schema instanceof z.ZodOptional)) return { schema, meta, optional: false };
  const inner = unwrap(schema.unwrap());
  return { schema: inner.schema, meta: { ...inner.meta, ...meta }, optional: true };
}

/** The schema one step below; undefined if the schema has no such key. */
function child(schema: z.core.$ZodType, key: Key): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) {
    return Object.hasOwn(schema.shape, key) ? (schema.shape[key] as z.core.$ZodType) : undefined;
  }
  if (schema instanceof z.ZodRecord) return schema.valueType;
  // Below what may be anything is anything.
  if (schema instanceof z.ZodUnknown) return schema;
  if (schema instanceof z.ZodArray && typeof key === "number") return schema.element;
  return undefined;
}

/** The schema and metadata of a value's path; undefined if the path is not in the schema. */
export function schemaAt(root: z.core.$ZodType, path: readonly Key[]) {
  let found = unwrap(root);
  for (const key of path) {
    const next = child(found.schema, key);
    if (next === undefined) return undefined;
    found = unwrap(next);
  }
  return found;
}

/** What is legal at a path: the nearest words on the way up from it that say so. */
export function legalAt(root: z.core.$ZodType, path: readonly Key[]): string | undefined {
  const found = schemaAt(root, path);
  if (found?.meta.legal !== undefined) return found.meta.legal;
  if (found?.schema instanceof z.ZodObject) return `a map of ${Object.keys(found.schema.shape).join(", ")}`;
  if (found?.schema instanceof z.ZodArray) {
    const item = unwrap(found.schema.element).meta.legal;
    return item === undefined ? "a list" : `a list, each ${item}`;
  }
  const last = path.at(-1);
  return last === undefined ? undefined : legalAt(root, path.slice(0, -1));
}

const KNOWN_FIELDS = new WeakMap<z.core.$ZodType, readonly Field[]>();

/** Every field that holds a value, in the schema's order. */
export function fields(root: z.core.$ZodType): readonly Field[] {
  const known = KNOWN_FIELDS.get(root) ?? fieldsBelow(root, [], true);
  KNOWN_FIELDS.set(root, known);
  return known;
}

function fieldsBelow(root: z.core.$ZodType, at: readonly string[], required: boolean): Field[] {
  const { schema, meta, optional } = unwrap(root);
  const isRequired = required && !optional;
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, value]) =>
      fieldsBelow(value as z.core.$ZodType, [...at, key], isRequired),
    );
  }
  const self: Field = { path: at, meta, required: isRequired };
  if (schema instanceof z.ZodArray && unwrap(schema.element).schema instanceof z.ZodObject) {
    return [self, ...fieldsBelow(schema.element, [...at, "[]"], isRequired)];
  }
  if (schema instanceof z.ZodRecord && unwrap(schema.valueType).schema instanceof z.ZodObject) {
    return [self, ...fieldsBelow(schema.valueType, [...at, "*"], false)];
  }
  return [self];
}

/** The maps of the schema whose fields exclude each other, with their groups. */
export function alternatives(root: z.core.$ZodType, at: readonly string[] = []) {
  const { schema, meta } = unwrap(root);
  if (!(schema instanceof z.ZodObject)) return [];
  const below: { path: readonly string[]; groups: readonly (readonly string[])[] }[] = Object.entries(
    schema.shape,
  ).flatMap(([key, value]) => alternatives(value as z.core.$ZodType, [...at, key]));
  return meta.alternatives === undefined ? below : [{ path: at, groups: meta.alternatives }, ...below];
}

/** Paths that the schema marks secret. */
export function secretPaths(root: z.core.$ZodType): string[] {
  return fields(root)
    .filter((field) => field.meta.secret === true)
    .map((field) => formatPath(field.path));
}
