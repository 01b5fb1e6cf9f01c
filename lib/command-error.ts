/**
 * How commands end: the one table of exit codes, and failures that are reported as they are.
 */
import { InputError } from "../config/problems.ts";

/** The exit codes of every command; docs/cli.md says what each means where. */
export const EXIT = {
  /** Done, or the answer is yes. */
  ok: 0,
  /** Failed: nothing could be judged, or not everything was done. */
  failed: 1,
  /** The command did its work and the answer is no: a check fails, a rule is broken, something is out of date. */
  no: 2,
  /** Refused, or done with less than was asked for. */
  refused: 3,
  /** Changes where none were expected: `--expect-no-changes`, and the pipeline's drift. */
  changes: 3,
  /** The pipeline's deployment would do what nobody has approved. */
  notApproved: 4,
  /** Wrong usage: EX_USAGE of sysexits.h. */
  usage: 64,
  /** By Ctrl-C: 128 and the number of SIGINT. What was done is saved. */
  interrupted: 130,
} as const;

/** A failure that an operator can mend; commands report it without a stack trace. */
export class CommandError extends InputError {
  readonly exitCode: number;

  /** @param exitCode one of EXIT. Default: a plain failure */
  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
