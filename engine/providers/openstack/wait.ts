/**
 * Deadlines and polling. Upstream analogue: retry.StateChangeConf of terraform-plugin-sdk, polling faster: its 3 s steps
 * (MinTimeout) are most of what a small deployment would pay for.
 */
import { setTimeout as sleep } from "node:timers/promises";

/** First pause between two looks at an object, and the longest one, in milliseconds. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2000;

/** A point in time after which an operation gives up. */
export class Deadline {
  readonly at: number;
  readonly seconds: number;
  constructor(seconds: number) {
    this.seconds = seconds;
    this.at = Date.now() + seconds * 1000;
  }
  get remaining(): number {
    return this.at - Date.now();
  }
}

/** The deadline passed: what was waited for and how it stood. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/** The object reached a state it does not leave by itself. It is deleted again when it was just created. */
export class FailedObjectError extends Error {
  override readonly name = "FailedObjectError";
}

/**
 * Calls `look` until it answers something other than undefined; pauses grow from 100 ms to 2 s.
 * @param what in words, for the error: "the volume to become available"
 * @param state how it stood at the last look, in words
 */
export async function poll<T>(
  what: string,
  deadline: Deadline,
  signal: AbortSignal,
  look: () => Promise<T | undefined>,
  state: () => string = () => "",
): Promise<T> {
  let pause = FIRST_PAUSE;
  for (;;) {
    signal.throwIfAborted();
    const found = await look();
    if (found !== undefined) return found;
    if (deadline.remaining <= 0) {
      const last = state();
      throw new TimeoutError(`waited ${deadline.seconds} s for ${what}${last ? `; last seen: ${last}` : ""}`);
    }
    await sleep(Math.max(1, Math.min(pause, deadline.remaining)), undefined, { signal });
    pause = Math.min(LONGEST_PAUSE, pause * 1.3);
  }
}
