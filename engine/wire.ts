/**
 * Property values on the wire between engine and program: a protobuf Struct seen as JSON.
 * Upstream analogue: sdk/go/common/resource/plugin/rpc.go and sdk/nodejs/runtime/rpc.ts.
 */
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { ResourceReference, Secret, isPropertyMap, type Property, type PropertyMap } from "./property.ts";
import {
  ARCHIVE,
  ASSET,
  OUTPUT,
  RESOURCE,
  SECRET,
  SIGNATURE,
  UNKNOWN_STRING,
  UNKNOWN_STRINGS,
} from "./signatures.ts";
import { Archive, Asset, UNKNOWN } from "./values.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonMap = Record<string, Json>;

/** What the program sent. Throws on a signature it does not know. */
export function fromStruct(message: struct.Struct | undefined): PropertyMap {
  return message === undefined ? {} : fromWireMap(message.toJavaScript());
}

export function fromWireValue(message: struct.Value): Property {
  return fromWire(message.toJavaScript() as Json);
}

/** What the program is to receive. */
export function toStruct(properties: PropertyMap): struct.Struct {
  return struct.Struct.fromJavaScript(toWire(properties) as JsonMap);
}

function fromWireMap(map: JsonMap): PropertyMap {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, fromWire(value)]));
}

function fromWire(value: Json): Property {
  if (typeof value === "string") return UNKNOWN_STRINGS.has(value) ? UNKNOWN : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(fromWire);
  const signature = value[SIGNATURE];
  if (signature === undefined) return fromWireMap(value);
  switch (signature) {
    case SECRET:
      return new Secret(fromWire(value["value"] ?? null));
    case ASSET:
      return new Asset(sourceOf(value));
    case ARCHIVE: {
      const assets = value["assets"];
      return new Archive({
        ...sourceOf(value),
        ...(isPropertyMap(assets) ? { assets: fromWireMap(assets) as Record<string, Asset | Archive> } : {}),
      });
    }
    case RESOURCE: {
      const id = value["id"];
      return new ResourceReference(
        value["urn"] as string,
        id === undefined ? undefined : id === "" ? UNKNOWN : fromWire(id),
        (value["packageVersion"] as string | undefined) ?? "",
      );
    }
    case OUTPUT: {
      // Its dependencies travel in the request's own lists as well.
      const inner = value["value"];
      const known = inner === undefined ? UNKNOWN : fromWire(inner);
      return value["secret"] === true ? new Secret(known) : known;
    }
    default:
      throw new Error(`the program sent a value with the unknown signature ${JSON.stringify(signature)}`);
  }
}

function sourceOf(value: JsonMap): { text?: string; path?: string; uri?: string } {
  const source: { text?: string; path?: string; uri?: string } = {};
  for (const key of ["text", "path", "uri"] as const) {
    const part = value[key];
    if (typeof part === "string") source[key] = part;
  }
  return source;
}

function toWire(property: Property): Json {
  if (property === UNKNOWN) return UNKNOWN_STRING;
  if (property instanceof Secret) return { [SIGNATURE]: SECRET, value: toWire(property.value) };
  if (property instanceof Asset) return { [SIGNATURE]: ASSET, hash: property.hash, ...present(property) };
  if (property instanceof Archive) {
    const assets = property.assets;
    return {
      [SIGNATURE]: ARCHIVE,
      hash: property.hash,
      ...present(property),
      ...(assets === undefined ? {} : { assets: toWire(assets) }),
    };
  }
  if (property instanceof ResourceReference) {
    const id: JsonMap = {};
    if (property.id !== undefined) id["id"] = property.id === UNKNOWN ? "" : toWire(property.id);
    return { [SIGNATURE]: RESOURCE, urn: property.urn, packageVersion: property.packageVersion, ...id };
  }
  if (Array.isArray(property)) return property.map(toWire);
  if (isPropertyMap(property)) {
    return Object.fromEntries(Object.entries(property).map(([key, value]) => [key, toWire(value)]));
  }
  return property;
}

function present(source: {
  text?: string | undefined;
  path?: string | undefined;
  uri?: string | undefined;
}): JsonMap {
  const out: JsonMap = {};
  if (source.text !== undefined) out["text"] = source.text;
  if (source.path !== undefined) out["path"] = source.path;
  if (source.uri !== undefined) out["uri"] = source.uri;
  return out;
}
