/**
 * `bin/seed-ssh [STACK] [-- COMMAND …]`: SSH to the seed with the key and the host key of the stack.
 */
import { constants } from "node:os";
import { execa } from "execa";
import { CommandError } from "../lib/command-error.ts";
import { keyFolder, seedTarget, sshArguments, type Target } from "../lib/seed-ssh.ts";
import { atMostOne, command, UsageError } from "./kit.ts";
import { defaultStack, stackOutputs } from "./stackOutputs.ts";

const usage = `Usage: bin/seed-ssh [STACK] [-- COMMAND [ARGUMENT …]]

Opens a shell on the seed of a stack, or runs COMMAND there. Without STACK: $PULUMI_STACK, else the lab's stack.
The private key is a file that only you can read, for as long as the connection lasts.

Exit codes: those of COMMAND or the shell; 255 if SSH failed; 1 if the stack's outputs cannot be read; 64 wrong usage.
`;

/** ssh's own exit code for a connection that it cannot make. */
const SSH_FAILED = 255;

process.exitCode = await command({ name: "bin/seed-ssh", usage, options: {} }, async ({ words, rest }) => {
  const stack = atMostOne(words, "stack") ?? defaultStack();
  if (stack === undefined) throw new UsageError("which stack? Name it, or set PULUMI_STACK");
  return await connect(seedTarget(stack, stackOutputs(stack)), rest);
});

/** Runs ssh; the exit code is ssh's, or 128 and the signal's number. */
async function connect(to: Target, words: readonly string[]): Promise<number> {
  const { folder, remove } = keyFolder(to);
  process.on("exit", remove);
  const ssh = execa("ssh", sshArguments(to, folder, words), { stdio: "inherit", reject: false });
  // ssh shares the terminal and gets its interrupt itself; this process stays to clean up after it.
  process.on("SIGINT", () => undefined);
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => ssh.kill(signal));
  const { exitCode, signal, code, shortMessage } = await ssh;
  if (code !== undefined) throw new CommandError(`ssh cannot be run: ${shortMessage}`, SSH_FAILED);
  return exitCode ?? 128 + (signal === undefined ? 0 : constants.signals[signal]);
}
