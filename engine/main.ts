/**
 * The embedded engine's entry: previews, deploys, refreshes, destroys and shows a stack without the Pulumi CLI.
 * For the lab, offline plans and tests, never for a real site (docs/engine.md). Upstream analogue: pkg/cmd/pulumi/operations.
 */
import { deploy } from "./deploy.ts";
import { Display, type Output } from "./display.ts";
import type { PropertyMap } from "./property.ts";
import type { Command, EngineOptions, RunResult } from "./options.ts";
import { loadProject } from "./project.ts";
import { Redactor } from "./redact.ts";
import { closingLines, changeCount, failureLines, programErrors, summarize, type Summary } from "./report.ts";
import { backendOf, openSession, openStore } from "./session.ts";
import { brief, plainMap } from "./show.ts";
import { maintain } from "./maintain.ts";
import { planTree } from "./tree.ts";
import { STACK_TYPE } from "./urn.ts";

export type { Output } from "./display.ts";
export type { Command, EngineOptions } from "./options.ts";
export type { Summary } from "./report.ts";

/** The codes runEngine ends with. */
export const EXIT = { ok: 0, failed: 1, changes: 3, interrupted: 130 } as const;

/**
 * Runs one command and prints what comes of it to `options.out`. Never throws for what an operator can put right: that is
 * printed, and the exit code says so.
 */
export async function runEngine(options: EngineOptions): Promise<{ exitCode: number; summary: Summary }> {
  ignoreClosedPipe(options.out);
  const redactor = new Redactor();
  if (options.passphrase !== undefined) redactor.add(options.passphrase);
  const environment = options.env ?? process.env;
  const secretKey = environment["AWS_SECRET_ACCESS_KEY"];
  if (secretKey !== undefined) redactor.add(secretKey);
  const { command, stack } = options;
  const display = new Display({
    out: options.out,
    redactor,
    preview: command === "preview" || command === "plan" || options.previewOnly === true,
    quiet: options.json === true || command === "plan" || command === "output",
    title: `${TITLES[command]} stack ${stack} with the embedded engine (for labs and tests, not for a real site)`,
  });
  const finish = (exitCode: number, outputs: PropertyMap = {}): { exitCode: number; summary: Summary } => {
    const summary = summaryOf(options, display, outputs);
    if (options.json === true) {
      display.close();
      const { resources, ...rest } = summary;
      const document = command === "output" ? summary.outputs : { ...rest, resources };
      const text = JSON.stringify(document, undefined, 2);
      options.out.write(`${options.showSecrets === true ? text : redactor.clean(text)}\n`);
    }
    return { exitCode, summary };
  };
  const fail = (error: unknown): { exitCode: number; summary: Summary } => {
    display.message("error", "", error instanceof Error ? error.message : String(error));
    display.close();
    if (options.json !== true) options.out.write(`error: ${display.messages.at(-1)?.text ?? ""}\n`);
    return finish(EXIT.failed);
  };
  try {
    if (command === "output") return await output(options, environment, finish);
    if (command === "cancel") return await cancel(options, environment, display, finish);
    const run = { ...options, environment, display, redactor };
    const result = command === "refresh" || command === "destroy" ? await maintain(run) : await deploy(run);
    return conclude(options, display, result, finish);
  } catch (error) {
    return fail(error);
  }
}

const guarded = new WeakSet<Output>();

/** A reader that goes away (`| head`) must not end a run half way, with the lock still held. */
function ignoreClosedPipe(out: Output & { on?: (event: "error", listener: () => void) => unknown }): void {
  if (guarded.has(out)) return;
  guarded.add(out);
  out.on?.("error", () => undefined);
}

const TITLES: Readonly<Record<Command, string>> = {
  preview: "Previewing",
  up: "Updating",
  refresh: "Refreshing",
  destroy: "Destroying",
  output: "Outputs of",
  cancel: "Unlocking",
  plan: "Planning",
};

type Finish = (exitCode: number, outputs?: PropertyMap) => { exitCode: number; summary: Summary };

function summaryOf(options: EngineOptions, display: Display, outputs: PropertyMap): Summary {
  const { command, stack, showSecrets = false, refresh = false } = options;
  return summarize(command, stack, display, outputs, showSecrets, refresh);
}

function conclude(
  options: EngineOptions,
  display: Display,
  result: RunResult,
  finish: Finish,
): { exitCode: number; summary: Summary } {
  const { command } = options;
  const summary = summaryOf(options, display, result.outputs);
  const changes = changeCount(summary);
  const unexpected = options.expectNoChanges === true && changes > 0 && !result.failed;
  let exitCode: number = result.failed ? EXIT.failed : unexpected ? EXIT.changes : EXIT.ok;
  if (result.interrupted) exitCode = EXIT.interrupted;
  if (options.json !== true) {
    const errors = programErrors(summary);
    const silent = result.failed && errors.length === 0 && summary.failures.length === 0;
    if (silent && !result.interrupted) errors.push(result.reason);
    if (!display.began && errors.length > 0) {
      // The program refused before it made anything (its configuration): its report is all there is to say.
      display.close();
      options.out.write(`${[...errors, ...failureLines(summary)].join("\n")}\n`);
    } else if (command === "plan") {
      options.out.write(`${[...planTree(summary), ...errors, ...failureLines(summary)].join("\n")}\n`);
    } else {
      const lines = closingLines(summary, display, result.outputs);
      if (errors.length > 0) lines.push("", "The program failed:", ...errors.map((text) => `  ${text}`));
      if (result.interrupted)
        lines.push("", "Interrupted: what was done is in the state, the lock is released.");
      if (unexpected) lines.push("", `error: no changes were expected, but ${changes} were found`);
      display.close(lines);
    }
  }
  return finish(exitCode, result.outputs);
}

async function output(
  options: EngineOptions,
  environment: Record<string, string | undefined>,
  finish: Finish,
): Promise<{ exitCode: number; summary: Summary }> {
  const session = await openSession({ ...options, environment }, false);
  const outputs = session.snapshot.resources.find(({ type }) => type === STACK_TYPE)?.outputs ?? {};
  const shown = plainMap(outputs, options.showSecrets === true);
  if (options.name !== undefined) {
    const value = shown[options.name];
    if (value === undefined) {
      throw new Error(
        `stack ${options.stack} has no output ${options.name}; it has: ${Object.keys(shown).join(", ") || "none"}`,
      );
    }
    if (options.json !== true)
      options.out.write(`${typeof value === "string" ? value : JSON.stringify(value)}\n`);
    return finish(EXIT.ok, { [options.name]: outputs[options.name] ?? null });
  }
  if (options.json !== true) {
    for (const [name, value] of Object.entries(outputs)) {
      const text = options.showSecrets === true ? JSON.stringify(shown[name]) : brief(value);
      options.out.write(`${name}: ${text}\n`);
    }
  }
  return finish(EXIT.ok, outputs);
}

async function cancel(
  options: EngineOptions,
  environment: Record<string, string | undefined>,
  display: Display,
  finish: Finish,
): Promise<{ exitCode: number; summary: Summary }> {
  const project = await loadProject(options.projectDir);
  const store = await openStore({
    project,
    stack: options.stack,
    backendUrl: backendOf(options),
    environment,
  });
  const holders = await store.cancel();
  const lines =
    holders.length === 0
      ? ["The stack was not locked."]
      : holders.map((holder) => `Removed the lock of ${holder}.`);
  if (options.json !== true) display.close(lines);
  return finish(EXIT.ok);
}
