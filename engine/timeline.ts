/**
 * Where the time of a run went: every step's beginning and end, and the chain of dependencies that could not be shorter.
 */
import { dependenciesOf } from "./state.ts";
import type { Step } from "./step.ts";
import { nameOf } from "./urn.ts";

/** A finished step; times in milliseconds since the run began. */
export interface Timed {
  step: Step;
  started: number;
  ended: number;
  failed: boolean;
}

export interface CriticalPath {
  /** From the first to the last, each depending on the one before. */
  steps: Timed[];
  milliseconds: number;
}

/** The chain of dependent steps that took longest. */
export function criticalPath(timed: readonly Timed[]): CriticalPath {
  const byUrn = new Map<string, Timed[]>();
  for (const entry of timed) byUrn.set(entry.step.urn, [...(byUrn.get(entry.step.urn) ?? []), entry]);
  const best = new Map<Timed, CriticalPath>();
  for (const entry of [...timed].sort((a, b) => a.ended - b.ended)) {
    let longest: CriticalPath = { steps: [], milliseconds: 0 };
    for (const before of predecessors(entry, byUrn)) {
      const path = best.get(before);
      if (path !== undefined && path.milliseconds > longest.milliseconds) longest = path;
    }
    best.set(entry, {
      steps: [...longest.steps, entry],
      milliseconds: longest.milliseconds + (entry.ended - entry.started),
    });
  }
  let longest: CriticalPath = { steps: [], milliseconds: 0 };
  for (const path of best.values()) if (path.milliseconds > longest.milliseconds) longest = path;
  return longest;
}

/** Steps an entry had to wait for: of what it depends on (deleting: of what depends on it), and its own earlier ones. */
function predecessors(entry: Timed, byUrn: ReadonlyMap<string, Timed[]>): Timed[] {
  const { urn } = entry.step;
  const own = byUrn.get(urn) ?? [];
  const others = isRemoval(entry)
    ? [...byUrn.values()].flat().filter((other) => isRemoval(other) && neededBy(other).has(urn))
    : [...neededBy(entry)].flatMap((needed) => byUrn.get(needed) ?? []);
  return [...own, ...others].filter((before) => before !== entry && before.ended <= entry.started);
}

function isRemoval({ step }: Timed): boolean {
  return step.new === undefined;
}

function neededBy({ step }: Timed): Set<string> {
  const state = step.new ?? step.old;
  return state === undefined ? new Set() : dependenciesOf(state);
}

/** The path and how the whole run compares to it, in one line. */
export function describePath(path: CriticalPath, totalMilliseconds: number, command: string): string {
  const names = path.steps
    .filter(({ started, ended }) => ended - started >= 100)
    .map(({ step, started, ended }) => `${nameOf(step.urn)} ${formatSeconds(ended - started)}`);
  const total = `${command} took ${formatSeconds(totalMilliseconds)}`;
  const length = formatSeconds(path.milliseconds);
  // Against a path of moments the ratio would only measure how long the program takes to start.
  if (path.milliseconds < 1000) return `critical path: ${length}; ${total}`;
  const ratio = (totalMilliseconds / path.milliseconds).toFixed(2);
  return `critical path: ${names.join(" → ")}; ${total} = ${ratio} × critical path (${length})`;
}

/** Milliseconds as people read them: `0.4s`, `12.3s`, `3m07s`. */
export function formatSeconds(milliseconds: number): string {
  const total = milliseconds / 1000;
  if (total < 60) return `${total.toFixed(1)}s`;
  return `${Math.floor(total / 60)}m${String(Math.floor(total % 60)).padStart(2, "0")}s`;
}
