/**
 * Running a command on this machine.
 * Upstream analogue: provider/pkg/provider/local/commandOutputs.go.
 */
import { spawn } from "node:child_process";
import { type Ending, type Log, type Logging, Output, type Printed, failure } from "./output.ts";
import { type Properties, type Value, isMap } from "./values.ts";

/** At its time limit the command gets this long to end by itself, in milliseconds. */
const GRACE = 5000;

/** Runs `command` with the settings of `inputs`. Throws when it cannot start or does not end with 0. */
export async function runLocal(
  command: string,
  inputs: Properties,
  previous: Printed,
  signal: AbortSignal,
  log: Log,
): Promise<Printed> {
  signal.throwIfAborted();
  const interpreter = texts(inputs["interpreter"]);
  const [program = "/bin/sh", ...rest] = interpreter.length > 0 ? interpreter : ["/bin/sh", "-c"];
  const dir = typeof inputs["dir"] === "string" ? inputs["dir"] : process.cwd();
  const environment = { ...strings(inputs["environment"]), ...previousOutput(inputs, previous) };
  const stdin = typeof inputs["stdin"] === "string" ? inputs["stdin"] : "";
  const output = new Output(inputs["logging"] as Logging | undefined, log);
  const ending = await execute(program, [...rest, command], { dir, environment, stdin, output, signal });
  const printed = output.end();
  if (signal.aborted) throw new Error("the command was stopped", { cause: signal.reason });
  if (ending.code !== 0) throw failure("", ending, printed, [stdin, ...Object.values(environment)]);
  return printed;
}

/** What an earlier run printed, as the next one finds it in its environment. */
export function previousOutput(inputs: Properties, previous: Printed): Record<string, string> {
  if (inputs["addPreviousOutputInEnv"] === false) return {};
  return {
    ...(previous.stdout ? { PULUMI_COMMAND_STDOUT: previous.stdout } : {}),
    ...(previous.stderr ? { PULUMI_COMMAND_STDERR: previous.stderr } : {}),
  };
}

export function strings(value: Value | undefined): Record<string, string> {
  if (!isMap(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function texts(value: Value | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function execute(
  program: string,
  args: string[],
  run: {
    dir: string;
    environment: Record<string, string>;
    stdin: string;
    output: Output;
    signal: AbortSignal;
  },
): Promise<Ending> {
  return new Promise((resolve, reject) => {
    // A group of its own, so that an end reaches what the command started and the terminal's Ctrl-C does not.
    const child = spawn(program, args, {
      cwd: run.dir,
      env: { ...process.env, ...run.environment },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    let last: NodeJS.Timeout | undefined;
    const kill = (name: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, name);
      } catch {
        // gone already
      }
    };
    const interrupt = (): void => {
      kill("SIGTERM");
      last = setTimeout(() => kill("SIGKILL"), GRACE);
    };
    const done = (): void => {
      clearTimeout(last);
      run.signal.removeEventListener("abort", interrupt);
    };
    run.signal.addEventListener("abort", interrupt, { once: true });
    child.stdout.on("data", (chunk: Buffer) => run.output.add("stdout", chunk));
    child.stderr.on("data", (chunk: Buffer) => run.output.add("stderr", chunk));
    // A command may end without reading its input.
    child.stdin.on("error", () => undefined);
    child.stdin.end(run.stdin);
    child.on("error", (error) => {
      done();
      reject(new Error(`${program} cannot be started in ${run.dir}: ${error.message}`, { cause: error }));
    });
    child.on("close", (code, name) => {
      done();
      resolve({ code, signal: name });
    });
  });
}
