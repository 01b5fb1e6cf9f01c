/**
 * Shows a run while it goes on, a line a resource (rewritten in place in a terminal, one below the other elsewhere), and
 * what it came to.
 */
import type { StackResult } from "./stack.ts";
import type { Change, Diagnostic, Op, RunListener, Step } from "./steps.ts";
import { STACK_TYPE, nameOf, typeOf } from "./steps.ts";
import { formatSeconds } from "./timeline.ts";

/** Where text goes; `isTTY` turns on lines that are rewritten. */
export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  rows?: number;
  columns?: number;
}

interface Wording {
  readonly sign: string;
  /** While it goes on, when it is done, and in a preview. */
  readonly doing: string;
  readonly done: string;
  readonly planned: string;
}

const create: Wording = { sign: "+", doing: "creating", done: "created", planned: "create" };
const replace: Wording = { sign: "+-", doing: "replacing", done: "replaced", planned: "replace" };
const read: Wording = { sign: ">", doing: "reading", done: "read", planned: "read" };
const imported: Wording = { sign: "=", doing: "importing", done: "imported", planned: "import" };
const discard: Wording = { sign: "<", doing: "discarding", done: "discarded", planned: "discard" };

const wording: Readonly<Record<Op, Wording>> = {
  same: { sign: "", doing: "checking", done: "unchanged", planned: "unchanged" },
  create,
  update: { sign: "~", doing: "updating", done: "updated", planned: "update" },
  replace,
  "create-replacement": { ...create, sign: "++", doing: "creating replacement", done: "replacement created" },
  delete: { sign: "-", doing: "deleting", done: "deleted", planned: "delete" },
  "delete-replaced": {
    sign: "--",
    doing: "deleting original",
    done: "original deleted",
    planned: "delete original",
  },
  read,
  "read-replacement": read,
  refresh: { sign: "~", doing: "reading", done: "read", planned: "read" },
  discard,
  "discard-replaced": discard,
  "remove-pending-replace": discard,
  import: imported,
  "import-replacement": imported,
};

/** What a refresh found. */
const found: Readonly<Partial<Record<string, string>>> = { delete: "gone", update: "changed outside" };

/** How often a terminal's lines are rewritten, in milliseconds. */
const REWRITE_MS = 200;

/** Longer values are cut; the result has them whole. */
const WIDEST = 100;

/** Prints a run. */
export class Display implements RunListener {
  private readonly out: Output;
  private readonly preview: boolean;
  private readonly active = new Map<string, { step: Step; since: number }>();
  private timer: NodeJS.Timeout | undefined;
  private rewritable = 0;

  /** @param preview true: a line when a step has ended, none when it begins */
  constructor(out: Output, preview: boolean) {
    this.out = out;
    this.preview = preview;
  }

  onLook(): void {
    this.redraw(["Looking what there is to do"]);
  }

  onPlan(counts: StackResult["counts"]): void {
    this.redraw([`To do: ${counted(counts, true)}`]);
  }

  onBegin(step: Step): void {
    if (this.preview || step.op === "same" || step.op === "refresh" || !step.custom) return;
    this.active.set(key(step), { step, since: performance.now() });
    if (this.out.isTTY === true) {
      this.timer ??= setInterval(() => this.redraw([]), REWRITE_MS).unref();
      this.redraw([]);
    } else this.redraw([`${label(step)} ${wording[step.op].doing}`]);
  }

  onEnd(step: Step): void {
    this.active.delete(key(step));
    // The stack is counted, not listed.
    const silent = step.op === "same" || step.op === "refresh" || step.type === STACK_TYPE;
    if (silent && step.failed !== true) return this.redraw([]);
    const { planned, done } = wording[step.op];
    const time = this.preview ? "" : ` (${formatSeconds((step.ended ?? 0) - step.started)})`;
    const state = step.failed ? `FAILED to ${planned}` : this.preview ? planned : done;
    this.redraw([`${label(step)} ${state}${time}`, ...changeLines(step.changes)]);
  }

  onDrift(step: Step): void {
    this.redraw([`${label(step)} ${found[step.op]}`, ...changeLines(step.changes)]);
  }

  onDiagnostic({ severity, urn, text }: Diagnostic): void {
    if (severity === "error") return; // at the end, all together
    const about = urn === "" || typeOf(urn) === STACK_TYPE ? "" : `${nameOf(urn)}: `;
    this.redraw([`   ${severity === "warning" ? "warning: " : ""}${about}${text.replaceAll("\n", "\n   ")}`]);
  }

  /** Takes the rewritten lines away and prints the last ones. */
  close(lines: readonly string[]): void {
    clearInterval(this.timer);
    this.active.clear();
    this.redraw(lines);
  }

  private redraw(lines: readonly string[]): void {
    let text = this.rewritable > 0 ? `\u001b[${this.rewritable}A\u001b[J` : "";
    this.rewritable = 0;
    for (const line of lines) text += `${line}\n`;
    if (this.out.isTTY === true) {
      const room = Math.max(1, (this.out.rows ?? 24) - 2);
      const width = (this.out.columns ?? 100) - 1;
      for (const { step, since } of [...this.active.values()].slice(0, room)) {
        const elapsed = formatSeconds((performance.now() - since) / 1000);
        text += `${`${label(step)} ${wording[step.op].doing} ${elapsed}`.slice(0, width)}\n`;
        this.rewritable += 1;
      }
    }
    if (text !== "") this.out.write(text);
  }
}

const key = ({ urn, op }: Step): string => `${op} ${urn}`;

const label = ({ op, type, name }: Step): string => `${wording[op].sign.padStart(2)} ${type} ${name}`;

/** What changes, a line a property. */
function changeLines(changes: readonly Change[]): string[] {
  return changes.map(({ path, kind, replaces, old, new: next }) => {
    const sign = kind === "add" ? "+" : kind === "delete" ? "-" : "~";
    const values = [...(kind === "add" ? [] : [brief(old)]), ...(kind === "delete" ? [] : [brief(next)])];
    return `       ${sign} ${path}: ${values.join(" => ")}${replaces ? "  [needs a replacement]" : ""}`;
  });
}

/** A value on one line. */
export function brief(value: unknown): string {
  if (value === undefined) return "[unknown]";
  if (value === "[secret]") return value;
  const text = JSON.stringify(value);
  return text.length <= WIDEST ? text : `${text.slice(0, WIDEST - 1)}…`;
}

/**
 * Resources by op on one line.
 *
 * @param planned true: what will be done, not what was
 * @param words instead of an op's own
 */
function counted(counts: StackResult["counts"], planned: boolean, words: typeof found = {}): string {
  const parts = Object.entries(counts).map(([op, count]) => {
    if (words[op] !== undefined) return `${count} ${words[op]}`;
    const wordingOf = wording[op as Op] ?? wording.same;
    const { sign } = wordingOf;
    return `${sign === "" ? "" : `${sign} `}${count} ${planned && op !== "same" ? `to ${wordingOf.planned}` : wordingOf.done}`;
  });
  return parts.join(", ") || "none";
}

/** The last lines of a run: what it counted, and each error with how to go on. */
export function closingLines(result: StackResult): string[] {
  const { operation, outcome, counts, drift, diagnostics, steps } = result;
  const plan = operation === "preview";
  const lines: string[] = [];
  if (Object.keys(result.outputs).length > 0 && operation !== "destroy" && outcome === "succeeded") {
    lines.push(
      "",
      "Outputs:",
      ...Object.entries(result.outputs).map(([name, value]) => `    ${name}: ${brief(value)}`),
    );
  }
  if (drift.length > 0) lines.push("", `Different from the state: ${drift.length}`);
  lines.push("", `Resources: ${counted(counts, plan, operation === "refresh" ? found : {})}`);
  const errors = diagnostics.filter(
    ({ severity, text }) =>
      severity === "error" && !(outcome === "interrupted" && text === "update canceled"),
  );
  if (errors.length > 0) {
    lines.push("", "Errors:");
    for (const { urn, text } of errors) {
      const step = steps.find((candidate) => candidate.urn === urn && candidate.failed);
      const doing = step === undefined ? "" : ` (${wording[step.op].planned})`;
      if (urn !== "" && typeOf(urn) !== STACK_TYPE) lines.push(`  ${typeOf(urn)} ${nameOf(urn)}${doing}`);
      lines.push(...text.split("\n").map((line) => `    ${line}`));
    }
  }
  if (outcome === "interrupted")
    lines.push("", "Interrupted: what was done is in the state, the lock is released.");
  else if (outcome === "failed" && !plan) {
    lines.push(
      "",
      `What was done is in the state. Correct the cause and run ${operation} again: it goes on from here.`,
    );
  }
  return lines;
}
