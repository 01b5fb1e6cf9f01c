/**
 * What the operator sees while something takes longer than two seconds, and the table of where the time went.
 * In a terminal the steps that run are repainted on one line; elsewhere (CI) each start and end is a plain line.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WriteStream } from "node:tty";
import { paths } from "./site.ts";

interface Step {
  name: string;
  /** Seconds since the table's start. */
  from: number;
  /** Seconds since the table's start; undefined while it runs. */
  to?: number;
  failed?: boolean;
  note?: string;
}

/** Seconds as people read them: `0.4 s`, `12 s`, `3 m 05 s`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, "0")} s`;
}

/** The table of where the time went: one row a step with a bar placed on the common time line. */
export function timeTable(steps: readonly Step[], total: number, width = 40): string {
  const shown = steps.filter((step) => step.to !== undefined);
  const nameWidth = Math.max(4, ...shown.map((step) => step.name.length));
  const scale = total > 0 ? width / total : 0;
  const rows = shown.map((step) => {
    const from = Math.min(width - 1, Math.floor(step.from * scale));
    const length = Math.max(1, Math.round(((step.to as number) - step.from) * scale));
    const bar = (" ".repeat(from) + "█".repeat(length)).slice(0, width).padEnd(width);
    const time = formatSeconds((step.to as number) - step.from).padStart(9);
    const note = step.failed ? "  failed" : step.note ? `  ${step.note}` : "";
    return `${step.name.padEnd(nameWidth)} ${time}  ${bar}${note}`.trimEnd();
  });
  return [...rows, `${"total".padEnd(nameWidth)} ${formatSeconds(total).padStart(9)}`].join("\n");
}

/** What the operator reads when a command fails: the error, and what to do next where a step has failed. */
export function failureText(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (!/^log: /m.test(text)) return text;
  return (
    `${text}\nnext: put the cause right and give the same command again, what is done is kept; ` +
    "npm run lab -- reset begins anew"
  );
}

/** Lines of a step that are kept for its log. */
const LINES_KEPT = 5000;

/** Follows steps that run side by side. */
export class Progress {
  readonly steps: Step[] = [];
  /** Errors that name their log already: one passes through every step that waits for it. */
  private readonly logged = new WeakSet<Error>();
  private readonly started = performance.now();
  private readonly out: WriteStream | (NodeJS.WritableStream & { isTTY?: boolean; columns?: number });
  private timer: NodeJS.Timeout | undefined;
  private painted = false;
  private readonly logs: string;

  /**
   * @param out where progress goes. Default stderr, so that stdout stays for results.
   * @param logs folder for the logs of failed steps. Default .lab/log.
   */
  constructor(
    out: NodeJS.WritableStream & { isTTY?: boolean; columns?: number } = process.stderr,
    logs: string = paths.log,
  ) {
    this.out = out;
    this.logs = logs;
  }

  /** Seconds since this progress began. */
  elapsed(): number {
    return (performance.now() - this.started) / 1000;
  }

  /**
   * Runs one step. `note` given to the callback shows what it does at the moment.
   * The step is shown when it lasts longer than two seconds, its end always when it was shown.
   * @param log where the work writes its own log. Default: what was noted is written to a file when the step fails.
   * @throws what the work throws; the message of an Error then ends with the log's path.
   */
  async step<T>(name: string, work: (note: (text: string) => void) => Promise<T>, log?: string): Promise<T> {
    const step: Step = { name, from: this.elapsed() };
    const lines: string[] = [];
    this.steps.push(step);
    this.animate();
    const announce = setTimeout(() => this.line(`  … ${name}`), 2000);
    try {
      return await work((text) => {
        step.note = text.slice(0, 60);
        if (lines.push(text) > LINES_KEPT) lines.shift();
      });
    } catch (error) {
      step.failed = true;
      if (error instanceof Error && !this.logged.has(error)) {
        this.logged.add(error);
        const path = log ?? this.writeLog(name, [...lines, error.message]);
        error.message = `${name}: ${error.message}\nlog: ${path}`;
      }
      throw error;
    } finally {
      clearTimeout(announce);
      step.to = this.elapsed();
      delete step.note;
      const took = step.to - step.from;
      if (took > 2 || step.failed)
        this.line(`  ${step.failed ? "✗" : "✓"} ${name} (${formatSeconds(took)})`, true);
      if (!this.steps.some((other) => other.to === undefined)) this.rest();
    }
  }

  /** Prints a line above the moving one. */
  line(text: string, always = false): void {
    this.clear();
    if (always || !this.out.isTTY) this.out.write(`${text}\n`);
  }

  /** The table of every finished step. */
  table(): string {
    return timeTable(this.steps, this.elapsed());
  }

  /** Writes a failed step's log; its path. */
  private writeLog(name: string, lines: readonly string[]): string {
    const path = join(this.logs, `step-${name.replaceAll(/[^a-z0-9]+/gi, "-")}.log`);
    mkdirSync(this.logs, { recursive: true });
    writeFileSync(path, `${lines.join("\n")}\n`, { mode: 0o600 });
    return path;
  }

  private animate(): void {
    if (!this.out.isTTY || this.timer) return;
    this.timer = setInterval(() => this.paint(), 200);
    this.timer.unref();
  }

  private rest(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.clear();
  }

  private paint(): void {
    const running = this.steps.filter((step) => step.to === undefined && this.elapsed() - step.from > 1);
    if (running.length === 0) return;
    const text = running
      .map((step) => {
        const took = formatSeconds(this.elapsed() - step.from);
        return `${step.name} ${took}${step.note ? ` (${step.note})` : ""}`;
      })
      .join(" · ");
    this.out.write(`\r\x1b[2K  ${text.slice(0, (this.out.columns ?? 100) - 3)}`);
    this.painted = true;
  }

  private clear(): void {
    if (this.painted) this.out.write("\r\x1b[2K");
    this.painted = false;
  }
}
