import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { inspectStack } from "../../config/program.ts";
import { decryptedConfig } from "../../state/stackConfig.ts";

const root = join(import.meta.dirname, "../..");
const NAME = "new-site-test";
const file = join(root, `Pulumi.${NAME}.yaml`);
const WEBHOOK = "https://hooks.slack.example/services/PLANTED-WEBHOOK";
const required = [
  ["--external-network", "5617d17e-fdc1-4aa1-a14b-b9b5136c65af"],
  ["--seed-flavor", "m1.large"],
  ["--control-plane-flavor", "m1.large"],
  ["--worker-flavor", "m1.xlarge"],
].flat();

afterEach(() => rmSync(file, { force: true }));

function newSite(
  args: string[],
  input = "",
  environment: Record<string, string> = { PULUMI_CONFIG_PASSPHRASE: "PLANTED-PASSPHRASE" },
) {
  const command = ["--no-warnings", join(root, "bin/new-site.ts"), ...args];
  const result = spawnSync(process.execPath, command, {
    encoding: "utf8",
    input,
    env: { PATH: process.env["PATH"], HOME: "/nonexistent", ...environment },
  });
  assert.doesNotMatch(result.stdout + result.stderr, /PLANTED/);
  return result;
}

void test("the file is legal, its secret encrypted so that the stack's passphrase opens it", async () => {
  const result = newSite(
    [NAME, ...required, "--allow", "192.0.2.0/24", "--slack-webhook-file", "-", "--skip-preflight"],
    `${WEBHOOK}\n`,
  );
  assert.equal(result.status, 0, result.stderr);
  const text = readFileSync(file, "utf8");
  assert.doesNotMatch(text, /PLANTED/);
  const { config, problems } = inspectStack(root, NAME);
  assert.deepEqual(problems, []);
  assert.equal(config?.cluster.workers.flavor, "m1.xlarge");
  assert.deepEqual(config?.cluster.apiServer.allowedCidrs, ["192.0.2.0/24"]);
  const values = await decryptedConfig(root, NAME, { PULUMI_CONFIG_PASSPHRASE: "PLANTED-PASSPHRASE" });
  assert.equal(
    (JSON.parse(values["capi-mgmt:monitoring"] ?? "") as { slack: { webhookUrl: string } }).slack.webhookUrl,
    WEBHOOK,
  );
});

void test("every wrong value is reported at once, none of the secret, and nothing is written", () => {
  const wrong = [
    "--external-network",
    "public",
    "--seed-flavor",
    "m1",
    "--control-plane-flavor",
    "m1",
    "--worker-flavor",
    " ",
    "--allow",
    "192.0.2.1/24",
  ];
  const result = newSite([NAME, ...wrong, "--slack-webhook-file", "-"], "PLANTED not a URL\n");
  assert.equal(result.status, 1);
  for (const path of [
    "seed.network.externalNetworkId",
    "cluster.workers.flavor",
    "seed.access.allowedCidrs",
    "monitoring.slack.webhookUrl",
  ]) {
    assert.match(result.stderr, new RegExp(path.replaceAll(".", "\\.")), path);
  }
  assert.match(result.stderr, /Nothing was written\./);
  assert.equal(existsSync(file), false);
});

void test("a site that is there is not overwritten", () => {
  assert.equal(newSite([NAME, ...required, "--skip-preflight"]).status, 0);
  const before = readFileSync(file, "utf8");
  const result = newSite([NAME, ...required, "--seed-flavor", "other", "--skip-preflight"]);
  assert.equal(result.status, 1);
  assert.match(result.stderr, /is there already; nothing was changed/);
  assert.equal(readFileSync(file, "utf8"), before);
});

void test("preflight runs, and its failure is reported by the exit code while the file stays", () => {
  const result = newSite([NAME, ...required]);
  assert.equal(result.status, 2);
  assert.match(result.stderr, /clouds\.yaml/);
  assert.equal(existsSync(file), true);
});

const refusals: [args: string[], code: number, message: RegExp, environment?: Record<string, string>][] = [
  [[], 2, /give one name/],
  [["Prod"], 2, /stack name "Prod": use lower-case letters/],
  [
    [NAME],
    1,
    /there is no terminal to ask on: give --external-network, --seed-flavor, --control-plane-flavor, --worker-flavor/,
  ],
  [[NAME, ...required, "--layer", "prodution"], 1, /prodution/],
  [[NAME, ...required, "--slack-webhook-file", "/nonexistent"], 1, /ENOENT/],
];
for (const [args, code, message, environment] of refusals) {
  void test(`new-site ${args.join(" ")} ends with ${code}`, () => {
    const result = newSite(args, "", environment);
    assert.equal(result.status, code, result.stderr);
    assert.match(result.stderr, message);
    assert.equal(existsSync(file), false);
  });
}

void test("a secret without a passphrase is refused before anything is written", () => {
  const result = newSite([NAME, ...required, "--slack-webhook-file", "-"], WEBHOOK, {});
  assert.equal(result.status, 1);
  assert.match(result.stderr, /the webhook needs a passphrase/);
  assert.equal(existsSync(file), false);
});
