/**
 * A stack's outputs for the programs in bin/: from the real CLI where it is installed, else from the embedded engine,
 * which reads the same state.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";

export type Outputs = Readonly<Record<string, unknown>>;

/** A failure that is told as it is, without a stack trace. */
export class OutputsError extends Error {}

const PROJECT = join(import.meta.dirname, "..");

/** True if a lab is on this machine and nothing else was asked for. */
function isLab(environment: NodeJS.ProcessEnv): boolean {
  return environment["PULUMI_BACKEND_URL"] === undefined && existsSync(join(PROJECT, ".lab", "passphrase"));
}

/** The stack to use if none is named: $PULUMI_STACK, else the lab's. */
export function defaultStack(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  return environment["PULUMI_STACK"] ?? (isLab(environment) ? "lab" : undefined);
}

/** The outputs of a stack, secrets in plain. Throws OutputsError with what to do about it. */
export async function stackOutputs(stack: string): Promise<Outputs> {
  const environment = { ...process.env };
  if (isLab(environment)) {
    const { stackEnvironment } = await import("../lab/stack.ts");
    Object.assign(environment, stackEnvironment(""));
  }
  const text = fromCli(stack, environment) ?? (await fromEngine(stack, environment));
  const outputs = JSON.parse(text) as Outputs;
  if (Object.keys(outputs).length === 0)
    throw new OutputsError(`stack ${stack} has no outputs: deploy it first`);
  return outputs;
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
    throw new OutputsError(`${name}: ${(error as Error).message}`);
  }
  let outputs: unknown;
  try {
    outputs = JSON.parse(text);
  } catch {
    // The parser's message would quote a secret.
    throw new OutputsError(`${name}: not JSON; pass what pulumi stack output --json --show-secrets prints`);
  }
  if (typeof outputs !== "object" || outputs === null || Array.isArray(outputs)) {
    throw new OutputsError(`${name}: not a JSON object of outputs`);
  }
  if (Object.keys(outputs).length === 0) throw new OutputsError(`${name}: the stack has no outputs`);
  // This is how the CLI prints a secret without --show-secrets.
  if (Object.values(outputs).includes("[secret]")) {
    throw new OutputsError(`${name}: its secrets are hidden; add --show-secrets`);
  }
  return outputs as Outputs;
}

/** Undefined if there is no real CLI. */
function fromCli(stack: string, env: NodeJS.ProcessEnv): string | undefined {
  const args = ["stack", "output", "--stack", stack, "--json", "--show-secrets"];
  const result = spawnSync("pulumi", args, { cwd: PROJECT, env, encoding: "utf8", maxBuffer: 2 ** 26 });
  if (result.error !== undefined) return undefined;
  if (result.status === 0) return result.stdout;
  throw new OutputsError(`pulumi stack output --stack ${stack}: ${result.stderr.trim()}`);
}

async function fromEngine(stack: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const backendUrl = environment["PULUMI_BACKEND_URL"];
  if (backendUrl === undefined) {
    throw new OutputsError(
      "where the stack's state is, is not known: log in with pulumi, or set PULUMI_BACKEND_URL and PULUMI_CONFIG_PASSPHRASE_FILE",
    );
  }
  const { runEngine } = await import("../engine/main.ts");
  let text = "";
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString("utf8");
      done();
    },
  });
  // The engine's S3 client reads its keys from the process.
  Object.assign(process.env, environment);
  const { exitCode } = await runEngine({
    command: "output",
    stack,
    projectDir: PROJECT,
    backendUrl,
    passphrase: passphrase(environment),
    json: true,
    showSecrets: true,
    out,
  });
  if (exitCode !== 0) throw new OutputsError(`the outputs of stack ${stack} cannot be read: ${text.trim()}`);
  return text;
}

function passphrase(environment: NodeJS.ProcessEnv): string {
  const file = environment["PULUMI_CONFIG_PASSPHRASE_FILE"];
  if (environment["PULUMI_CONFIG_PASSPHRASE"] !== undefined) return environment["PULUMI_CONFIG_PASSPHRASE"];
  if (file !== undefined && existsSync(file)) return readFileSync(file, "utf8").trim();
  throw new OutputsError(
    "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE: the outputs are encrypted",
  );
}
