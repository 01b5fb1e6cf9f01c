/**
 * State on the lab's S3 store: a bucket made by bin/bootstrap-state, two runs on one stack, a lock left by a dead job.
 *
 * The program is the engine tests' small scenario: state knows nothing of what it holds. Makes and removes a bucket of its
 * own. Does not prove encryption or bucket policies: the lab's store has neither.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
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
import { type Command, runEngine } from "../../engine/main.ts";
import { addresses, ports } from "../../lab/site.ts";
import { Cloud } from "../engine/support/cloud.ts";
import { loadSecrets } from "../../lab/services/secrets.ts";
import { command, enterLab } from "../support/lab.ts";
import { labS3 } from "../support/labS3.ts";

const project = join(import.meta.dirname, "../..");
const Bucket = `state-test-${process.pid}`;
const endpoint = `http://${addresses.services}:${ports.s3}`;
const scenario = { resources: [{ name: "a", props: { size: 1, key: { $secret: "PLANTED-VALUE" } } }] };
const STATE = ".pulumi/stacks/scenario/shared.json";
const LOCKS = ".pulumi/locks/organization/scenario/shared/";

describe("state on S3", { skip: process.getuid?.() === 0 ? false : "the lab needs root" }, () => {
  let s3: S3Client;
  let home: string;
  let keysOfStore: Record<string, string>;
  const cloud = new Cloud();

  before(() => {
    enterLab();
    home = mkdtempSync(join(tmpdir(), "state-test-"));
    const { s3AccessKey, s3SecretKey } = loadSecrets();
    keysOfStore = { AWS_ACCESS_KEY_ID: s3AccessKey, AWS_SECRET_ACCESS_KEY: s3SecretKey };
    s3 = labS3();
  });
  after(async () => {
    rmSync(home, { recursive: true });
    const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket }));
    for (const { Key, VersionId } of [...Versions, ...DeleteMarkers])
      await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
    await s3.send(new DeleteBucketCommand({ Bucket }));
    s3.destroy();
  });

  const bootstrap = () =>
    command(process.execPath, ["--no-warnings", "bin/bootstrap-state.ts", Bucket, "--endpoint", endpoint], {
      env: keysOfStore,
    });

  async function run(operation: Command): Promise<{ exitCode: number; text: string }> {
    let text = "";
    const { exitCode } = await runEngine({
      command: operation,
      stack: "shared",
      projectDir: join(project, "tests/engine/fixtures/scenario"),
      backendUrl: `s3://${Bucket}?endpoint=${endpoint}&s3ForcePathStyle=true&region=us-east-1`,
      passphrase: "correct horse",
      env: { ...process.env, ...keysOfStore, HOME: home, SCENARIO: JSON.stringify(scenario) },
      out: { write: (part) => (text += part) },
      providers: { test: cloud.factory },
    });
    return { exitCode, text };
  }

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
    let release = (): void => undefined;
    let begun = (): void => undefined;
    const underWay = new Promise<void>((resolve) => (begun = resolve));
    const held = new Promise<void>((resolve) => (release = resolve));
    cloud.fault("create a", {
      get wait() {
        begun();
        return held;
      },
    });
    const first = run("up");
    // A first run that ends early must not leave the test waiting.
    await Promise.race([
      underWay,
      first.then(({ text }) => assert.fail(`the first run ended before the second began:\n${text}`)),
    ]);
    const second = await run("up");
    assert.equal(second.exitCode, 1, second.text);
    assert.match(
      second.text,
      new RegExp(`locked by another run: \\S+@\\S+ \\(pid ${process.pid}\\) since 20\\d\\d-`),
    );
    release();
    const done = await first;
    assert.equal(done.exitCode, 0, done.text);
    assert.deepEqual(cloud.takeCalls(), ["create a"], "the refused run did nothing");
    assert.deepEqual(await keys(LOCKS), []);
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
    assert.equal(refused.exitCode, 1);
    assert.match(refused.text, /runner@job-1234 \(pid 4711\) since 2026-11-23T01:02:03/);
    assert.match((await run("cancel")).text, /Removed the lock of runner@job-1234/);
    const up = await run("up");
    assert.equal(up.exitCode, 0, up.text);
    assert.deepEqual(cloud.takeCalls(), []);
  });

  test("every state written is a version of its own, and none holds a secret in plain", async () => {
    scenario.resources[0] = { name: "a", props: { size: 2, key: { $secret: "PLANTED-VALUE" } } };
    assert.equal((await run("up")).exitCode, 0);
    const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: STATE }));
    const states = Versions.filter(({ Key }) => Key === STATE);
    assert.ok(states.length >= 2, `${states.length} versions`);
    for (const key of await keys(".pulumi/")) {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: key }));
      const text = Buffer.from((await Body?.transformToByteArray()) ?? []).toString("latin1");
      assert.doesNotMatch(text, /PLANTED-VALUE|correct horse/, key);
    }
  });
});
