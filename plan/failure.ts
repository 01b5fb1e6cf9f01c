/**
 * How a program fails: while it is evaluated, in an `apply`, by an error it only logs, or by never ending.
 */
import { sep } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { CommandError } from "../lib/command-error.ts";

/** The program failed. The message is for operators, as it is. */
export class ProgramError extends CommandError {}

/** Far more than a plan takes on a slow machine. */
const DEADLINE_MS = 120_000;
/** So much of a stack trace says where in the program. */
const FRAMES = 3;

/**
 * What `run` comes to, or the first failure of anything in this process meanwhile.
 *
 * After a failure the process is fit for nothing but reporting it: what else fails is no longer seen.
 *
 * @param folder the project's: an error of the program is reported with the places in it
 * @throws ProgramError
 */
export async function orFirstFailure(run: () => Promise<void>, folder: string): Promise<void> {
  let settle: (failure: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (settle = reject));
  const fail = (reason: unknown) => settle(failureOf(reason, folder));
  // Nothing is left that could go on.
  const stuck = () => settle(new ProgramError("the program waits for something that never comes"));
  const deadline = setTimeout(
    () => settle(new ProgramError(`the program has not ended after ${DEADLINE_MS / 1000} s`)),
    DEADLINE_MS,
  ).unref();
  process.on("uncaughtException", fail).on("unhandledRejection", fail).on("beforeExit", stuck);
  try {
    await Promise.race([run(), failed]);
  } catch (error) {
    throw failureOf(error, folder);
  }
  clearTimeout(deadline);
  process.off("uncaughtException", fail).off("unhandledRejection", fail).off("beforeExit", stuck);
  if (pulumi.log.hasErrors()) throw new ProgramError("the program reported errors, see above");
}

function failureOf(reason: unknown, folder: string): ProgramError {
  if (reason instanceof ProgramError) return reason;
  if (pulumi.RunError.isInstance(reason)) return new ProgramError(reason.message);
  if (!(reason instanceof Error)) return new ProgramError(`the program failed: ${String(reason)}`);
  const frames = (reason.stack ?? "")
    .split("\n")
    .filter(
      (line) => line.trim().startsWith("at ") && line.includes(folder + sep) && !/node_modules/.test(line),
    )
    .map((line) => line.replace(/\?run=\d+/, ""))
    .slice(0, FRAMES);
  return new ProgramError([`the program failed: ${reason.message}`, ...frames].join("\n"));
}
