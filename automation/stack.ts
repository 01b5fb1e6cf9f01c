/**
 * Runs a stack's program with Pulumi's own engine from within a command of ours, by Pulumi's Automation API: typed steps
 * instead of text to read, the program imported in this process, a clean end on Ctrl-C.
 *
 *     const interrupts = listenForInterrupts((text) => console.error(text));
 *     const result = await runStack({ operation: "preview", stack: "prod", refresh: true, interrupts });
 *     if (result.outcome === "succeeded" && result.changes === 0) …
 *     const values = await readValues({ stack: "prod" });
 *
 * Backend, passphrase and cloud come from the environment, as for the CLI: PULUMI_BACKEND_URL (or `pulumi login`),
 * PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, AWS_*, OS_*. Plugins are those on PATH, beside the CLI or in
 * PULUMI_HOME. Nothing here prints; whoever calls does, with a RunListener.
 */
import "../lib/lazy-sdk.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type EngineEvent, LocalWorkspace, type PulumiFn, Stack } from "@pulumi/pulumi/automation/index.js";
import { RunIsOver, type StopSignals, pulumiCommand } from "./cli.ts";
import { enterEnvironment } from "./environment.ts";
import { NoPulumiError } from "../state/findPulumi.ts";
import { type Diagnostic, type Op, Recorder, type RunListener, type Step, changeCount } from "./steps.ts";

export { PulumiError } from "./cli.ts";
export { type Interrupts, listenForInterrupts } from "./interrupt.ts";
export type { Change, Diagnostic, Op, RunListener, Step } from "./steps.ts";

/** What can be done with a stack's resources. */
export type Operation = "preview" | "up" | "refresh" | "destroy";

/** Which stack, and where its files are. */
export interface StackPlace {
  /** Name of the stack. */
  readonly stack: string;
  /** Folder of Pulumi.yaml and Pulumi.<stack>.yaml. Default: this project. */
  readonly projectDir?: string;
  /** More environment for the CLI, the plugins and the program; this process has it while the run lasts. Default: none. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface StackRequest extends StackPlace {
  readonly operation: Operation;
  /** Makes the stack in the backend if it is not there. Default false: a stack that is not there is an error. */
  readonly create?: boolean;
  /** Of preview and up: reads every resource first, so that the run is against what the cloud has now. Default false. */
  readonly refresh?: boolean;
  /** Of up: the caller has just made a preview, so none is made to find out whether there is anything to do. Default false. */
  readonly previewed?: boolean;
  /** Of refresh and destroy: only says what would be done. Default false. */
  readonly previewOnly?: boolean;
  /** Of destroy: leaves protected resources, and what they need, in place. Default false. */
  readonly excludeProtected?: boolean;
  /** The program. Default: index.ts of `projectDir`, imported anew for each run. */
  readonly program?: PulumiFn;
  /** Stops the run, see interrupt.ts. Default: nothing does. */
  readonly interrupts?: StopSignals;
  /** Told of the run while it goes on. */
  readonly listener?: RunListener;
}

/** What a run came to. Plain values without secrets: `JSON.stringify` gives a report. */
export interface StackResult {
  readonly operation: Operation;
  readonly stack: string;
  /** `interrupted` is a run that was stopped: what was done is in the state, the lock is released. */
  readonly outcome: "succeeded" | "failed" | "interrupted";
  /** Number of resources that were changed, or would be: what `--expect-no-changes` is about. 0 if all were as wanted. */
  readonly changes: number;
  /** Resources by what was done to them, the stack itself included. */
  readonly counts: Readonly<Partial<Record<Op, number>>>;
  /** Every step in the order in which they began. Those of the refresh ahead of a run have op `refresh`. */
  readonly steps: readonly Step[];
  /** What a refresh found: resources that differ from the state (`update`) or are gone (`delete`). */
  readonly drift: readonly Step[];
  /** The stack's outputs, `[secret]` for a secret; of a run that did not come so far: none. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** What the program, the providers and the engine said. Of a failed run at least one is an error. */
  readonly diagnostics: readonly Diagnostic[];
  /** Wall clock. */
  readonly seconds: number;
}

const project = join(import.meta.dirname, "..");

/**
 * Runs one operation. Whatever goes wrong with the stack is in the result, never thrown. An `up` begins with a preview, and ends
 * with it where there is nothing to do: no preflight, no lock, no new version of the state.
 *
 * @throws NoPulumiError if there is no CLI that runs
 */
export async function runStack(request: StackRequest): Promise<StackResult> {
  const { operation, stack: name, interrupts = {} } = request;
  let recorder = new Recorder(request.listener);
  const restore = enterEnvironment(request.env);
  let failed = false;
  try {
    const idle = operation === "up" && request.previewed !== true ? await nothingToDo(request) : undefined;
    if (idle !== undefined) recorder = idle;
    else if (interrupts.stop?.aborted !== true) await performOrCreate(request, recorder);
  } catch (error) {
    if (error instanceof NoPulumiError) throw error;
    failed = true;
    if (!recorder.diagnostics.some(({ severity }) => severity === "error")) {
      recorder.say("error", "", (error as Error).message);
    }
  } finally {
    restore();
  }
  const interrupted = interrupts.stop?.aborted === true || interrupts.kill?.aborted === true;
  return {
    operation,
    stack: name,
    outcome: interrupted ? "interrupted" : failed ? "failed" : "succeeded",
    changes: changeCount(recorder.counts),
    counts: recorder.counts,
    steps: recorder.steps,
    drift: recorder.drift,
    outputs: recorder.outputs,
    diagnostics: recorder.diagnostics,
    seconds: recorder.now(),
  };
}

/**
 * The preview ahead of an `up`, if it found nothing to do; told to the listener as the run that it was. One that failed says
 * nothing: the `up` has preflight, which knows better why.
 */
async function nothingToDo(request: StackRequest): Promise<Recorder | undefined> {
  const { listener, interrupts } = request;
  const events: EngineEvent[] = [];
  listener?.onLook?.();
  const seen = new Recorder({ onEvent: (event) => void events.push(event) });
  try {
    await performOrCreate({ ...request, operation: "preview", create: false }, seen);
  } catch (error) {
    if (error instanceof NoPulumiError) throw error;
    return undefined;
  }
  if (interrupts?.stop?.aborted === true) return undefined;
  if (changeCount(seen.counts) + seen.drift.length > 0 || seen.newOutputs) {
    listener?.onPlan?.(seen.counts);
    return undefined;
  }
  for (const diagnostic of seen.diagnostics) listener?.onDiagnostic?.(diagnostic);
  for (const event of events) listener?.onEvent?.(event);
  return seen;
}

/** Runs the operation; where the backend does not have the stack, and that is asked for, makes it first. */
async function performOrCreate(request: StackRequest, recorder: Recorder): Promise<void> {
  const { projectDir = project, interrupts = {} } = request;
  const program = new ProgramErrors(request.program ?? importProgram(projectDir));
  const { operation } = request;
  if (request.program === undefined && (operation === "preview" || operation === "up"))
    loadModules(projectDir);
  const options = {
    onEvent: (event: Parameters<Recorder["add"]>[0]) => recorder.add(event),
    color: "never" as const,
    suppressOutputs: true,
  };
  try {
    await perform(await openStack(request, interrupts, program.run), request, options);
  } catch (error) {
    if (error instanceof RunIsOver) return;
    const { message } = error as Error;
    if (request.create === true && /no stack named/.test(message)) {
      const workspace = await openWorkspace(projectDir);
      await workspace.createStack(request.stack);
      return performOrCreate({ ...request, create: false }, recorder);
    }
    for (const text of program.errors) {
      // The engine tells a RunError's message by itself.
      if (!recorder.diagnostics.some((told) => told.text.includes(text))) recorder.say("error", "", text);
    }
    throw error;
  }
}

type RunOptions = Pick<Parameters<Stack["up"]>[0] & object, "onEvent" | "color" | "suppressOutputs">;

async function perform(stack: Stack, request: StackRequest, options: RunOptions): Promise<void> {
  const { operation, refresh = false, previewOnly = false, excludeProtected = false } = request;
  switch (operation) {
    case "preview":
      await stack.preview({ ...options, refresh });
      break;
    case "up":
      await stack.up({ ...options, refresh });
      break;
    case "refresh":
      await (previewOnly ? stack.previewRefresh(options) : stack.refresh(options));
      break;
    case "destroy":
      await (previewOnly
        ? stack.previewDestroy({ ...options, excludeProtected })
        : stack.destroy({ ...options, excludeProtected }));
  }
}

/** A stack's outputs. */
export interface Outputs {
  /** By name, secrets in clear. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Names of those that are secret. */
  readonly secret: ReadonlySet<string>;
}

/**
 * Reads a stack's outputs: what the CLI gives with `stack output --json --show-secrets`.
 *
 * @throws Error with the CLI's words if there is no such stack, or the passphrase is wrong
 */
export async function readOutputs(place: StackPlace): Promise<Outputs> {
  const restore = enterEnvironment(place.env);
  try {
    const outputs = Object.entries(await (await openStack(place)).outputs());
    return {
      values: Object.fromEntries(outputs.map(([name, { value }]) => [name, value as unknown])),
      secret: new Set(outputs.flatMap(([name, { secret }]) => (secret ? [name] : []))),
    };
  } finally {
    restore();
  }
}

/**
 * The values of a stack's outputs by name, secrets in clear: one start of the CLI, where readOutputs takes two.
 *
 * @throws PulumiError as readOutputs
 */
export async function readValues({
  stack,
  projectDir = project,
  env,
}: StackPlace): Promise<Outputs["values"]> {
  const restore = enterEnvironment(env);
  try {
    const cli = await pulumiCommand();
    const args = ["stack", "output", "--json", "--show-secrets", "--stack", stack];
    return JSON.parse((await cli.run(args, projectDir, {})).stdout) as Outputs["values"];
  } finally {
    restore();
  }
}

/** Releases the lock that a killed run left on the stack. Never while a run goes on. */
export async function cancelStack(place: StackPlace): Promise<void> {
  const restore = enterEnvironment(place.env);
  try {
    await (await openStack(place)).cancel();
  } finally {
    restore();
  }
}

/**
 * URNs that each resource of the deployed state depends on, its parent and provider included: for a critical path, which
 * the events alone do not give.
 */
export async function readDependencies(place: StackPlace): Promise<Map<string, ReadonlySet<string>>> {
  const restore = enterEnvironment(place.env);
  try {
    const exported = await (await openStack(place)).exportStack();
    const { resources = [] } = exported.deployment as { resources?: StateResource[] };
    return new Map(resources.map((resource) => [resource.urn, needs(resource)]));
  } finally {
    restore();
  }
}

/** The part of a state's resource that is read here. */
interface StateResource {
  readonly urn: string;
  readonly parent?: string;
  /** `<urn>::<id>` */
  readonly provider?: string;
  readonly dependencies?: readonly string[];
}

function needs({ parent, provider, dependencies = [] }: StateResource): Set<string> {
  const urns = [parent, provider?.split("::").slice(0, -1).join("::"), ...dependencies];
  return new Set(urns.filter((urn) => urn !== undefined));
}

async function openStack(
  { stack, projectDir = project }: StackPlace,
  interrupts?: StopSignals,
  program?: PulumiFn,
): Promise<Stack> {
  return Stack.select(stack, await openWorkspace(projectDir, interrupts, program));
}

async function openWorkspace(
  workDir: string,
  interrupts?: StopSignals,
  program?: PulumiFn,
): Promise<LocalWorkspace> {
  const pulumi = await pulumiCommand(interrupts);
  return LocalWorkspace.create({ workDir, pulumiCommand: pulumi, ...(program ? { program } : {}) });
}

let runs = 0;

/**
 * The program of a project's folder, for whoever runs it with something around it. A new evaluation of index.ts each
 * time: Node keeps what it imported by URL. What index.ts imports is kept.
 */
export function importProgram(projectDir: string): PulumiFn {
  return async () => {
    runs += 1;
    const url = `${pathToFileURL(join(projectDir, "index.ts")).href}?run=${runs}`;
    const module = (await import(url)) as { default: Record<string, unknown> };
    return module.default;
  };
}

/**
 * Loads the modules that index.ts imports, and the files that every configuration begins with, while the CLI starts, which takes as
 * long: the engine then waits only for the program itself. What cannot be loaded is told when the program imports it.
 */
function loadModules(projectDir: string): void {
  const index = join(projectDir, "index.ts");
  for (const [, file = ""] of readFileSync(index, "utf8").matchAll(/^import .* from ['"](\..*)['"];$/gm))
    import(new URL(file, pathToFileURL(index)).href).catch(() => undefined);
  import("../config/layers.ts")
    .then(({ readLayers }) => {
      const { defaults, layers } = readLayers();
      return [defaults, ...layers.values()].map(({ values }) => values);
    })
    .catch(() => undefined);
}

/** Keeps what the program threw: the engine only hears of it through a failed call, with the SDK's frame around it. */
class ProgramErrors {
  readonly errors: string[] = [];
  private readonly program: PulumiFn;

  constructor(program: PulumiFn) {
    this.program = program;
  }

  readonly run: PulumiFn = async () => {
    try {
      return await this.program();
    } catch (error) {
      this.errors.push(error instanceof Error ? error.message : String(error));
      throw error;
    }
  };
}
