/**
 * .gitlab-ci.yml and the child pipelines as gitlab-ci-local reads them, which holds them against GitLab's published schema:
 * which jobs run when. What they do, tests/lab has. Does not prove that `workflow` keeps other branches out: the list
 * shows their jobs all the same.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parse, stringify } from "yaml";
import { childPipeline } from "../../ci/matrix.ts";
import type { Site } from "../../ci/sites.ts";
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

const sites: Site[] = [
  { name: "dev", layers: [], tier: "staging" },
  { name: "prod", layers: [], tier: "production" },
];

/** Texts that keep to the schema: without sites it is the same one in each mode. */
const legal = new Set<string>();

for (const mode of ["preview", "deploy", "drift"] as const) {
  void test(`the child pipeline of ${mode} keeps to GitLab's schema`, async () => {
    for (const text of [sites, []].map((list) => stringify(childPipeline(mode, list)))) {
      if (legal.has(text)) continue;
      assert.equal(await ci.schemaProblems(text), undefined);
      legal.add(text);
    }
  });
}

void test("what GitLab would refuse is found", async () => {
  const pipeline = childPipeline("deploy", sites);
  const broken = { ...(pipeline["deploy prod"] as object), environment: { name: "prod", action: "look" } };
  assert.match(
    (await ci.schemaProblems(stringify({ ...pipeline, "deploy prod": broken }))) ?? "",
    /Invalid \.gitlab-ci\.yml configuration![^]*environment/,
  );
});

void test("the child pipelines get nothing that counts as a pipeline variable unless a person gave it", () => {
  const text = readFileSync(join(import.meta.dirname, "../../.gitlab-ci.yml"), "utf8");
  const { run } = parse(text) as { run: { variables?: unknown; trigger: { forward: unknown } } };
  assert.deepEqual(run.trigger.forward, { yaml_variables: false, pipeline_variables: true });
  assert.equal(run.variables, undefined);
  // So what they need of it, they include themselves.
  const include = childPipeline("deploy", sites)["include"];
  assert.deepEqual(include, [{ local: "ci/jobs.yml" }]);
  const jobs = parse(readFileSync(join(import.meta.dirname, "../../ci/jobs.yml"), "utf8")) as {
    variables: Record<string, string>;
  };
  assert.deepEqual(Object.keys(jobs.variables), ["CAPI_MGMT_IMAGE", "GIT_DEPTH"]);
});
