/**
 * Kubernetes objects as plain JSON, and the few readings of them that every part of this provider needs.
 * Upstream analogue: apimachinery's unstructured.Unstructured and pulumi-kubernetes provider/pkg/metadata.
 */
import { Archive, Asset, UNKNOWN, isMap, type Properties, type Value } from "../../values.ts";

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A Kubernetes object as the API server reads and writes it. */
export type KubeObject = { [key: string]: Json };

/** What identifies a kind: `apiVersion` is `v1` for the core group, else `group/version`. */
export interface Kind {
  readonly apiVersion: string;
  readonly kind: string;
}

/** The value at `path` of `value`, or undefined. A number selects from a list. */
export function at(value: unknown, ...path: (string | number)[]): unknown {
  let current: unknown = value;
  for (const key of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<string | number, unknown>)[key];
  }
  return current;
}

/** The string at `path`, or the empty string. */
export function textAt(value: unknown, ...path: (string | number)[]): string {
  const found = at(value, ...path);
  return typeof found === "string" ? found : "";
}

/** The number at `path`, or `fallback`. */
export function numberAt(value: unknown, fallback: number, ...path: (string | number)[]): number {
  const found = at(value, ...path);
  return typeof found === "number" ? found : fallback;
}

/** The list at `path`, or an empty one. */
export function listAt(value: unknown, ...path: (string | number)[]): unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

export function nameOf(object: unknown): string {
  return textAt(object, "metadata", "name");
}

export function namespaceOf(object: unknown): string {
  return textAt(object, "metadata", "namespace");
}

/** `namespace/name`, or `name` for what has no namespace: also the resource's ID in the state, as upstream. */
export function idOf(object: unknown): string {
  const namespace = namespaceOf(object);
  return namespace === "" ? nameOf(object) : `${namespace}/${nameOf(object)}`;
}

/** The namespace (empty if none) and name of a resource's ID. */
export function parseId(id: string): { namespace: string; name: string } {
  const [first = "", second] = id.split("/");
  return second === undefined ? { namespace: "", name: first } : { namespace: first, name: second };
}

/** The value of an annotation, or the empty string. */
export function annotation(object: unknown, key: string): string {
  return textAt(object, "metadata", "annotations", key);
}

/** Whether an annotation is set to true. */
export function isAnnotated(object: unknown, key: string): boolean {
  return annotation(object, key).toLowerCase() === "true";
}

/** Whether this is a core Secret, whose data must not show anywhere. */
export function isSecret(object: unknown): boolean {
  return textAt(object, "apiVersion") === "v1" && textAt(object, "kind") === "Secret";
}

export function isDefinition(object: unknown): boolean {
  return (
    textAt(object, "kind") === "CustomResourceDefinition" &&
    textAt(object, "apiVersion").startsWith("apiextensions.k8s.io/")
  );
}

/**
 * The object the API server is to receive, from checked inputs.
 * Keys such as `x_kubernetes_preserve_unknown_fields`, which the SDK spells so because a dash is no identifier, get
 * their dashes back; null entries of maps are left out. Throws for unknowns, assets and archives.
 */
export function toObject(inputs: Properties): KubeObject {
  return toJson(inputs, "") as KubeObject;
}

function toJson(value: Value, path: string): Json {
  if (value === UNKNOWN) throw new Error(`${path} is not known yet`);
  if (value instanceof Asset || value instanceof Archive) {
    throw new Error(`${path} is an asset, which no Kubernetes object can hold`);
  }
  if (Array.isArray(value)) return value.map((item, index) => toJson(item, `${path}[${index}]`));
  if (!isMap(value)) return value;
  const result: { [key: string]: Json } = {};
  for (const [key, item] of Object.entries(value)) {
    if (item !== null) result[dashed(key)] = toJson(item, path === "" ? key : `${path}.${key}`);
  }
  return result;
}

/** Output properties of a live object: `x-kubernetes-*` keys spelled as the SDK does. */
export function toProperties(object: KubeObject): Properties {
  const convert = (value: Json): Value => {
    if (Array.isArray(value)) return value.map(convert);
    if (typeof value !== "object" || value === null) return value;
    const result: { [key: string]: Value } = {};
    for (const [key, item] of Object.entries(value)) result[underscored(key)] = convert(item);
    return result;
  };
  return convert(object) as Properties;
}

function dashed(key: string): string {
  return key.startsWith("x_kubernetes_") ? key.replaceAll("_", "-") : key;
}

function underscored(key: string): string {
  return key.startsWith("x-kubernetes-") ? key.replaceAll("-", "_") : key;
}

/**
 * The object with a Secret's `stringData` turned into `data`, which is how the API server stores it. Sent that way a
 * key that leaves `stringData` also leaves the Secret: server-side apply only removes what it once owned.
 */
export function withEncodedData(object: KubeObject): KubeObject {
  const texts = object["stringData"];
  if (!isSecret(object) || typeof texts !== "object" || texts === null || Array.isArray(texts)) return object;
  const rest = omit(object, "stringData");
  const data: { [key: string]: Json } = { ...(rest["data"] as { [key: string]: Json } | undefined) };
  for (const [key, value] of Object.entries(texts)) {
    data[key] = Buffer.from(scalarText(value)).toString("base64");
  }
  return { ...rest, data };
}

/** A copy of `map` without some of its keys. */
export function omit<T>(map: { [key: string]: T }, ...keys: string[]): { [key: string]: T } {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !keys.includes(key)));
}

function scalarText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
