/**
 * Job `drift`: nightly, compares a site with its state and program, and keeps one issue per site that has drifted.
 */
import { effectiveChanges, fingerprint, parsePreview } from "./changes.ts";
import { commandLine, run } from "./engine.ts";
import { EXIT, gitlabOfJob, requireVariables, siteArgument } from "./job.ts";

const LABEL = "capi-mgmt-drift";

const site = siteArgument();
try {
  process.exitCode = await look();
} catch (error) {
  console.error(`drift of ${site}: ${(error as Error).message}`);
  process.exitCode = EXIT.failed;
}

async function look(): Promise<number> {
  const { CI_JOB_URL } = requireVariables(["CI_JOB_URL"]);
  const gitlab = gitlabOfJob();
  const title = `Drift on ${site}`;
  const result = await run(...commandLine("preview", site, true));
  // A site that cannot be looked at is neither clean nor drifted: the issue stays as it is and the job fails.
  if (result.exitCode !== 0) throw new Error(`the preview failed with exit code ${result.exitCode}`);
  const preview = parsePreview(result.stdout);
  const changes = effectiveChanges(preview);
  if (changes.length === 0) {
    const closed = await gitlab.closeIssue(title, LABEL);
    console.log(`${site}: no drift${closed ? "; the issue is closed" : ""}`);
    return EXIT.ok;
  }
  const rows = changes.map(
    (change) =>
      `- ${change.operation} \`${change.name}\` (${change.type}) ${change.properties.map((property) => `\`${property}\``).join(", ")}`,
  );
  const description = [
    `What runs on ${site} differs from the default branch; a deployment would do this:`,
    "",
    ...rows,
    "",
    "To undo the drift, run the deployment of the default branch with `CAPI_MGMT_REFRESH=1` and",
    `\`CAPI_MGMT_APPROVED_FINGERPRINT=${fingerprint(preview)}\`; or bring the change into the configuration.`,
    "",
    `[Job](${CI_JOB_URL})`,
  ].join("\n");
  console.log(`${description}\n\nissue: ${await gitlab.putIssue(title, LABEL, description)}`);
  return EXIT.drift;
}
