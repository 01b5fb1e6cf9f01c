/**
 * Secrets planted where an operator's are (stack file, clouds.yaml, passphrase, keys of the state store), then every
 * command that can run without a cloud: what it prints and writes holds none of them, in no encoding.
 *
 * Proves, too, that the program of an `up` on a cloud that cannot be reached ends in preflight, with nothing registered.
 * Does not prove a deployment that succeeds: that is tests/lab.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse, stringify } from "yaml";
import { newSiteFile } from "../../config/newSite.ts";
import { Crypter } from "../../state/passphrase.ts";
import { runProgram } from "../../plan/program.ts";
import { record } from "../support/mocks.ts";
import { copyProject } from "../support/projectCopy.ts";
import { assertClean as assertNoSecret } from "../support/secretScan.ts";

const NAME = "planted-test";
// Quotation mark and backslash: an escaped copy would not be found by its plain text.
const PLANTED = {
  webhook: "https://hooks.slack.com/services/PLANTED/webhook",
  credential: 'PLANTED-"credential\\secret',
  passphrase: "PLANTED passphrase",
  s3: "PLANTED/s3+secret",
} as const;
/** Nothing listens there. */
const NOWHERE = "http://127.0.0.1:1";

let folder: string;
/** A copy of the project, so that the checkout itself stays as it is. */
let project: string;
let file: string;
let environment: Record<string, string>;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "planted-"));
  project = join(folder, "project");
  copyProject(project);
  file = join(project, `Pulumi.${NAME}.yaml`);
  const site = {
    name: NAME,
    layers: ["production"],
    externalNetworkId: "5617d17e-fdc1-4aa1-a14b-b9b5136c65af",
    seedFlavor: "m1.large",
    controlPlaneFlavor: "m1.large",
    workerFlavor: "m1.large",
    allowedCidrs: ["192.0.2.0/24"],
    slackWebhookUrl: PLANTED.webhook,
  };
  const document = parse(newSiteFile(site, await Crypter.create(PLANTED.passphrase))) as {
    config: Record<string, unknown>;
  };
  // Otherwise preflight would ask the internet.
  document.config["capi-mgmt:mirror"] = { url: NOWHERE };
  writeFileSync(file, stringify(document));
  const auth = {
    auth_url: `${NOWHERE}/v3`,
    application_credential_id: "0123456789abcdef0123456789abcdef",
    application_credential_secret: PLANTED.credential,
  };
  const clouds = { clouds: { openstack: { auth_type: "v3applicationcredential", auth } } };
  // JSON is YAML.
  writeFileSync(join(folder, "clouds.yaml"), JSON.stringify(clouds));
  environment = {
    PATH: process.env["PATH"] ?? "",
    HOME: folder,
    // What is compiled of the copy goes with it.
    NODE_COMPILE_CACHE: join(folder, "compiled"),
    OS_CLIENT_CONFIG_FILE: join(folder, "clouds.yaml"),
    PULUMI_CONFIG_PASSPHRASE: PLANTED.passphrase,
    PULUMI_BACKEND_URL: `s3://state?endpoint=${NOWHERE}&s3ForcePathStyle=true&region=us-east-1`,
    AWS_ACCESS_KEY_ID: "key",
    AWS_SECRET_ACCESS_KEY: PLANTED.s3,
    AWS_MAX_ATTEMPTS: "1",
  };
});
after(() => {
  rmSync(folder, { recursive: true });
});

function assertClean(text: string, what: string): void {
  assertNoSecret(text, PLANTED, what);
}

async function run(program: string, ...args: string[]): Promise<{ code: number | null; stdout: string }> {
  const command = ["--no-warnings", join(project, program), ...args];
  const child = spawn(process.execPath, command, { cwd: project, env: environment });
  let stdout = "";
  let all = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    all += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => (all += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  assertClean(all, `${program} ${args.join(" ")}`);
  return { code, stdout };
}

void test("the scan finds what it looks for", () => {
  for (const value of Object.values(PLANTED)) {
    const wrapped = Buffer.from(`{"key": ${JSON.stringify(value)}}`).toString("base64");
    assert.throws(() => assertClean(`… ${value} …`, "a text"), /holds the planted/);
    assert.throws(() => assertClean(JSON.stringify({ value }), "JSON"), /holds the planted/);
    if (!value.includes('"')) assert.throws(() => assertClean(wrapped, "base64"), /holds the planted/);
  }
});

void test("the stack's file and its configuration", async () => {
  assertClean(readFileSync(file, "utf8"), "the file");
  const { code, stdout } = await run("bin/config.ts", NAME, "--json");
  assert.equal(code, 0, stdout);
  assert.match(stdout, /monitoring\.slack\.webhookUrl/);
  assert.equal((await run("bin/config.ts", NAME, "--check-secrets")).code, 0);
});

void test("the plan ends with the policy's findings", async () => {
  const text = await run("bin/plan.ts", NAME);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /\nmandatory verified-tls: [^]*\npolicy: fail \(\d+ mandatory/);
});

void test("the plan in JSON carries what bin/policy says, whose exit code is the verdict", async () => {
  const { code, stdout } = await run("bin/plan.ts", NAME, "--json");
  assert.equal(code, 0);
  const plan = JSON.parse(stdout) as {
    resources: { name: string; protect?: true }[];
    policy: { verdict: string; findings: Record<string, unknown>[] };
  };
  assert.equal(plan.resources.find(({ name }) => name === "seed-data")?.protect, true);
  const judged = await run("bin/policy.ts", NAME, "--json");
  assert.equal(judged.code, 2);
  assert.deepEqual(JSON.parse(judged.stdout), plan.policy);
  assert.deepEqual(Object.keys(plan.policy.findings[0] ?? {}).sort(), [
    "message",
    "rule",
    "severity",
    "subject",
  ]);
});

// Side by side: each tries an address where nothing listens for some 17 s.
describe("without a cloud", { concurrency: true }, () => {
  test("preflight without a cloud fails in every check that needs one", async () => {
    const { code, stdout } = await run("bin/preflight.ts", NAME, "--json");
    assert.equal(code, 2, stdout);
    const { verdict, checks } = JSON.parse(stdout) as { verdict: string; checks: { verdict: string }[] };
    assert.equal(verdict, "fail");
    assert.ok(checks.filter((check) => check.verdict === "fail").length > 3, stdout);
  });

  test("an up ends in preflight: nothing is made", async () => {
    const before = { folder: process.cwd(), environment: { ...process.env } };
    process.chdir(project);
    Object.assign(process.env, environment);
    try {
      const recording = await record({ stack: NAME, config: decrypted() });
      let text = "";
      await assert.rejects(runProgram(join(project, "index.ts"), recording), (error: Error) => {
        text = error.message;
        return true;
      });
      assert.match(text, /preflight failed; nothing was changed\. To go on all the same, set/);
      assert.match(text, /credentials\.valid/);
      assert.deepEqual(recording.resources, []);
      assertClean(text, "the up");
    } finally {
      process.chdir(before.folder);
      process.env = before.environment;
    }
  });
});

/** The stack's configuration as the program of an up gets it. */
function decrypted(): Record<string, string> {
  const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, Record<string, unknown>> };
  config["capi-mgmt:monitoring"] = { slack: { webhookUrl: PLANTED.webhook } };
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, JSON.stringify(value)]));
}
