/**
 * The GitLab pipeline with gitlab-ci-local against the lab, on Pulumi's own engine: a merge request's note, its deployment,
 * some that were not approved, one that fails half way and is run again, drift and its end, new releases. GitLab itself is
 * tests/support/gitlabReceiver.ts.
 *
 * Works on stack `lab`: deploys it if it is not there, and brings it back to its own configuration at the end. Does not
 * prove what tests/support/ciPipeline.ts leaves out.
 */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { execa } from "execa";
import { parse, stringify } from "yaml";
import { addresses, bucket, ports } from "../../lab/site.ts";
import { CiPipeline, type PipelineRun } from "../support/ciPipeline.ts";
import { type GitLabReceiver, startGitLabReceiver } from "../support/gitlabReceiver.ts";
import { enterLab, lab, labEnvironment, openstack, output, project } from "../support/lab.ts";
import { outputSecrets, setSecret, siteSecrets } from "../support/labSecrets.ts";
import { assertClean, type Secrets } from "../support/secretScan.ts";
import { labS3 } from "../support/labS3.ts";

const GOLDEN = join(import.meta.dirname, "golden/pipeline-note.md");
const MERGE_REQUEST = 5;
/** Answered by the lab's receiver like its own address. */
const WEBHOOK = `http://${addresses.services}:${ports.slack}/services/PLANTED/pipeline`;
/** One that nobody approves. */
const OTHER_WEBHOOK = `http://${addresses.services}:${ports.slack}/services/PLANTED/another`;
/** Security group of the seed. */
const GROUP = "capi-mgmt-lab-seed";

interface StackFile {
  config: Record<string, Record<string, unknown>>;
}

describe("the GitLab pipeline", { skip: process.getuid?.() === 0 ? false : "the lab needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "pipeline-test-"));
  let gitlab: GitLabReceiver;
  let ci: CiPipeline;
  let secrets: Secrets = {};
  /** Everything that jobs printed, to be searched for secrets. */
  const printed: string[] = [];
  let mergeCommit = "";

  before(async () => {
    enterLab();
    const up = lab("up", "--stack", "lab");
    assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
    const outputs = JSON.parse(lab("output", "--stack", "lab", "--json", "--show-secrets").stdout) as Record<
      string,
      unknown
    >;
    gitlab = await startGitLabReceiver();
    secrets = {
      ...siteSecrets(),
      ...outputSecrets(outputs),
      "project token": gitlab.token,
      "Slack webhook": WEBHOOK,
      "another Slack webhook": OTHER_WEBHOOK,
    };
    const manifest = join(scratch, "manifest.json");
    writeFileSync(
      manifest,
      JSON.stringify({ "cluster-api": "v1.14.5", "cluster-api-provider-openstack": "v0.15.0" }),
    );
    ci = new CiPipeline(scratch, {
      ...labEnvironment(),
      CAPI_MGMT_SITES: "lab",
      CAPI_MGMT_GITLAB_TOKEN: gitlab.token,
      CAPI_MGMT_RELEASES: manifest,
    });
  });
  after(async () => {
    rmSync(scratch, { recursive: true, force: true });
    await gitlab.close();
    const up = lab("up", "--refresh", "--stack", "lab");
    assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
  });

  async function run(
    source: Parameters<CiPipeline["run"]>[0],
    variables: Readonly<Record<string, string>> = {},
    manual: readonly string[] = [],
  ): Promise<PipelineRun> {
    const done = await ci.run(source, { CI_API_V4_URL: gitlab.apiUrl, ...variables }, manual);
    printed.push(done.printed, ...done.logs.values());
    assert.equal(done.jobs.get("sites"), 0, done.printed);
    return done;
  }

  const previewOfMergeRequest = (mergeRequest = MERGE_REQUEST) =>
    run("merge_request_event", {
      CI_MERGE_REQUEST_IID: String(mergeRequest),
      CI_MERGE_REQUEST_ID: String(mergeRequest),
      CI_MERGE_REQUEST_DIFF_BASE_SHA: ci.git("rev-parse", "main"),
    });

  function edit(change: (file: StackFile) => void): void {
    const path = join(ci.folder, "Pulumi.lab.yaml");
    const file = parse(readFileSync(path, "utf8")) as StackFile;
    change(file);
    writeFileSync(path, stringify(file));
  }

  const setWebhook = (url: string) => setSecret(ci.folder, "capi-mgmt:monitoring.slack.webhookUrl", url);

  function letIn(file: StackFile, ...networks: string[]): void {
    const allowedCidrs = { ssh: [addresses.cidr, ...networks], api: [addresses.cidr] };
    file.config["capi-mgmt:seed"] = { ...file.config["capi-mgmt:seed"], access: { allowedCidrs } };
  }

  /** Ids of the rules that let `network` reach the seed's SSH. */
  function rules(network: string): string[] {
    const all = openstack<{ ID: string; "IP Range": string }>("security", "group", "rule", "list");
    return all.filter((rule) => rule["IP Range"] === network).map(({ ID }) => ID);
  }

  async function stateETag(): Promise<string | undefined> {
    const s3 = labS3();
    const Key = ".pulumi/stacks/capi-mgmt/lab.json.gz";
    const { ETag } = await s3.send(new HeadObjectCommand({ Bucket: bucket, Key }));
    s3.destroy();
    return ETag;
  }

  const notes = () => gitlab.notes.get(MERGE_REQUEST) ?? [];
  const issue = (title: string) => gitlab.issues.find((candidate) => candidate.title === title);

  test("a merge request gets one note, which the next push updates in place", async () => {
    const state = await stateETag();
    ci.git("checkout", "--quiet", "-b", "feature");
    edit((file) => letIn(file, "198.51.100.0/24"));
    ci.commit("Let a network in");
    const first = await previewOfMergeRequest();
    assert.equal(first.jobs.get("preview lab"), 0, first.printed);
    const [before] = notes();
    assert.equal(notes().length, 1);
    assert.match(before?.body ?? "", /\*\*Policy:\*\*/);

    setWebhook(WEBHOOK);
    const commit = ci.commit("Send alerts elsewhere");
    const second = await previewOfMergeRequest();
    assert.equal(second.jobs.get("preview lab"), 0, second.printed);
    assert.match(second.printed, /note for lab: updated/);
    assert.deepEqual(
      notes().map(({ id }) => id),
      [before?.id],
      "the same note",
    );
    const note = (notes()[0]?.body ?? "")
      .replaceAll(commit.slice(0, 8), "COMMIT")
      // However many resources the program has.
      .replace(/\d+ same$/m, "N same")
      .replace(/\[Job\]\(\S+\)/, "[Job](URL)")
      // Keyed with the lab's credential, and compressed.
      .replace(/fingerprint=[0-9a-f]{64} /, "fingerprint=FINGERPRINT ")
      .replace(/^(<!-- capi-mgmt changes) \S+ -->$/m, "$1 RECORD -->");
    if (process.env["UPDATE_GOLDEN"] === "1") {
      mkdirSync(dirname(GOLDEN), { recursive: true });
      writeFileSync(GOLDEN, note);
    }
    assert.equal(note, readFileSync(GOLDEN, "utf8"));
    assert.equal(await stateETag(), state, "a preview changes nothing");
  });

  test("the note approves what a preview of another checkout shows", async () => {
    const other = join(scratch, "elsewhere");
    ci.git("worktree", "add", "--quiet", "--detach", other, "HEAD");
    symlinkSync(join(project, "node_modules"), join(other, "node_modules"));
    const script = [
      'const { engine } = await import("./ci/site.ts");',
      'const { fingerprint } = await import("./ci/changes.ts");',
      'console.log(`fingerprint=${fingerprint((await engine.preview("lab", false)).changes)}`);',
    ].join("\n");
    const args = ["--no-warnings", "--input-type=module", "--eval", script];
    const { stdout } = await execa(process.execPath, args, { cwd: other, env: labEnvironment() });
    printed.push(stdout);
    ci.git("worktree", "remove", "--force", other);
    const approved = / (fingerprint=[0-9a-f]{64}) -->/.exec(notes()[0]?.body ?? "")?.[1];
    assert.equal(stdout.split("\n").at(-1), approved);
  });

  test("on the default branch production waits for a person, then gets what was approved", async () => {
    ci.git("checkout", "--quiet", "main");
    ci.git("merge", "--quiet", "--no-ff", "--message", "Merge branch feature", "feature");
    mergeCommit = ci.git("rev-parse", "HEAD");
    gitlab.commits.set(mergeCommit, MERGE_REQUEST);
    const waiting = await run("push");
    assert.equal(waiting.jobs.get("deploy lab"), undefined, waiting.printed);
    assert.deepEqual(rules("198.51.100.0/24"), []);

    const { jobs, printed: log } = await run("push", {}, ["deploy lab"]);
    assert.equal(jobs.get("deploy lab"), 0, log);
    assert.equal(rules("198.51.100.0/24").length, 1);
    const again = await run("push", {}, ["deploy lab"]);
    assert.match(again.printed, /lab: nothing to change/);
  });

  test("changes that are not the approved ones stop with exit code 4, and nothing is changed", async () => {
    edit((file) => letIn(file, "198.51.100.0/24", "192.0.2.0/24"));
    // Another change came in between: the merge request's note knows nothing of it.
    gitlab.commits.set(ci.commit("Let another network in"), MERGE_REQUEST);
    const state = await stateETag();
    const { jobs, printed: log } = await run("push", {}, ["deploy lab"]);
    assert.equal(jobs.get("deploy lab"), 4, log);
    assert.match(log, /the changes are not the ones that were approved; nothing was changed/);
    assert.match(log, /create urn:pulumi:lab::capi-mgmt::\S+192\.0\.2\.0/);
    assert.equal(await stateETag(), state);
    assert.deepEqual(rules("192.0.2.0/24"), []);
    ci.git("reset", "--quiet", "--hard", mergeCommit);
  });

  test("another value of an approved property is not approved", async () => {
    // As if the merge had brought another address than the one that was reviewed.
    ci.git("checkout", "--quiet", "-b", "value", "main");
    setWebhook("http://unapproved.invalid/PLANTED");
    ci.commit("Send alerts elsewhere again");
    const reviewed = await previewOfMergeRequest(MERGE_REQUEST + 1);
    assert.equal(reviewed.jobs.get("preview lab"), 0, reviewed.printed);
    setWebhook(OTHER_WEBHOOK);
    const commit = ci.commit("Another address, after the review");
    gitlab.commits.set(commit, MERGE_REQUEST + 1);
    ci.git("checkout", "--quiet", "main");
    ci.git("reset", "--quiet", "--hard", commit);
    const state = await stateETag();
    const { jobs, printed: log } = await run("push", {}, ["deploy lab"]);
    assert.equal(jobs.get("deploy lab"), 4, log);
    assert.match(
      log,
      /(update|replace) urn:pulumi:lab::capi-mgmt::\S+::monitoring-slack data\.slack-api-url/,
    );
    assert.equal(await stateETag(), state);
    ci.git("reset", "--quiet", "--hard", mergeCommit);
  });

  test("a deployment that fails half way is run again and does the rest, approved by the same note", async () => {
    const networks = ["192.0.2.0/25", "192.0.2.128/25"];
    ci.git("checkout", "--quiet", "-b", "half");
    edit((file) => letIn(file, "198.51.100.0/24", ...networks));
    ci.commit("Let two networks in");
    const reviewed = await previewOfMergeRequest(MERGE_REQUEST + 2);
    assert.equal(reviewed.jobs.get("preview lab"), 0, reviewed.printed);
    ci.git("checkout", "--quiet", "main");
    ci.git("merge", "--quiet", "--no-ff", "--message", "Merge branch half", "half");
    mergeCommit = ci.git("rev-parse", "HEAD");
    gitlab.commits.set(mergeCommit, MERGE_REQUEST + 2);

    const refusal = ["--method", "POST", "--path", "security-group-rules", "--status", "400", "--count", "1"];
    assert.equal(lab("fault", "add", "--service", "neutron", ...refusal).status, 0);
    const failed = await run("push", {}, ["deploy lab"]);
    lab("fault", "clear");
    assert.equal(failed.jobs.get("deploy lab"), 1, failed.printed);
    assert.match(failed.printed, /run the job again, what is left of the approved changes is approved/);
    assert.equal(networks.flatMap(rules).length, 1, "half of it is done");

    const { jobs, printed: log } = await run("push", {}, ["deploy lab"]);
    assert.equal(jobs.get("deploy lab"), 0, log);
    assert.match(log, /lab: 1 changes, all among the 2 approved ones/);
    assert.equal(networks.flatMap(rules).length, 2);
  });

  test("what somebody changed by hand becomes one issue, which the next night updates", async () => {
    const [rule = ""] = rules("198.51.100.0/24");
    output("openstack", ["security", "group", "rule", "delete", rule]);
    const first = await run("schedule");
    assert.equal(first.jobs.get("drift lab"), 3, first.printed);
    assert.match(
      issue("Drift on lab")?.description ?? "",
      /^- create `seed-firewall-ssh-198\.51\.100\.0-24`/m,
    );
    assert.match(first.printed, /issue: created/);

    output("openstack", ["security", "group", "set", "--description", "changed by hand", GROUP]);
    const second = await run("schedule");
    assert.equal(second.jobs.get("drift lab"), 3, second.printed);
    assert.match(second.printed, /issue: updated/);
    assert.match(
      issue("Drift on lab")?.description ?? "",
      /^- update `seed-firewall-group` .*`description`/m,
    );
    assert.equal(gitlab.issues.filter(({ title }) => title === "Drift on lab").length, 1);
  });

  test("new releases become a merge request and an issue, once", () => {
    const [open, ...more] = gitlab.mergeRequests;
    assert.deepEqual(more, []);
    assert.equal(open?.source_branch, "capi-mgmt/releases");
    assert.match(open?.description ?? "", /v1\.14\.5/);
    const files = gitlab.pushes.at(-1)?.actions ?? [];
    assert.deepEqual(files.map(({ file_path }) => file_path).sort(), [
      "config/defaults.yaml",
      "docs/configuration.md",
    ]);
    assert.match(files[0]?.content ?? "", /v1\.14\.5/);
    assert.match(
      issue("Upstream releases that the version table does not allow")?.description ?? "",
      /cluster-api-provider-openstack \S+ → v0\.15\.0/,
    );
  });

  test("a deployment with the issue's fingerprint undoes the drift, and the issue is closed", async () => {
    const description = issue("Drift on lab")?.description ?? "";
    const approved = /CAPI_MGMT_APPROVED_FINGERPRINT=([0-9a-f]{64})/.exec(description)?.[1] ?? "";
    const variables = { CAPI_MGMT_REFRESH: "1", CAPI_MGMT_APPROVED_FINGERPRINT: approved };
    const { jobs, printed: log } = await run("push", variables, ["deploy lab"]);
    assert.equal(jobs.get("deploy lab"), 0, log);
    assert.equal(rules("198.51.100.0/24").length, 1);
    const group = JSON.parse(output("openstack", ["security", "group", "show", GROUP, "-f", "json"])) as {
      description: string;
    };
    assert.equal(group.description, "Who may reach the seed");

    const clean = await run("schedule");
    assert.equal(clean.jobs.get("drift lab"), 0, clean.printed);
    assert.match(clean.printed, /lab: no drift; the issue is closed/);
    assert.equal(issue("Drift on lab")?.state, "closed");
  });

  test("no job printed, sent or wrote a secret", () => {
    assert.ok(printed.join("").length > 10_000);
    assertClean(printed.join("\n"), secrets, "the jobs' output");
    const sent = [[...gitlab.notes.values()], gitlab.issues, gitlab.mergeRequests, gitlab.pushes];
    assertClean(JSON.stringify(sent), secrets, "what GitLab was sent");
    const state = join(ci.folder, ".gitlab-ci-local");
    const files = readdirSync(state, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    assert.ok(files.length > 10);
    for (const entry of files) {
      const path = join(entry.parentPath, entry.name);
      const text = readFileSync(path, "latin1");
      // A job's checkout has the lab's sources, which hold its passphrase.
      const [, source] = /\/builds\/[^/]+\/(.*)$/.exec(path) ?? [];
      const original = source === undefined ? "" : join(project, source);
      if (existsSync(original) && readFileSync(original, "latin1") === text) continue;
      assertClean(text, secrets, path);
    }
    const changed = ["sites.yml", "Pulumi.lab.yaml"].map((name) =>
      readFileSync(join(ci.folder, name), "utf8"),
    );
    assertClean(changed.join("\n"), secrets, "the working copy");
    assertClean(readFileSync(GOLDEN, "utf8"), secrets, "the golden note");
  });
});
