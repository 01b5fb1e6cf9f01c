/**
 * Property values as providers see them, and the few operations everyone needs on them.
 * Upstream analogue: sdk/go/common/resource (property.Value, Asset, Archive), without secrets: the engine unwraps those
 * before a provider is asked and puts the marks back on what the provider answers.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** A value the cloud has yet to decide. Only occurs in a preview. */
export const UNKNOWN: unique symbol = Symbol("unknown");

/** A file's content as a value: exactly one of `text`, `path` and `uri` is set. */
export class Asset {
  readonly text: string | undefined;
  readonly path: string | undefined;
  readonly uri: string | undefined;
  /** SHA-256 of the content in hex; two assets with the same hash are the same. */
  readonly hash: string;
  constructor(source: { text?: string; path?: string; uri?: string; hash?: string }) {
    this.text = source.text;
    this.path = source.path;
    this.uri = source.uri;
    this.hash =
      source.hash ||
      hashOf(source.text ?? (source.path === undefined ? (source.uri ?? "") : read(source.path)));
  }
  /** The bytes. Throws for a `uri`: the embedded engine fetches nothing. */
  content(): Buffer {
    if (this.text !== undefined) return Buffer.from(this.text);
    if (this.path !== undefined) return readFileSync(this.path);
    throw new Error(`an asset from a URI is not supported by the embedded engine: ${this.uri}`);
  }
}

/** A set of files as a value: a map of members, or a local file or folder, or a URI. */
export class Archive {
  readonly assets: Record<string, Asset | Archive> | undefined;
  readonly path: string | undefined;
  readonly uri: string | undefined;
  readonly hash: string;
  constructor(source: {
    assets?: Record<string, Asset | Archive>;
    path?: string;
    uri?: string;
    hash?: string;
  }) {
    this.assets = source.assets;
    this.path = source.path;
    this.uri = source.uri;
    const members = Object.entries(source.assets ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    this.hash =
      source.hash ||
      hashOf(
        members.map(([name, member]) => `${name}\0${member.hash}\n`).join("") +
          (source.path ?? source.uri ?? ""),
      );
  }
}

/** Any property value of a resource, secrets unwrapped. */
export type Value =
  null | boolean | number | string | typeof UNKNOWN | Value[] | { [key: string]: Value } | Asset | Archive;

/** A resource's inputs or outputs. */
export type Properties = Record<string, Value>;

/** Whether `value` is a plain map (not null, a list, an asset or an archive). */
export function isMap(value: unknown): value is { [key: string]: Value } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether an unknown occurs anywhere in `value`. */
export function hasUnknown(value: Value | undefined): boolean {
  if (value === UNKNOWN) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  if (value instanceof Archive) return Object.values(value.assets ?? {}).some(hasUnknown);
  return isMap(value) && Object.values(value).some(hasUnknown);
}

/** Deep equality; a missing map entry equals nothing but a missing one, and an unknown equals only an unknown. */
export function equal(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (a instanceof Asset || a instanceof Archive) {
    return a.constructor === b?.constructor && a.hash === (b as Asset | Archive).hash;
  }
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equal(item, b[index]));
  }
  if (!isMap(a) || !isMap(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]))
  );
}

function hashOf(content: string | Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

function read(path: string): Buffer | string {
  try {
    return readFileSync(path);
  } catch {
    return path; // a folder, or a file that is made later: its name stands for it
  }
}
