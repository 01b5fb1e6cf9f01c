/**
 * What the program starts with: configuration and credentials, or everything that is wrong with them. Upstream
 * analogue: the assertions that azimuth-ops roles make one by one while they run.
 */
import type { Credentials } from "../config/credentials.ts";
import { ConfigError } from "../config/problems.ts";
import { loadForProgram } from "../config/program.ts";
import type { Config } from "../config/schema.ts";
import { chartProblems } from "./chart-machines.ts";
import { stackNameProblem } from "./names.ts";

export interface Site {
  readonly config: Config;
  readonly credentials: Credentials;
}

/**
 * @param stack name of the stack
 * @param values all configuration by full key, decrypted: `pulumi.runtime.allConfig()`
 * @returns the site, or a report of every problem, which holds no secret
 */
export function start(
  stack: string,
  values: Readonly<Record<string, string>>,
): Site | { readonly report: string } {
  const reports: string[] = [];
  const nameProblem = stackNameProblem(stack);
  if (nameProblem !== undefined) reports.push(nameProblem);
  let site: Site | undefined;
  try {
    site = loadForProgram({ stack, values });
    reports.push(...chartProblems(site.config.cluster));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    reports.push(error.message);
  }
  return site === undefined || reports.length > 0 ? { report: reports.join("\n") } : site;
}
