/**
 * Preflight as the program's first act: an `up` that would stop half way does not begin.
 *
 * Runs in the program, and not in a wrapper around the CLI, so that nobody's `pulumi up` goes past it; with the
 * configuration Pulumi has already decrypted. A preview is not held up: it changes nothing.
 */
import * as pulumi from "@pulumi/pulumi";
import { type Credentials, isOffline } from "../config/credentials.ts";
import type { Config } from "../config/schema.ts";
import { isSample, sampleRefusal } from "../config/stackFile.ts";
import { renderTable, report } from "./check.ts";

/** Set to anything, this lets an `up` begin without preflight. */
export const SKIP = "CAPI_MGMT_SKIP_PREFLIGHT";

/**
 * Holds an `up` until preflight has passed.
 *
 * @throws RunError with the whole table when a check fails, and for a sample; what only warns is logged
 */
export async function passPreflight(
  stack: string,
  { config, credentials }: { readonly config: Config; readonly credentials: Credentials },
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (pulumi.runtime.isDryRun() || isOffline(environment)) return;
  if ((environment[SKIP] ?? "") !== "") {
    await pulumi.log.warn(`preflight is skipped (${SKIP}): quota, roles, images, addresses are not checked`);
    return;
  }
  if (isSample({ values: config })) throw new pulumi.RunError(sampleRefusal(stack));
  // Only now: the S3 and HTTP clients take longer to load than a preview should wait.
  const [{ gather }, { judge }] = await Promise.all([import("./gather.ts"), import("./judge.ts")]);
  const backendUrl = environment["PULUMI_BACKEND_URL"];
  const result = report(judge(config, await gather({ stack, config, credentials, backendUrl })));
  if (result.verdict === "fail") {
    throw new pulumi.RunError(
      `preflight failed; nothing was changed. To go on all the same, set ${SKIP}=1.\n${renderTable(result)}`,
    );
  }
  for (const { id, want, have, verdict, hint } of result.checks) {
    if (verdict === "warn") await pulumi.log.warn(`preflight: ${id}: want ${want}, have ${have} → ${hint}`);
  }
}
