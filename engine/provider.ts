/**
 * What a provider of the embedded engine is: the contract between the engine and engine/providers/<name>/.
 * Upstream analogue: the gRPC ResourceProvider service (proto/pulumi/provider.proto), in process and without secrets:
 * the engine unwraps them before it asks and keeps their marks itself.
 */
import type { Properties } from "./values.ts";

export { Archive, Asset, UNKNOWN, type Properties, type Value } from "./values.ts";

/** Something a provider tells the operator while it works on a resource. */
export type Log = (message: string, severity?: "info" | "warning") => void;

export interface CheckRequest {
  urn: string;
  type: string;
  name: string;
  /** What the program asks for; may hold UNKNOWN in a preview. */
  news: Properties;
  /** The checked inputs of the last deployment, from which generated values (names) are to be carried over. */
  olds?: Properties;
  preview: boolean;
  /** A name of `prefix` (default: the resource's name), a dash and seven random hex digits, the same within a run. */
  autonaming: (prefix?: string) => string;
}

export interface CheckResult {
  /** The inputs with defaults filled in. */
  inputs: Properties;
  /** Inputs that are secret whatever the program says, as paths: `connection.privateKey`. */
  secretInputs?: string[];
  failures: { property?: string; reason: string }[];
}

export interface DiffRequest {
  urn: string;
  type: string;
  id: string;
  oldInputs: Properties;
  oldOutputs: Properties;
  newInputs: Properties;
  ignoreChanges: string[];
}

export interface DiffResult {
  changes: boolean;
  /** Properties whose change needs a new resource; empty means update in place. */
  replaces: string[];
  deleteBeforeReplace: boolean;
  /** Property path to what happens to it, for the display. */
  detailed?: Record<
    string,
    "add" | "update" | "delete" | "add-replace" | "update-replace" | "delete-replace"
  >;
}

export interface CreateRequest {
  urn: string;
  type: string;
  inputs: Properties;
  preview: boolean;
  /** The program's customTimeouts; undefined leaves it to the provider. */
  timeoutSeconds?: number;
  /** Aborted when the operator interrupts a second time; the first interrupt lets the call finish. */
  signal: AbortSignal;
  log: Log;
}

export interface CreateResult {
  /** Empty in a preview. */
  id: string;
  outputs: Properties;
  secretOutputs?: string[];
  /** The resource exists but did not come up: it is saved in the state and reported as failed. */
  partial?: { reason: string };
}

export interface ReadRequest {
  urn: string;
  type: string;
  id: string;
  inputs: Properties;
  outputs: Properties;
  signal: AbortSignal;
}

export interface ReadResult {
  id: string;
  inputs: Properties;
  outputs: Properties;
  secretOutputs?: string[];
}

export interface UpdateRequest {
  urn: string;
  type: string;
  id: string;
  oldInputs: Properties;
  oldOutputs: Properties;
  newInputs: Properties;
  preview: boolean;
  timeoutSeconds?: number;
  signal: AbortSignal;
  log: Log;
}

export interface UpdateResult {
  outputs: Properties;
  secretOutputs?: string[];
  partial?: { reason: string };
}

export interface DeleteRequest {
  urn: string;
  type: string;
  id: string;
  inputs: Properties;
  outputs: Properties;
  timeoutSeconds?: number;
  signal: AbortSignal;
  log: Log;
}

/**
 * A provider instance: one for each pulumi:providers:<name> resource. It refuses, by name and by throwing, each type and
 * property it does not implement. A throw from create, update or delete means nothing is to be recorded as changed.
 */
export interface Provider {
  /** The package whose resources it manages: `openstack` for `openstack:networking/network:Network`. */
  readonly name: string;
  /** Takes the instance's inputs, which may hold UNKNOWN in a preview. Called once before anything else but diffConfig. */
  configure(inputs: Properties): Promise<void>;
  /** How a change of the instance's own inputs bears on its resources; default: an update in place. */
  diffConfig?(olds: Properties, news: Properties): DiffResult;
  check(request: CheckRequest): Promise<CheckResult>;
  diff(request: DiffRequest): Promise<DiffResult>;
  /** With `preview`, changes nothing and answers what can be told, UNKNOWN for what only the cloud decides. */
  create(request: CreateRequest): Promise<CreateResult>;
  /** The resource as it is now, or null when it is gone. */
  read(request: ReadRequest): Promise<ReadResult | null>;
  update(request: UpdateRequest): Promise<UpdateResult>;
  /** Succeeds when the resource is gone, also when it was gone before. */
  delete(request: DeleteRequest): Promise<void>;
  /** A data source. */
  invoke(token: string, args: Properties): Promise<Properties>;
  /** Lets go of connections at the end of a run. */
  close?(): Promise<void>;
}

/** What engine/providers/<name>/index.ts exports as `factory`. */
export type ProviderFactory = () => Provider;
