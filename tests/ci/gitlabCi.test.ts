/**
 * .gitlab-ci.yml as gitlab-ci-local reads it, with GitLab's schema: which jobs run when. What they do, tests/lab has.
 * Does not prove that `workflow` keeps other branches out: the list shows their jobs all the same.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CiPipeline } from "../support/ciPipeline.ts";

const scratch = mkdtempSync(join(tmpdir(), "gitlab-ci-"));
let ci: CiPipeline;

before(() => {
  ci = new CiPipeline(scratch, process.env);
});
after(() => rmSync(scratch, { recursive: true, force: true }));

void test("a merge request is checked and previewed", async () => {
  assert.deepEqual(await ci.list("merge_request_event"), ["check", "sites", "run"]);
});

void test("the default branch is checked and deployed", async () => {
  assert.deepEqual(await ci.list("push"), ["check", "sites", "run"]);
});

void test("a schedule looks for drift and for new releases", async () => {
  assert.deepEqual(await ci.list("schedule"), ["releases", "sites", "run"]);
});
