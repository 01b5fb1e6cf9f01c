/**
 * `npm run config` as a process: what it prints and its exit codes.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { NETWORK } from "./support.ts";

const PROGRAM = join(import.meta.dirname, "../../bin/config.ts");
const folder = mkdtempSync(join(tmpdir(), "capi-mgmt-cli-"));
after(() => rmSync(folder, { recursive: true }));

const good = `config:
  capi-mgmt:layers: [production]
  capi-mgmt:seed: {flavor: m1.large, network: {externalNetworkId: ${NETWORK}}}
  capi-mgmt:cluster: {controlPlane: {flavor: a}, workers: {flavor: b}}
  capi-mgmt:monitoring: {slack: {webhookUrl: {secure: v1:CIPHER}}}
`;
writeFileSync(join(folder, "Pulumi.good.yaml"), good);
writeFileSync(
  join(folder, "Pulumi.bad.yaml"),
  `config:
  capi-mgmt:seed: {flavour: x}
  capi-mgmt:monitoring: {slack: {webhookUrl: TOPSECRET, tokn: TOPSECRET}}
`,
);

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  assert.equal(`${stdout}${stderr}`.includes("TOPSECRET"), false);
  assert.equal(`${stdout}${stderr}`.includes("CIPHER"), false);
  return { status, stdout, stderr };
}

test("prints every value with its layer", () => {
  const { status, stdout, stderr } = run("good");
  assert.equal(status, 0);
  assert.equal(stderr, "");
  const line = (path: string) =>
    stdout
      .split("\n")
      .find((text) => text.startsWith(`${path} `))
      ?.split(/\s{2,}/);
  assert.deepEqual(line("seed.flavor"), ["seed.flavor", "Pulumi.good.yaml", "m1.large"]);
  assert.deepEqual(line("protect.cluster"), ["protect.cluster", "layers/production", "true"]);
  assert.deepEqual(line("k3s.version"), ["k3s.version", "defaults", "v1.34.8+k3s1"]);
  assert.deepEqual(line("cluster.image.diskFormat"), ["cluster.image.diskFormat", "defaults", "qcow2"]);
  assert.deepEqual(line("monitoring.slack.webhookUrl"), [
    "monitoring.slack.webhookUrl",
    "Pulumi.good.yaml",
    "[secret]",
  ]);
});

test("prints JSON", () => {
  const { status, stdout } = run("good", "--json");
  assert.equal(status, 0);
  const { stack, problems, values } = JSON.parse(stdout) as {
    stack: string;
    problems: unknown[];
    values: { path: string; value: unknown; layer: string }[];
  };
  assert.equal(stack, "good");
  assert.deepEqual(problems, []);
  assert.deepEqual(
    values.find(({ path }) => path === "cluster.workers.count"),
    { path: "cluster.workers.count", value: 3, layer: "defaults" },
  );
  assert.equal(
    values.every(({ layer }) => layer !== ""),
    true,
  );
});

test("fails with every problem and prints no values", () => {
  const { status, stdout, stderr } = run("bad");
  assert.equal(status, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /^Pulumi\.bad\.yaml: 7 problems in the configuration\n {2}seed\.flavor: is required/);
  assert.match(stderr, /seed\.flavour: is not a known key; did you mean seed\.flavor\?/);
});

test("JSON with problems still hides secrets", () => {
  const { status, stdout, stderr } = run("bad", "--json");
  assert.equal(status, 1);
  assert.equal(stderr, "");
  const { problems, values } = JSON.parse(stdout) as {
    problems: { path: string }[];
    values: { path: string; value: unknown }[];
  };
  assert.equal(problems.length, 7);
  assert.equal(values.find(({ path }) => path === "monitoring.slack.tokn")?.value, "[secret]");
});

test("--check-secrets fails on a secret in plain text only", () => {
  assert.deepEqual(run("good", "--check-secrets"), {
    status: 0,
    stdout: "Pulumi.good.yaml: no secret is stored in plain text\n",
    stderr: "",
  });
  const { status, stderr } = run("bad", "--check-secrets");
  assert.equal(status, 1);
  assert.match(
    stderr,
    /monitoring\.slack\.webhookUrl: is a secret and stored in plain text \(got \[secret\]/,
  );
});

writeFileSync(
  join(folder, "Pulumi.extra.yaml"),
  `${good}  capi-mgmt:registries: {auth: {registry.example.org: {username: u, password: {secure: v1:CIPHER}}}}
  capi-mgmt:extraValues:
    cluster: {values: {clusterAnnotations: {owner: me}, oidc: {clientId: {secure: v1:CIPHER}}}}
`,
);
writeFileSync(
  join(folder, "Pulumi.against.yaml"),
  `${good}  capi-mgmt:extraValues: {cluster: {values: {apiServer: {port: 443}}}}\n`,
);

test("--values prints what a release is given, extra values merged in, secrets hidden", () => {
  const { status, stdout, stderr } = run("extra", "--values", "cluster", "--json");
  assert.equal(stderr, "");
  assert.equal(status, 0);
  const values = JSON.parse(stdout) as Record<string, Record<string, unknown>>;
  assert.deepEqual(values["clusterAnnotations"], { owner: "me" });
  assert.deepEqual(values["oidc"], { clientId: "[secret]" });
  assert.equal(values["registryAuth"], "[secret]");
  assert.equal(values["apiServer"]?.["port"], 6443);
  assert.match(run("extra", "--values", "certManager").stdout, /^crds:\n {2}enabled: true\n/);
  const all = run("extra").stdout;
  assert.match(all, /extraValues\.cluster\.values\.clusterAnnotations\.owner +Pulumi\.extra\.yaml +me/);
  assert.match(all, /extraValues\.cluster\.values\.oidc\.clientId +Pulumi\.extra\.yaml +\[secret\]/);
  const unknown = run("extra", "--values", "flux");
  assert.equal(unknown.status, 64);
  assert.match(
    unknown.stderr,
    /--values takes one of cluster, monitoring, certManager, addonProvider, janitor, logCollector, loki, backups, not flux/,
  );
});

test("an extra value against the program's is a problem with both values", () => {
  for (const args of [[], ["--values", "cluster"]]) {
    const { status, stderr } = run("against", ...args);
    assert.equal(status, 1);
    assert.equal(
      stderr,
      'Pulumi.against.yaml: 1 problem in the configuration\n  extraValues.cluster.values.apiServer.port: is against what the program sets, which is 6443 (got 443; legal the setting that makes it, or extraValues.cluster.override with "apiServer.port": true)\n',
    );
  }
});

test("explains itself", () => {
  const help = run("--help");
  assert.equal(help.status, 0);
  assert.match(help.stdout, /^Usage: npm run config -- STACK/);
  const without = run();
  assert.equal(without.status, 64);
  assert.match(without.stderr, /^npm run config: which stack\? \(stacks here: against, bad, extra, good\)/);
  assert.equal(run("good", "bad").status, 64);
  assert.equal(run("good", "--jsn").status, 64);
  assert.deepEqual(run("god"), {
    status: 1,
    stdout: "",
    stderr: "npm run config: no Pulumi.god.yaml (stacks here: against, bad, extra, good)\n",
  });
});
