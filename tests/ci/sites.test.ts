import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { readSites, type Site, sitesOf, WITHOUT_EFFECT } from "../../ci/sites.ts";

const sites: Site[] = [
  { name: "dev", layers: ["development"], tier: "staging" },
  { name: "prod", layers: ["production"], tier: "production" },
  { name: "prod-east", layers: ["production"], tier: "production" },
];

const table: [changed: string[], concerned: string[]][] = [
  [["Pulumi.prod.yaml"], ["prod"]],
  [["config/layers/production.yaml"], ["prod", "prod-east"]],
  [["config/layers/nobody.yaml"], []],
  [["components/seed.ts"], ["dev", "prod", "prod-east"]],
  [["config/defaults.yaml"], ["dev", "prod", "prod-east"]],
  [["package-lock.json"], ["dev", "prod", "prod-east"]],
  [["ci/deploy.ts"], ["dev", "prod", "prod-east"]],
  [["ci/jobs.yml"], ["dev", "prod", "prod-east"]],
  [[".gitlab-ci.yml"], ["dev", "prod", "prod-east"]],
  [
    ["preflight/judge.ts", "docs/preflight.md"],
    ["dev", "prod", "prod-east"],
  ],
  [["docs/new-site.md", "README.md", "tests/lib/x.test.ts", "lab/cli.ts", "Pulumi.lab.yaml"], []],
  [["Pulumi.yaml"], ["dev", "prod", "prod-east"]],
  [["docs/new-site.md", "Pulumi.dev.yaml"], ["dev"]],
  [["Pulumi.gone.yaml"], []],
  [[], []],
];

for (const [changed, concerned] of table) {
  void test(`a change to ${changed.join(", ") || "nothing"} previews ${concerned.join(", ") || "no site"}`, () => {
    assert.deepEqual(
      sitesOf(changed, sites).map(({ name }) => name),
      concerned,
    );
  });
}

void test("whatever a preview or a deployment runs previews every site", () => {
  const root = join(import.meta.dirname, "../..");
  const entries = [
    "index.ts",
    "ci/preview.ts",
    "ci/deploy.ts",
    "ci/drift.ts",
    "bin/preflight.ts",
    "bin/policy.ts",
  ];
  const reached = new Set<string>();
  const visit = (file: string) => {
    if (reached.has(file)) return;
    reached.add(file);
    const text = readFileSync(join(root, file), "utf8");
    // Types are gone when it runs.
    for (const [, specifier = ""] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from "(\.[^"]+)";/gm))
      visit(join(dirname(file), specifier));
    for (const [, specifier = ""] of text.matchAll(/import\("(\.[^"]+)"\)/g))
      visit(join(dirname(file), specifier));
  };
  for (const entry of entries) visit(entry);
  for (const folder of ["automation", "ci", "components", "config", "lib", "policy", "preflight"])
    assert.ok(
      [...reached].some((file) => file.startsWith(`${folder}/`)),
      folder,
    );
  assert.deepEqual(
    [...reached].filter((file) => WITHOUT_EFFECT.some((pattern) => pattern.test(file))),
    [],
  );
});

void test("sites are the stack files but samples and those of tier none; production unless a layer or the file says so", () => {
  const root = mkdtempSync(join(tmpdir(), "sites-"));
  try {
    writeFileSync(join(root, "Pulumi.prod.yaml"), "config:\n  capi-mgmt:layers: [production]\n");
    writeFileSync(join(root, "Pulumi.dev.yaml"), "config:\n  capi-mgmt:layers: [development]\n");
    writeFileSync(join(root, "Pulumi.like.yaml"), "config:\n  capi-mgmt:sample: true\n");
    writeFileSync(join(root, "Pulumi.rig.yaml"), "config:\n  capi-mgmt:layers: [lab]\n");
    writeFileSync(join(root, "Pulumi.lab.yaml"), "config: {}\n");
    writeFileSync(join(root, "Pulumi.empty.yaml"), "");
    writeFileSync(join(root, "Pulumi.yaml"), "name: capi-mgmt\n");
    assert.deepEqual(readSites(root), [
      { name: "dev", layers: ["development"], tier: "staging" },
      { name: "empty", layers: [], tier: "production" },
      // The name makes no difference, the layer does.
      { name: "lab", layers: [], tier: "production" },
      { name: "prod", layers: ["production"], tier: "production" },
    ]);
    assert.deepEqual(readSites(root, "prod rig"), [
      { name: "prod", layers: ["production"], tier: "production" },
      { name: "rig", layers: ["lab"], tier: "none" },
    ]);
    assert.throws(() => readSites(root, "prod pord"), {
      message: "CAPI_MGMT_SITES: no such stack (got pord; legal: dev, empty, lab, like, prod, rig)",
    });
  } finally {
    rmSync(root, { recursive: true });
  }
});
