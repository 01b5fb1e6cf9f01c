/**
 * Where the time of a run went: the chain of dependent steps that could not be shorter.
 */
import type { Step } from "./steps.ts";

/** URN → URNs that it depends on. */
export type Dependencies = ReadonlyMap<string, ReadonlySet<string>>;

/** The longest chain of steps, each of which had to wait for the one before. */
export interface CriticalPath {
  readonly steps: readonly Step[];
  /** Sum of the steps' times. */
  readonly seconds: number;
}

const nothing: CriticalPath = { steps: [], seconds: 0 };

const seconds = (step: Step): number => (step.ended ?? step.started) - step.started;

const isRemoval = ({ op }: Step): boolean => op === "delete" || op === "delete-replaced";

/**
 * The critical path of a run.
 *
 * @param dependencies of the state after an `up`, or before a `destroy` (see readDependencies)
 */
export function criticalPath(steps: readonly Step[], dependencies: Dependencies): CriticalPath {
  // A component has no work of its own: it lasts as long as its children, and would count them twice.
  const timed = steps.filter((step) => step.ended !== undefined && step.custom && step.op !== "refresh");
  const best = new Map<Step, CriticalPath>();
  for (const step of [...timed].sort((a, b) => (a.ended ?? 0) - (b.ended ?? 0))) {
    let before = nothing;
    for (const [other, path] of best) {
      if (
        (other.ended ?? 0) <= step.started &&
        path.seconds > before.seconds &&
        waitsFor(step, other, dependencies)
      ) {
        before = path;
      }
    }
    best.set(step, { steps: [...before.steps, step], seconds: before.seconds + seconds(step) });
  }
  return [...best.values()].reduce(
    (longest, path) => (path.seconds > longest.seconds ? path : longest),
    nothing,
  );
}

function waitsFor(step: Step, other: Step, dependencies: Dependencies): boolean {
  if (step.urn === other.urn) return true;
  const [needing, needed] = isRemoval(step) ? [other, step] : [step, other];
  return reaches(needing.urn, needed.urn, dependencies);
}

/** Whether `from` depends on `to`, directly or through components (whose own step is not in the path). */
function reaches(from: string, to: string, dependencies: Dependencies, seen = new Set<string>()): boolean {
  if (seen.has(from)) return false;
  seen.add(from);
  const needs = dependencies.get(from) ?? new Set<string>();
  return needs.has(to) || [...needs].some((urn) => reaches(urn, to, dependencies, seen));
}

/** The path and how the whole run compares to it, in one line. Steps under a tenth of a second are left out. */
export function describePath(path: CriticalPath, total: number, command: string): string {
  const names = path.steps
    .filter((step) => seconds(step) >= 0.1)
    .map((step) => `${step.name} ${formatSeconds(seconds(step))}`);
  const length = formatSeconds(path.seconds);
  const whole = `${command} took ${formatSeconds(total)}`;
  // Against a path of moments the ratio would only measure how long the program takes to start.
  if (path.seconds < 1) return `critical path: ${length}; ${whole}`;
  return `critical path: ${names.join(" → ")}; ${whole} = ${(total / path.seconds).toFixed(2)} × critical path (${length})`;
}

/** Seconds as people read them: `0.4s`, `12.3s`, `3m07s`. */
export function formatSeconds(value: number): string {
  if (value < 60) return `${value.toFixed(1)}s`;
  return `${Math.floor(value / 60)}m${String(Math.floor(value % 60)).padStart(2, "0")}s`;
}
