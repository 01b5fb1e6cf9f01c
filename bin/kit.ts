/**
 * What every command of bin/ is made with: arguments, help, reporting of errors, exit codes.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { ConfigError, InputError } from "../config/problems.ts";
import type { Config } from "../config/schema.ts";
import { CommandError, EXIT } from "../lib/command-error.ts";

/** The project's folder. */
export const PROJECT = join(import.meta.dirname, "..");

/** Wrong usage: the message is followed by the usage text. */
export class UsageError extends Error {}

/** How a command is called. */
export interface Command<Options extends ParseArgsOptionsConfig> {
  /** As operators type it. */
  readonly name: string;
  /** Printed for --help, and after what is wrong. */
  readonly usage: string;
  /** Options besides --help. */
  readonly options: Options;
}

/** A command line, understood. */
type Arguments<Options extends ParseArgsOptionsConfig> = {
  readonly values: ReturnType<typeof parseArgs<{ options: Options }>>["values"];
  /** What is no option, up to `--`. */
  readonly words: readonly string[];
  /** What follows `--`. */
  readonly rest: readonly string[];
};

/**
 * Runs a command: prints its usage for --help, and reports what an operator can mend without a stack trace.
 *
 * @param work does it, and answers one of EXIT; throws UsageError for arguments that only it can judge
 * @returns the exit code
 */
export async function command<const Options extends ParseArgsOptionsConfig>(
  { name, usage, options }: Command<Options>,
  work: (given: Arguments<Options>) => Promise<number> | number,
): Promise<number> {
  try {
    const given = readArguments(options);
    if ((given.values as { help?: boolean }).help === true) {
      console.log(usage);
      return EXIT.ok;
    }
    return await work(given);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${name}: ${error.message}\n\n${usage}`);
      return EXIT.usage;
    }
    if (error instanceof ConfigError) {
      console.error(error.message);
      return EXIT.failed;
    }
    if (error instanceof InputError || isSystemError(error)) {
      console.error(`${name}: ${(error as Error).message}`);
      return error instanceof CommandError ? error.exitCode : EXIT.failed;
    }
    throw error;
  }
}

/** Ends with a code; after a failure at once, since whatever the program left behind could keep the process alive. */
export function endWith(exitCode: number): void {
  if (exitCode === EXIT.failed) process.exit(exitCode);
  process.exitCode = exitCode;
}

function readArguments<const Options extends ParseArgsOptionsConfig>(options: Options): Arguments<Options> {
  const args = process.argv.slice(2);
  try {
    const { values, tokens } = parseArgs({
      args,
      allowPositionals: true,
      tokens: true,
      options: { ...options, help: { type: "boolean", short: "h" } },
    });
    const end = tokens.find(({ kind }) => kind === "option-terminator")?.index ?? args.length;
    const words = tokens.filter((token) => token.kind === "positional" && token.index < end);
    return {
      values: values,
      words: words.map((token) => (token as { value: string }).value),
      rest: args.slice(end + 1),
    };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The one word that a command takes. */
export function one(words: readonly string[], what: string): string {
  const [word, ...more] = words;
  if (word === undefined || more.length > 0) throw new UsageError(`give one ${what}`);
  return word;
}

/** The one word that a command may take. */
export function atMostOne(words: readonly string[], what: string): string | undefined {
  if (words.length > 1) throw new UsageError(`give at most one ${what}, not ${words.join(" ")}`);
  return words[0];
}

/** A failed call of the system (no permission, disk full) is reported with its path, which its message has. */
function isSystemError(error: unknown): boolean {
  return typeof (error as NodeJS.ErrnoException).syscall === "string";
}

/**
 * A stack's settings, nothing decrypted; undefined where its file is not in this checkout or has problems. What
 * understands them is loaded only then: it is most of what a command loads.
 */
export async function stackSettings(stack: string): Promise<Config | undefined> {
  const { stackFileName } = await import("../config/stackFile.ts");
  if (!existsSync(join(PROJECT, stackFileName(stack)))) return undefined;
  const { inspectStack } = await import("../config/program.ts");
  return inspectStack(PROJECT, stack).config;
}
