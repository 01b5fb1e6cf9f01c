/**
 * Job `preview`: previews one site for a merge request and leaves the result as one note, updated in place.
 *
 * The job fails when the preview, policy or preflight does; the note is written in every case.
 */
import { EXIT } from "../lib/command-error.ts";
import { type JobContext, requireVariables, runJob } from "./job.ts";
import { marker, renderNote } from "./note.ts";

export async function preview(context: JobContext): Promise<number> {
  const { site, engine, gitlab, verdicts, environment } = context;
  const names = ["CI_MERGE_REQUEST_IID", "CI_JOB_URL", "CI_COMMIT_SHA"] as const;
  const variables = requireVariables(names, environment);
  const policy = await verdicts.policy(site);
  const preflight = await verdicts.preflight(site);
  const result = await engine.preview(site, false);
  const body = renderNote({
    ...{ site, policy, preflight },
    jobUrl: variables.CI_JOB_URL,
    commit: variables.CI_COMMIT_SHA,
    ...("failure" in result ? { changes: [], failure: result.failure } : { changes: result.changes }),
  });
  console.log(body);
  const outcome = await gitlab.putNote(Number(variables.CI_MERGE_REQUEST_IID), marker(site), body);
  console.log(`note for ${site}: ${outcome}`);
  const failed = "failure" in result || policy.verdict === "fail" || preflight.verdict === "fail";
  return failed ? EXIT.failed : EXIT.ok;
}

if (import.meta.main) await runJob("preview", preview);
