/**
 * `bin/seed-ssh [STACK] [-- COMMAND …]`: SSH to the seed with the key and the host key of the stack. Upstream
 * analogue: azimuth-config's bin/seed-ssh.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { siteNames } from "../lib/names.ts";
import { deriveHostKey } from "../lib/openssh.ts";
import { quote } from "../lib/shell.ts";
import { defaultStack, type Outputs, OutputsError, stackOutputs } from "./stackOutputs.ts";

const HELP = `Usage: bin/seed-ssh [STACK] [-- COMMAND [ARGUMENT …]]

Opens a shell on the seed of a stack, or runs COMMAND there. Without STACK: $PULUMI_STACK, else the lab's stack.
The private key is a file that only you can read, for as long as the connection lasts.

Exit codes: those of COMMAND or the shell; 255 if SSH failed; 1 if the stack's outputs cannot be read; 2 if the
command was not understood.`;

export interface Arguments {
  readonly stack: string | undefined;
  readonly command: readonly string[];
}

/** Undefined if the words are not understood. */
export function parse(words: readonly string[]): Arguments | undefined {
  const dashes = words.indexOf("--");
  const before = dashes < 0 ? words : words.slice(0, dashes);
  if (before.length > 1 || before.some((word) => word.startsWith("-"))) return undefined;
  return { stack: before[0], command: dashes < 0 ? [] : words.slice(dashes + 1) };
}

export interface Target {
  readonly address: string;
  readonly user: string;
  readonly privateKey: string;
  /** Line of a known_hosts file. */
  readonly knownHost: string;
}

/** Where to connect, from a stack's outputs. The host key is not an output: it follows from the private key. */
export function target(stack: string, outputs: Outputs): Target {
  const [address, user, privateKey] = ["seedAddress", "seedUser", "seedSshPrivateKey"].map((name) => {
    const value = outputs[name];
    if (typeof value !== "string" || value === "") {
      throw new OutputsError(`stack ${stack} has no output ${name}: its seed is not deployed`);
    }
    return value;
  }) as [string, string, string];
  const { publicKey } = deriveHostKey(privateKey, siteNames(stack).seed);
  return { address, user, privateKey: `${privateKey.trimEnd()}\n`, knownHost: `${address} ${publicKey}\n` };
}

/** Arguments of ssh, given the folder that holds its files. */
export function sshArguments(to: Target, folder: string, command: readonly string[]): string[] {
  const options = {
    IdentityFile: join(folder, "key"),
    IdentitiesOnly: "yes",
    UserKnownHostsFile: join(folder, "known_hosts"),
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: "yes",
    HostKeyAlgorithms: "ssh-ed25519",
    LogLevel: "ERROR",
  };
  return [
    ...["-F", "none"],
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    `${to.user}@${to.address}`,
    // One word is a line for the shell over there; several are words, and ssh would join them unquoted.
    ...(command.length < 2 ? command : [command.map(quote).join(" ")]),
  ];
}

/** Runs ssh; the exit code is ssh's, or 128 and the signal's number. */
async function connect(to: Target, command: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "seed-ssh-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  // ssh shares the terminal and gets the signal itself; this process stays to clean up after it.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  writeFileSync(join(folder, "key"), to.privateKey, { mode: 0o600 });
  writeFileSync(join(folder, "known_hosts"), to.knownHost, { mode: 0o600 });
  return new Promise((resolve) => {
    const child = spawn("ssh", sshArguments(to, folder, command), { stdio: "inherit" });
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
    child.on("error", (error) => {
      console.error(`ssh cannot be run: ${error.message}`);
      resolve(255);
    });
    child.on("exit", (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  if (words[0] === "--help" || words[0] === "-h") {
    console.log(HELP);
    return 0;
  }
  const parsed = parse(words);
  const stack = parsed?.stack ?? defaultStack();
  if (parsed === undefined || stack === undefined) {
    console.error(parsed === undefined ? HELP : `which stack? Name it, or set PULUMI_STACK.\n\n${HELP}`);
    return 2;
  }
  try {
    return await connect(target(stack, await stackOutputs(stack)), parsed.command);
  } catch (error) {
    if (!(error instanceof OutputsError)) throw error;
    console.error(error.message);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main();
