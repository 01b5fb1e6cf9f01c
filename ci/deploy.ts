/**
 * Job `deploy`: brings one site to what the default branch says, if that is what was approved.
 *
 * A fresh preview must show nothing but changes that the note on the merge request of this commit recorded, value for
 * value: a deployment by somebody else, or another merge request in between, stops the job before anything is touched.
 * What a deployment that failed half way has left is part of those changes, so the job is simply run again. A direct push
 * has no note; it stops too, unless CAPI_MGMT_APPROVED_FINGERPRINT carries the fingerprint somebody looked at, which a
 * comment on the commit then records. With CAPI_MGMT_REFRESH set, preview and deployment are against what the cloud has
 * now: that undoes drift. Preflight is the program's own first act.
 */
import { EXIT } from "../lib/command-error.ts";
import { type ApprovedChange, notApproved, recordedChanges, recordLine } from "./approval.ts";
import { effectiveChanges, fingerprint } from "./changes.ts";
import type { GitLab } from "./gitlab.ts";
import { type JobContext, requireVariables, runJob } from "./job.ts";
import { approvedChanges } from "./note.ts";

/** First line of the comment on a commit that records an approval by hand. */
function commentMarker(site: string): string {
  return `<!-- capi-mgmt approval site=${site} -->`;
}

export async function deploy({ site, engine, gitlab, environment }: JobContext): Promise<number> {
  const refresh = (environment["CAPI_MGMT_REFRESH"] ?? "") !== "";
  const preview = await engine.preview(site, refresh);
  if ("failure" in preview) throw new Error(`the preview failed; nothing was changed\n${preview.failure}`);
  const effective = effectiveChanges(preview.changes);
  if (effective.length === 0) {
    console.log(`${site}: nothing to change`);
    return EXIT.ok;
  }
  const { CI_COMMIT_SHA: commit } = requireVariables(["CI_COMMIT_SHA"], environment);
  const fresh = fingerprint(preview.changes);
  if (environment["CAPI_MGMT_APPROVED_FINGERPRINT"] === fresh) {
    // Before the first change: should this run fail, the rest of it is approved for this commit.
    const text = `Deployment of \`${site}\` approved by its fingerprint \`${fresh.slice(0, 12)}…\`, ${effective.length} changes.`;
    await gitlab.putCommitComment(commit, [commentMarker(site), text, "", recordLine(effective)].join("\n"));
  } else {
    const approved = await approvedFor(site, commit, gitlab);
    const others = notApproved(effective, approved, preview.inputs);
    if (others.length > 0) {
      console.error(
        [
          `${site}: the changes are not the ones that were approved; nothing was changed.`,
          `  approved: ${approved.length === 0 ? "none found" : `${approved.length} changes`}`,
          `  now:      ${effective.length} changes, fingerprint ${fresh}; not approved of them:`,
          ...others.map((change) => `  ${change.operation} ${change.urn} ${change.properties.join(", ")}`),
          "Look at these changes. To go on, run the job again with CAPI_MGMT_APPROVED_FINGERPRINT set to that fingerprint",
          "(docs/pipeline.md says how), or open a merge request whose preview shows them.",
        ].join("\n"),
      );
      return EXIT.notApproved;
    }
    console.log(`${site}: ${effective.length} changes, all among the ${approved.length} approved ones`);
  }
  const failure = await engine.up(site, refresh);
  if (failure !== undefined) {
    throw new Error(
      `the deployment failed: run the job again, what is left of the approved changes is approved\n${failure}`,
    );
  }
  return EXIT.ok;
}

/** What the merge request of a commit and the comments on the commit approve. */
async function approvedFor(site: string, commit: string, gitlab: GitLab): Promise<ApprovedChange[]> {
  const mergeRequest = await gitlab.mergeRequestOf(commit);
  const notes = mergeRequest === undefined ? [] : await gitlab.notes(mergeRequest);
  const comments = await gitlab.commitComments(commit);
  return [
    ...notes.flatMap((note) => approvedChanges(site, note)),
    ...comments.filter((text) => text.startsWith(commentMarker(site))).flatMap(recordedChanges),
  ];
}

if (import.meta.main) await runJob("deploy", deploy);
