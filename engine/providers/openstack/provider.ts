/**
 * The openstack provider of the embedded engine: takes the engine's requests to the resource kinds.
 * Upstream analogue: the Pulumi bridge around terraform-provider-openstack.
 */
import {
  UNKNOWN,
  type CheckRequest,
  type CheckResult,
  type CreateRequest,
  type CreateResult,
  type DeleteRequest,
  type DiffRequest,
  type DiffResult,
  type Log,
  type Properties,
  type Provider,
  type ReadRequest,
  type ReadResult,
  type UpdateRequest,
  type UpdateResult,
} from "../../provider.ts";
import { Cloud } from "../../../openstack/cloud.ts";
import { loadCredentials } from "./credentials.ts";
import { invokeDataSource } from "./dataSources.ts";
import { changesOf, toDiffResult } from "./diff.ts";
import { kinds } from "./resources/index.ts";
import type { Context, Kind } from "./resources/kind.ts";
import { checkProperties } from "./schema.ts";
import { Deadline, FailedObjectError } from "./wait.ts";

/** Seconds an operation may take when neither the program nor the kind says (upstream's usual timeout). */
const DEFAULT_TIMEOUT = 600;
/** Seconds to clean up a failed object, or to look at one after an interrupt. */
const CLEANUP_TIMEOUT = 120;
const LOOK_TIMEOUT = 10;

export class OpenstackProvider implements Provider {
  readonly name = "openstack";
  private settings: Properties = {};
  private connection: Cloud | undefined;

  configure(inputs: Properties): Promise<void> {
    this.settings = inputs;
    this.connection = undefined;
    return Promise.resolve();
  }

  /** Another cloud or project means other objects; anything else about the connection does not. */
  diffConfig(olds: Properties, news: Properties): DiffResult {
    const changed = [...new Set([...Object.keys(olds), ...Object.keys(news)])].filter(
      (key) => olds[key] !== news[key],
    );
    return { changes: changed.length > 0, replaces: [], deleteBeforeReplace: false };
  }

  check(request: CheckRequest): Promise<CheckResult> {
    const kind = kindOf(request.type);
    const { inputs, failures } = checkProperties(request.news, kind.schema, kind.unsupported);
    for (const [name, property] of Object.entries(kind.schema)) {
      if (!property.autoname || inputs[name] !== undefined) continue;
      const old = request.olds?.[name];
      inputs[name] = typeof old === "string" && isAutoname(old, request.name) ? old : request.autonaming();
    }
    failures.push(...(kind.problems?.(inputs) ?? []));
    return Promise.resolve({ inputs, failures });
  }

  diff(request: DiffRequest): Promise<DiffResult> {
    const kind = kindOf(request.type);
    const changes = changesOf(kind.schema, request.oldOutputs, request.newInputs);
    for (const name of kind.replaces?.(request.oldOutputs, new Set(changes.keys())) ?? []) {
      for (const change of changes.get(name) ?? []) change.replace = true;
    }
    return Promise.resolve(
      toDiffResult(changes, request.ignoreChanges, hasOwnName(kind, request.urn, request.newInputs)),
    );
  }

  async create(request: CreateRequest): Promise<CreateResult> {
    const kind = kindOf(request.type);
    const secretOutputs = secretsOf(kind);
    if (request.preview) return { id: "", outputs: expected(kind, request.inputs), secretOutputs };
    let id: string | undefined;
    const made = (found: string): void => void (id = found);
    const context = this.context(kind, request, made);
    try {
      id = await kind.create(context, request.inputs);
      const outputs = await this.outputs(kind, context, id, request.inputs);
      return { id, outputs, secretOutputs };
    } catch (error) {
      if (id === undefined) throw told("creating", kind, request.urn, error);
      const failed = told("creating", kind, request.urn, error).message;
      const reason = await this.cleanUp(kind, id, request, error);
      if (reason === undefined) {
        throw new Error(`${failed}. It was deleted again, so a re-run makes it anew`, { cause: error });
      }
      const look = this.context(kind, { log: request.log, timeoutSeconds: LOOK_TIMEOUT }, made);
      const outputs = await this.outputs(kind, look, id, request.inputs).catch(() => request.inputs);
      return { id, outputs, secretOutputs, partial: { reason: `${failed}${reason}. It is kept as ${id}` } };
    }
  }

  async read(request: ReadRequest): Promise<ReadResult | null> {
    const kind = kindOf(request.type);
    const context = this.context(kind, { signal: request.signal, log: () => undefined }, () => undefined);
    const state = { ...request.inputs, ...request.outputs };
    let found: Properties | null;
    try {
      found = await kind.read(context, request.id, state);
    } catch (error) {
      throw told("reading", kind, request.urn, error);
    }
    if (!found) return null;
    const outputs = merged(kind, state, found, await context.cloud.region());
    return {
      id: request.id,
      inputs:
        Object.keys(request.inputs).length > 0
          ? drifted(kind, request.inputs, found)
          : imported(kind, outputs),
      outputs,
      secretOutputs: secretsOf(kind),
    };
  }

  async update(request: UpdateRequest): Promise<UpdateResult> {
    const kind = kindOf(request.type);
    const secretOutputs = secretsOf(kind);
    const changes = changesOf(kind.schema, request.oldOutputs, request.newInputs);
    if (request.preview) {
      return { outputs: { ...request.oldOutputs, ...keptForm(kind, request.newInputs) }, secretOutputs };
    }
    const context = this.context(kind, request, () => undefined);
    try {
      await kind.settle?.(context, request.id, request.newInputs);
      const change = {
        changed: new Set(changes.keys()),
        state: request.oldOutputs,
        wanted: request.newInputs,
      };
      await kind.update?.(context, request.id, change);
      const outputs = await this.outputs(kind, context, request.id, {
        ...unasked(kind, request.oldOutputs, request.newInputs),
        ...request.newInputs,
      });
      return { outputs, secretOutputs };
    } catch (error) {
      // Some of the changes may have been made: what is there now is recorded, and the next run does the rest.
      const look = this.context(kind, { log: request.log, timeoutSeconds: LOOK_TIMEOUT }, () => undefined);
      const outputs = await this.outputs(kind, look, request.id, request.oldOutputs).catch(
        () => request.oldOutputs,
      );
      const partial = { reason: told("updating", kind, request.urn, error).message };
      return { outputs, secretOutputs, partial };
    }
  }

  async delete(request: DeleteRequest): Promise<void> {
    const kind = kindOf(request.type);
    const context = this.context(kind, request, () => undefined);
    try {
      await kind.remove(context, request.id, { ...request.inputs, ...request.outputs });
    } catch (error) {
      throw told("deleting", kind, request.urn, error);
    }
  }

  async invoke(token: string, args: Properties): Promise<Properties> {
    const cloud = this.cloud();
    const context: Context = {
      cloud,
      signal: new AbortController().signal,
      deadline: new Deadline(CLEANUP_TIMEOUT),
      log: () => undefined,
      made: () => undefined,
    };
    return invokeDataSource(context, token, args);
  }

  async close(): Promise<void> {
    await this.connection?.close();
    this.connection = undefined;
  }

  private cloud(): Cloud {
    return (this.connection ??= new Cloud(loadCredentials(this.settings)));
  }

  private context(
    kind: Kind,
    request: { signal?: AbortSignal; timeoutSeconds?: number; log: Log },
    made: (id: string) => void,
  ): Context {
    return {
      cloud: this.cloud(),
      signal: request.signal ?? new AbortController().signal,
      deadline: new Deadline(request.timeoutSeconds ?? kind.timeout ?? DEFAULT_TIMEOUT),
      log: request.log,
      made,
    };
  }

  private async outputs(kind: Kind, context: Context, id: string, state: Properties): Promise<Properties> {
    const found = await kind.read(context, id, state);
    if (!found) throw new Error(`it was gone right after it was made`);
    return merged(kind, state, found, await context.cloud.region());
  }

  /** Deletes an object that can never be used; answers undefined when it is gone, else what to tell the operator. */
  private async cleanUp(
    kind: Kind,
    id: string,
    request: CreateRequest,
    error: unknown,
  ): Promise<string | undefined> {
    if (!(error instanceof FailedObjectError)) return "";
    try {
      const context = this.context(
        kind,
        { log: request.log, timeoutSeconds: CLEANUP_TIMEOUT },
        () => undefined,
      );
      await kind.remove(context, id, request.inputs);
      return undefined;
    } catch (problem) {
      return `; deleting it again failed too: ${(problem as Error).message}`;
    }
  }
}

function kindOf(type: string): Kind {
  const kind = kinds.get(type);
  if (kind) return kind;
  throw new Error(
    `the embedded engine's openstack provider does not implement ${type}; it has ${[...kinds.keys()].join(", ")}`,
  );
}

/** The error with the resource's kind and name in front; what the cloud said stays as it was. */
function told(doing: string, kind: Kind, urn: string, error: unknown): Error {
  const name = urn.split("::").at(-1) ?? urn;
  const message = error instanceof Error ? error.message : String(error);
  return new Error(`${doing} ${kind.title} "${name}" failed: ${message}`, { cause: error });
}

/** Pulumi's own names end in a dash and seven hex digits. */
function isAutoname(value: string, name: string): boolean {
  return value.startsWith(`${name}-`) && /^[0-9a-f]{7}$/.test(value.slice(name.length + 1));
}

/**
 * Whether the program itself named the object: then the old one goes before the new one comes (nameRequiresDeleteBeforeReplace
 * in the bridge, which also holds when the name changes).
 */
function hasOwnName(kind: Kind, urn: string, inputs: Properties): boolean {
  const property = Object.entries(kind.schema).find(([, candidate]) => candidate.autoname)?.[0];
  const name = property === undefined ? undefined : inputs[property];
  return typeof name === "string" && !isAutoname(name, urn.split("::").at(-1) ?? "");
}

function secretsOf(kind: Kind): string[] {
  return Object.entries(kind.schema)
    .filter(([, property]) => property.secret)
    .map(([name]) => name);
}

/** What a create is known to answer: the inputs, and unknown for what only the cloud decides. */
function expected(kind: Kind, inputs: Properties): Properties {
  const outputs = keptForm(kind, inputs);
  for (const [name, property] of Object.entries(kind.schema)) {
    if (outputs[name] === undefined && (property.output || property.computed)) outputs[name] = UNKNOWN;
  }
  return outputs;
}

function keptForm(kind: Kind, inputs: Properties): Properties {
  const kept: Properties = {};
  for (const [name, value] of Object.entries(inputs)) {
    const keep = kind.schema[name]?.kept;
    kept[name] = keep && value !== UNKNOWN && value !== null ? keep(value) : value;
  }
  return kept;
}

/** The state: what the cloud tells, and what it does not tell as the program last said it. */
function merged(kind: Kind, state: Properties, found: Properties, region: string): Properties {
  const outputs: Properties = {};
  for (const name of Object.keys(kind.schema)) {
    const value = name in found ? found[name] : keptForm(kind, { [name]: state[name] ?? null })[name];
    if (value !== undefined && value !== null) outputs[name] = value;
  }
  return { ...outputs, region };
}

/** What the cloud filled in and an update does not touch. */
function unasked(kind: Kind, outputs: Properties, news: Properties): Properties {
  return Object.fromEntries(
    Object.entries(outputs).filter(([name]) => {
      const property = kind.schema[name];
      return news[name] === undefined && (property?.computed === true || property?.output === true);
    }),
  );
}

/** The inputs after a refresh: those the cloud has otherwise by now take its value. */
function drifted(kind: Kind, inputs: Properties, found: Properties): Properties {
  const changes = changesOf(kind.schema, { ...inputs, ...found }, inputs);
  const news = { ...inputs };
  for (const name of changes.keys()) {
    const value = found[name];
    if (value === undefined || !Object.hasOwn(inputs, name)) continue;
    // A kept form (a hash) cannot be turned back into an input.
    if (!kind.schema[name]?.kept) news[name] = value;
  }
  return news;
}

/** Inputs that describe an object read without any (an import). */
function imported(kind: Kind, outputs: Properties): Properties {
  return Object.fromEntries(
    Object.entries(outputs).filter(([name]) => {
      const property = kind.schema[name];
      return property && !property.output && name !== "region";
    }),
  );
}
