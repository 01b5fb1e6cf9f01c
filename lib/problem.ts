/**
 * A failure of a hand-over command that is told as it is, without a stack trace.
 */

/** What the commands of bin/ end with; docs/cli.md tells them. */
export const EXIT = {
  ok: 0,
  failed: 1,
  /** `--check` or a report found something out of date. */
  stale: 2,
  /** A file is there that is not ours to replace. */
  refused: 3,
  /** sysexits.h's EX_USAGE: 2 is taken. */
  usage: 64,
} as const;

export class HandoverError extends Error {
  readonly exitCode: number;

  /** @param exitCode one of EXIT; without it a plain failure */
  constructor(message: string, exitCode: number = EXIT.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}
