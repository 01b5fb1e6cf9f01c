/**
 * Running a program on the seed over SSH, its text and its answer by pipes.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sshArguments, target } from "../bin/seed-ssh.ts";
import type { Outputs } from "../bin/stackOutputs.ts";
import { HandoverError } from "../lib/problem.ts";

/** Seconds until a seed that does not answer counts as unreachable. */
const CONNECT_TIMEOUT = 20;

/**
 * Runs a command on the seed of a stack and answers what it printed.
 *
 * @param input the command's standard input
 * @throws HandoverError if SSH or the command fails, with their last words
 */
export async function runOnSeed(
  stack: string,
  outputs: Outputs,
  command: readonly string[],
  input: string,
): Promise<string> {
  const to = target(stack, outputs);
  const folder = mkdtempSync(join(tmpdir(), "capi-mgmt-seed-"));
  try {
    writeFileSync(join(folder, "key"), to.privateKey, { mode: 0o600 });
    writeFileSync(join(folder, "known_hosts"), to.knownHost, { mode: 0o600 });
    const limits = ["-o", "BatchMode=yes", "-o", `ConnectTimeout=${CONNECT_TIMEOUT}`];
    return await pipe([...limits, ...sshArguments(to, folder, command)], input, to.address);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pipe(args: readonly string[], input: string, address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("ssh", args, { stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
    child.stdin.on("error", () => undefined);
    child.on("error", (error) => reject(new HandoverError(`ssh cannot be run: ${error.message}`)));
    child.on("close", (code) => {
      if (code === 0) resolve(output);
      else reject(new HandoverError(`the seed (${address}): ${errors.trim() || `exit code ${code}`}`));
    });
    child.stdin.end(input);
  });
}
