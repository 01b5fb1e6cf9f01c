/**
 * The command provider of the embedded engine: commands run on this machine or over SSH as resources.
 * Upstream analogue: pulumi-command 1.2.1 (provider/pkg/provider) on pulumi-go-provider's infer.
 */
import { randomBytes } from "node:crypto";
import {
  Archive,
  Asset,
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
  type Value,
} from "../../provider.ts";
import { equal, isMap } from "../../values.ts";
import { Connections } from "./connection.ts";
import { copyToRemote } from "./copy.ts";
import { checkInputs, INPUTS } from "./inputs.ts";
import { runLocal } from "./local.ts";
import type { Printed } from "./output.ts";
import { runRemote } from "./remote.ts";

const LOCAL = "command:local:Command";
const REMOTE = "command:remote:Command";
const COPY = "command:remote:CopyToRemote";
const RUN = "command:local:run";

type Running = Pick<CreateRequest, "signal" | "log"> & { type: string; timeoutSeconds?: number };

export class CommandProvider implements Provider {
  readonly name = "command";
  private connections = new Connections();

  configure(inputs: Properties): Promise<void> {
    const unknown = Object.keys(inputs).find((name) => name !== "version" && name !== "pluginDownloadURL");
    if (unknown) return Promise.reject(new Error(`the command provider has no setting ${unknown}`));
    return Promise.resolve();
  }

  check(request: CheckRequest): Promise<CheckResult> {
    known(request.type);
    return Promise.resolve(checkInputs(request.type, request.news));
  }

  /**
   * Inputs are compared with inputs. A change is an update; `triggers` given or dropped as a whole needs a new resource, and a
   * changed element of it does through the SDK's replaceOnChanges option ("triggers[*]"), which the engine applies.
   */
  diff(request: DiffRequest): Promise<DiffResult> {
    known(request.type);
    const detailed: NonNullable<DiffResult["detailed"]> = {};
    const ignored = new Set(request.ignoreChanges);
    for (const name of new Set([...Object.keys(request.oldInputs), ...Object.keys(request.newInputs)])) {
      if (ignored.has(name) || name === "version" || name.startsWith("__")) continue;
      for (const [path, kind] of compare(request.oldInputs[name], request.newInputs[name], name)) {
        detailed[path] = path === "triggers" ? `${kind}-replace` : kind;
      }
    }
    const replaces = detailed["triggers"] ? ["triggers"] : [];
    return Promise.resolve({
      changes: Object.keys(detailed).length > 0,
      replaces,
      deleteBeforeReplace: false,
      detailed,
    });
  }

  async create(request: CreateRequest): Promise<CreateResult> {
    known(request.type);
    const secretOutputs = secretsOf(request.type);
    if (request.preview) return { id: "", outputs: expected(request.type, request.inputs), secretOutputs };
    const printed = await this.run(request, request.inputs, request.inputs["create"], {
      stdout: "",
      stderr: "",
    });
    const suffix = randomBytes(4).toString("hex");
    const name = request.urn.split("::").at(-1) ?? "";
    const id = request.type === COPY ? suffix : `${name}${suffix}`;
    return { id, outputs: { ...request.inputs, ...printed }, secretOutputs };
  }

  read(request: ReadRequest): Promise<ReadResult | null> {
    known(request.type);
    // A command has nothing that could be looked at: it is what it printed.
    const { id, inputs, outputs } = request;
    return Promise.resolve({ id, inputs, outputs, secretOutputs: secretsOf(request.type) });
  }

  async update(request: UpdateRequest): Promise<UpdateResult> {
    known(request.type);
    const secretOutputs = secretsOf(request.type);
    const news = request.newInputs;
    if (request.preview) return { outputs: expected(request.type, news), secretOutputs };
    if (request.type === COPY && sameCopy(request.oldInputs, news)) {
      return { outputs: { ...news }, secretOutputs };
    }
    const command = news["update"] ?? news["create"];
    const printed = await this.run(request, news, command, printedBy(request.oldOutputs));
    return { outputs: { ...news, ...printed }, secretOutputs };
  }

  async delete(request: DeleteRequest): Promise<void> {
    known(request.type);
    const state = { ...request.inputs, ...request.outputs };
    const command = state["delete"];
    // Upstream leaves what was copied where it is.
    if (request.type === COPY || typeof command !== "string") return;
    await this.run(request, state, command, printedBy(request.outputs));
  }

  async invoke(token: string, args: Properties): Promise<Properties> {
    if (token !== RUN) {
      throw new Error(`the embedded engine's command provider does not implement ${token}; it has ${RUN}`);
    }
    const { inputs, failures } = checkInputs(token, args);
    if (failures.length > 0) throw new Error(failures.map((failure) => failure.reason).join("; "));
    const command = typeof inputs["command"] === "string" ? inputs["command"] : "";
    const signal = new AbortController().signal;
    const printed = await runLocal(command, inputs, { stdout: "", stderr: "" }, signal, () => undefined);
    return { ...inputs, ...printed };
  }

  close(): Promise<void> {
    this.connections.close();
    this.connections = new Connections();
    return Promise.resolve();
  }

  /** Runs what there is to run and answers the outputs; without a command, those of before. */
  private async run(
    request: Running,
    inputs: Properties,
    command: Value | undefined,
    previous: Printed,
  ): Promise<Properties> {
    return limited(request, async (signal, log) => {
      if (request.type === COPY) {
        await copyToRemote(this.connections, inputs, signal, log);
        return {};
      }
      if (typeof command !== "string") return { ...previous };
      if (request.type === LOCAL) return runLocal(command, inputs, previous, signal, log);
      return { ...(await runRemote(this.connections, command, inputs, previous, signal, log)) };
    });
  }
}

/** The request's signal, cut short by the program's customTimeouts. */
async function limited<T>(request: Running, work: (signal: AbortSignal, log: Log) => Promise<T>): Promise<T> {
  if (request.timeoutSeconds === undefined) return work(request.signal, request.log);
  const late = AbortSignal.timeout(request.timeoutSeconds * 1000);
  try {
    return await work(AbortSignal.any([request.signal, late]), request.log);
  } catch (error) {
    if (!late.aborted || request.signal.aborted) throw error;
    throw new Error(
      `the command took longer than its time limit of ${request.timeoutSeconds} s and was stopped`,
      {
        cause: error,
      },
    );
  }
}

function known(type: string): void {
  if (type !== RUN && Object.hasOwn(INPUTS, type)) return;
  const all = [LOCAL, REMOTE, COPY].join(", ");
  throw new Error(`the embedded engine's command provider does not implement ${type}; it has ${all}`);
}

/** Connections hold keys and passwords, so they are secret whatever the program marks. */
function secretsOf(type: string): string[] {
  return type === LOCAL ? [] : ["connection"];
}

function expected(type: string, inputs: Properties): Properties {
  if (type === COPY) return { ...inputs };
  return {
    ...inputs,
    stdout: UNKNOWN,
    stderr: UNKNOWN,
    ...(inputs["assetPaths"] === undefined ? {} : { assets: UNKNOWN }),
    ...(inputs["archivePaths"] === undefined ? {} : { archive: UNKNOWN }),
  };
}

function printedBy(outputs: Properties): Printed {
  const text = (name: string): string => (typeof outputs[name] === "string" ? outputs[name] : "");
  return { stdout: text("stdout"), stderr: text("stderr") };
}

/** Upstream copies again only when the content or the destination changed. */
function sameCopy(olds: Properties, news: Properties): boolean {
  const hash = (value: Value | undefined): string =>
    value instanceof Asset || value instanceof Archive ? value.hash : "";
  return hash(olds["source"]) === hash(news["source"]) && olds["remotePath"] === news["remotePath"];
}

type Kind = "add" | "update" | "delete";

/** The paths that differ, as far down as both sides go (plugin.NewDetailedDiffFromObjectDiff). */
function compare(before: Value | undefined, after: Value | undefined, path: string): [string, Kind][] {
  if (before === undefined && after === undefined) return [];
  if (before === undefined) return [[path, "add"]];
  if (after === undefined) return [[path, "delete"]];
  if (equal(before, after) && after !== UNKNOWN) return [];
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, index) =>
      compare(before[index], after[index], `${path}[${index}]`),
    ).flat();
  }
  if (isMap(before) && isMap(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].flatMap((name) => {
      const step = /^[A-Za-z_$][\w$-]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
      return compare(before[name], after[name], path + step);
    });
  }
  return [[path, "update"]];
}
