/**
 * A stack's state as the file holds it: deployment format version 3, which the Pulumi CLI reads and writes.
 * Upstream analogue: pkg/resource/stack/deployment.go and sdk/go/common/apitype/core.go.
 */
import { createHash } from "node:crypto";
import type { Crypter } from "./passphrase.ts";
import { ResourceReference, Secret, isPropertyMap, type Property, type PropertyMap } from "./property.ts";
import { ARCHIVE, ASSET, RESOURCE, SECRET, SIGNATURE, UNKNOWN_STRING } from "./signatures.ts";
import {
  newState,
  type Hooks,
  type OperationType,
  type ResourceState,
  type Snapshot,
  type Timeouts,
} from "./state.ts";
import { STACK_TYPE, createUrn, nameOf, parseReference, qualifiedType, typeOf } from "./urn.ts";
import { Archive, Asset, UNKNOWN } from "./values.ts";

/** The CLI whose format this is; it refuses state of a newer one. */
const PULUMI_VERSION = "v3.270.0";

/** The CLI refuses a file whose magic is not this. */
const MAGIC = createHash("sha256").update(PULUMI_VERSION).digest("hex");

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonMap = Record<string, Json>;

/** The file's top level. */
export interface CheckpointFile {
  version: 3;
  checkpoint: {
    stack: string;
    latest?: {
      manifest: { time: string; magic: string; version: string };
      secrets_providers?: { type: string; state?: { salt?: string } };
      resources?: JsonMap[];
      pending_operations?: { resource: JsonMap; type: OperationType }[];
      metadata?: object;
    };
  };
}

/** Fields of a resource by their name in the file, where it differs from the one in memory. */
const TEXTS = [
  "urn",
  "type",
  "id",
  "parent",
  "provider",
  "deletedWith",
  "created",
  "modified",
  "sourcePosition",
] as const;
const FLAGS = ["delete", "pendingReplacement", "external", "protect", "retainOnDelete"] as const;
const LISTS = ["dependencies", "replaceWith", "initErrors", "additionalSecretOutputs", "aliases"] as const;
const MORE_LISTS = ["ignoreChanges", "replaceOnChanges"] as const;
const OTHERS = ["custom", "inputs", "outputs", "propertyDependencies", "customTimeouts", "importID"];
const MORE_OTHERS = ["replacementTrigger", "resourceHooks"];
const KNOWN = new Set<string>([...TEXTS, ...FLAGS, ...LISTS, ...MORE_LISTS, ...OTHERS, ...MORE_OTHERS]);

/** Reads and writes the files of one stack, keeping the ciphertext of each secret that did not change. */
export class DeploymentCodec {
  readonly #crypter: Crypter;
  /** Place in the state and plaintext to ciphertext. */
  readonly #sealed = new Map<string, string>();

  constructor(crypter: Crypter) {
    this.#crypter = crypter;
  }

  /** Throws when a secret was made with another passphrase. */
  read(file: CheckpointFile): Snapshot {
    const latest = file.checkpoint.latest;
    return {
      resources: (latest?.resources ?? []).map((resource) => this.#readResource(resource)),
      operations: (latest?.pending_operations ?? []).map((operation) => ({
        type: operation.type,
        resource: this.#readResource(operation.resource),
      })),
    };
  }

  /** `time` is all that differs between two files of the same state. */
  write(stack: string, snapshot: Snapshot, time: Date): CheckpointFile {
    const rename = renaming(snapshot.resources);
    return {
      version: 3,
      checkpoint: {
        stack: `organization/${stack}`,
        latest: {
          manifest: { time: time.toISOString(), magic: MAGIC, version: PULUMI_VERSION },
          secrets_providers: { type: "passphrase", state: { salt: this.#crypter.salt } },
          resources: snapshot.resources.map((resource) => this.#writeResource(resource, rename)),
          ...(snapshot.operations.length === 0
            ? {}
            : {
                pending_operations: snapshot.operations.map((operation) => ({
                  resource: this.#writeResource(operation.resource, rename),
                  type: operation.type,
                })),
              }),
          metadata: {},
        },
      },
    };
  }

  /** Whether writing `after` in place of `before` would change the file. */
  differs(before: ResourceState, after: ResourceState): boolean {
    const text = (state: ResourceState): string => canonical(this.#writeResource(state, (urn) => urn));
    return after.aliases.length > 0 || text(before) !== text(after);
  }

  #readResource(json: JsonMap): ResourceState {
    const urn = json["urn"] as string;
    const properties = (name: string): PropertyMap =>
      (this.#read(json[name] ?? {}, `${urn} ${name}`) as PropertyMap | undefined) ?? {};
    const state = newState({
      urn,
      type: json["type"] as string,
      custom: json["custom"] === true,
      inputs: properties("inputs"),
      outputs: properties("outputs"),
      // No dependency is written as null.
      propertyDependencies: Object.fromEntries(
        Object.entries((json["propertyDependencies"] ?? {}) as Record<string, string[] | null>).map(
          ([name, urns]) => [name, urns ?? []],
        ),
      ),
      timeouts: (json["customTimeouts"] ?? {}) as Timeouts,
      importId: (json["importID"] ?? "") as string,
      hooks: (json["resourceHooks"] ?? {}) as Hooks,
      replacementTrigger: this.#read(json["replacementTrigger"] ?? null, urn),
      extra: Object.fromEntries(Object.entries(json).filter(([key]) => !KNOWN.has(key))),
    });
    const target = state as unknown as Record<string, Json>;
    for (const key of [...TEXTS, ...FLAGS, ...LISTS, ...MORE_LISTS]) {
      const value = json[key];
      if (value !== undefined && value !== null) target[key] = value;
    }
    return state;
  }

  #writeResource(state: ResourceState, rename: (urn: string) => string): JsonMap {
    const json: JsonMap = { urn: rename(state.urn), custom: state.custom };
    const optional = (key: string, value: Json): void => {
      if (isEmpty(value)) return;
      json[key] = value;
    };
    optional("delete", state.delete);
    optional("id", state.id);
    json["type"] = state.type;
    optional("inputs", this.#write(state.inputs, `${state.urn} inputs`));
    optional("outputs", this.#write(state.outputs, `${state.urn} outputs`));
    optional("parent", rename(state.parent));
    for (const key of ["protect", "external"] as const) optional(key, state[key]);
    optional("dependencies", state.dependencies.map(rename));
    optional("initErrors", state.initErrors);
    optional("provider", renameReference(state.provider, rename));
    optional(
      "propertyDependencies",
      Object.fromEntries(
        Object.entries(state.propertyDependencies).map(([key, urns]) => [key, urns.map(rename)]),
      ),
    );
    optional("pendingReplacement", state.pendingReplacement);
    optional("additionalSecretOutputs", state.additionalSecretOutputs);
    optional("customTimeouts", { ...state.timeouts });
    optional("importID", state.importId);
    optional("retainOnDelete", state.retainOnDelete);
    optional("deletedWith", rename(state.deletedWith));
    optional("replaceWith", state.replaceWith.map(rename));
    for (const key of [
      "created",
      "modified",
      "sourcePosition",
      "ignoreChanges",
      "replaceOnChanges",
    ] as const) {
      optional(key, state[key]);
    }
    optional("replacementTrigger", this.#write(state.replacementTrigger, state.urn));
    optional("resourceHooks", state.hooks);
    return { ...json, ...(state.extra as JsonMap) };
  }

  /** @param sealed whether the place is inside a secret: what it holds was encrypted as a whole. */
  #read(json: Json, place: string, sealed = false): Property {
    if (typeof json !== "object" || json === null) return json === UNKNOWN_STRING ? UNKNOWN : json;
    if (Array.isArray(json)) return json.map((item, index) => this.#read(item, `${place}.${index}`, sealed));
    const nested = (map: JsonMap): PropertyMap =>
      Object.fromEntries(
        Object.entries(map).map(([key, value]) => [key, this.#read(value, `${place}.${key}`, sealed)]),
      );
    switch (json[SIGNATURE]) {
      case undefined:
        return nested(json);
      case SECRET: {
        const ciphertext = json["ciphertext"] as string | undefined;
        const plaintext =
          ciphertext === undefined
            ? (json["plaintext"] as string)
            : sealed
              ? ciphertext
              : this.#crypter.decrypt(ciphertext);
        const content = JSON.parse(plaintext) as Json;
        if (ciphertext !== undefined && !sealed) {
          this.#sealed.set(`${place}\n${canonical(content)}`, ciphertext);
        }
        return new Secret(this.#read(content, place, true));
      }
      case ASSET:
        return new Asset(json);
      case ARCHIVE: {
        const assets = json["assets"];
        const members = isPropertyMap(assets) ? nested(assets) : undefined;
        return new Archive({
          ...(json as { path?: string; uri?: string; hash?: string }),
          ...(members === undefined ? {} : { assets: members as Record<string, Asset | Archive> }),
        });
      }
      case RESOURCE: {
        const id = json["id"];
        return new ResourceReference(
          json["urn"] as string,
          id === undefined ? undefined : this.#read(id, place, sealed),
          (json["packageVersion"] ?? "") as string,
        );
      }
      default:
        throw new Error(`the state holds, at ${place}, a value with an unknown signature`);
    }
  }

  /** @param sealed whether the place is inside a secret, which is encrypted as a whole: the mark alone is kept there. */
  #write(property: Property, place: string, sealed = false): Json {
    if (property === UNKNOWN) return UNKNOWN_STRING;
    if (property instanceof Secret) {
      const content = this.#write(property.value, place, true);
      if (sealed) return { [SIGNATURE]: SECRET, ciphertext: JSON.stringify(content) };
      const known = `${place}\n${canonical(content)}`;
      let ciphertext = this.#sealed.get(known);
      if (ciphertext === undefined) {
        ciphertext = this.#crypter.encrypt(JSON.stringify(content));
        this.#sealed.set(known, ciphertext);
      }
      return { [SIGNATURE]: SECRET, ciphertext };
    }
    if (property instanceof Asset || property instanceof Archive) {
      const { hash, path, uri } = property;
      const json: JsonMap = { [SIGNATURE]: property instanceof Asset ? ASSET : ARCHIVE, hash };
      if (property instanceof Asset && property.text !== undefined) json["text"] = property.text;
      if (property instanceof Archive && property.assets !== undefined)
        json["assets"] = this.#write(property.assets, place, sealed);
      if (path !== undefined) json["path"] = path;
      if (uri !== undefined) json["uri"] = uri;
      return json;
    }
    if (property instanceof ResourceReference) {
      const json: JsonMap = {
        [SIGNATURE]: RESOURCE,
        urn: property.urn,
        packageVersion: property.packageVersion,
      };
      if (property.id !== undefined) json["id"] = this.#write(property.id, place, sealed);
      return json;
    }
    if (Array.isArray(property))
      return property.map((item, index) => this.#write(item, `${place}.${index}`, sealed));
    if (isPropertyMap(property)) {
      return Object.fromEntries(
        Object.entries(property).map(([key, value]) => [key, this.#write(value, `${place}.${key}`, sealed)]),
      );
    }
    return property;
  }
}

/** JSON with sorted keys: the program and another engine may order them differently. */
function canonical(json: Json): string {
  return JSON.stringify(json, (_, value: Json) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

function isEmpty(value: Json): boolean {
  if (value === "" || value === false || value === null) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** From former URNs to those of the resources that took them over, children of renamed parents included. */
function renaming(resources: readonly ResourceState[]): (urn: string) => string {
  const names = new Map<string, string>();
  for (const resource of resources) {
    for (const alias of resource.aliases) names.set(alias, resource.urn);
    const parent = names.get(resource.parent);
    if (parent !== undefined && qualifiedType(parent) !== STACK_TYPE && !names.has(resource.urn)) {
      const [, stack = "", project = ""] = /^urn:pulumi:(.*?)::(.*?)::/.exec(resource.urn) ?? [];
      names.set(resource.urn, createUrn(stack, project, parent, typeOf(resource.urn), nameOf(resource.urn)));
    }
  }
  return names.size === 0 ? (urn) => urn : (urn) => names.get(urn) ?? urn;
}

function renameReference(reference: string, rename: (urn: string) => string): string {
  if (reference === "") return "";
  const { urn, id } = parseReference(reference);
  return `${rename(urn)}::${id}`;
}
