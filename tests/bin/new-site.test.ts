import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { promisify } from "node:util";
import { loadConfig } from "../../config/load.ts";
import { newSiteInput, newSiteProblems } from "../../config/newSite.ts";
import { inspectStack } from "../../config/program.ts";
import { isSample, readStackFile } from "../../config/stackFile.ts";
import { decryptedConfig } from "../../state/stackConfig.ts";
import { COMPILED } from "../support/compiled.ts";

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
  const command = ["--no-warnings", join(root, "bin/new-site.ts"), "--offline", ...args];
  const result = spawnSync(process.execPath, command, {
    encoding: "utf8",
    input,
    env: { ...COMPILED, PATH: process.env["PATH"], HOME: "/nonexistent", ...environment },
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

void test("nothing of a sample is in a new site: each value of its file was given, or is the default layer", () => {
  const given = [
    "--allow",
    "192.0.2.0/24",
    "--allow",
    "198.51.100.0/24",
    "--cloud",
    "mine",
    "--skip-preflight",
  ];
  assert.equal(newSite([NAME, ...required, ...given]).status, 0);
  const { values } = readStackFile(root, NAME);
  const allowed = ["192.0.2.0/24", "198.51.100.0/24"];
  assert.deepEqual(values, {
    layers: ["production"],
    openstack: { cloud: "mine" },
    seed: {
      flavor: "m1.large",
      network: { externalNetworkId: "5617d17e-fdc1-4aa1-a14b-b9b5136c65af" },
      access: { allowedCidrs: { ssh: allowed, api: allowed } },
    },
    cluster: {
      controlPlane: { flavor: "m1.large" },
      workers: { flavor: "m1.xlarge" },
      apiServer: { allowedCidrs: allowed },
    },
  });
  assert.equal(isSample(readStackFile(root, NAME)), false);
});

void test("a sample's name is refused, its file stays", () => {
  for (const sample of ["dev", "prod"]) {
    const before = readFileSync(join(root, `Pulumi.${sample}.yaml`), "utf8");
    const result = newSite([sample, ...required, "--skip-preflight"]);
    assert.equal(result.status, 1);
    assert.equal(
      result.stderr,
      `bin/new-site: Pulumi.${sample}.yaml is a sample that comes with the program: give the site another name\n`,
    );
    assert.equal(readFileSync(join(root, `Pulumi.${sample}.yaml`), "utf8"), before);
  }
});

void test("the stack's salt is written where the passphrase is known, so that pulumi stack init changes nothing", () => {
  assert.equal(newSite([NAME, ...required, "--skip-preflight"]).status, 0);
  assert.match(readFileSync(file, "utf8"), /^encryptionsalt: v1:\S+:v1:\S+$/m);
  rmSync(file);
  assert.equal(newSite([NAME, ...required, "--skip-preflight"], "", {}).status, 0);
  assert.doesNotMatch(readFileSync(file, "utf8"), /encryptionsalt/);
});

void test("a node image that was found is in the file, with its checksum and Kubernetes version", () => {
  const image = { url: "https://images.example.org/noble.qcow2", checksum: `sha256:${"a".repeat(64)}` };
  const site = {
    ...{ name: NAME, layers: ["production"], allowedCidrs: [] },
    externalNetworkId: "5617d17e-fdc1-4aa1-a14b-b9b5136c65af",
    ...{ seedFlavor: "a", controlPlaneFlavor: "b", workerFlavor: "c" },
    nodeImage: { kubernetesVersion: "v1.34.7", image },
  };
  assert.deepEqual(newSiteProblems(site), []);
  const { cluster } = loadConfig(newSiteInput(site)).config ?? {};
  assert.equal(cluster?.kubernetesVersion, "v1.34.7");
  assert.deepEqual({ ...cluster?.image }, image);
});

void test("the newest node image is looked up at the site's mirror; where nobody answers the default stays", async (t) => {
  const manifest = readFileSync(join(root, "tests/releases/fixtures/manifest.json"), "utf8");
  const server = createServer((request, response) => {
    const isManifest = request.url?.endsWith("/0.32.0/manifest.json") === true;
    response.end(isManifest ? manifest : '{"azimuth-images": "0.32.0"}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = [NAME, ...required, "--mirror", mirror, "--skip-preflight"];
  const command = ["--no-warnings", join(root, "bin/new-site.ts"), ...args];
  const found = await promisify(execFile)(process.execPath, command, { cwd: root });
  assert.match(found.stderr, /node image: Kubernetes v1\.34\.8, https:\/\/images\.example\.org\//);
  const { values } = readStackFile(root, NAME);
  assert.deepEqual(values["mirror"], { url: mirror });
  assert.equal((values["cluster"] as { kubernetesVersion: string }).kubernetesVersion, "v1.34.8");
  assert.match(readFileSync(file, "utf8"), /checksum: sha256:a{64}/);
  rmSync(file);
  server.closeAllConnections();
  server.close();
  const silent = await promisify(execFile)(process.execPath, command, { cwd: root });
  assert.match(silent.stderr, /node image: the default's, because http:\/\/127\.0\.0\.1:\d+\/.*ECONNREFUSED/);
  assert.equal(
    (readStackFile(root, NAME).values["cluster"] as object as { image?: object }).image,
    undefined,
  );
});

void test("bin/policy finds nothing mandatory in a site as it was written, without credentials", () => {
  assert.equal(newSite([NAME, ...required, "--skip-preflight"]).status, 0);
  const judged = spawnSync(process.execPath, ["--no-warnings", join(root, "bin/policy.ts"), NAME, "--json"], {
    encoding: "utf8",
    env: { ...COMPILED, PATH: process.env["PATH"], HOME: "/nonexistent" },
  });
  assert.equal(judged.status, 0, judged.stdout + judged.stderr);
  const { findings } = JSON.parse(judged.stdout) as { findings: { severity: string; message: string }[] };
  // What is not pinned yet is told, and by whom it is.
  assert.ok(findings.every(({ severity }) => severity === "advisory"));
  assert.ok(findings.every(({ message }) => message.includes("bin/check-releases --pin")));
});

void test("preflight runs, and its failure is reported by the exit code while the file stays", () => {
  const result = newSite([NAME, ...required]);
  assert.equal(result.status, 2);
  assert.match(result.stderr, /clouds\.yaml/);
  assert.equal(existsSync(file), true);
});

const refusals: [args: string[], code: number, message: RegExp, environment?: Record<string, string>][] = [
  [[], 64, /give one name/],
  [["Prod"], 64, /stack name "Prod": use lower-case letters/],
  [
    [NAME],
    1,
    /there is no terminal to ask on: give --external-network, --seed-flavor, --control-plane-flavor, --worker-flavor/,
  ],
  [[NAME, ...required, "--layer", "prodution"], 1, /prodution/],
  [[NAME, ...required, "--slack-webhook-file", "/nonexistent/webhook"], 1, /ENOENT/],
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
