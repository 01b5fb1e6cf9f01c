/**
 * What the program starts with: configuration and credentials, or everything that is wrong with them. Upstream
 * analogue: the assertions that azimuth-ops roles make one by one while they run.
 */
import { ConfigError, formatProblems } from "../config/problems.ts";
import { loadForProgram, type Loaded } from "../config/program.ts";
import { stackFileName } from "../config/stackFile.ts";
import { chartProblems } from "./chart-machines.ts";
import { extraValuesProblems } from "./extra-values.ts";
import { stackNameProblem } from "./names.ts";
import { plannedValues } from "./release-values.ts";

/**
 * @param stack name of the stack
 * @param values all configuration by full key, decrypted: `pulumi.runtime.allConfig()`
 * @returns the site, or a report of every problem, which holds no secret
 */
export function start(
  stack: string,
  values: Readonly<Record<string, string>>,
): Loaded | { readonly report: string } {
  const reports: string[] = [];
  const nameProblem = stackNameProblem(stack);
  if (nameProblem !== undefined) reports.push(nameProblem);
  let site: Loaded | undefined;
  try {
    site = loadForProgram({ stack, values });
    reports.push(...chartProblems(site.config.cluster));
    const { config, credentials, encryptedPaths } = site;
    const planned = plannedValues(config, credentials.authUrl);
    const problems = extraValuesProblems(config, planned, encryptedPaths);
    if (problems.length > 0) reports.push(formatProblems(stackFileName(stack), problems));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    reports.push(error.message);
  }
  return site === undefined || reports.length > 0 ? { report: reports.join("\n") } : site;
}
