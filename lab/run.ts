/**
 * Running commands: captured, with input on stdin, errors that show the command's own last words.
 * Secrets travel by stdin or environment, never in the arguments, because arguments are shown in errors.
 */
import { spawn } from "node:child_process";
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
export function run(command: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      timeout: options.timeout,
      signal: options.signal,
    });
    let stdout = "";
    let stderr = "";
    const feed = (chunk: string) => {
      if (options.onLine) for (const line of chunk.split("\n")) if (line.trim()) options.onLine(line);
    };
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
      feed(chunk);
    });
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
      feed(chunk);
    });
    child.on("error", fail);
    child.on("close", (exit, killedBy) => {
      const code = exit ?? 128;
      if (code === 0 || options.allowFailure) return done({ code, stdout, stderr });
      const how = killedBy ? `was ended by ${killedBy}` : `ended with exit code ${code}`;
      fail(new Error(`${[command, ...args].join(" ")} ${how}:\n${lastLines(stderr || stdout, 15)}`));
    });
    if (options.input !== undefined) {
      child.stdin?.on("error", () => undefined); // the command may end without reading; its exit code tells
      child.stdin?.end(options.input);
    }
  });
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
