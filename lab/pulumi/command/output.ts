/**
 * What a command prints: kept for the outputs, streamed line by line to the operator, and quoted in its error.
 * Upstream analogue: util.LogOutput and the buffers in run() of pulumi-command.
 */
import { StringDecoder } from "node:string_decoder";

/** Something said to the operator while a command runs. */
export type Log = (text: string, severity?: "info" | "warning") => void;

export type Logging = "stdout" | "stderr" | "stdoutAndStderr" | "none";
export interface Printed {
  stdout: string;
  stderr: string;
}

/** Lines of stderr an error quotes, and characters of each. */
const QUOTED_LINES = 20;
const QUOTED_CHARACTERS = 500;
/** A shorter value is not taken out of a quoted line: "1" or "root" would blank out half of any text. */
const SHORTEST_SECRET = 6;

/** Collects both streams of one run. */
export class Output {
  private readonly streams: Record<"stdout" | "stderr", Stream>;
  constructor(logging: Logging | undefined, log: Log) {
    const shown = logging ?? "stdoutAndStderr";
    this.streams = {
      stdout: new Stream(shown === "stdout" || shown === "stdoutAndStderr" ? log : undefined),
      stderr: new Stream(shown === "stderr" || shown === "stdoutAndStderr" ? log : undefined),
    };
  }
  add(stream: "stdout" | "stderr", chunk: Buffer): void {
    this.streams[stream].add(chunk);
  }
  /** Both texts, each without its last line break, as upstream keeps them. */
  end(): Printed {
    return { stdout: this.streams.stdout.end(), stderr: this.streams.stderr.end() };
  }
}

class Stream {
  private readonly decoder = new StringDecoder("utf8");
  private readonly log: Log | undefined;
  private text = "";
  private unlogged = "";
  constructor(log: Log | undefined) {
    this.log = log;
  }
  add(chunk: Buffer): void {
    this.take(this.decoder.write(chunk));
  }
  end(): string {
    this.take(this.decoder.end());
    if (this.unlogged) this.log?.(this.unlogged);
    this.unlogged = "";
    return this.text.endsWith("\n") ? this.text.slice(0, -1) : this.text;
  }
  private take(text: string): void {
    this.text += text;
    if (!this.log) return;
    const lines = (this.unlogged + text).split("\n");
    this.unlogged = lines.pop() ?? "";
    for (const line of lines) this.log(line.replace(/\r$/, ""));
  }
}

/** How a run ended. */
export interface Ending {
  code: number | null;
  signal: string | null;
}

/**
 * The error of a failed command: how it ended and the last lines of stderr. Neither the command, its stdin, its environment nor
 * its stdout are quoted, and lines of stderr that repeat one of `secrets` show [secret] instead.
 * @param where "" or " on HOST"
 */
export function failure(where: string, ending: Ending, printed: Printed, secrets: readonly string[]): Error {
  const how = ending.signal
    ? `was ended by signal ${ending.signal}`
    : ending.code === null
      ? "ended without an exit code"
      : `failed with exit code ${ending.code}`;
  const lines = redact(printed.stderr, secrets)
    .split("\n")
    .map((line) => line.slice(0, QUOTED_CHARACTERS))
    .filter((line) => line.trim() !== "");
  const shown = lines.slice(-QUOTED_LINES);
  const left = lines.length - shown.length;
  const said =
    shown.length === 0
      ? "; it wrote nothing to stderr"
      : `; ${left > 0 ? `the last ${shown.length} of ${lines.length} lines of ` : ""}stderr:\n${shown.join("\n")}`;
  return new Error(`the command${where} ${how}${said}`);
}

function redact(text: string, secrets: readonly string[]): string {
  const parts = new Set(
    secrets
      .flatMap((secret) => [secret, ...secret.split("\n")])
      .map((part) => part.trim())
      .filter((part) => part.length >= SHORTEST_SECRET),
  );
  // The longest first, so that a part of a secret does not break the whole up.
  return [...parts]
    .sort((a, b) => b.length - a.length)
    .reduce((left, part) => left.replaceAll(part, "[secret]"), text);
}
