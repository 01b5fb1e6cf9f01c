/**
 * State on the lab's S3 store with Pulumi's own engine: a bucket made by bin/bootstrap-state, two runs on one stack, a lock
 * left by a dead job, an interrupted run.
 *
 * The program is one command: state knows nothing of what it holds. Makes and removes a bucket of its own. Does not prove
 * encryption or bucket policies: the lab's store has neither.
 */
import assert from "node:assert/strict";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { Operation } from "../../automation/stack.ts";
import { newSiteFile } from "../../config/newSite.ts";
import { stackEnvironment } from "../../lab/environment.ts";
import { loadSecrets } from "../../lab/services/secrets.ts";
import { addresses, ports } from "../../lab/site.ts";
import { Crypter } from "../../state/passphrase.ts";
import { command, enterLab, labEnvironment } from "../support/lab.ts";
import { labS3 } from "../support/labS3.ts";
import { runApart } from "../support/stackProcess.ts";

const project = join(import.meta.dirname, "../..");
const Bucket = `state-test-${process.pid}`;
const endpoint = `http://${addresses.services}:${ports.s3}`;
const STATE = ".pulumi/stacks/state-test/shared.json.gz";
const LOCKS = ".pulumi/locks/organization/state-test/shared/";

/** A command that takes until a file is there, and its secret; a new round is an update. REFUSED: why it ends at once. */
const PROGRAM = `
import { local } from "@pulumi/command";
import { RunError, secret } from "@pulumi/pulumi";
const { ROUND, FOLDER, REFUSED, NOTE } = process.env;
if (REFUSED !== undefined) throw new RunError(REFUSED);
const run = "touch " + FOLDER + "/begun-" + ROUND + "; until [ -e " + FOLDER + "/end-" + ROUND + " ]; do sleep 0.1; done";
const done = new local.Command("wait", { create: run + "; wc -c", stdin: secret("PLANTED-VALUE") }).stdout;
export default { done, ...(NOTE === undefined ? {} : { note: NOTE }) };
`;

describe("state on S3", { skip: process.getuid?.() === 0 ? false : "the lab needs root" }, () => {
  let s3: S3Client;
  let folder: string;
  let keysOfStore: Record<string, string>;
  let round = 0;

  before(() => {
    enterLab();
    folder = mkdtempSync(join(tmpdir(), "state-test-"));
    const options = "  options:\n    typescript: false\n";
    writeFileSync(
      join(folder, "Pulumi.yaml"),
      `name: state-test\nmain: index.ts\nruntime:\n  name: nodejs\n${options}`,
    );
    writeFileSync(join(folder, "package.json"), '{"type": "module"}');
    writeFileSync(join(folder, "index.ts"), PROGRAM);
    symlinkSync(join(project, "node_modules"), join(folder, "node_modules"));
    const { s3AccessKey, s3SecretKey } = loadSecrets();
    keysOfStore = { AWS_ACCESS_KEY_ID: s3AccessKey, AWS_SECRET_ACCESS_KEY: s3SecretKey };
    s3 = labS3();
  });
  after(async () => {
    for (let each = 0; each <= round; each += 1) release(each);
    rmSync(folder, { recursive: true });
    const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    for (const { Key, VersionId } of [...Versions, ...DeleteMarkers])
      await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
    await s3.send(new DeleteBucketCommand({ Bucket }));
    s3.destroy();
  });

  const environment = () => ({
    ...stackEnvironment(),
    PULUMI_BACKEND_URL: `s3://${Bucket}?endpoint=${endpoint}&s3ForcePathStyle=true&region=us-east-1`,
    ROUND: String(round),
    FOLDER: folder,
  });

  const run = (operation: Operation, more: Readonly<Record<string, string>> = {}, stop?: AbortSignal) =>
    runApart(operation, "shared", folder, { ...labEnvironment(), ...environment(), ...more }, stop);

  /** By hand. */
  const pulumi = (...args: string[]) =>
    command("pulumi", [...args, "--cwd", folder, "--stack", "shared", "--non-interactive"], {
      env: environment(),
    });

  const release = (which: number) => writeFileSync(join(folder, `end-${which}`), "");

  async function begun(): Promise<void> {
    for (let wait = 0; !existsSync(join(folder, `begun-${round}`)); wait += 1) {
      assert.ok(wait < 600, "the run that is to hold the lock did not begin");
      await sleep(100);
    }
  }

  const bootstrap = () =>
    command(process.execPath, ["--no-warnings", "bin/bootstrap-state.ts", Bucket, "--endpoint", endpoint], {
      env: keysOfStore,
    });

  async function keys(Prefix: string): Promise<string[]> {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix }));
    return Contents.map(({ Key = "" }) => Key);
  }

  test("bin/bootstrap-state makes a bucket with versions, and says what the store cannot do", async () => {
    const first = bootstrap();
    assert.equal(first.status, 3, first.stdout + first.stderr);
    assert.match(first.stdout, /^bucket +made$/m);
    assert.match(first.stdout, /^versioning +set$/m);
    assert.match(first.stdout, /^encryption +unsupported: /m);
    assert.match(first.stderr, /docs\/state\.md/);
    const { Status } = await s3.send(new GetBucketVersioningCommand({ Bucket }));
    assert.equal(Status, "Enabled");
    const second = bootstrap();
    assert.match(second.stdout, /^bucket +already there$/m);
    assert.match(second.stdout, /^versioning +already there$/m);
  });

  test("of two ups at once the second is refused, naming who holds the lock and since when", async () => {
    round = 1;
    const first = run("up");
    await Promise.race([
      begun(),
      first.then(({ text }) => assert.fail(`the first run ended early:\n${text}`)),
    ]);
    const second = pulumi("up", "--yes", "--skip-preview");
    release(round);
    const done = await first;
    assert.equal(done.outcome, "succeeded", done.text);
    assert.deepEqual(done.outputs, { done: "13" });
    assert.notEqual(second.status, 0, second.stdout);
    assert.match(second.stderr + second.stdout, /the stack is currently locked by 1 lock\(s\)/);
    assert.match(second.stderr + second.stdout, /created by \S+@\S+ \(pid \d+\) at 20\d\d-/);
    assert.deepEqual(await keys(LOCKS), []);
  });

  test("previews and ups by hand see what was deployed in process, and the other way round", async () => {
    const preview = pulumi("preview", "--expect-no-changes");
    assert.equal(preview.status, 0, preview.stdout + preview.stderr);
    round = 2;
    release(round);
    const up = pulumi("up", "--yes", "--skip-preview");
    assert.equal(up.status, 0, up.stdout + up.stderr);
    assert.match(up.stdout, /~ +2? *command:local:Command +wait +updated|wait updated/);
    const again = await run("preview");
    assert.deepEqual([again.outcome, again.changes], ["succeeded", 0], again.text);
  });

  test("a change is told property by property, and a secret in it is not", async () => {
    round = 3;
    const { steps, changes } = await run("preview");
    assert.equal(changes, 1);
    const [step] = steps.filter(({ op }) => op === "update");
    assert.deepEqual(
      step?.changes.map(({ path, kind }) => [path, kind]),
      [["create", "update"]],
    );
    assert.match(String(step?.changes[0]?.old), /begun-2/);
    assert.match(String(step?.changes[0]?.new), /begun-3/);
    assert.equal(step?.inputs["stdin"], "[secret]");
  });

  test("a lock left by a dead job is removed by cancel, and the next up goes on", async () => {
    const lock = {
      pid: 4711,
      username: "runner",
      hostname: "job-1234",
      timestamp: "2026-11-23T01:02:03.000Z",
    };
    await s3.send(
      new PutObjectCommand({ Bucket, Key: `${LOCKS}dead.json`, Body: Buffer.from(JSON.stringify(lock)) }),
    );
    const refused = await run("up");
    assert.equal(refused.outcome, "failed");
    assert.match(refused.text, /runner@job-1234 \(pid 4711\) at 2026-11-23T01:02:03/);
    const cancelled = pulumi("cancel", "--yes");
    assert.equal(cancelled.status, 0, cancelled.stdout + cancelled.stderr);
    release(round);
    const up = await run("up");
    assert.equal(up.outcome, "succeeded", up.text);
  });

  test("an interrupted up finishes what runs, saves it and releases the lock; the next one goes on", async () => {
    round = 4;
    const stop = new AbortController();
    const up = run("up", {}, stop.signal);
    await begun();
    stop.abort();
    setTimeout(() => release(round), 1000);
    const { outcome, text } = await up;
    assert.equal(outcome, "interrupted", text);
    assert.deepEqual(await keys(LOCKS), []);
    const next = await run("up");
    assert.deepEqual([next.outcome, next.changes], ["succeeded", 0], next.text);
  });

  test("an up with nothing to do writes no state; an output that is new is something to do", async () => {
    const versions = async () =>
      (await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: STATE }))).Versions?.length ?? 0;
    const before = await versions();
    const idle = await run("up");
    assert.deepEqual([idle.outcome, idle.counts, idle.outputs], ["succeeded", { same: 2 }, { done: "13" }]);
    assert.equal(await versions(), before);
    const noted = await run("up", { NOTE: "new" });
    assert.deepEqual([noted.outcome, noted.changes, noted.outputs["note"]], ["succeeded", 0, "new"]);
    assert.ok((await versions()) > before);
  });

  test("a program that fails and a passphrase that is wrong are told in one sentence", async () => {
    const failing = await run("preview", { REFUSED: "the configuration says no" });
    assert.deepEqual(
      [failing.outcome, failing.diagnostics.filter(({ severity }) => severity === "error").length],
      ["failed", 1],
      failing.text,
    );
    assert.match(failing.text, /the configuration says no/);
    const wrong = await run("preview", {
      PULUMI_CONFIG_PASSPHRASE: "wrong",
      PULUMI_CONFIG_PASSPHRASE_FILE: "",
    });
    assert.equal(wrong.outcome, "failed");
    assert.match(wrong.text, /incorrect passphrase/);
  });

  test("a command of bin/ tells the CLI's words", () => {
    const done = command(process.execPath, ["--no-warnings", "bin/seed-ssh.ts", "nowhere"], {
      env: environment(),
    });
    assert.equal(done.status, 1);
    assert.match(done.stderr, /pulumi stack output --stack nowhere: [^]*no stack named 'nowhere' found/);
  });

  test("pulumi stack init leaves a new site's file as it is, and opens the secret in it", async () => {
    const site = mkdtempSync(join(tmpdir(), "new-site-"));
    const file = join(site, "Pulumi.fresh.yaml");
    const webhook = "https://hooks.slack.example/services/PLANTED-VALUE";
    const text = newSiteFile(
      {
        ...{ name: "fresh", layers: ["production"], allowedCidrs: [], slackWebhookUrl: webhook },
        externalNetworkId: "5617d17e-fdc1-4aa1-a14b-b9b5136c65af",
        ...{ seedFlavor: "a", controlPlaneFlavor: "b", workerFlavor: "c" },
      },
      await Crypter.create("of the site"),
    );
    copyFileSync(join(project, "Pulumi.yaml"), join(site, "Pulumi.yaml"));
    writeFileSync(file, text);
    const passphrase = { PULUMI_CONFIG_PASSPHRASE: "of the site", PULUMI_CONFIG_PASSPHRASE_FILE: "" };
    const byHand = (...args: string[]) => {
      const env = { ...environment(), ...passphrase };
      const done = command("pulumi", [...args, "--cwd", site, "--non-interactive"], { env });
      assert.equal(done.status, 0, done.stdout + done.stderr);
      return done.stdout.trim();
    };
    try {
      byHand("stack", "init", "fresh");
      assert.equal(readFileSync(file, "utf8"), text);
      const path = "capi-mgmt:monitoring.slack.webhookUrl";
      assert.equal(byHand("config", "get", "--stack", "fresh", "--path", path), webhook);
      byHand("stack", "rm", "fresh", "--yes", "--preserve-config");
      assert.equal(readFileSync(file, "utf8"), text);
    } finally {
      rmSync(site, { recursive: true });
    }
  });

  test("every state written is a version of its own, and none holds a secret in plain", async () => {
    const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: STATE }));
    const states = Versions.filter(({ Key }) => Key === STATE);
    assert.ok(states.length >= 2, `${states.length} versions`);
    for (const key of await keys(".pulumi/")) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: key }));
      const stored = Buffer.from((await Body?.transformToByteArray()) ?? []);
      const text = (key.endsWith(".gz") ? gunzipSync(stored) : stored).toString("latin1");
      assert.doesNotMatch(text, /PLANTED-VALUE/, key);
    }
  });
});
