/**
 * Job `deploy`: brings one site to what the default branch says, if that is what was approved.
 *
 * A fresh preview must have the fingerprint of the note on the merge request that brought the commit: a deployment by
 * somebody else, or another merge request in between, stops the job before anything is touched. A direct push has no
 * note; it stops too, unless CAPI_MGMT_APPROVED_FINGERPRINT carries the fingerprint somebody looked at. With
 * CAPI_MGMT_REFRESH set, preview and deployment are against what the cloud has now: that undoes drift.
 */
import { effectiveChanges, fingerprint, parsePreview } from "./changes.ts";
import { commandLine, run } from "./engine.ts";
import { EXIT, gitlabOfJob, preflightVerdict, requireVariables, siteArgument } from "./job.ts";
import { approvedFingerprint } from "./note.ts";

const site = siteArgument();
try {
  process.exitCode = await deploy();
} catch (error) {
  console.error(`deploy of ${site}: ${(error as Error).message}`);
  process.exitCode = EXIT.failed;
}

async function deploy(): Promise<number> {
  const refresh = (process.env["CAPI_MGMT_REFRESH"] ?? "") !== "";
  const preview = await run(...commandLine("preview", site, refresh));
  if (preview.exitCode !== 0)
    throw new Error(`the preview failed with exit code ${preview.exitCode}; nothing was changed`);
  const changes = parsePreview(preview.stdout);
  const effective = effectiveChanges(changes);
  if (effective.length === 0) {
    console.log(`${site}: nothing to change`);
    return EXIT.ok;
  }
  const fresh = fingerprint(changes);
  const approved = await approvedChange();
  if (approved !== fresh) {
    console.error(
      [
        `${site}: the changes are not the ones that were approved; nothing was changed.`,
        `  approved: ${approved ?? "none found"}`,
        `  now:      ${fresh}`,
        ...effective.map((change) => `  ${change.operation} ${change.urn} ${change.properties.join(", ")}`),
        "Look at these changes. To go on, run the job again with CAPI_MGMT_APPROVED_FINGERPRINT set to the second value,",
        "or open a merge request whose preview shows them.",
      ].join("\n"),
    );
    return EXIT.notApproved;
  }
  const preflight = await preflightVerdict(site);
  if (preflight.verdict === "fail") {
    throw new Error(`preflight failed; nothing was changed\n${preflight.findings.join("\n")}`);
  }
  const up = await run(...commandLine("up", site, refresh));
  process.stdout.write(up.stdout);
  if (up.exitCode !== 0)
    throw new Error(
      `up ended with exit code ${up.exitCode}: run the job again, it continues where it stopped`,
    );
  return EXIT.ok;
}

async function approvedChange(): Promise<string | undefined> {
  const given = process.env["CAPI_MGMT_APPROVED_FINGERPRINT"];
  if (given !== undefined && given !== "") return given;
  const { CI_COMMIT_SHA } = requireVariables(["CI_COMMIT_SHA"]);
  const gitlab = gitlabOfJob();
  const mergeRequest = await gitlab.mergeRequestOf(CI_COMMIT_SHA);
  if (mergeRequest === undefined) return undefined;
  for (const note of await gitlab.notes(mergeRequest)) {
    const approved = approvedFingerprint(site, note);
    if (approved !== undefined) return approved;
  }
  return undefined;
}
