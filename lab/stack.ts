/**
 * Deploying a stack onto the lab with Pulumi's own engine: its environment, what is shown, what is kept of each run.
 */
import { createWriteStream, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Display, brief, closingLines } from "../automation/display.ts";
import {
  type Operation,
  type RunListener,
  type StackResult,
  cancelStack,
  listenForInterrupts,
  readDependencies,
  readOutputs,
  runStack,
} from "../automation/stack.ts";
import { criticalPath, describePath, formatSeconds } from "../automation/timeline.ts";
import { EXIT } from "../lib/command-error.ts";
import { stackEnvironment } from "./environment.ts";
import { loadSecrets } from "./services/secrets.ts";
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

/** Runs one command on a stack and prints what comes of it; returns its exit code. */
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
    const path =
      command === "preview"
        ? undefined
        : criticalPath(result.steps, before ?? (await readDependencies(place)));
    if (options.json)
      out.write(`${JSON.stringify({ ...result, ...(path ? { criticalPath: path } : {}) }, null, 2)}\n`);
    display.close([
      ...closingLines(result),
      path ? describePath(path, result.seconds, command) : `Duration: ${formatSeconds(result.seconds)}`,
      ...(options.expectNoChanges && result.changes > 0
        ? ["", `error: no changes were expected, but ${result.changes} were found`]
        : []),
    ]);
    return exitCodeOf(result, options);
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

/** One output's plain text, secrets included; undefined if the stack has no such output. */
export async function readOutput(stack: string, name: string): Promise<string | undefined> {
  const value = (await readOutputs({ stack, projectDir, env: stackEnvironment() })).values[name];
  return typeof value === "string" ? value : undefined;
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
    onBegin: (step) => display.onBegin(step),
    onEnd: (step) => display.onEnd(step),
    onDrift: (step) => display.onDrift(step),
    onDiagnostic: (diagnostic) => display.onDiagnostic(diagnostic),
    onEvent: (event) => record.onEvent?.(event),
  };
}
