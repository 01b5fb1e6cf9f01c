import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { childPipeline } from "../../ci/matrix.ts";
import type { Site } from "../../ci/sites.ts";

const root = join(import.meta.dirname, "../..");
const sites: Site[] = [
  { name: "dev", layers: [], tier: "staging" },
  { name: "prod", layers: [], tier: "production" },
];
type Job = Record<string, unknown>;

void test("one job a site, one operation at a time on a stack, never interrupted", () => {
  for (const mode of ["preview", "deploy", "drift"] as const) {
    const pipeline = childPipeline(mode, sites);
    for (const { name } of sites) {
      const job = pipeline[`${mode} ${name}`] as Job;
      assert.deepEqual(job["variables"], { SITE: name });
      assert.equal(job["extends"], `.${mode}`);
      assert.equal(job["resource_group"], `capi-mgmt/${name}`);
      assert.equal(job["interruptible"], false);
    }
  }
});

void test("staging deploys by itself, production waits for a person", () => {
  const pipeline = childPipeline("deploy", sites);
  assert.equal((pipeline["deploy dev"] as Job)["when"], undefined);
  assert.equal((pipeline["deploy prod"] as Job)["when"], "manual");
});

void test("a change that concerns no site still makes a pipeline that GitLab accepts", () => {
  assert.deepEqual(Object.keys(childPipeline("preview", [])), ["no-site-concerned"]);
});

void test("every job that a child pipeline extends is in ci/jobs.yml and runs a script that exists", () => {
  const jobs = parse(readFileSync(join(root, "ci/jobs.yml"), "utf8")) as Record<
    string,
    { script: string[]; stage: string }
  >;
  for (const mode of ["preview", "deploy", "drift"] as const) {
    const job = jobs[`.${mode}`];
    assert.ok(job);
    assert.equal(job.stage, mode);
    const script = /node --no-warnings (\S+) "\$SITE"/.exec(job.script.join("\n"))?.[1];
    assert.ok(script);
    readFileSync(join(root, script));
  }
});
