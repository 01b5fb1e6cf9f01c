/**
 * Ctrl-C and a polite end by the system: the first stops a run in good order, the second at once.
 */

/** A signal so soon after the first, in milliseconds, is the same Ctrl-C: npm passes the terminal's on to its child, which has it already. */
const SAME_MS = 500;

/** Signals of a run that may be interrupted; `close` when the run is over. */
export interface Interrupts {
  /** Aborted by the first: the running steps finish, the state is saved, the lock released. */
  readonly stop: AbortSignal;
  /** Aborted by the second: what runs is ended, and its resource may be half made. */
  readonly kill: AbortSignal;
  close(): void;
}

/**
 * Listens for SIGINT and SIGTERM until `close`.
 *
 * @param tell called with a sentence for the operator at the first and at the second
 */
export function listenForInterrupts(tell: (text: string) => void): Interrupts {
  const stop = new AbortController();
  const kill = new AbortController();
  let came: number | undefined;
  const listener = () => {
    if (came === undefined) {
      came = performance.now();
      tell("interrupted: the running steps are finished and saved; interrupt again to end them");
      stop.abort();
    } else if (performance.now() - came >= SAME_MS && !kill.signal.aborted) {
      tell("interrupted again: ended");
      kill.abort();
    }
  };
  const names = ["SIGINT", "SIGTERM"] as const;
  for (const name of names) process.on(name, listener);
  return {
    stop: stop.signal,
    kill: kill.signal,
    close: () => {
      for (const name of names) process.off(name, listener);
    },
  };
}
