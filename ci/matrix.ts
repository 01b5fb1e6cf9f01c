/**
 * Job `sites`: writes the child pipeline that previews (on a merge request), deploys (on the default branch) or
 * checks (on a schedule) the sites concerned.
 *
 * Usage: node ci/matrix.ts preview|deploy|drift [BASE_COMMIT] > sites.yml
 */
import { join } from "node:path";
import { execaSync } from "execa";
import { stringify } from "yaml";
import { EXIT } from "../lib/command-error.ts";
import { readSites, type Site, sitesOf } from "./sites.ts";

type Mode = "preview" | "deploy" | "drift";
const root = join(import.meta.dirname, "..");

/** The child pipeline for these sites; one job a site, so that each has its own log, note and resource group. */
export function childPipeline(mode: Mode, sites: readonly Site[]): Record<string, unknown> {
  if (sites.length === 0) {
    // GitLab refuses a pipeline without jobs.
    return {
      "no-site-concerned": { image: "busybox:1.37.0", script: ["echo 'This change concerns no site.'"] },
    };
  }
  const jobs = sites.map((site) => {
    const job: Record<string, unknown> = {
      extends: `.${mode}`,
      variables: { SITE: site.name },
      // One operation at a time on a stack, whichever pipeline it comes from.
      resource_group: `capi-mgmt/${site.name}`,
      interruptible: false,
    };
    if (mode === "deploy") {
      job["environment"] = {
        name: site.name,
        deployment_tier: site.tier === "staging" ? "staging" : "production",
      };
      if (site.tier !== "staging") job["when"] = "manual";
    } else {
      // Not a deployment, but with the variables of the site's environment.
      job["environment"] = { name: site.name, action: "verify" };
    }
    return [`${mode} ${site.name}`, job] as const;
  });
  // Without rules of its own a child pipeline of a merge request would be taken for a branch's, and be empty.
  const workflow = { rules: [{ if: "$CI_MERGE_REQUEST_ID" }, { if: "$CI_COMMIT_BRANCH" }] };
  return { include: [{ local: "ci/jobs.yml" }], workflow, stages: [mode], ...Object.fromEntries(jobs) };
}

/** Files that differ between two commits. Without a base every file counts as changed. */
function changedFiles(base: string): string[] {
  const args = ["diff", "--name-only", "--no-renames", `${base}...HEAD`];
  const { exitCode, stdout, stderr } = execaSync("git", args, { cwd: root, reject: false, lines: true });
  if (exitCode !== 0)
    throw new Error(`git diff against ${base}: ${stderr.join(" ")} (a shallow clone? set GIT_DEPTH: 0)`);
  return stdout;
}

if (import.meta.main) {
  const [mode, base, ...rest] = process.argv.slice(2);
  if ((mode !== "preview" && mode !== "deploy" && mode !== "drift") || rest.length > 0) {
    console.error("usage: node ci/matrix.ts preview|deploy|drift [BASE_COMMIT]");
    process.exit(EXIT.usage);
  }
  try {
    const sites = readSites(root, process.env["CAPI_MGMT_SITES"]);
    const concerned = base === undefined || base === "" ? sites : sitesOf(changedFiles(base), sites);
    process.stdout.write(stringify(childPipeline(mode, concerned)));
  } catch (error) {
    console.error(`sites: ${(error as Error).message}`);
    process.exitCode = EXIT.failed;
  }
}
