/**
 * Problems of a configuration and how they are told. A problem never holds a secret: whoever makes one describes
 * the value with describeValue, which is told what may be shown.
 */

export interface Problem {
  /** Where, as an operator writes it: `cluster.workers.count`. */
  readonly path: string;
  /** What is wrong, without the value. */
  readonly problem: string;
  /** The value found, already safe to print. */
  readonly got?: string;
  /** What would be right. */
  readonly legal?: string;
  /** Where the value came from, if not from the stack itself. */
  readonly layer?: string;
}

/** One problem as a line: `path: problem (got …; legal …)`. */
export function formatProblem(problem: Problem): string {
  const details = [
    ...(problem.got === undefined ? [] : [`got ${problem.got}`]),
    ...(problem.legal === undefined ? [] : [`legal ${problem.legal}`]),
  ].join("; ");
  const place = problem.layer === undefined ? "" : ` [${problem.layer}]`;
  return `${problem.path}: ${problem.problem}${details === "" ? "" : ` (${details})`}${place}`;
}

/**
 * All problems as one report, each once, in the order given.
 *
 * @param subject what was read, for the first line: `Pulumi.prod.yaml`
 */
export function formatProblems(subject: string, problems: readonly Problem[]): string {
  const lines = [...new Set(problems.map(formatProblem))];
  const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
  return [`${subject}: ${count} in the configuration`, ...lines.map((line) => `  ${line}`)].join("\n");
}

/** A failure that an operator can mend: commands report it without a stack trace. */
export class InputError extends Error {}

/** Thrown by those who need a configuration and did not get one. The message is the whole report. */
export class ConfigError extends InputError {
  readonly problems: readonly Problem[];

  constructor(subject: string, problems: readonly Problem[]) {
    super(formatProblems(subject, problems));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

const SHOWN = 80;

const TELLTALE = /PRIVATE KEY|hooks\.slack\.com|:\/\/[^/\s]*@/;

/**
 * A value for a message. Maps and lists only by kind, text cut to 80 characters.
 *
 * Text that holds a secret on its face is never shown: a private key, a Slack webhook, a URL with a password.
 *
 * @param hidden true if the value may hold a secret: then only its kind is told
 */
export function describeValue(value: unknown, hidden: boolean): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 1 ? "a list of 1" : `a list of ${value.length}`;
  if (typeof value === "object") return "a map";
  if (hidden) return "[secret]";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "string" && TELLTALE.test(value)) return "[secret]";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
