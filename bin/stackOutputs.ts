/**
 * A stack's outputs for the programs in bin/.
 */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execaSync } from "execa";
import { CommandError } from "../lib/command-error.ts";
import type { Outputs } from "../lib/outputs.ts";
import { findPulumi } from "../state/findPulumi.ts";

const PROJECT = join(import.meta.dirname, "..");

/** What the lab keeps for commands on its own stack (lab/environment.ts). */
const LAB = join(PROJECT, ".lab", "environment.json");

/** The stack to use if none is named: $PULUMI_STACK, else the lab's where a lab is and no backend is named. */
export function defaultStack(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  return environment["PULUMI_STACK"] ?? (isLab("lab", environment) ? "lab" : undefined);
}

function isLab(stack: string, environment: NodeJS.ProcessEnv): boolean {
  return stack === "lab" && environment["PULUMI_BACKEND_URL"] === undefined && existsSync(LAB);
}

/** The outputs of a stack: from a file or standard input where one is named, else from Pulumi's CLI. */
export function readOutputs(stack: string, source: string | undefined): Outputs {
  return source === undefined ? stackOutputs(stack) : outputsFrom(source);
}

/**
 * The outputs of a stack, secrets in plain, from Pulumi's CLI.
 *
 * @throws CommandError with what to do about it
 */
export function stackOutputs(stack: string): Outputs {
  const outputs = JSON.parse(pulumi(["stack", "output"], stack, ["--json", "--show-secrets"])) as Outputs;
  if (Object.keys(outputs).length === 0)
    throw new CommandError(`stack ${stack} has no outputs: deploy it first`);
  return outputs;
}

/**
 * The state of a stack as JSON, its secrets encrypted, from Pulumi's CLI.
 *
 * @throws CommandError with what to do about it
 */
export function stackExport(stack: string): string {
  return pulumi(["stack", "export"], stack, []);
}

/** Runs Pulumi's CLI on a stack, in the lab with the lab's environment; answers what it printed. */
function pulumi(words: readonly string[], stack: string, options: readonly string[]): string {
  const env = { ...process.env };
  if (isLab(stack, env)) {
    const lab = JSON.parse(readFileSync(LAB, "utf8")) as { path: string; variables: Record<string, string> };
    Object.assign(env, lab.variables, { PATH: `${lab.path}${delimiter}${env["PATH"] ?? ""}` });
  }
  const args = [...words, "--stack", stack, ...options, "--non-interactive"];
  const run = { cwd: PROJECT, env, reject: false, maxBuffer: 2 ** 28 } as const;
  const { stdout, stderr, failed, shortMessage } = execaSync(findPulumi(env["PATH"]), args, run);
  if (failed)
    throw new CommandError(`pulumi ${words.join(" ")} --stack ${stack}: ${stderr.trim() || shortMessage}`);
  return stdout;
}

/**
 * Outputs that were read elsewhere: what `pulumi stack output --json --show-secrets` printed.
 *
 * @param source a file, or `-` for standard input
 */
export function outputsFrom(source: string): Outputs {
  const name = source === "-" ? "standard input" : source;
  let text: string;
  try {
    text = readFileSync(source === "-" ? 0 : source, "utf8");
  } catch (error) {
    throw new CommandError(`${name}: ${(error as Error).message}`);
  }
  let outputs: unknown;
  try {
    outputs = JSON.parse(text);
  } catch {
    // The parser's message would quote a secret.
    throw new CommandError(`${name}: not JSON; pass what pulumi stack output --json --show-secrets prints`);
  }
  if (typeof outputs !== "object" || outputs === null || Array.isArray(outputs)) {
    throw new CommandError(`${name}: not a JSON object of outputs`);
  }
  if (Object.keys(outputs).length === 0) throw new CommandError(`${name}: the stack has no outputs`);
  // This is how the CLI prints a secret without --show-secrets.
  if (Object.values(outputs).includes("[secret]")) {
    throw new CommandError(`${name}: its secrets are hidden; add --show-secrets`);
  }
  return outputs as Outputs;
}
