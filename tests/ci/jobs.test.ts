/**
 * The jobs as GitLab starts them: as processes, against a small GitLab and a `pulumi` that prints a canned preview.
 * Proves notes, approval and exit codes; what the real CLI prints is held against it in tests/parity.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { fingerprint, parsePreview } from "../../ci/changes.ts";
import { marker } from "../../ci/note.ts";
import { type GitLabReceiver, startGitLabReceiver } from "../support/gitlabReceiver.ts";

const root = join(import.meta.dirname, "../..");
const steps = [
  { op: "update", urn: "urn:pulumi:prod::capi-mgmt::openstack:x/y:Z::seed", diffReasons: ["flavorId"] },
];
const changed = JSON.stringify({ steps });
const unchanged = JSON.stringify({ steps: [{ ...steps[0], op: "same" }] });

let receiver: GitLabReceiver;
let folder: string;

before(async () => {
  receiver = await startGitLabReceiver();
  folder = mkdtempSync(join(tmpdir(), "jobs-"));
});
after(async () => {
  rmSync(folder, { recursive: true });
  await receiver.close();
});
beforeEach(() => {
  receiver.notes.clear();
  receiver.commits.clear();
  receiver.issues.length = 0;
});

/** A `pulumi` that records its arguments and prints `preview`. */
function standInPulumi(preview: string, exitCode = 0): void {
  writeFileSync(join(folder, "preview.json"), preview);
  const script = `#!/bin/sh\necho "$*" >> "${folder}/calls"\n[ "$1" = preview ] && cat "${folder}/preview.json"\nexit ${exitCode}\n`;
  writeFileSync(join(folder, "pulumi"), script);
  chmodSync(join(folder, "pulumi"), 0o755);
  writeFileSync(join(folder, "calls"), "");
}

async function job(
  name: string,
  environment: Record<string, string> = {},
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["--no-warnings", join(root, "ci", `${name}.ts`), "prod"], {
    cwd: root,
    env: {
      PATH: `${folder}:${process.env["PATH"] ?? ""}`,
      CI_API_V4_URL: receiver.apiUrl,
      CI_PROJECT_ID: "1",
      CI_JOB_URL: "https://gitlab.example/job/1",
      CI_COMMIT_SHA: "abc123",
      CI_MERGE_REQUEST_IID: "5",
      CAPI_MGMT_GITLAB_TOKEN: receiver.token,
      ...environment,
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  assert.doesNotMatch(output, new RegExp(receiver.token));
  return { code, output };
}

void test("a preview that fails leaves a note that says so, and fails", async () => {
  standInPulumi("error: no such flavor", 255);
  const { code, output } = await job("preview");
  assert.equal(code, 1, output);
  assert.match(
    receiver.notes.get(5)?.[0]?.body ?? "",
    /\*\*The preview failed\.\*\* Nothing was changed\.[^]*error: no such flavor/,
  );
});

void test("what a failed preview says goes into the note without the job's secrets", async () => {
  const clouds = { clouds: { openstack: { auth: { application_credential_secret: "PLANTED-credential" } } } };
  writeFileSync(join(folder, "clouds.yaml"), JSON.stringify(clouds));
  writeFileSync(join(folder, "passphrase"), "PLANTED passphrase\n");
  standInPulumi("error: 401 for PLANTED-credential, PLANTED-s3-key, PLANTED passphrase; and so on", 255);
  const { code } = await job("preview", {
    OS_CLIENT_CONFIG_FILE: join(folder, "clouds.yaml"),
    PULUMI_CONFIG_PASSPHRASE_FILE: join(folder, "passphrase"),
    AWS_SECRET_ACCESS_KEY: "PLANTED-s3-key",
  });
  assert.equal(code, 1);
  assert.match(
    receiver.notes.get(5)?.[0]?.body ?? "",
    /error: 401 for \[secret\], \[secret\], \[secret\]; and so on/,
  );
});

void test("the preview's note is updated by the next push", async () => {
  standInPulumi(changed);
  await job("preview");
  standInPulumi(unchanged);
  await job("preview");
  const notes = receiver.notes.get(5) ?? [];
  assert.equal(notes.length, 1);
  assert.match(notes[0]?.body ?? "", /No changes\./);
});

void test("a deployment whose fresh preview differs from the approved one stops before anything is touched", async () => {
  standInPulumi(changed);
  receiver.commits.set("abc123", 5);
  receiver.notes.set(5, [{ id: 1, body: `${marker("prod", "0".repeat(64))}\n`, system: false }]);
  const { code, output } = await job("deploy");
  assert.equal(code, 4, output);
  assert.match(output, /the changes are not the ones that were approved; nothing was changed/);
  assert.match(output, /update urn:pulumi:prod::capi-mgmt::openstack:x\/y:Z::seed flavorId/);
});

void test("a direct push is not approved by anybody", async () => {
  standInPulumi(changed);
  const { code, output } = await job("deploy");
  assert.equal(code, 4, output);
  assert.match(output, /approved: none found/);
});

void test("a site that is as it should be is not deployed again", async () => {
  standInPulumi(unchanged);
  const { code, output } = await job("deploy");
  assert.equal(code, 0, output);
  assert.match(output, /prod: nothing to change/);
});

void test("approved changes still wait for preflight", async () => {
  standInPulumi(changed);
  receiver.commits.set("abc123", 5);
  receiver.notes.set(5, [
    { id: 1, body: `${marker("prod", fingerprint(parsePreview(changed)))}\n`, system: false },
  ]);
  // No credentials here: preflight cannot pass, and a deployment without it must not start.
  const { code, output } = await job("deploy", { HOME: folder });
  assert.equal(code, 1, output);
  assert.match(output, /preflight failed; nothing was changed/);
});

void test("drift is undone with the fingerprint that its issue tells", async () => {
  standInPulumi(changed);
  assert.equal((await job("drift")).code, 3);
  const description = receiver.issues[0]?.description ?? "";
  assert.match(description, /CAPI_MGMT_REFRESH=1/);
  const approved = /CAPI_MGMT_APPROVED_FINGERPRINT=([0-9a-f]{64})/.exec(description)?.[1] ?? "";
  const { output } = await job("deploy", {
    CAPI_MGMT_REFRESH: "1",
    CAPI_MGMT_APPROVED_FINGERPRINT: approved,
    HOME: folder,
  });
  // Approved; it then waits for preflight, which no site here can pass.
  assert.match(output, /preflight failed/);
  const previews = readFileSync(join(folder, "calls"), "utf8").trim().split("\n");
  assert.deepEqual(previews, Array(2).fill("preview --json --refresh --stack prod --non-interactive"));
});

void test("drift opens one issue, a second night updates it, a clean night closes it", async () => {
  standInPulumi(changed);
  assert.equal((await job("drift")).code, 3);
  assert.equal((await job("drift")).code, 3);
  assert.deepEqual(
    receiver.issues.map(({ title, state }) => [title, state]),
    [["Drift on prod", "opened"]],
  );
  standInPulumi(unchanged);
  assert.equal((await job("drift")).code, 0);
  assert.equal(receiver.issues[0]?.state, "closed");
});

void test("a site that cannot be looked at neither opens nor closes an issue", async () => {
  standInPulumi("", 1);
  assert.equal((await job("drift")).code, 1);
  assert.deepEqual(receiver.issues, []);
});

void test("missing variables are all named at once", async () => {
  standInPulumi(changed);
  const { code, output } = await job("preview", { CI_JOB_URL: "", CI_MERGE_REQUEST_IID: "" });
  assert.equal(code, 1);
  assert.match(output, /not set: CI_MERGE_REQUEST_IID, CI_JOB_URL/);
});
