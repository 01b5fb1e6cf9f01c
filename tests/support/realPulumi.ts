/** The real Pulumi CLI, which parity tests compare with: is it here? */
import { spawnSync } from "node:child_process";

/**
 * For a suite's `skip`: false, or what of the CLI and its resource plugins is not on the PATH.
 *
 * @param plugins names as in pulumi-resource-NAME
 */
export function noRealPulumi(...plugins: string[]): string | false {
  const programs = ["pulumi", ...plugins.map((name) => `pulumi-resource-${name}`)];
  const missing = programs.find((program) => spawnSync("which", [program]).status !== 0);
  return missing === undefined ? false : `the real Pulumi CLI is not here: no ${missing} on the PATH`;
}
