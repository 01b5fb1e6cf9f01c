import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readSites, type Site, sitesOf } from "../../ci/sites.ts";

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

void test("sites are the stack files, without the lab; production unless a layer or the file says staging", () => {
  const root = mkdtempSync(join(tmpdir(), "sites-"));
  try {
    writeFileSync(join(root, "Pulumi.prod.yaml"), "config:\n  capi-mgmt:layers: [production]\n");
    writeFileSync(join(root, "Pulumi.dev.yaml"), "config:\n  capi-mgmt:layers: [development]\n");
    writeFileSync(join(root, "Pulumi.lab.yaml"), "config: {}\n");
    writeFileSync(join(root, "Pulumi.empty.yaml"), "");
    writeFileSync(join(root, "Pulumi.yaml"), "name: capi-mgmt\n");
    assert.deepEqual(readSites(root), [
      { name: "dev", layers: ["development"], tier: "staging" },
      { name: "empty", layers: [], tier: "production" },
      { name: "prod", layers: ["production"], tier: "production" },
    ]);
    assert.deepEqual(
      readSites(root, "prod lab").map(({ name }) => name),
      ["lab", "prod"],
    );
    assert.throws(() => readSites(root, "prod pord"), {
      message: "CAPI_MGMT_SITES: no such stack (got pord; legal: dev, empty, lab, prod)",
    });
  } finally {
    rmSync(root, { recursive: true });
  }
});
