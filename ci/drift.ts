/**
 * Job `drift`: nightly, compares a site with its state and program, and keeps one issue per site that has drifted. Where a
 * copy of a kubeconfig ends soon it opens a merge request that reads it anew.
 */
import { EXIT } from "../lib/command-error.ts";
import { type Change, effectiveChanges, fingerprint } from "./changes.ts";
import { type JobContext, requireVariables, runJob } from "./job.ts";
import { endingKubeconfigs, proposeRotation } from "./rotation.ts";

const LABEL = "capi-mgmt-drift";

export async function drift(context: JobContext): Promise<number> {
  const { site, engine, gitlab, environment } = context;
  const { CI_JOB_URL } = requireVariables(["CI_JOB_URL"], environment);
  const title = `Drift on ${site}`;
  const preview = await engine.preview(site, true);
  // A site that cannot be looked at is neither clean nor drifted: the issue stays as it is and the job fails.
  if ("failure" in preview) throw new Error(`the preview failed\n${preview.failure}`);
  const changes = effectiveChanges(preview.changes);
  const ending = endingKubeconfigs(await engine.outputs(site), new Date());
  if (ending.length > 0) await proposeRotation(context, ending, changes);
  if (changes.length === 0) {
    const closed = await gitlab.closeIssue(title, LABEL);
    console.log(`${site}: no drift${closed ? "; the issue is closed" : ""}`);
    return EXIT.ok;
  }
  const description = describe(site, changes, fingerprint(preview.changes), CI_JOB_URL);
  console.log(`${description}\n\nissue: ${await gitlab.putIssue(title, LABEL, description)}`);
  return EXIT.changes;
}

function describe(site: string, changes: readonly Change[], print: string, jobUrl: string): string {
  const rows = changes.map(
    (change) =>
      `- ${change.operation} \`${change.name}\` (${change.type}) ${change.properties.map((property) => `\`${property}\``).join(", ")}`,
  );
  return [
    `What runs on ${site} differs from the default branch; a deployment would do this:`,
    "",
    ...rows,
    "",
    "To undo the drift, run the deployment of the default branch with `CAPI_MGMT_REFRESH=1` and",
    `\`CAPI_MGMT_APPROVED_FINGERPRINT=${print}\`; or bring the change into the configuration.`,
    "",
    `[Job](${jobUrl})`,
  ].join("\n");
}

if (import.meta.main) await runJob("drift", drift);
