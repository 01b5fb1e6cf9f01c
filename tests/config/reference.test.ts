/**
 * The documentation says what the schema says, and every setting is explained.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { AZIMUTH } from "../../config/azimuth.ts";
import { commentedDefaults, withAzimuthTable, withReference } from "../../config/reference.ts";
import { configSchema } from "../../config/schema.ts";
import { fields } from "../../config/schemaTree.ts";
import { formatPath } from "../../config/tree.ts";

const root = join(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(join(root, file), "utf8");

test("the reference is up to date: npm run config -- --write-reference", () => {
  const page = read("docs/configuration.md");
  assert.equal(withReference(page, read("config/defaults.yaml")), page);
});

test("every field says what it means", () => {
  const silent = fields(configSchema).filter(({ meta }) => !/^[A-Z].*\.$/.test(meta.description ?? ""));
  assert.deepEqual(
    silent.map(({ path }) => formatPath(path)),
    [],
  );
});

test("every default says where it comes from", () => {
  const silent = [...commentedDefaults(read("config/defaults.yaml"))].filter(
    ([, { source }]) => source === "",
  );
  assert.deepEqual(
    silent.map(([path]) => path),
    [],
  );
});

test("the table from azimuth is up to date: npm run config -- --write-reference", () => {
  const page = read("docs/from-azimuth.md");
  assert.equal(withAzimuthTable(page), page);
});

test("every setting that takes a variable's place exists, and every variable has an answer", () => {
  const known = new Set(
    fields(configSchema).flatMap(({ path }) => path.map((_, end) => formatPath(path.slice(0, end + 1)))),
  );
  for (const { variable, settings, note } of AZIMUTH) {
    for (const setting of settings ?? []) assert.ok(known.has(setting), `${variable} → ${setting}`);
    assert.ok(settings !== undefined || note !== undefined, variable);
    for (const [, path = ""] of (note ?? "").matchAll(/`(\w+\.[\w.]+?)(: \w+)?`/g)) {
      if (/^(fs|kubeconfig)\b/.test(path)) continue;
      assert.ok(known.has(path), `${variable}: ${path}`);
    }
  }
  assert.equal(new Set(AZIMUTH.map(({ variable }) => variable)).size, AZIMUTH.length);
});
