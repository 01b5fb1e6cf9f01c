/**
 * Running a program on the seed over SSH, its text and its answer by pipes.
 */
import { execa } from "execa";
import { CommandError } from "../lib/command-error.ts";
import type { Outputs } from "../lib/outputs.ts";
import { keyFolder, seedTarget, sshArguments } from "../lib/seed-ssh.ts";

/** Seconds until a seed that does not answer counts as unreachable. */
const CONNECT_TIMEOUT = 20;

/**
 * Runs a command on the seed of a stack and answers what it printed.
 *
 * @param input the command's standard input
 * @throws CommandError if SSH or the command fails, with their last words
 */
export async function runOnSeed(
  stack: string,
  outputs: Outputs,
  command: readonly string[],
  input: string,
): Promise<string> {
  const to = seedTarget(stack, outputs);
  const { folder, remove } = keyFolder(to);
  try {
    const limits = ["-o", "BatchMode=yes", "-o", `ConnectTimeout=${CONNECT_TIMEOUT}`];
    const args = [...limits, ...sshArguments(to, folder, command)];
    const { stdout, stderr, failed, code, exitCode, shortMessage } = await execa("ssh", args, {
      input,
      reject: false,
    });
    if (code !== undefined) throw new CommandError(`ssh cannot be run: ${shortMessage}`);
    if (failed)
      throw new CommandError(`the seed (${to.address}): ${stderr.trim() || `exit code ${exitCode}`}`);
    return stdout;
  } finally {
    remove();
  }
}
