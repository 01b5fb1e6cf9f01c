/**
 * The front doors: what Pulumi hands over, and the stack's file read without decrypting.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError, formatProblem } from "../../config/problems.ts";
import { inspectStack, loadForProgram } from "../../config/program.ts";
import { isSample, parseStackFile, plainSecrets, readStackFile } from "../../config/stackFile.ts";
import { NETWORK, SITE } from "./support.ts";

const ID = "8f1b4ab9d5c84b6c9d2f4c3a2b1c0d9e";
const CREDENTIALS = {
  authUrl: "https://keystone.example:5000",
  applicationCredentialId: ID,
  applicationCredentialSecret: "TOPSECRET",
};

/** What Pulumi's configuration looks like in a run: every value a text. */
function pulumiValues(sections: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sections).map(([key, value]) => [
      `capi-mgmt:${key}`,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

function inFolder<T>(files: Record<string, string>, use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "capi-mgmt-config-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a run gets its configuration with decrypted secrets, and its credentials", () => {
  const slack = { slack: { webhookUrl: "https://hooks.slack.example/x" } };
  const { config, credentials } = loadForProgram({
    stack: "test",
    values: { ...pulumiValues({ ...SITE, openstack: CREDENTIALS, monitoring: slack }), "pulumi:tags": "{}" },
    environment: {},
    folder: "/nonexistent",
  });
  assert.equal(config.monitoring.slack.webhookUrl, "https://hooks.slack.example/x");
  assert.equal(credentials.applicationCredentialSecret, "TOPSECRET");
});

test("a run reports problems of configuration and credentials together", () => {
  const values = {
    ...pulumiValues({
      ...SITE,
      cluster: { ...SITE.cluster, kubernetesVersion: "latest" },
      sead: "x",
      seed: "{not json",
    }),
    "capi-mgnt:seed": "{}",
  };
  assert.throws(
    () =>
      loadForProgram({
        stack: "test",
        values,
        environment: { OS_CLIENT_CONFIG_FILE: "/gone.yaml" },
        folder: "/x",
      }),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(
        error.message,
        `Pulumi.test.yaml: 5 problems in the configuration
  capi-mgnt:seed: is not this program's namespace (legal capi-mgmt:seed)
  seed: has the wrong type (got [secret]; legal a map of flavor, image, replaceOnImageChange, user, availabilityZone, keypair, ssh, authorizedKeys, network, access, rootVolume, dataVolume, timeouts)
  cluster.kubernetesVersion: is not valid (got "latest"; legal a version such as v1.2.3)
  sead: is not a known key; did you mean seed?
  openstack.cloud: no clouds.yaml found (legal an application credential in /gone.yaml, or openstack.authUrl, openstack.applicationCredentialId and openstack.applicationCredentialSecret)`,
      );
      return true;
    },
  );
});

test("an offline run needs neither credentials nor decrypted values", () => {
  const file = `config:
  capi-mgmt:monitoring:
    slack:
      webhookUrl:
        secure: v1:abc:def
`;
  inFolder({ "Pulumi.test.yaml": file }, (folder) => {
    const { config, credentials } = loadForProgram({
      stack: "test",
      values: pulumiValues({ ...SITE, monitoring: { slack: { webhookUrl: "[secret]" } } }),
      environment: { CAPI_MGMT_OFFLINE: "1" },
      folder,
    });
    assert.equal(config.monitoring.slack.webhookUrl, "[secret]");
    assert.equal(credentials.source, "placeholder");
  });
});

test("a stack's file is read with placeholders for what is encrypted", () => {
  const file = `encryptionsalt: v1:salt
config:
  pulumi:disable-default-providers: ["*"]
  capi-mgmt:seed: {flavor: m1.large, network: {externalNetworkId: ${NETWORK}}}
  capi-mgmt:cluster: {controlPlane: {flavor: a}, workers: {flavor: b, count: {secure: v1:abc}}}
`;
  inFolder({ "Pulumi.test.yaml": file }, (folder) => {
    const { problems, config, encryptedPaths, provenance } = inspectStack(folder, "test");
    assert.deepEqual(problems, []);
    assert.deepEqual([...encryptedPaths], ["cluster.workers.count"]);
    assert.equal(config?.seed.flavor, "m1.large");
    assert.equal(provenance.get("cluster.workers.count"), "Pulumi.test.yaml");
  });
});

test("a stack file that says so is a sample, and only such a one", () => {
  const sample = parseStackFile("Pulumi.a.yaml", "config:\n  capi-mgmt:sample: true\n");
  assert.equal(isSample(sample), true);
  for (const text of ["", "config:\n  capi-mgmt:sample: false\n", "config:\n  other:sample: true\n"]) {
    assert.equal(isSample(parseStackFile("Pulumi.a.yaml", text)), false, text);
  }
});

test("the stacks that ship with the program are samples, but for the lab's", () => {
  const project = join(import.meta.dirname, "../..");
  const samples = ["dev", "prod", "lab"].filter((name) => isSample(readStackFile(project, name)));
  assert.deepEqual(samples, ["dev", "prod"]);
});

test("a stack without a file is told which stacks there are", () => {
  inFolder({ "Pulumi.dev.yaml": "", "Pulumi.prod.yaml": "", "Pulumi.yaml": "" }, (folder) => {
    assert.throws(() => inspectStack(folder, "prd"), {
      message: "no Pulumi.prd.yaml (stacks here: dev, prod)",
    });
  });
});

test("a file that is not YAML is told the place, never the text", () => {
  assert.throws(
    () => parseStackFile("Pulumi.test.yaml", "config:\n  capi-mgmt:seed: {secure: 'TOPSECRET\n"),
    {
      message: "Pulumi.test.yaml is not YAML, line 3, column 1",
    },
  );
});

test("slips of a stack's file", () => {
  const { problems } = parseStackFile(
    "Pulumi.test.yaml",
    "config:\n  seed: {}\n  capi-mgt:seed: {}\n  aws:region: x\n  capi-mgmt:openstack: {secure: v1:abc}\n",
  );
  assert.deepEqual(problems.map(formatProblem), [
    "seed: has no namespace (legal capi-mgmt:seed)",
    "capi-mgt:seed: is not this program's namespace (legal capi-mgmt:seed)",
    "openstack: is encrypted as a whole, so that nothing of it can be read offline (legal only secret fields encrypted, with pulumi config set --secret --path)",
  ]);
  assert.deepEqual(parseStackFile("x", "config: [1]").problems.map(formatProblem), [
    "config: has the wrong type (legal a map of capi-mgmt:… keys)",
  ]);
});

test("secrets in plain text are found, encrypted ones are not", () => {
  const file = parseStackFile(
    "Pulumi.test.yaml",
    `config:
  capi-mgmt:openstack: {applicationCredentialSecret: TOPSECRET}
  capi-mgmt:monitoring: {slack: {webhookUrl: {secure: v1:abc}, criticalWebhookUrl: ""}}
`,
  );
  assert.deepEqual(plainSecrets(file).map(formatProblem), [
    "openstack.applicationCredentialSecret: is a secret and stored in plain text (got [secret]; legal pulumi config set --secret --path 'capi-mgmt:openstack.applicationCredentialSecret', and a new secret, since this one is in git)",
    "monitoring.slack.criticalWebhookUrl: is a secret and stored in plain text (got [secret]; legal pulumi config set --secret --path 'capi-mgmt:monitoring.slack.criticalWebhookUrl', and a new secret, since this one is in git)",
  ]);
});
