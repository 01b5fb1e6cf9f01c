/**
 * Job `preview`: previews one site for a merge request and leaves the result as one note, updated in place.
 *
 * The job fails when the preview, policy or preflight does; the note is written in every case.
 */
import { type Change, parsePreview } from "./changes.ts";
import { commandLine, run } from "./engine.ts";
import { EXIT, gitlabOfJob, policyVerdict, preflightVerdict, requireVariables, siteArgument } from "./job.ts";
import { marker, renderNote } from "./note.ts";
import { withoutSecrets } from "./secrets.ts";

/** Lines of a failed preview that a note shows: the end says what went wrong. */
const FAILURE_LINES = 30;

const site = siteArgument();
try {
  const variables = requireVariables(["CI_MERGE_REQUEST_IID", "CI_JOB_URL", "CI_COMMIT_SHA"]);
  const gitlab = gitlabOfJob();
  const policy = await policyVerdict(site);
  const preflight = await preflightVerdict(site);
  const { changes, failure } = await preview();
  const body = renderNote({
    site,
    changes,
    policy,
    preflight,
    jobUrl: variables.CI_JOB_URL,
    commit: variables.CI_COMMIT_SHA,
    ...(failure === undefined ? {} : { failure }),
  });
  console.log(body);
  const outcome = await gitlab.putNote(Number(variables.CI_MERGE_REQUEST_IID), marker(site), body);
  console.log(`note for ${site}: ${outcome}`);
  const failed = failure !== undefined || policy.verdict === "fail" || preflight.verdict === "fail";
  process.exitCode = failed ? EXIT.failed : EXIT.ok;
} catch (error) {
  console.error(`preview of ${site}: ${(error as Error).message}`);
  process.exitCode = EXIT.failed;
}

async function preview(): Promise<{ changes: Change[]; failure?: string }> {
  const result = await run(...commandLine("preview", site));
  try {
    if (result.exitCode === 0) return { changes: parsePreview(result.stdout) };
  } catch (error) {
    return { changes: [], failure: (error as Error).message };
  }
  const lines = `${result.stderr}\n${result.stdout}`.trim().split("\n");
  return { changes: [], failure: withoutSecrets(lines.slice(-FAILURE_LINES).join("\n")) };
}
