/**
 * One question preflight asks, and how the answers are told. Upstream analogue: none; azimuth-ops' preflight_checks
 * looks only at an ingress domain.
 */
import type { Fact } from "./facts.ts";

export type CheckVerdict = "pass" | "warn" | "fail";

export interface Check {
  /** Stable words joined by dots, for pipelines: `quota.instances`, `flavor.seed`. */
  readonly id: string;
  readonly want: string;
  readonly have: string;
  readonly verdict: CheckVerdict;
  /** How to get from have to want; empty when the check passes. */
  readonly hint: string;
}

/** The whole report: what `--json` prints. */
export interface Report {
  readonly verdict: CheckVerdict;
  readonly checks: readonly Check[];
}

export function pass(id: string, want: string, have: string): Check {
  return { id, want, have, verdict: "pass", hint: "" };
}

export function fail(id: string, want: string, have: string, hint: string): Check {
  return { id, want, have, verdict: "fail", hint };
}

export function warn(id: string, want: string, have: string, hint: string): Check {
  return { id, want, have, verdict: "warn", hint };
}

/** The worst verdict decides. */
export function report(checks: readonly Check[]): Report {
  const worst = (["fail", "warn"] as const).find((verdict) =>
    checks.some((check) => check.verdict === verdict),
  );
  return { verdict: worst ?? "pass", checks };
}

/** The report as one table, hints below the rows they belong to. */
export function renderTable({ verdict, checks }: Report): string {
  const rows = checks.map((check) => [check.id, check.want, check.have, check.verdict] as const);
  const header = ["check", "want", "have", "verdict"] as const;
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const lines = [line(header), line(widths.map((width) => "-".repeat(width)))];
  checks.forEach((check, index) => {
    lines.push(line(rows[index] ?? []));
    if (check.hint !== "") lines.push(`    → ${check.hint}`);
  });
  const count = (wanted: CheckVerdict) => checks.filter((check) => check.verdict === wanted).length;
  lines.push(
    "",
    `preflight: ${verdict} (${count("pass")} passed, ${count("warn")} warned, ${count("fail")} failed)`,
  );
  return lines.join("\n");
}

/** A check whose fact could not be had fails with the reason, in the cloud's own words. */
export function unknown(id: string, want: string, error: string, hint: string): Check {
  return fail(id, want, error, hint);
}

/** One check for each distinct name that must be among those the cloud has. */
export function named(
  id: string,
  wanted: readonly (string | undefined)[],
  fact: Fact<readonly string[]>,
  remedy: string,
): Check[] {
  const names = [...new Set(wanted.filter((name) => name !== undefined))];
  return names.map((name) => {
    if ("error" in fact) return unknown(`${id}.${name}`, name, fact.error, remedy);
    const have = fact.value.join(", ") || "none";
    return fact.value.includes(name)
      ? pass(`${id}.${name}`, name, have)
      : fail(`${id}.${name}`, name, have, remedy);
  });
}
