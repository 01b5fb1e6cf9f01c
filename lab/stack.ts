/**
 * Deploying a stack onto the lab with Pulumi's own engine: its environment, what is shown, what is kept of each run.
 */
import { createWriteStream, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Display, brief, closingLines } from "../automation/display.ts";
import {
  type Operation,
  type RunListener,
  type StackPlace,
  type StackResult,
  cancelStack,
  listenForInterrupts,
  readDependencies,
  readOutputs,
  readValues,
  runStack,
} from "../automation/stack.ts";
import { criticalPath, describePath, formatSeconds } from "../automation/timeline.ts";
import { EXIT } from "../lib/command-error.ts";
import { kubeconfigFile, stackEnvironment } from "./environment.ts";
import { loadSecrets, writePrivate } from "./services/secrets.ts";
import { projectDir, stateDir } from "./site.ts";

export type StackCommand = Operation | "output" | "cancel";

export interface StackOptions {
  stack: string;
  /** Prints one JSON document and nothing else. */
  json: boolean;
  /** Ends with 3 if there was something to change. */
  expectNoChanges: boolean;
  showSecrets: boolean;
  /** Of preview and up: reads every resource first. */
  refresh?: boolean;
  /** Of up: begins without preflight. */
  skipPreflight?: boolean;
  /** Name of the only output wanted, for `output`. */
  output?: string;
}

/**
 * Runs one command on a stack and prints what comes of it; returns its exit code. After a deployment the Magnum kubeconfig
 * is kept for `env`.
 */
export async function runCommand(
  command: StackCommand,
  options: StackOptions,
  out: NodeJS.WritableStream = process.stdout,
): Promise<number> {
  const { stack } = options;
  loadSecrets();
  const env = { ...stackEnvironment(), ...(options.skipPreflight ? { CAPI_MGMT_SKIP_PREFLIGHT: "1" } : {}) };
  const place = { stack, projectDir, env };
  if (command === "output") return printOutputs(await readOutputs(place), options, out);
  if (command === "cancel") {
    await cancelStack(place);
    out.write(`The lock of stack ${stack} is released.\n`);
    return EXIT.ok;
  }
  const display = new Display(options.json ? { write: () => undefined } : out, command === "preview");
  const record = recordEvents(stack, command);
  const interrupts = listenForInterrupts((text) => process.stderr.write(`${text}\n`));
  try {
    // A destroy takes the dependencies out of the state with the resources.
    const before = command === "destroy" ? await readDependencies(place).catch(() => new Map()) : undefined;
    const result = await runStack({
      ...place,
      operation: command,
      create: true,
      refresh: options.refresh ?? false,
      interrupts,
      listener: together(display, record),
    });
    // What changes nothing waits for nothing, and a start of the CLI is a part of it that can be seen.
    const dependencies = before ?? (result.changes === 0 ? new Map() : await readDependencies(place));
    const path = command === "preview" ? undefined : criticalPath(result.steps, dependencies);
    if (options.json)
      out.write(`${JSON.stringify({ ...result, ...(path ? { criticalPath: path } : {}) }, null, 2)}\n`);
    display.close([
      ...closingLines(result),
      path ? describePath(path, result.seconds, command) : `Duration: ${formatSeconds(result.seconds)}`,
      ...(options.expectNoChanges && result.changes > 0
        ? ["", `error: no changes were expected, but ${result.changes} were found`]
        : []),
    ]);
    const code = exitCodeOf(result, options);
    if (command === "up" && code === EXIT.ok) await keepKubeconfig(place, result.changes > 0);
    return code;
  } finally {
    interrupts.close();
    record.close();
  }
}

function exitCodeOf({ outcome, changes }: StackResult, options: StackOptions): number {
  if (outcome === "interrupted") return EXIT.interrupted;
  if (outcome === "failed") return EXIT.failed;
  return options.expectNoChanges && changes > 0 ? EXIT.changes : EXIT.ok;
}

/** Keeps the Magnum kubeconfig of a stack, anew where something has changed; a partial stack has none. */
async function keepKubeconfig(place: StackPlace, changed: boolean): Promise<void> {
  const file = kubeconfigFile(place.stack);
  if (!changed && existsSync(file)) return;
  const { magnumKubeconfig } = await readValues(place);
  if (typeof magnumKubeconfig === "string") writePrivate(file, magnumKubeconfig);
}

function printOutputs(
  outputs: Awaited<ReturnType<typeof readOutputs>>,
  { output, json, showSecrets }: StackOptions,
  out: NodeJS.WritableStream,
): number {
  const shown = Object.fromEntries(
    Object.entries(outputs.values).map(([name, value]) => [
      name,
      showSecrets || !outputs.secret.has(name) ? value : "[secret]",
    ]),
  );
  if (output !== undefined && !(output in shown)) {
    throw new Error(`the stack has no output ${output}; it has: ${Object.keys(shown).join(", ") || "none"}`);
  }
  const wanted = output === undefined ? shown : shown[output];
  if (json) out.write(`${JSON.stringify(wanted, null, 2)}\n`);
  else if (output !== undefined)
    out.write(`${typeof wanted === "string" ? wanted : JSON.stringify(wanted)}\n`);
  else {
    for (const [name, value] of Object.entries(shown)) {
      out.write(`${name}: ${showSecrets ? JSON.stringify(value) : brief(value)}\n`);
    }
  }
  return EXIT.ok;
}

/** How many runs' events stay. */
const KEPT_RUNS = 20;

/** Writes each event of a run into `.lab/runs/`, a JSON document a line; secrets are not in them. */
function recordEvents(stack: string, command: string): RunListener & { close(): void } {
  const folder = join(stateDir, "runs");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const kept = readdirSync(folder).sort();
  for (const name of kept.slice(0, Math.max(0, kept.length - KEPT_RUNS + 1))) rmSync(join(folder, name));
  const time = new Date().toISOString().replaceAll(":", "-");
  const file = createWriteStream(join(folder, `${time}-${stack}-${command}.jsonl`), { mode: 0o600 });
  return {
    onEvent: (event) => void file.write(`${JSON.stringify(event)}\n`),
    close: () => void file.end(),
  };
}

function together(display: Display, record: RunListener): RunListener {
  return {
    onLook: () => display.onLook(),
    onPlan: (counts) => display.onPlan(counts),
    onBegin: (step) => display.onBegin(step),
    onEnd: (step) => display.onEnd(step),
    onDrift: (step) => display.onDrift(step),
    onDiagnostic: (diagnostic) => display.onDiagnostic(diagnostic),
    onEvent: (event) => record.onEvent?.(event),
  };
}
