/**
 * The Pulumi CLI that the Automation API drives: which one, and as a process that a terminal's Ctrl-C does not reach.
 */
import "../lib/lazy-sdk.ts";
import { delimiter, dirname } from "node:path";
import { PulumiCommand } from "@pulumi/pulumi/automation/index.js";
import { execa } from "execa";
import { NoPulumiError, findPulumi } from "../state/findPulumi.ts";

/** Signals that end a run, see interrupt.ts. */
export interface StopSignals {
  readonly stop?: AbortSignal | undefined;
  readonly kill?: AbortSignal | undefined;
}

/** The CLI did not do what it was asked; the message is its own. */
export class PulumiError extends Error {}

/** How the Automation API calls its CLI. Its class cannot be made or extended in public, but this is all it uses. */
type Run = (
  args: string[],
  cwd: string,
  env: Record<string, string>,
  onOutput?: (text: string) => void,
  onError?: (text: string) => void,
) => Promise<{ stdout: string; stderr: string; code: number }>;

/** Ends what the Automation API asks after a run: outputs and history, three starts of the CLI that nobody here needs. */
export class RunIsOver extends Error {}

/** Commands after which the run is over. */
const operations: ReadonlySet<string | undefined> = new Set(["preview", "up", "refresh", "destroy"]);

/** How long a CLI that was told to give up may take to do so, in milliseconds. */
const PATIENCE_MS = 5000;

/** What the Automation API found out of each CLI by starting it: asked once a process. */
const known = new Map<string, PulumiCommand>();

/**
 * The CLI for the Automation API. It runs in a process group of its own, so that it learns of an interrupt once, from us.
 *
 * @throws NoPulumiError if it does not run
 */
export async function pulumiCommand(signals: StopSignals = {}): Promise<PulumiCommand & { run: Run }> {
  const file = findPulumi();
  const path = `${dirname(file)}${delimiter}${process.env["PATH"] ?? ""}`;
  const before = process.env["PATH"];
  let cli = known.get(file);
  try {
    process.env["PATH"] = path; // the version is asked of the first on the PATH
    cli ??= await PulumiCommand.get({ skipVersionCheck: true });
    known.set(file, cli);
  } catch (error) {
    throw new NoPulumiError(`${file} does not run: ${(error as Error).message}`);
  } finally {
    process.env["PATH"] = before;
  }
  let over = false;
  const run: Run = async (args, cwd, env, onOutput, onError) => {
    if (over) throw new RunIsOver();
    // Every command names its stack: selecting one would only cost time and be remembered.
    if (args[0] === "stack" && args[1] === "select") return { stdout: "", stderr: "", code: 0 };
    const child = execa(file, [...args, "--non-interactive"], {
      cwd,
      // as the Automation API sets it, with the CLI's own folder first for the plugins beside it
      env: { ...env, PATH: path, PULUMI_AUTOMATION_API: "true", PULUMI_SKIP_UPDATE_CHECK: "true" },
      detached: true,
      stdin: "ignore",
      reject: false,
      stripFinalNewline: false,
      maxBuffer: Number.MAX_SAFE_INTEGER,
    });
    child.stdout.on("data", (chunk: Buffer) => onOutput?.(chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => onError?.(chunk.toString()));
    const end = (name: NodeJS.Signals) => () => void child.kill(name);
    const interrupt = end("SIGINT");
    let timer: NodeJS.Timeout | undefined;
    const kill = () => {
      interrupt();
      timer = setTimeout(end("SIGKILL"), PATIENCE_MS);
    };
    signals.stop?.addEventListener("abort", interrupt);
    signals.kill?.addEventListener("abort", kill);
    try {
      const { exitCode, stdout, stderr, shortMessage } = await child;
      over = operations.has(args[0]) && exitCode === 0;
      if (exitCode === 0) return { stdout, stderr, code: 0 };
      throw new PulumiError(stderr.trim() || stdout.trim() || shortMessage);
    } finally {
      clearTimeout(timer);
      signals.stop?.removeEventListener("abort", interrupt);
      signals.kill?.removeEventListener("abort", kill);
    }
  };
  return Object.assign(Object.create(cli) as PulumiCommand, { run });
}
