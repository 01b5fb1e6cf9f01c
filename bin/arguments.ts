/**
 * The arguments of a command that takes one word (a stack, a bucket, a name) and options.
 */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** Wrong usage of every command that reads its arguments here: EX_USAGE of sysexits.h; docs/cli.md. */
const USAGE = 64;

/** How a command is called: its name as operators type it, its usage text, and what its one word is. */
export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly word: "stack" | "bucket" | "name";
}

/**
 * Reads a command's arguments.
 *
 * Wrong usage ends the process with 64, what is wrong and the usage text on standard error; `--help` ends it with 0.
 *
 * @returns the word, the options' values, and `refuse` for what only the command itself can judge
 */
export function readArguments<const Options extends ParseArgsOptionsConfig>(
  command: Command,
  options: Options,
) {
  const refuse = (message: string): never => {
    console.error(`${command.name}: ${message}\n\n${command.usage}`);
    return process.exit(USAGE);
  };
  const read = () => {
    try {
      return parseArgs({
        allowPositionals: true,
        options: { ...options, help: { type: "boolean", short: "h" } } as const,
      });
    } catch (error) {
      return refuse((error as Error).message);
    }
  };
  const { values, positionals } = read();
  if ((values as { help?: boolean }).help === true) {
    console.log(command.usage);
    process.exit(0);
  }
  const [word, ...rest] = positionals;
  if (word === undefined || rest.length > 0) return refuse(`give one ${command.word}`);
  return { word, values, refuse };
}
