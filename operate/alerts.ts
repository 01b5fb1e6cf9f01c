/**
 * A site's firing alerts, as its Alertmanager tells them. Upstream analogue: azimuth-config's bin/check-alerts.
 */
import { z } from "zod";
import { CommandError } from "../lib/command-error.ts";

/** An alert that fires, neither silenced nor inhibited. */
export interface Alert {
  readonly name: string;
  /** Empty if its rule gives none. */
  readonly severity: string;
  /** ISO 8601. */
  readonly since: string;
  /** What the rule says of it in a line. */
  readonly summary: string;
  /** All but name and severity. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What is asked of Alertmanager (its API v2). */
export const ALERTS_PATH = "/api/v2/alerts?active=true&silenced=false&inhibited=false&unprocessed=true";

const answer = z.array(
  z.object({
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()).default({}),
    startsAt: z.string(),
  }),
);

/** Rules of kube-prometheus-stack that fire by design: one shows that alerts arrive at all, one mutes others. */
const ALWAYS = "Watchdog";
const BY_DESIGN = new Set([ALWAYS, "InfoInhibitor"]);

/** Gravest first. */
const SEVERITIES = ["critical", "warning", "info"];

/**
 * Reads Alertmanager's answer.
 *
 * @param body of ALERTS_PATH
 * @param disabled the site's `monitoring.rules.disabled`
 * @throws CommandError if it is no such answer, or if the alert that always fires is not there: then Prometheus does not
 *   reach Alertmanager, and no alert means nothing
 */
export function firing(body: string, disabled: readonly string[]): Alert[] {
  const read = answer.safeParse(json(body));
  if (!read.success) throw new CommandError("what answers there is not Alertmanager's API v2");
  const all = read.data.map(
    ({ labels: { alertname = "", severity = "", ...labels }, annotations, startsAt }) => ({
      ...{ name: alertname, severity, since: startsAt },
      summary: (annotations["summary"] ?? annotations["description"] ?? annotations["message"] ?? "")
        .replaceAll(/\s+/g, " ")
        .trim(),
      labels,
    }),
  );
  if (!disabled.includes(ALWAYS) && !all.some(({ name }) => name === ALWAYS)) {
    throw new CommandError(
      `Alertmanager has no alert ${ALWAYS}, which always fires: Prometheus does not reach it or does not run; bin/connect STACK prometheus shows which`,
    );
  }
  return all.filter(({ name }) => !BY_DESIGN.has(name)).sort(graver);
}

function graver(one: Alert, other: Alert): number {
  const rank = ({ severity }: Alert) =>
    (SEVERITIES.indexOf(severity) + SEVERITIES.length + 1) % (SEVERITIES.length + 1);
  return (
    rank(one) - rank(other) || one.since.localeCompare(other.since) || one.name.localeCompare(other.name)
  );
}

/** One alert in lines: what it is, since when, and where. */
export function alertLines({ name, severity, since, summary, labels }: Alert): string {
  const where = Object.entries(labels)
    .filter(([label]) => !["prometheus", "endpoint", "service", "job", "container"].includes(label))
    .map(([label, value]) => `${label}=${value}`)
    .join(" ");
  const head = `${severity === "" ? "none" : severity}  ${name}  since ${since}`;
  return [head, summary, where]
    .filter((line) => line !== "")
    .map((line, index) => (index === 0 ? line : `  ${line}`))
    .join("\n");
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
