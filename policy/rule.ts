/**
 * What a policy rule is, and how rules are judged for one stack: severity and exemptions come from its configuration.
 *
 * Rules are plain functions over the resources a plan registers and the stack's configuration, so that tests,
 * `npm run plan` and the CrossGuard pack use the very same ones. Upstream analogue: @pulumi/policy's
 * StackValidationPolicy.
 */
import type { Config } from "../config/schema.ts";

/** A resource as every user of the rules can show it: the program's inputs, secrets redacted. */
export interface PolicyResource {
  readonly urn: string;
  /** Type token, for example `openstack:blockstorage/volume:Volume`. */
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** The resource option `protect`. */
  readonly protect: boolean;
}

/** What a rule may look at. */
export interface PolicyContext {
  readonly stack: string;
  readonly config: Config;
  /** Paths of configuration values that come from config/defaults.yaml. */
  readonly defaults: ReadonlySet<string>;
  readonly resources: readonly PolicyResource[];
  /** Paths of configuration values that the stack file holds in plain although the schema marks them secret. */
  readonly plainSecrets: readonly string[];
}

/** One finding: where, what is wrong, and how to comply. */
export interface Violation {
  /** Resource name or configuration path. */
  readonly subject: string;
  readonly message: string;
  /** True for what fails nobody, whatever the stack's severity. Default: false. */
  readonly advisory?: boolean;
}

export interface Rule {
  /** Lower-case words joined with dashes: what `policy.exemptions[].rule` names. */
  readonly name: string;
  /** What the rule wants, in one sentence. */
  readonly description: string;
  readonly check: (context: PolicyContext) => Violation[];
}

/** A violation after the stack's severity and exemptions. */
export interface Finding extends Omit<Violation, "advisory"> {
  readonly rule: string;
  /** `mandatory` fails, `advisory` warns, `exempted` is reported with its reason. */
  readonly severity: "mandatory" | "advisory" | "exempted";
  /** Reason and last day of the exemption, or why one no longer holds. */
  readonly note?: string;
}

/** Longest an exemption should be written for; a longer one is a decision nobody looks at again. */
const MAX_EXEMPTION_DAYS = 366;

/**
 * Judges a stack by the rules.
 *
 * @param today the day in UTC, `YYYY-MM-DD`: an exemption holds through its last day.
 * @returns every finding in the order of the rules; an exemption that names no rule, has ended or runs for more than
 *   a year is a finding of its own.
 */
export function judge(rules: readonly Rule[], context: PolicyContext, today: string): Finding[] {
  const { severity } = context.config.policy;
  // After the pulumi CLI has written it, a day may carry a time (config/formats.ts).
  const exemptions = context.config.policy.exemptions.map((exemption) => ({
    ...exemption,
    expires: exemption.expires.slice(0, "YYYY-MM-DD".length),
  }));
  if (severity === "disabled") return [];
  const findings: Finding[] = [];
  for (const exemption of exemptions) {
    const subject = `policy.exemptions: ${exemption.rule}`;
    if (!rules.some((rule) => rule.name === exemption.rule)) {
      const legal = rules.map((rule) => rule.name).join(", ");
      findings.push({
        rule: "exemption",
        severity,
        subject,
        message: `there is no such rule (legal: ${legal})`,
      });
    } else if (daysBetween(today, exemption.expires) > MAX_EXEMPTION_DAYS) {
      const message = `expires ${exemption.expires}, more than ${MAX_EXEMPTION_DAYS} days ahead: choose an earlier day, and look at it again then`;
      findings.push({ rule: "exemption", severity, subject, message });
    }
  }
  for (const rule of rules) {
    const exemption = exemptions.find((candidate) => candidate.rule === rule.name);
    const holds = exemption !== undefined && exemption.expires >= today;
    for (const { advisory, ...violation } of rule.check(context)) {
      if (holds) {
        const note = `until ${exemption.expires}: ${exemption.reason}`;
        findings.push({ rule: rule.name, severity: "exempted", note, ...violation });
      } else {
        const note = exemption === undefined ? {} : { note: `the exemption ended on ${exemption.expires}` };
        findings.push({
          rule: rule.name,
          severity: advisory === true ? "advisory" : severity,
          ...note,
          ...violation,
        });
      }
    }
  }
  return findings;
}

/** `fail` when a mandatory rule is broken, `warn` when an advisory one is, else `pass`. */
export function verdict(findings: readonly Finding[]): "pass" | "warn" | "fail" {
  if (findings.some((finding) => finding.severity === "mandatory")) return "fail";
  return findings.some((finding) => finding.severity === "advisory") ? "warn" : "pass";
}

/** One line a finding. */
export function formatFinding(finding: Finding): string {
  const note = finding.note === undefined ? "" : ` (${finding.note})`;
  return `${finding.severity} ${finding.rule}: ${finding.subject}: ${finding.message}${note}`;
}

function daysBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 86_400_000;
}
