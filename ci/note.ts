/**
 * The note a pipeline leaves on a merge request: what a preview would change on one site.
 *
 * Pulumi writes such notes only through its own cloud service; with a self-managed S3 backend a job writes its own.
 * One note per site, found again by the marker in its first line, so that a new push updates it in place.
 */
import { type ApprovedChange, recordedChanges, recordLine } from "./approval.ts";
import { type Change, countChanges, effectiveChanges, fingerprint, type Operation } from "./changes.ts";

/** What policy or preflight said of a site. `skipped` is reported, never taken for a pass. */
export interface Verdict {
  readonly verdict: "pass" | "warn" | "fail" | "skipped";
  /** One line a finding, already without secrets. */
  readonly findings: readonly string[];
}

export interface NoteInput {
  readonly site: string;
  readonly changes: readonly Change[];
  readonly policy: Verdict;
  readonly preflight: Verdict;
  readonly jobUrl: string;
  readonly commit: string;
  /** Set when the preview itself failed: its last lines, already without secrets. */
  readonly failure?: string;
}

/** More rows than this make a note nobody reads; the job's log has the rest. */
const MAX_ROWS = 60;
const SYMBOL: Record<Operation, string> = {
  create: "+",
  update: "~",
  replace: "+-",
  delete: "-",
  same: "=",
  read: "<",
};
const VERDICT: Record<Verdict["verdict"], string> = {
  pass: "✅ pass",
  warn: "⚠️ warnings",
  fail: "❌ fail",
  skipped: "⏭️ skipped",
};

/** The marker by which the note of a site is found again; with the fingerprint, for readers of the note's source. */
export function marker(site: string, print?: string): string {
  return print === undefined
    ? `<!-- capi-mgmt preview site=${site} `
    : `<!-- capi-mgmt preview site=${site} fingerprint=${print} -->`;
}

/** The changes a note approves: none when it is of another site or of a failed preview. */
export function approvedChanges(site: string, note: string): ApprovedChange[] {
  return note.startsWith(marker(site)) ? recordedChanges(note) : [];
}

/** Renders the note as GitLab markdown. */
export function renderNote(input: NoteInput): string {
  const { site, changes } = input;
  const effective = effectiveChanges(changes);
  const print = input.failure === undefined ? fingerprint(changes) : "none";
  const lines = [marker(site, print), `### capi-mgmt preview: \`${site}\``, ""];
  if (input.failure !== undefined) {
    lines.push("**The preview failed.** Nothing was changed.", "", ...fence(input.failure), "");
  } else if (effective.length === 0) {
    lines.push("No changes.", "");
  } else {
    lines.push(summary(changes), "", ...warnings(effective), ...table(effective), "");
  }
  lines.push(...verdict("Policy", input.policy), ...verdict("Preflight", input.preflight));
  lines.push("", `[Job](${input.jobUrl}) · commit ${input.commit.slice(0, 8)}`);
  if (input.failure === undefined) lines.push("", recordLine(changes));
  return `${lines.join("\n")}\n`;
}

function summary(changes: readonly Change[]): string {
  return Object.entries(countChanges(changes))
    .map(([operation, count]) => `${count} ${operation}`)
    .join(" · ");
}

/** Deletions and replacements lose something: they are said before the table, not only within it. */
function warnings(changes: readonly Change[]): string[] {
  const lines: string[] = [];
  for (const [operation, text] of [
    ["replace", "will be **replaced**"],
    ["delete", "will be **deleted**"],
  ] as const) {
    const names = changes
      .filter((change) => change.operation === operation)
      .map((change) => `\`${escape(change.name)}\``);
    if (names.length > 0) lines.push(`> ⚠️ ${names.length} ${text}: ${names.join(", ")}`, "");
  }
  return lines;
}

function table(changes: readonly Change[]): string[] {
  const order: Operation[] = ["delete", "replace", "update", "create"];
  const sorted = [...changes].sort((a, b) => order.indexOf(a.operation) - order.indexOf(b.operation));
  const rows = sorted.slice(0, MAX_ROWS).map((change) => {
    const properties = change.properties.map((property) => `\`${escape(property)}\``).join(", ");
    return `| \`${SYMBOL[change.operation]}\` ${change.operation} | ${escape(change.name)} | ${escape(change.type)} | ${properties} |`;
  });
  const rest = sorted.length - rows.length;
  return [
    "| | resource | type | properties |",
    "| --- | --- | --- | --- |",
    ...rows,
    ...(rest > 0 ? ["", `… and ${rest} more: see the job's log.`] : []),
  ];
}

function verdict(title: string, value: Verdict): string[] {
  return [
    `**${title}:** ${VERDICT[value.verdict]}`,
    ...value.findings.map((finding) => `- ${escape(finding)}`),
    "",
  ];
}

/** Markdown in a value must not close the table's cell, open a tag or end the fence it stands in. */
function escape(text: string): string {
  return text.replace(/[\\|<>`]/g, (character) => `\\${character}`).replace(/\s*\n\s*/g, " ");
}

function fence(text: string): string[] {
  return ["```text", text.replaceAll("```", "'''").trimEnd(), "```"];
}
