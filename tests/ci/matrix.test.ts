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

void test("staging deploys by itself, everything else waits for a person", () => {
  const pipeline = childPipeline("deploy", [...sites, { name: "lab", layers: [], tier: "none" }]);
  assert.equal((pipeline["deploy dev"] as Job)["when"], undefined);
  assert.equal((pipeline["deploy prod"] as Job)["when"], "manual");
  assert.equal((pipeline["deploy lab"] as Job)["when"], "manual");
});

void test("each job has its site's environment, so that variables can be per site; only a deployment counts as one", () => {
  const environment = (mode: "preview" | "deploy" | "drift", name: string) =>
    (childPipeline(mode, sites)[`${mode} ${name}`] as Job)["environment"];
  assert.deepEqual(environment("preview", "prod"), { name: "prod", action: "verify" });
  assert.deepEqual(environment("drift", "prod"), { name: "prod", action: "verify" });
  assert.deepEqual(environment("deploy", "prod"), { name: "prod", deployment_tier: "production" });
  assert.deepEqual(environment("deploy", "dev"), { name: "dev", deployment_tier: "staging" });
});

/** Hours of a timeout of GitLab's, or of a duration of ours. */
const hours = (text: string): number => {
  const [, value = "", unit = ""] = /^(\d+) ?([hm])/.exec(text) ?? [];
  return Number(value) / (unit === "m" ? 60 : 1);
};

void test("a deployment may take as long as everything that it may wait for, one after the other", () => {
  const defaults = parse(readFileSync(join(root, "config/defaults.yaml"), "utf8")) as Record<
    string,
    { timeouts?: Record<string, string> }
  >;
  const waits = Object.entries(defaults).flatMap(([section, { timeouts = {} }]) =>
    // Cluster API is installed twice: on the seed and on the cluster.
    Object.values(timeouts).flatMap((time) => (section === "clusterApi" ? [time, time] : [time])),
  );
  assert.ok(waits.length >= 8);
  const longest = waits.reduce((sum, time) => sum + hours(time), 0);
  const jobs = parse(readFileSync(join(root, "ci/jobs.yml"), "utf8")) as Record<string, { timeout: string }>;
  assert.ok(hours(jobs[".deploy"]?.timeout ?? "") > longest, `${longest} hours of waiting`);
  for (const name of [".node", ".preview", ".drift"]) assert.ok(hours(jobs[name]?.timeout ?? "") > 0, name);
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
