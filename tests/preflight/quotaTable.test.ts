/** docs/new-site.md against what preflight computes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withQuotaTable } from "../../preflight/quotaTable.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/new-site.md"), "utf8");

void test("docs/new-site.md tells the quota that preflight computes (else: npm run config -- --write-reference)", () => {
  assert.equal(withQuotaTable(page), page);
});

void test("the table has a production site's peak: seed, 3 + 1 control plane, 3 + 1 workers", () => {
  assert.match(withQuotaTable(page), /^\| instances \| 9 \| 5 \|$/m);
  assert.match(withQuotaTable(page), /^\| cores \| 18 \| 10 \|$/m);
});
