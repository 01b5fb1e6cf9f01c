/**
 * Running commands: captured, with input on stdin, errors that show the command's own last words.
 * Secrets travel by stdin or environment, never in the arguments, because arguments are shown in errors.
 */
import { execa } from "execa";
import { namespace } from "./site.ts";

interface RunOptions {
  /** Text for the command's stdin; none: stdin is closed. */
  input?: string;
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Milliseconds until the command is killed and the call fails. Default: none. */
  timeout?: number;
  /** true: a non-zero exit code is returned instead of thrown. */
  allowFailure?: boolean;
  /** Called with each line of stdout and stderr, for progress. */
  onLine?: (line: string) => void;
  signal?: AbortSignal;
}

interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** Last `count` non-empty lines of a text. */
export function lastLines(text: string, count: number): string {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .join("\n");
}

/**
 * Runs a command to its end.
 * @throws Error naming the command, its exit code and the last 15 lines it wrote.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { onLine, allowFailure, signal, input, ...others } = options;
  const child = execa(command, args, {
    ...others,
    ...(input === undefined ? { stdin: "ignore" } : { input }),
    ...(signal === undefined ? {} : { cancelSignal: signal }),
    all: true,
    reject: false,
    stripFinalNewline: false,
  });
  if (onLine !== undefined)
    for await (const line of child.iterable({ from: "all" })) if (line.trim()) onLine(line);
  const { stdout, stderr, exitCode, code, failed, shortMessage, signal: killedBy } = await child;
  const answer = { code: exitCode ?? 128, stdout, stderr };
  if (!failed || (allowFailure === true && code === undefined)) return answer;
  if (exitCode === undefined && killedBy === undefined) throw new Error(shortMessage);
  const how = killedBy === undefined ? `ended with exit code ${exitCode}` : `was ended by ${killedBy}`;
  throw new Error(`${[command, ...args].join(" ")} ${how}:\n${lastLines(stderr || stdout, 15)}`);
}

/**
 * The command line that runs a command in the lab's network namespace.
 * Not `ip netns exec`: that gives a private mount namespace, and mounts made in it would not be seen by others.
 */
export function inNamespace(command: string[]): string[] {
  return ["nsenter", `--net=/run/netns/${namespace}`, "--", ...command];
}

/** Runs a command in the lab's network namespace. */
export function runInside(command: string[], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...args] = inNamespace(command);
  return run(program as string, args, options);
}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
