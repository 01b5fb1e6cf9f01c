/**
 * A stack judged by the rules: its configuration from its file, its resources from whoever has them (an offline plan, or
 * the real CLI). Imports nothing of Pulumi.
 */
import { inspectStack } from "../config/program.ts";
import { ConfigError } from "../config/problems.ts";
import { plainSecrets, readStackFile, stackFileName } from "../config/stackFile.ts";
import { type Finding, formatFinding, judge, type PolicyResource, verdict } from "./rule.ts";
import { rules } from "./rules.ts";

/** What `bin/policy --json` prints. */
export interface PolicyReport {
  readonly verdict: "pass" | "warn" | "fail";
  readonly findings: readonly Finding[];
}

/** A resource as an offline plan reports it. */
interface PlannedResource {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly protect?: true;
}

/** The resources of an offline plan, as the rules want them. */
export function plannedResources(resources: readonly PlannedResource[]): PolicyResource[] {
  return resources.map(({ urn, type, name, inputs, protect }) => ({
    ...{ urn, type, name, inputs },
    protect: protect === true,
  }));
}

/**
 * Judges a stack.
 *
 * @param folder the project's folder, with Pulumi.STACK.yaml
 * @param today the day in UTC, `YYYY-MM-DD`
 * @throws ConfigError when the stack's configuration is wrong; Error when there is no such stack
 */
export function judgeStack(
  folder: string,
  stack: string,
  resources: readonly PolicyResource[],
  today = new Date().toISOString().slice(0, 10),
): PolicyReport {
  const { config, problems } = inspectStack(folder, stack);
  if (config === undefined || problems.length > 0) throw new ConfigError(stackFileName(stack), problems);
  const plain = plainSecrets(readStackFile(folder, stack)).map(({ path }) => path);
  const findings = judge(rules, { stack, config, resources, plainSecrets: plain }, today);
  return { verdict: verdict(findings), findings };
}

/** The report for people: one line a finding, the verdict last. */
export function renderPolicy({ verdict, findings }: PolicyReport): string {
  const count = (wanted: Finding["severity"]) =>
    findings.filter(({ severity }) => severity === wanted).length;
  const counts = `${count("mandatory")} mandatory, ${count("advisory")} advisory, ${count("exempted")} exempted`;
  return [...findings.map(formatFinding), `policy: ${verdict} (${counts})`].join("\n");
}
