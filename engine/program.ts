/**
 * Runs the program: the unmodified Node.js SDK's own launcher, told where the engine listens.
 * Upstream analogue: sdk/nodejs/cmd/pulumi-language-nodejs/main.go (Run).
 */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ProgramConfig, Project } from "./project.ts";

/** Of sdk/nodejs/cmd/run: the program failed and has told the operator why. */
const ALREADY_REPORTED = 32;

export interface ProgramOptions {
  project: Project;
  stack: string;
  config: ProgramConfig;
  /** host:port of the engine's two services. */
  address: string;
  preview: boolean;
  environment: Record<string, string | undefined>;
  /** Each line the program prints. */
  onLine: (line: string, stream: "stdout" | "stderr") => void;
}

export interface Program {
  /** Resolves with what went wrong, if anything, when the program has ended. */
  readonly ended: Promise<{ failed: boolean; reported: boolean; reason: string }>;
  /** Ends it at once. */
  kill(): void;
}

/** Starts the program. */
export function startProgram(options: ProgramOptions): Program {
  const { project, stack, address } = options;
  const own = join(project.directory, "node_modules/.bin/node");
  const child = spawn(
    existsSync(own) ? own : process.execPath,
    [
      createRequire(join(project.directory, "package.json")).resolve("@pulumi/pulumi/cmd/run"),
      `--monitor=${address}`,
      `--engine=${address}`,
      "--organization=organization",
      `--project=${project.name}`,
      `--stack=${stack}`,
      `--pwd=${project.directory}`,
      `--root-directory=${project.directory}`,
      // More than one lets registrations overlap; the graph alone bounds them.
      "--parallel=64",
      ...(options.preview ? ["--dry-run"] : []),
      "--typescript=false",
      "--",
      project.main,
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: an interrupt from the terminal is the engine's to handle, not the program's.
      detached: true,
      env: {
        // Compiling the SDKs takes a second of each run; Node keeps what it compiled, keyed by content.
        NODE_COMPILE_CACHE: compileCache(options.environment),
        ...options.environment,
        PULUMI_CONFIG: JSON.stringify(options.config.values),
        PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(options.config.secretKeys),
        PULUMI_NODEJS_TYPESCRIPT: "false",
      },
    },
  );
  const lines = Promise.all([
    forward(child, "stdout", options.onLine),
    forward(child, "stderr", options.onLine),
  ]);
  const ended = new Promise<{ failed: boolean; reported: boolean; reason: string }>((resolve) => {
    child.once("error", (error) => resolve({ failed: true, reported: false, reason: error.message }));
    child.once("close", (code, signal) => {
      void lines.then(() =>
        resolve({
          failed: code !== 0,
          reported: code === ALREADY_REPORTED,
          reason:
            signal === null
              ? `the program ended with exit code ${String(code)}`
              : `the program was ended by ${signal}`,
        }),
      );
    });
  });
  return { ended, kill: () => void child.kill("SIGKILL") };
}

function compileCache(environment: Record<string, string | undefined>): string {
  return join(environment["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "capi-mgmt", "node-compile");
}

async function forward(
  child: ChildProcess,
  name: "stdout" | "stderr",
  onLine: ProgramOptions["onLine"],
): Promise<void> {
  const stream = child[name];
  if (stream === null) return;
  for await (const line of createInterface({ input: stream })) onLine(line, name);
}
