/**
 * Shows a run while it goes on: a line a resource, rewritten in place in a terminal, one below the other elsewhere.
 * Upstream analogue: pkg/backend/display (progress.go).
 */
import { stripVTControlCharacters } from "node:util";
import type { Redactor } from "./redact.ts";
import { changeLines, changesBetween } from "./show.ts";
import type { Failure, Observer, Operation, Step } from "./step.ts";
import { formatSeconds, type Timed } from "./timeline.ts";
import { STACK_TYPE, isDefaultProvider, nameOf, typeOf } from "./urn.ts";

/** Where text goes; `isTTY` turns on lines that are rewritten. */
export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  rows?: number;
  columns?: number;
}

interface Wording {
  sign: string;
  /** While it goes on, when it is done, and in a preview. */
  doing: string;
  done: string;
  planned: string;
}

export const WORDING: Readonly<Record<Operation, Wording>> = {
  same: { sign: " ", doing: "checking", done: "unchanged", planned: "unchanged" },
  create: { sign: "+", doing: "creating", done: "created", planned: "create" },
  update: { sign: "~", doing: "updating", done: "updated", planned: "update" },
  replace: { sign: "+-", doing: "replacing", done: "replaced", planned: "replace" },
  delete: { sign: "-", doing: "deleting", done: "deleted", planned: "delete" },
  "delete-replaced": {
    sign: "--",
    doing: "deleting original",
    done: "original deleted",
    planned: "delete original",
  },
  discard: { sign: "<", doing: "discarding", done: "discarded", planned: "discard" },
  forget: { sign: "~", doing: "forgetting", done: "forgotten", planned: "forget" },
  read: { sign: ">", doing: "reading", done: "read", planned: "read" },
  import: { sign: "=", doing: "importing", done: "imported", planned: "import" },
  refresh: { sign: "~", doing: "refreshing", done: "changed outside", planned: "refresh" },
};

/** How often a terminal's lines are rewritten, in milliseconds. */
const REWRITE = 200;

export interface Message {
  severity: "info" | "warning" | "error";
  urn: string;
  text: string;
}

export class Display implements Observer {
  readonly timed: Timed[] = [];
  /** What a refresh ahead of the program found to differ from the state. */
  readonly drift: Step[] = [];
  readonly failures: Failure[] = [];
  readonly messages: Message[] = [];
  readonly #out: Output;
  readonly #redactor: Redactor;
  readonly #preview: boolean;
  readonly #quiet: boolean;
  readonly #title: string;
  readonly #started = performance.now();
  readonly #active = new Map<Step, number>();
  #timer: NodeJS.Timeout | undefined;
  #rewritable = 0;
  #titled = false;

  /** With `quiet`, only collects. */
  constructor(options: { out: Output; redactor: Redactor; preview: boolean; quiet: boolean; title: string }) {
    this.#out = options.out;
    this.#redactor = options.redactor;
    this.#preview = options.preview;
    this.#quiet = options.quiet;
    this.#title = options.title;
  }

  now(): number {
    return performance.now() - this.#started;
  }

  begin(step: Step): void {
    // A default provider is the engine's own doing, not the program's.
    if (isDefaultProvider(step.urn)) return;
    this.#active.set(step, this.now());
    if (step.new !== undefined) this.#redactor.addProperty(step.new.inputs);
    if (this.#out.isTTY === true && !this.#preview) {
      this.#timer ??= setInterval(() => this.#redraw([]), REWRITE).unref();
      this.#redraw([]);
    } else if (!this.#preview && typeOf(step.urn) !== STACK_TYPE) {
      this.#redraw([`${signOf(step)} ${label(step)} ${WORDING[step.operation].doing}`]);
    }
  }

  end(step: Step, started: number, failed: boolean): void {
    // A step may be told of more exactly when it ends than when it began.
    for (const active of this.#active.keys()) if (active.urn === step.urn) this.#active.delete(active);
    if (isDefaultProvider(step.urn) && !failed) return;
    this.timed.push({ step, started, ended: this.now(), failed });
    if (step.new !== undefined) this.#redactor.addProperty(step.new.outputs);
    // The stack itself comes first whatever the program does next; it is counted, not listed.
    const silent =
      step.operation === "same" || (step.operation === "create" && typeOf(step.urn) === STACK_TYPE);
    if (silent && !failed) return this.#redraw([]);
    const wording = WORDING[step.operation];
    const time = this.#preview ? "" : ` (${formatSeconds(this.now() - started)})`;
    const reason = step.replaces.length === 0 ? "" : ` because of ${step.replaces.join(", ")}`;
    // A refresh finds the same whether it keeps it or not.
    const planned = this.#preview && step.operation !== "refresh";
    const state = failed ? `FAILED to ${wording.planned}` : planned ? wording.planned : wording.done;
    this.#redraw([`${signOf(step)} ${label(step)} ${state}${reason}${time}`, ...diffLines(step)]);
  }

  /** For a refresh ahead of the program: tells only what differs, apart from what the run itself does. */
  ofDrift(): Observer {
    return {
      begin: () => undefined,
      end: (step, _started, failed) => {
        if (step.new !== undefined) this.#redactor.addProperty(step.new.outputs);
        if (step.operation === "same" || failed) return;
        this.drift.push(step);
        const [sign, state] =
          step.operation === "delete"
            ? [WORDING.delete.sign, "gone"]
            : [WORDING.refresh.sign, WORDING.refresh.done];
        this.#redraw([`${sign.padStart(2)} ${label(step)} ${state}`, ...diffLines(step)]);
      },
      failure: (failure) => this.failure(failure),
      message: (severity, urn, text) => this.message(severity, urn, text),
      now: () => this.now(),
    };
  }

  failure(failure: Failure): void {
    this.failures.push({ ...failure, message: this.#redactor.clean(failure.message) });
  }

  message(severity: "debug" | "info" | "warning" | "error", urn: string, text: string): void {
    if (severity === "debug") return;
    const clean = this.#redactor.clean(stripVTControlCharacters(text)).trimEnd();
    // The SDK repeats the same text for everything that depends on it.
    if (clean === "" || this.messages.some((message) => message.text === clean && message.urn === urn))
      return;
    this.messages.push({ severity, urn, text: clean });
    if (severity === "error") return;
    const about = urn === "" || typeOf(urn) === STACK_TYPE ? "" : `${nameOf(urn)}: `;
    this.#redraw([`  ${severity === "warning" ? "warning: " : ""}${about}${clean.replaceAll("\n", "\n  ")}`]);
  }

  /** Whether the program got as far as registering anything besides the stack itself. */
  get began(): boolean {
    return this.timed.some(({ step }) => typeOf(step.urn) !== STACK_TYPE);
  }

  /** Takes the rewritten lines away and prints `lines`. */
  close(lines: readonly string[] = []): void {
    clearInterval(this.#timer);
    this.#active.clear();
    this.#redraw(lines, false);
  }

  #redraw(lines: readonly string[], titled = true): void {
    if (this.#quiet) return;
    let text = "";
    if (this.#rewritable > 0) text += `\u001b[${this.#rewritable}A\u001b[J`;
    this.#rewritable = 0;
    if (titled && lines.length > 0 && !this.#titled) {
      text += `${this.#title}\n`;
      this.#titled = true;
    }
    for (const line of lines) text += `${this.#redactor.clean(line)}\n`;
    if (this.#out.isTTY === true && !this.#preview) {
      const room = Math.max(1, (this.#out.rows ?? 24) - 2);
      const width = (this.#out.columns ?? 100) - 1;
      for (const [step, since] of [...this.#active].slice(0, room)) {
        const elapsed = formatSeconds(this.now() - since);
        text += `${`${signOf(step)} ${label(step)} ${WORDING[step.operation].doing} ${elapsed}`.slice(0, width)}\n`;
        this.#rewritable += 1;
      }
    }
    if (text !== "") this.#out.write(text);
  }
}

function signOf(step: Step): string {
  return WORDING[step.operation].sign.padStart(2);
}

function label(step: Step): string {
  return `${typeOf(step.urn)} ${nameOf(step.urn)}`;
}

/** What changes, property by property; a new resource's properties are in the JSON report and in the plan. */
function diffLines(step: Step): string[] {
  if (step.old === undefined || step.new === undefined) return [];
  if (step.operation === "refresh") {
    return changesBetween(step.old.outputs, step.new.outputs).flatMap((change) =>
      indent(changeLines(change)),
    );
  }
  if (step.operation !== "update" && step.operation !== "replace") return [];
  return changesBetween(step.old.inputs, step.new.inputs).flatMap((change) =>
    indent(
      changeLines(change, step.replaces.includes(String(change.path[0])) ? "  [needs a replacement]" : ""),
    ),
  );
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `       ${line}`);
}
