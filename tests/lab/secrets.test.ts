/**
 * Secrets of a deployed site and where they must not be: what each command prints, what fails included, plans, the state
 * store, the lab's logs, the seed's logs, and the command lines of every process while a deployment runs.
 *
 * Works on stack `lab`: deploys it if it is not there, and brings it back to its own configuration at the end. The first
 * `up` and the `destroy` are deploy.test.ts's and teardown.test.ts's. Does not prove what somebody sees who is root on the
 * seed, or who may read Secrets in a cluster: both are meant to.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { GetObjectCommand, ListObjectVersionsCommand } from "@aws-sdk/client-s3";
import { parse, stringify } from "yaml";
import { addresses, bucket, paths, ports } from "../../lab/site.ts";
import { command, enterDeployedLab, lab, output, project, type Ran } from "../support/lab.ts";
import { outputSecrets, setSecret, siteSecrets } from "../support/labSecrets.ts";
import { copyProject } from "../support/projectCopy.ts";
import { assertClean, type Secrets } from "../support/secretScan.ts";
import { labS3 } from "../support/labS3.ts";

/** Answered by the lab's receiver like its own address. */
const WEBHOOK = `http://${addresses.services}:${ports.slack}/services/PLANTED/secrets`;

describe("secrets", { skip: process.getuid?.() === 0 ? false : "the lab needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "secrets-test-"));
  const copy = join(scratch, "project");
  let secrets: Secrets = {};

  before(() => {
    enterDeployedLab();
    secrets = {
      ...siteSecrets(),
      ...outputSecrets(outputs()),
      "Slack webhook": WEBHOOK,
    };
    copyProject(copy);
    setSecret(copy, "capi-mgmt:monitoring.slack.webhookUrl", WEBHOOK);
    const file = join(copy, "Pulumi.lab.yaml");
    const stack = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
    stack.config["capi-mgmt:magnum"] = { kubeconfig: { rotation: 7 } };
    writeFileSync(file, stringify(stack));
  });
  after(() => {
    rmSync(scratch, { recursive: true, force: true });
    lab("fault", "clear");
    const up = lab("up", "--stack", "lab");
    assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
  });

  /** A command of the copy; what it prints is searched. */
  function run(program: string, ...args: string[]): Ran {
    const done = command(process.execPath, ["--no-warnings", join(copy, program), ...args], {
      timeout: 10 * 60_000,
    });
    assertClean(done.stdout + done.stderr, secrets, `${program} ${args.join(" ")}`);
    return done;
  }
  const deploy = (...args: string[]) => run("lab/cli.ts", ...args, "--stack", "lab");

  function outputs(): Record<string, unknown> {
    const shown = ["output", "--stack", "lab", "--json", "--show-secrets"];
    return JSON.parse(lab(...shown).stdout) as Record<string, unknown>;
  }

  test("no command line holds one while a deployment changes the webhook and Magnum's token", () => {
    const file = join(scratch, "command-lines");
    const sampled = openSync(file, "w");
    // The seed's processes are among the machine's: the lab boots it in a namespace.
    const script = "while :; do cat /proc/[0-9]*/cmdline | tr '\\0' ' '; echo; sleep 0.1; done";
    const sampler = spawn("bash", ["-c", script], { stdio: ["ignore", sampled, "ignore"] });
    const before = secrets["Magnum's token"];
    const up = deploy("up");
    sampler.kill();
    closeSync(sampled);
    assert.equal(up.status, 0, up.stdout.slice(-4000) + up.stderr.slice(-2000));
    const now = outputSecrets(outputs());
    assert.notEqual(now["Magnum's token"], before, "there is a new token");
    secrets = { ...secrets, ...now, "Magnum's former token": before ?? "" };
    const lines = readFileSync(file, "latin1");
    assert.match(lines, /lab\/cli\.ts up/, "the deployment itself was seen");
    assertClean(lines, secrets, "a command line");
    assertClean(up.stdout + up.stderr, secrets, "up");
  });

  test("no command prints one", () => {
    for (const args of [
      ["preview", "--json"],
      ["preview", "--refresh"],
      ["preview", "--refresh", "--json"],
      ["up", "--json"],
      ["refresh"],
      ["refresh", "--json"],
      ["output"],
      ["output", "--json"],
      ["output", "haKubeconfig"],
    ]) {
      const done = deploy(...args);
      assert.equal(done.status, 0, args.join(" ") + done.stdout.slice(-4000) + done.stderr.slice(-2000));
      assert.ok(done.stdout.length > 0, args.join(" "));
    }
    for (const [program, ...args] of [
      ["bin/plan.ts", "lab"],
      ["bin/plan.ts", "lab", "--json"],
      ["bin/policy.ts", "lab", "--json"],
      ["bin/preflight.ts", "lab", "--json"],
      ["bin/config.ts", "lab", "--json"],
    ] as const) {
      assert.ok(run(program, ...args).stdout.length > 20, program);
    }
  });

  test("no command that fails prints one", () => {
    const file = join(copy, "Pulumi.lab.yaml");
    const text = readFileSync(file, "utf8");
    // A change of what is secret, made while the clouds answer with errors.
    writeFileSync(file, text.replace("rotation: 7", "rotation: 8"));
    lab("fault", "add", "--service", "neutron", "--status", "500");
    assert.notEqual(deploy("preview", "--refresh").status, 0);
    assert.notEqual(deploy("up").status, 0, "preflight stops it");
    lab("fault", "clear");
    writeFileSync(file, text.replace("http", "ftp").replace("secure: v1", "secure: v0"));
    assert.notEqual(deploy("preview").status, 0, "a secure value that cannot be read");
    writeFileSync(file, text);
  });

  test("nothing in the state store holds one in plain: state, backups, history, locks, every version", async () => {
    const s3 = labS3();
    const seen = new Set<string>();
    let versions = 0;
    let KeyMarker: string | undefined;
    let VersionIdMarker: string | undefined;
    let more = true;
    while (more) {
      const page = await s3.send(
        new ListObjectVersionsCommand({ Bucket: bucket, KeyMarker, VersionIdMarker }),
      );
      for (const { Key = "", VersionId } of page.Versions ?? []) {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key, VersionId }));
        const stored = Buffer.from((await Body?.transformToByteArray()) ?? []);
        assertClean((Key.endsWith(".gz") ? gunzipSync(stored) : stored).toString("latin1"), secrets, Key);
        seen.add(Key.split("/")[1] ?? "");
        versions += 1;
      }
      ({ NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page);
      more = page.IsTruncated === true;
    }
    s3.destroy();
    console.log(`${versions} versions of objects were searched`);
    for (const folder of ["stacks", "backups", "history"]) assert.ok(seen.has(folder), [...seen].join(", "));
  });

  test("no log of the lab or of the seed holds one", () => {
    const logs = readdirSync(paths.log, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    assert.ok(logs.length > 5, logs.join(" "));
    for (const name of logs) assertClean(readFileSync(name, "latin1"), secrets, name);
    const script =
      "cat /var/log/cloud-init*.log /var/log/auth.log 2>/dev/null; journalctl --no-pager 2>/dev/null; true";
    const ofSeed = output(join(project, "bin/seed-ssh"), ["lab", "--", `sudo sh -c '${script}'`]);
    assert.ok(ofSeed.length > 1000, "the seed's logs are empty");
    assertClean(ofSeed, secrets, "the seed's logs");
  });
});
