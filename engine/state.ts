/**
 * The state of a stack's resources, in memory.
 * Upstream analogue: pkg/resource/resource_state.go and pkg/resource/deploy/snapshot.go.
 */
import type { PropertyMap, Property } from "./property.ts";
import { parseReference } from "./urn.ts";

/** Seconds for each operation; 0 or missing leaves it to the provider. */
export interface Timeouts {
  create?: number;
  update?: number;
  delete?: number;
  read?: number;
}

/** Names of hooks by the moment they run at (`BeforeCreate` …), as state spells them. */
export type Hooks = Record<string, string[]>;

/** One resource. Objects are compared by identity: two may share a URN while one replaces the other. */
export interface ResourceState {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  /** Empty for components and until created. */
  id: string;
  inputs: PropertyMap;
  outputs: PropertyMap;
  /** Replaced, and to be deleted once nothing needs it. */
  delete: boolean;
  /** Deleted ahead of its replacement, which is yet to be created. */
  pendingReplacement: boolean;
  /** Only read, never managed. */
  external: boolean;
  protect: boolean;
  retainOnDelete: boolean;
  parent: string;
  provider: string;
  dependencies: string[];
  propertyDependencies: Record<string, string[]>;
  deletedWith: string;
  replaceWith: string[];
  initErrors: string[];
  additionalSecretOutputs: string[];
  ignoreChanges: string[];
  replaceOnChanges: string[];
  replacementTrigger: Property;
  /** Former URNs, for rewriting references to them; emptied when saved. */
  aliases: string[];
  timeouts: Timeouts;
  importId: string;
  hooks: Hooks;
  /** RFC 3339. */
  created: string;
  modified: string;
  sourcePosition: string;
  /** What the file holds that this engine does not use, written back as it was. */
  extra: Record<string, unknown>;
}

export type OperationType = "creating" | "updating" | "deleting" | "reading" | "importing";

/** A step that was begun and, as far as the state knows, not ended. */
export interface Operation {
  resource: ResourceState;
  type: OperationType;
}

/** What a stack's file says. */
export interface Snapshot {
  resources: ResourceState[];
  operations: Operation[];
}

export function newState(
  fields: Pick<ResourceState, "urn" | "type" | "custom"> & Partial<ResourceState>,
): ResourceState {
  return {
    id: "",
    inputs: {},
    outputs: {},
    delete: false,
    pendingReplacement: false,
    external: false,
    protect: false,
    retainOnDelete: false,
    parent: "",
    provider: "",
    dependencies: [],
    propertyDependencies: {},
    deletedWith: "",
    replaceWith: [],
    initErrors: [],
    additionalSecretOutputs: [],
    ignoreChanges: [],
    replaceOnChanges: [],
    replacementTrigger: null,
    aliases: [],
    timeouts: {},
    importId: "",
    hooks: {},
    created: "",
    modified: "",
    sourcePosition: "",
    extra: {},
    ...fields,
  };
}

/** The URNs `state` depends on, its parent and provider included. */
export function dependenciesOf(state: ResourceState): Set<string> {
  const urns = new Set([
    ...state.dependencies,
    ...Object.values(state.propertyDependencies).flat(),
    ...state.replaceWith,
  ]);
  if (state.deletedWith !== "") urns.add(state.deletedWith);
  if (state.provider !== "") urns.add(parseReference(state.provider).urn);
  if (state.parent !== "") urns.add(state.parent);
  return urns;
}
