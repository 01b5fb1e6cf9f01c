/**
 * What Ctrl-C does: once, what is under way ends and nothing more begins; twice, providers are told to give up.
 */
import type { Run } from "./run.ts";

/** Interrupts from before there is a run to the end of it. */
export class Interrupts {
  readonly #tell: (text: string) => void;
  #run: Run | undefined;
  #came = false;

  constructor(tell: (text: string) => void) {
    this.#tell = tell;
    process.on("SIGINT", this.#stop);
    process.on("SIGTERM", this.#stop);
  }

  /** From now on they are for `run`; one that came already stops it at once. */
  guard(run: Run): void {
    this.#run = run;
    if (this.#came) run.stop();
  }

  /** Stops listening. */
  close(): void {
    process.off("SIGINT", this.#stop);
    process.off("SIGTERM", this.#stop);
  }

  readonly #stop = (): void => {
    if (this.#came) {
      this.#tell("interrupted again: what is under way is told to give up");
      this.#run?.abort();
      return;
    }
    this.#came = true;
    this.#tell("interrupted: what is under way is finished and saved; interrupt again to give it up");
    this.#run?.stop();
  };
}
