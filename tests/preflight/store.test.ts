/**
 * What the state knows, as `pulumi stack export` tells it; the CLI is a stand-in that prints what it is told to.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { knownResources } from "../../preflight/store.ts";

function withCli(context: TestContext, script: string): string {
  const folder = mkdtempSync(join(tmpdir(), "store-test-"));
  writeFileSync(join(folder, "pulumi"), `#!/bin/sh\necho "$@" > called\n${script}\n`, { mode: 0o755 });
  const before = process.env["PATH"] ?? "";
  process.env["PATH"] = `${folder}:${before}`;
  context.after(() => {
    process.env["PATH"] = before;
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

const state = (...types: string[]) =>
  JSON.stringify({ version: 3, deployment: { resources: types.map((type) => ({ urn: "u", type })) } });

test("the stack itself and its providers are no resources: an up that failed before the first is an empty state", async (context) => {
  const folder = withCli(context, `echo '${state("pulumi:pulumi:Stack", "pulumi:providers:openstack")}'`);
  assert.equal(await knownResources(folder, "prod"), 0);
});

test("a state of a stack that was never deployed has no resources at all", async (context) => {
  const folder = withCli(context, `echo '{"version":3,"deployment":{"manifest":{}}}'`);
  assert.equal(await knownResources(folder, "prod"), 0);
});

test("what an up that failed half way has made counts, though the stack has no outputs", async (context) => {
  const folder = withCli(
    context,
    `echo '${state("pulumi:pulumi:Stack", "openstack:compute/keypair:Keypair")}'`,
  );
  assert.equal(await knownResources(folder, "prod"), 1);
});

test("a CLI that fails is an error in its own words", async (context) => {
  const folder = withCli(context, "echo 'error: no stack named prod found' >&2; exit 255");
  await assert.rejects(knownResources(folder, "prod"), /no stack named prod found/);
});
