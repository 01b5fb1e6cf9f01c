/**
 * What Ctrl-C does: once, what is under way ends and nothing more begins; twice, providers are told to give up.
 */
import type { Run } from "./run.ts";

/**
 * A signal so soon after the first, in milliseconds, is the same Ctrl-C: npm passes the terminal's on to its child, which
 * has it from the terminal already.
 */
const SAME = 500;

/** Interrupts from before there is a run to the end of it. */
export class Interrupts {
  readonly #tell: (text: string) => void;
  #run: Run | undefined;
  /** When the first came, as performance.now() has it. */
  #came: number | undefined;

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
    process.on("SIGINT", this.#stop);
    process.on("SIGTERM", this.#stop);
  }

  /** From now on they are for `run`; one that came already stops it at once. */
  guard(run: Run): void {
    this.#run = run;
    if (this.#came !== undefined) run.stop();
  }

  /** Stops listening. */
  close(): void {
    process.off("SIGINT", this.#stop);
    process.off("SIGTERM", this.#stop);
  }

  readonly #stop = (): void => {
    if (this.#came !== undefined) {
      if (performance.now() - this.#came < SAME) return;
      this.#tell("interrupted again: what is under way is told to give up");
      this.#run?.abort();
      return;
    }
    this.#came = performance.now();
    this.#tell("interrupted: what is under way is finished and saved; interrupt again to give it up");
    this.#run?.stop();
  };
}
