/**
 * The jobs against a small GitLab, with an engine that tells what a test wants: notes, approval and exit codes.
 * What Pulumi's own engine says of a site is in tests/lab.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, mock, test } from "node:test";
import { execa } from "execa";
import { recordLine } from "../../ci/approval.ts";
import { fingerprint } from "../../ci/changes.ts";
import { deploy } from "../../ci/deploy.ts";
import { drift } from "../../ci/drift.ts";
import { GitLab } from "../../ci/gitlab.ts";
import type { JobContext } from "../../ci/job.ts";
import { marker, type Verdict } from "../../ci/note.ts";
import { preview as previewJob } from "../../ci/preview.ts";
import type { Engine } from "../../ci/site.ts";
import { withRotation } from "../../ci/rotation.ts";
import { COMPILED } from "../support/compiled.ts";
import { type GitLabReceiver, startGitLabReceiver } from "../support/gitlabReceiver.ts";
import { kubeconfigEnding } from "../support/kubeconfigEnding.ts";
import { type Previewed, previewOf } from "../support/previews.ts";

const root = join(import.meta.dirname, "../..");
type Resources = Record<string, Previewed | Previewed[]>;
const changed: Resources = {
  seed: { op: "update", paths: ["flavorId"], inputs: { flavorId: "m1.large" } },
  rule: { op: "create", inputs: { remoteIpPrefix: "192.0.2.0/24" } },
};
const unchanged: Resources = { seed: { op: "same" }, rule: { op: "same" } };

let policy: Verdict;
let preflight: Verdict;
let receiver: GitLabReceiver;
let folder: string;
/** What the jobs printed. */
let output = "";

before(async () => {
  receiver = await startGitLabReceiver();
  folder = mkdtempSync(join(tmpdir(), "jobs-"));
  writeFileSync(
    join(folder, "Pulumi.prod.yaml"),
    "# A site.\nconfig:\n  capi-mgmt:layers: [production] # the layer\n",
  );
});
after(async () => {
  mock.reset();
  rmSync(folder, { recursive: true });
  await receiver.close();
});
beforeEach(() => {
  policy = preflight = { verdict: "pass", findings: [] };
  for (const map of [receiver.notes, receiver.commits, receiver.comments]) map.clear();
  for (const list of [receiver.issues, receiver.mergeRequests, receiver.pushes]) list.length = 0;
});

/** An engine that previews `resources`; each `up` takes the next outcome. */
class TestEngine implements Engine {
  resources: Resources;
  failure: string | undefined;
  readonly calls: string[] = [];
  readonly ups: (string | undefined)[] = [];
  values: Record<string, unknown> = {};

  constructor(resources: Resources) {
    this.resources = resources;
  }

  preview(site: string, refresh: boolean) {
    this.calls.push(`preview ${site}${refresh ? " refresh" : ""}`);
    return Promise.resolve(
      this.failure === undefined ? previewOf(this.resources) : { failure: this.failure },
    );
  }

  up(site: string, refresh: boolean) {
    this.calls.push(`up ${site}${refresh ? " refresh" : ""}`);
    return Promise.resolve(this.ups.shift());
  }

  outputs() {
    return Promise.resolve(this.values);
  }
}

/** Runs a job; a failure is code 1, as in the job's process. */
async function job(
  run: (context: JobContext) => Promise<number>,
  engine: TestEngine,
  environment: Record<string, string> = {},
): Promise<number> {
  output = "";
  const keep = (...words: unknown[]) => void (output += `${words.join(" ")}\n`);
  const printing = [mock.method(console, "log", keep), mock.method(console, "error", keep)];
  const token = receiver.token;
  try {
    return await run({
      ...{ site: "prod", engine, root: folder },
      verdicts: { policy: () => Promise.resolve(policy), preflight: () => Promise.resolve(preflight) },
      gitlab: new GitLab({ apiUrl: receiver.apiUrl, project: "1", token }),
      environment: {
        CI_JOB_URL: "https://gitlab.example/job/1",
        CI_COMMIT_SHA: "abc123",
        CI_DEFAULT_BRANCH: "main",
        CI_MERGE_REQUEST_IID: "5",
        ...environment,
      },
    });
  } catch (error) {
    output += (error as Error).message;
    return 1;
  } finally {
    for (const method of printing) method.mock.restore();
    assert.ok(!output.includes(token));
  }
}

/** Merge request 5 brought commit abc123, and its note shows these changes. */
function approve(resources: Resources, site = "prod"): void {
  const { changes } = previewOf(resources);
  receiver.commits.set("abc123", 5);
  const body = [marker(site, fingerprint(changes)), "changes", recordLine(changes)].join("\n");
  receiver.notes.set(5, [{ id: 1, body, system: false }]);
}

void test("a preview that fails leaves a note that says so, and fails", async () => {
  const engine = new TestEngine({});
  engine.failure = "error: no such flavor";
  assert.equal(await job(previewJob, engine), 1, output);
  assert.match(
    receiver.notes.get(5)?.[0]?.body ?? "",
    /\*\*The preview failed\.\*\* Nothing was changed\.[^]*error: no such flavor/,
  );
});

void test("a preview fails with policy and with preflight, and says so in its note", async () => {
  assert.equal(await job(previewJob, new TestEngine(changed)), 0, output);
  policy = { verdict: "fail", findings: ["mandatory closed-ports: seed-ssh"] };
  assert.equal(await job(previewJob, new TestEngine(changed)), 1, output);
  assert.match(receiver.notes.get(5)?.[0]?.body ?? "", /\*\*Policy:\*\* ❌ fail\n- mandatory closed-ports/);
  policy = { verdict: "warn", findings: [] };
  preflight = { verdict: "fail", findings: ["quota.instances"] };
  assert.equal(await job(previewJob, new TestEngine(changed)), 1, output);
});

void test("the preview's note is updated by the next push", async () => {
  await job(previewJob, new TestEngine(changed));
  await job(previewJob, new TestEngine(unchanged));
  const notes = receiver.notes.get(5) ?? [];
  assert.equal(notes.length, 1);
  assert.match(notes[0]?.body ?? "", /No changes\./);
});

void test("what the note of a preview shows is deployed", async () => {
  const engine = new TestEngine(changed);
  await job(previewJob, engine);
  receiver.commits.set("abc123", 5);
  assert.equal(await job(deploy, engine), 0, output);
  assert.match(output, /prod: 2 changes, all among the 2 approved ones/);
  assert.deepEqual(engine.calls, ["preview prod", "preview prod", "up prod"]);
});

void test("a value that was not approved stops the deployment before anything is touched", async () => {
  approve(changed);
  const engine = new TestEngine({
    ...changed,
    seed: { op: "update", paths: ["flavorId"], inputs: { flavorId: "m1.tiny" } },
  });
  assert.equal(await job(deploy, engine), 4, output);
  assert.match(output, /the changes are not the ones that were approved; nothing was changed/);
  assert.match(output, /update urn:pulumi:prod::capi-mgmt::openstack:x\/y:Z::seed flavorId/);
  assert.doesNotMatch(output, /^ {2}create/m, "what is approved is not listed");
  assert.deepEqual(engine.calls, ["preview prod"]);
});

void test("another site's note approves nothing", async () => {
  approve(changed, "dev");
  assert.equal(await job(deploy, new TestEngine(changed)), 4, output);
});

void test("a direct push is not approved by anybody", async () => {
  assert.equal(await job(deploy, new TestEngine(changed)), 4, output);
  assert.match(output, /approved: none found/);
});

void test("a site that is as it should be is not deployed again", async () => {
  const engine = new TestEngine(unchanged);
  assert.equal(await job(deploy, engine), 0, output);
  assert.match(output, /prod: nothing to change/);
  assert.deepEqual(engine.calls, ["preview prod"]);
});

void test("a deployment that failed half way is run again, and does the rest", async () => {
  approve(changed);
  const engine = new TestEngine(changed);
  engine.ups.push("seed: timeout");
  assert.equal(await job(deploy, engine), 1, output);
  assert.match(output, /run the job again, what is left of the approved changes is approved\nseed: timeout/);
  engine.resources = { ...changed, rule: { op: "same" } };
  assert.equal(await job(deploy, engine), 0, output);
  assert.match(output, /prod: 1 changes, all among the 2 approved ones/);
});

void test("the rest of what was approved by its fingerprint is approved for the same commit, and for no other", async () => {
  const environment = { CAPI_MGMT_APPROVED_FINGERPRINT: fingerprint(previewOf(changed).changes) };
  const engine = new TestEngine(changed);
  engine.ups.push("seed: timeout");
  assert.equal(await job(deploy, engine, environment), 1, output);
  engine.resources = { ...changed, rule: { op: "same" } };
  assert.equal(await job(deploy, engine, { ...environment, CI_COMMIT_SHA: "def456" }), 4, output);
  assert.equal(await job(deploy, engine, environment), 0, output);
  assert.deepEqual(
    engine.calls.filter((call) => call.startsWith("up")),
    ["up prod", "up prod"],
  );
});

void test("a comment of somebody else approves nothing", async () => {
  const note = ["<!-- capi-mgmt approval site=prod -->", recordLine(previewOf(changed).changes)].join("\n");
  receiver.comments.set("abc123", [{ note, author: { id: 99 } }]);
  assert.equal(await job(deploy, new TestEngine(changed)), 4, output);
  receiver.comments.set("abc123", [{ note }]);
  assert.equal(await job(deploy, new TestEngine(changed)), 0, output);
});

void test("drift is undone with the fingerprint that its issue tells", async () => {
  const engine = new TestEngine(changed);
  assert.equal(await job(drift, engine), 3);
  const description = receiver.issues[0]?.description ?? "";
  assert.match(description, /CAPI_MGMT_REFRESH=1/);
  const approved = /CAPI_MGMT_APPROVED_FINGERPRINT=([0-9a-f]{64})/.exec(description)?.[1] ?? "";
  const environment = { CAPI_MGMT_REFRESH: "1", CAPI_MGMT_APPROVED_FINGERPRINT: approved };
  assert.equal(await job(deploy, engine, environment), 0, output);
  assert.deepEqual(engine.calls, ["preview prod refresh", "preview prod refresh", "up prod refresh"]);
});

void test("drift opens one issue, a second night updates it, a clean night closes it", async () => {
  const engine = new TestEngine(changed);
  assert.equal(await job(drift, engine), 3);
  assert.equal(await job(drift, engine), 3);
  assert.deepEqual(
    receiver.issues.map(({ title, state }) => [title, state]),
    [["Drift on prod", "opened"]],
  );
  engine.resources = unchanged;
  assert.equal(await job(drift, engine), 0);
  assert.equal(receiver.issues[0]?.state, "closed");
});

void test("a site that cannot be looked at neither opens nor closes an issue", async () => {
  const engine = new TestEngine({});
  engine.failure = "connection refused";
  assert.equal(await job(drift, engine), 1);
  assert.match(output, /the preview failed\nconnection refused/);
  assert.deepEqual(receiver.issues, []);
});

void test("a copy of a kubeconfig that ends soon is no drift, but one merge request that reads it anew", async () => {
  const engine = new TestEngine(unchanged);
  engine.values = { k3sKubeconfig: kubeconfigEnding(200), haKubeconfig: kubeconfigEnding(80) };
  assert.equal(await job(drift, engine), 0, output);
  assert.match(output, /prod: haKubeconfig ends on \d{4}-\d\d-\d\d; merge request: created/);
  assert.deepEqual(receiver.issues, []);
  const [push] = receiver.pushes;
  assert.equal(push?.branch, "capi-mgmt/kubeconfigs-prod");
  assert.deepEqual(
    push.actions.map(({ file_path, content }) => [file_path, content]),
    [
      [
        "Pulumi.prod.yaml",
        "# A site.\nconfig:\n  capi-mgmt:layers: [ production ] # the layer\n  capi-mgmt:kubeconfigs:\n    rotation: 2\n",
      ],
    ],
  );
  assert.equal(await job(drift, engine), 0, output);
  assert.match(output, /its merge request is open/);
  assert.equal(receiver.pushes.length, 1, "the second night leaves it alone");
  receiver.mergeRequests.length = 0;
  engine.resources = { "cluster-kubeconfig": { op: "update", paths: ["stdin"] } };
  assert.equal(await job(drift, engine), 3, output);
  assert.match(output, /the next deployment reads them anew/);
  assert.equal(receiver.pushes.length, 1, "merged, and not deployed yet");
});

void test("copies that last long open nothing", async () => {
  const engine = new TestEngine(unchanged);
  engine.values = { k3sKubeconfig: kubeconfigEnding(364), haKubeconfig: kubeconfigEnding(182) };
  assert.equal(await job(drift, engine), 0, output);
  assert.deepEqual(receiver.mergeRequests, []);
});

void test("a rotation that stands in the file is raised in its place", () => {
  const text = "config:\n  capi-mgmt:kubeconfigs:\n    rotation: 4 # last: 2026\n  capi-mgmt:layers: []\n";
  assert.equal(withRotation(text, 5), text.replace("rotation: 4", "rotation: 5"));
});

void test("missing variables are all named at once", async () => {
  assert.equal(
    await job(previewJob, new TestEngine(changed), { CI_JOB_URL: "", CI_MERGE_REQUEST_IID: "" }),
    1,
  );
  assert.match(output, /not set: CI_MERGE_REQUEST_IID, CI_JOB_URL/);
});

/** A job as GitLab starts it: as a process. */
async function processOf(name: string, args: readonly string[], environment: Record<string, string> = {}) {
  const done = await execa(process.execPath, ["--no-warnings", join(root, "ci", `${name}.ts`), ...args], {
    ...{ cwd: root, reject: false, all: true, extendEnv: false },
    env: { ...COMPILED, PATH: process.env["PATH"] ?? "", HOME: folder, ...environment },
  });
  return { code: done.exitCode, output: done.all };
}

for (const [name, args] of [
  ["preview", []],
  ["deploy", ["prod", "dev"]],
  ["drift", ["../prod"]],
] as const) {
  void test(`${name} of ${JSON.stringify(args)} is wrong usage`, async () => {
    const done = await processOf(name, args);
    assert.deepEqual([done.code, done.output], [64, `usage: node ci/${name}.ts SITE`]);
  });
}

void test("without a GitLab to ask, a job names what it lacks and fails", async () => {
  const done = await processOf("deploy", ["prod"]);
  assert.equal(done.code, 1);
  assert.match(done.output, /not set: CI_API_V4_URL, CI_PROJECT_ID, CAPI_MGMT_GITLAB_TOKEN/);
});

// Preflight and policy run beside it, and preflight asks an address where nothing listens for a while.
void test(
  "what a failed preview says goes into log and note without the job's secrets",
  { timeout: 180_000 },
  async () => {
    const clouds = {
      clouds: { openstack: { auth: { application_credential_secret: "PLANTED-credential" } } },
    };
    writeFileSync(join(folder, "clouds.yaml"), JSON.stringify(clouds));
    writeFileSync(join(folder, "passphrase"), "PLANTED passphrase\n");
    // A CLI that fails, and says all it should not.
    mkdirSync(join(folder, "bin"), { recursive: true });
    const script = `#!/bin/sh\n[ "$1" = version ] && echo v3.265.0 && exit 0\necho "error: 401 for PLANTED-credential, PLANTED-s3-key, PLANTED passphrase; and so on" >&2\nexit 255\n`;
    writeFileSync(join(folder, "bin/pulumi"), script, { mode: 0o755 });
    const { code, output: printed } = await processOf("preview", ["prod"], {
      PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
      CI_API_V4_URL: receiver.apiUrl,
      CI_PROJECT_ID: "1",
      CI_JOB_URL: "https://gitlab.example/job/1",
      CI_COMMIT_SHA: "abc123",
      CI_MERGE_REQUEST_IID: "5",
      CAPI_MGMT_GITLAB_TOKEN: receiver.token,
      OS_CLIENT_CONFIG_FILE: join(folder, "clouds.yaml"),
      PULUMI_CONFIG_PASSPHRASE_FILE: join(folder, "passphrase"),
      AWS_SECRET_ACCESS_KEY: "PLANTED-s3-key",
    });
    assert.equal(code, 1, printed);
    const note = receiver.notes.get(5)?.[0]?.body ?? "";
    assert.match(note, /401 for \[secret\], \[secret\], \[secret\]; and so on/);
    assert.doesNotMatch(printed + note, /PLANTED/);
  },
);
