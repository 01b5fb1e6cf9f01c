/**
 * What a run comes to, for people (the last lines) and for programs (--json).
 */
import type { Display, Message } from "./display.ts";
import { WORDING } from "./display.ts";
import type { PropertyMap } from "./property.ts";
import { brief, changesBetween, plain, plainMap, type Shown } from "./show.ts";
import { formatPath } from "./paths.ts";
import type { Failure, Operation, Step } from "./step.ts";
import { criticalPath, describePath, formatSeconds } from "./timeline.ts";
import { nameOf, typeOf } from "./urn.ts";

/** One resource of the report. */
export interface ReportedResource {
  urn: string;
  type: string;
  name: string;
  parent: string;
  op: Operation;
  /** Redacted. */
  inputs: { [key: string]: Shown };
  dependsOn: string[];
  /** The resource option, only when it is set. */
  protect?: true;
  /** For updates, replacements and what changed outside: property path to before and after. */
  changes?: Record<string, { old?: Shown; new?: Shown }>;
  failed?: true;
  /** Of an up: seconds it took. */
  seconds?: number;
}

/** What runEngine answers, and what --json prints. */
export interface Summary {
  command: string;
  stack: string;
  counts: Partial<Record<Operation, number>>;
  resources: ReportedResource[];
  /** Of a run with a refresh: what differs from the state; `op` is refresh, or delete when the resource is gone. */
  drift?: ReportedResource[];
  outputs: { [key: string]: Shown };
  failures: Failure[];
  messages: Message[];
  seconds: number;
  /** Only of runs that change something. */
  timeline?: {
    steps: { urn: string; op: Operation; start: number; end: number; failed: boolean }[];
    criticalPath: { urns: string[]; seconds: number; ratio: number };
  };
}

/** Operations that leave everything as it was. */
const NO_CHANGE = new Set<Operation>(["same", "read"]);

export function summarize(
  command: string,
  stack: string,
  display: Display,
  outputs: PropertyMap,
  showSecrets: boolean,
  refreshed = false,
): Summary {
  const resources = new Map<string, ReportedResource>();
  const counts: Partial<Record<Operation, number>> = {};
  const preview = command === "preview" || command === "plan";
  for (const { step, started, ended, failed } of display.timed) {
    if (failed) {
      resources.set(step.urn, { ...describe(step), failed: true });
      continue;
    }
    // The removal of what was replaced is part of the replacement, which is listed and counted.
    const removal = step.operation === "delete-replaced";
    if (removal && display.timed.some((other) => isReplacement(other.step, step))) continue;
    counts[step.operation] = (counts[step.operation] ?? 0) + 1;
    const seconds = preview ? {} : { seconds: round(ended - started) };
    resources.set(step.urn, { ...describe(step), ...seconds });
  }
  const sorted = [...resources.values()].sort((a, b) => (a.urn < b.urn ? -1 : 1));
  const total = display.now();
  const path = criticalPath(display.timed);
  return {
    command,
    stack,
    counts,
    resources: sorted,
    ...(refreshed ? { drift: display.drift.map(describe).sort((a, b) => (a.urn < b.urn ? -1 : 1)) } : {}),
    outputs: plainMap(outputs, showSecrets),
    failures: display.failures,
    messages: display.messages,
    seconds: round(total),
    ...(preview
      ? {}
      : {
          timeline: {
            steps: display.timed.map(({ step, started, ended, failed }) => ({
              urn: step.urn,
              op: step.operation,
              start: round(started),
              end: round(ended),
              failed,
            })),
            criticalPath: {
              urns: path.steps.map(({ step }) => step.urn),
              seconds: round(path.milliseconds),
              ratio: path.milliseconds === 0 ? 1 : Math.round((total / path.milliseconds) * 100) / 100,
            },
          },
        }),
  };
}

/** How many resources a run changed or would change. */
export function changeCount(summary: Summary): number {
  return Object.entries(summary.counts)
    .filter(([operation]) => !NO_CHANGE.has(operation as Operation))
    .reduce((sum, [, count]) => sum + count, 0);
}

/** The last lines of a run: outputs, counts, times, and each failure with how to go on. */
export function closingLines(summary: Summary, display: Display, outputs: PropertyMap): string[] {
  const lines: string[] = [];
  const preview = summary.command === "preview";
  if (Object.keys(outputs).length > 0 && summary.command !== "destroy") {
    lines.push("", "Outputs:");
    for (const [name, value] of Object.entries(outputs)) lines.push(`    ${name}: ${brief(value)}`);
  }
  const counts = Object.entries(summary.counts).map(([operation, count]) => {
    const wording = WORDING[operation as Operation];
    return `${wording.sign.trim() === "" ? "" : `${wording.sign} `}${count} ${preview && operation !== "same" ? `to ${wording.planned}` : wording.done}`;
  });
  if (summary.drift !== undefined) lines.push("", `Different from the state: ${summary.drift.length}`);
  lines.push("", `Resources: ${counts.join(", ") || "none"}`);
  if (preview) lines.push(`Duration: ${formatSeconds(display.now())}`);
  else lines.push(describePath(criticalPath(display.timed), display.now(), summary.command));
  return [...lines, ...failureLines(summary)];
}

/** Every failure in full, and how to go on. */
export function failureLines(summary: Summary): string[] {
  if (summary.failures.length === 0) return [];
  const lines = ["", "Errors:"];
  for (const { urn, operation, message, kept } of summary.failures) {
    lines.push(`  ${typeOf(urn)} ${nameOf(urn)} (${WORDING[operation].planned})`);
    lines.push(...message.split("\n").map((line) => `    ${line}`), `    Kept: ${kept}.`);
  }
  if (summary.command !== "preview") {
    lines.push(
      "",
      `Everything that was done is in the state. Correct the cause and run ${summary.command} again: it goes on from here, and what depends on a failed resource is made then.`,
    );
  }
  return lines;
}

/** The program's own errors. What follows from a failed resource is left out: that failure is told already. */
export function programErrors(summary: Summary): string[] {
  const failed = summary.failures.map(({ urn }) => nameOf(urn));
  return summary.messages
    .filter(({ severity }) => severity === "error")
    .map(({ text }) => text)
    .filter(
      (text) =>
        !failed.some((name) => text.includes(`resource ${name} [`) && text.includes("failed to register")),
    );
}

function describe(step: Step): ReportedResource {
  const state = step.new ?? step.old;
  const resource: ReportedResource = {
    urn: step.urn,
    type: typeOf(step.urn),
    name: nameOf(step.urn),
    parent: state?.parent ?? "",
    op: step.operation,
    inputs: plainMap(state?.inputs ?? {}),
    dependsOn: [...(state?.dependencies ?? [])].sort(),
    ...(state?.protect === true ? { protect: true } : {}),
  };
  if (step.old === undefined || step.new === undefined) return resource;
  if (!["update", "replace", "refresh"].includes(step.operation)) return resource;
  const side = step.operation === "refresh" ? "outputs" : "inputs";
  resource.changes = Object.fromEntries(
    changesBetween(step.old[side], step.new[side]).map((change) => [
      formatPath(change.path),
      {
        ...(change.old === undefined ? {} : { old: plain(change.old) }),
        ...(change.new === undefined ? {} : { new: plain(change.new) }),
      },
    ]),
  );
  return resource;
}

function isReplacement(step: Step, removal: Step): boolean {
  return step.urn === removal.urn && step.operation === "replace";
}

function round(milliseconds: number): number {
  return Math.round(milliseconds) / 1000;
}
