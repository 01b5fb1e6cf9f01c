/**
 * Job `releases`: nightly, asks upstream for newer releases and keeps one merge request that takes them into
 * config/defaults.yaml, and one issue for those that the version table does not allow.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { withReference } from "../config/reference.ts";
import { describeProposal, proposeDefaults } from "../releases/proposal.ts";
import type { Finding } from "../releases/releases.ts";
import { EXIT } from "../lib/command-error.ts";
import { gitlabOfJob, requireVariables, runBin } from "./job.ts";

const BRANCH = "capi-mgmt/releases";
const LABEL = "capi-mgmt-releases";
const TITLE = "Take newer upstream releases";
const ISSUE = "Upstream releases that the version table does not allow";
const root = join(import.meta.dirname, "..");

try {
  process.exitCode = await propose();
} catch (error) {
  console.error(`releases: ${(error as Error).message}`);
  process.exitCode = EXIT.failed;
}

async function propose(): Promise<number> {
  const { CI_DEFAULT_BRANCH, CI_JOB_URL } = requireVariables(["CI_DEFAULT_BRANCH", "CI_JOB_URL"]);
  const gitlab = gitlabOfJob();
  const findings = await checkReleases();
  const refused = findings.filter(({ verdict }) => verdict === "refused");
  if (refused.length === 0) await gitlab.closeIssue(ISSUE, LABEL);
  else {
    const rows = refused.map(
      ({ component, ours, upstream, problems }) =>
        `- ${component} ${ours} → ${upstream}: ${problems.join("; ")}`,
    );
    const text = [
      "Upstream tested these together. Read what upstream states about them and extend config/versions.ts:",
      "",
      ...rows,
      "",
      `[Job](${CI_JOB_URL})`,
    ];
    console.log(`issue: ${await gitlab.putIssue(ISSUE, LABEL, text.join("\n"))}`);
  }

  const chart = findings.find(({ component }) => component === "openstack-cluster");
  const source = `capi-helm-charts ${chart?.upstream ?? ""}`.trim();
  const defaults = readFileSync(join(root, "config/defaults.yaml"), "utf8");
  const { text, taken } = proposeDefaults(defaults, findings, source);
  if (taken.length === 0) {
    console.log("nothing newer to take");
    return EXIT.ok;
  }
  const page = readFileSync(join(root, "docs/configuration.md"), "utf8");
  await gitlab.commitFiles(BRANCH, CI_DEFAULT_BRANCH, `Take the releases of ${source}`, {
    "config/defaults.yaml": text,
    "docs/configuration.md": withReference(page, text),
  });
  const description = describeProposal(findings, taken, CI_JOB_URL);
  console.log(description);
  console.log(
    `merge request: ${await gitlab.openMergeRequest(BRANCH, CI_DEFAULT_BRANCH, TITLE, description)}`,
  );
  return EXIT.ok;
}

/** What bin/check-releases finds; CAPI_MGMT_RELEASES names manifests, separated by spaces, instead of upstream. */
async function checkReleases(): Promise<Finding[]> {
  const sources = (process.env["CAPI_MGMT_RELEASES"] ?? "").split(" ").filter((word) => word !== "");
  const args = sources.flatMap((source) => ["--manifest", source]);
  const { exitCode, stdout } = await runBin("check-releases", "--json", ...args);
  // 2 and 3 are reports too, docs/cli.md.
  if (![0, 2, 3].includes(exitCode)) throw new Error(`bin/check-releases ended with exit code ${exitCode}`);
  return (JSON.parse(stdout) as { releases: Finding[] }).releases;
}
