/**
 * What Ctrl-C does: once, what is under way ends and nothing more begins; twice, providers are told to give up.
 */
import type { Run } from "./run.ts";

/** Listens for SIGINT and SIGTERM; the result stops listening. */
export function onInterrupt(run: Run, tell: (text: string) => void): () => void {
  const stop = (): void => {
    if (run.stopping) {
      tell("interrupted again: what is under way is told to give up");
      run.abort();
      return;
    }
    run.stop();
    tell("interrupted: what is under way is finished and saved; interrupt again to give it up");
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  };
}
