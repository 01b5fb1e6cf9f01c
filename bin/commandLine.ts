/**
 * What the hand-over commands share: reading options, the stack's outputs and settings, ending with a code.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { type Outputs, OutputsError, outputsFrom, stackOutputs } from "./stackOutputs.ts";
import { inspectStack } from "../config/program.ts";
import { stackFileName } from "../config/stackFile.ts";
import type { Config } from "../config/schema.ts";
import { EXIT, HandoverError } from "../lib/problem.ts";

const PROJECT = join(import.meta.dirname, "..");

/** Wrong usage: the message is followed by the usage text. */
export class UsageError extends Error {}

/** Reads options and positional words. Throws UsageError. */
export function readOptions<const T extends ParseArgsOptionsConfig>(options: T) {
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Runs a command and answers its exit code; problems that are the operator's are told without a stack trace. */
export async function command(name: string, usage: string, work: () => Promise<number>): Promise<number> {
  if (process.argv.slice(2).some((word) => word === "--help" || word === "-h")) {
    console.log(usage);
    return EXIT.ok;
  }
  try {
    return await work();
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${name}: ${error.message}\n\n${usage}`);
      return EXIT.usage;
    }
    if (error instanceof HandoverError) {
      console.error(`${name}: ${error.message}`);
      return error.exitCode;
    }
    if (error instanceof OutputsError || isSystemError(error)) {
      console.error(`${name}: ${(error as Error).message}`);
      return EXIT.failed;
    }
    throw error;
  }
}

/** A failed call of the system (no permission, disk full) is told with its path, which its message has. */
function isSystemError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === "string";
}

/** The outputs of a stack: from a file or standard input where one is named, else from the engine that has it. */
export async function readOutputs(stack: string, source: string | undefined): Promise<Outputs> {
  return source === undefined ? stackOutputs(stack) : outputsFrom(source);
}

/** A stack's settings, nothing decrypted; undefined where its file is not in this checkout or has problems. */
export function stackSettings(stack: string): Config | undefined {
  if (!existsSync(join(PROJECT, stackFileName(stack)))) return undefined;
  return inspectStack(PROJECT, stack).config;
}

/** One text output. Throws HandoverError with what to do if the stack does not have it. */
export function textOutput(stack: string, outputs: Outputs, name: string): string {
  const value = outputs[name];
  if (typeof value === "string" && value !== "") return value;
  throw new HandoverError(`stack ${stack} has no output ${name}: its deployment has not come that far`);
}

/** The deployed version of a component, from the output `versions`; undefined if the stack does not tell. */
export function deployedVersion(outputs: Outputs, component: string): string | undefined {
  const versions = outputs["versions"];
  const value: unknown =
    typeof versions === "object" && versions !== null
      ? (versions as Record<string, unknown>)[component]
      : undefined;
  return typeof value === "string" ? value : undefined;
}
