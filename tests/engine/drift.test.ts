/**
 * `--refresh` of preview and up: what somebody changed outside the program, and what the program makes of it.
 * The decisions on what is read are outside.test.ts's; what the Pulumi CLI prints for it, tests/parity has.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { TestStack } from "./support/stack.ts";
import type { Scenario } from "./support/scenario.ts";

const SITE: Scenario = {
  resources: [
    { name: "a", props: { size: 1, key: { $secret: "hush-hush" } } },
    { name: "b", props: { of: { $of: "a.id" } } },
  ],
};

async function deployed(context: TestContext): Promise<TestStack> {
  const stack = await TestStack.create();
  context.after(() => stack.remove());
  assert.equal((await stack.run("up", SITE)).exitCode, 0, stack.text);
  stack.cloud.takeCalls();
  return stack;
}

/** Somebody changes thing `id` by hand. */
function change(stack: TestStack, id: string, properties: Record<string, number>): void {
  const thing = stack.cloud.things.get(id);
  assert.ok(thing !== undefined);
  stack.cloud.things.set(id, { ...thing, ...properties });
}

test("a preview does not see what changed outside; with refresh it does, and keeps nothing of it", async (context) => {
  const stack = await deployed(context);
  change(stack, "id-1", { size: 5 });
  const before = await stack.stateText();
  const files = await stack.files();

  assert.deepEqual((await stack.run("preview", SITE)).summary.counts, { same: 3 });
  const { exitCode, summary } = await stack.run("preview", SITE, { refresh: true, expectNoChanges: true });
  assert.equal(exitCode, 3, stack.text);
  assert.deepEqual(summary.counts, { same: 2, update: 1 });
  assert.deepEqual(
    summary.drift?.map(({ name, op, changes }) => ({ name, op, changes })),
    [{ name: "a", op: "refresh", changes: { size: { old: 1, new: 5 } } }],
  );
  assert.match(
    stack.text,
    / ~ test:index:Thing a changed outside\n {7}~ size: 1 => 5\n[^]* ~ test:index:Thing a update\n {7}~ size: 5 => 1\n/,
  );
  assert.match(stack.text, /Different from the state: 1\n/);
  assert.doesNotMatch(stack.text, /hush-hush/);
  assert.equal(await stack.stateText(), before);
  assert.deepEqual(await stack.files(), files, "no lock, no history");
  assert.deepEqual(stack.cloud.takeCalls(), []);
});

test("what the program says nothing about differs from the state and is left alone", async (context) => {
  const stack = await deployed(context);
  change(stack, "id-1", { generated: 7 });
  const { exitCode, summary } = await stack.run("preview", SITE, { refresh: true, expectNoChanges: true });
  assert.equal(exitCode, 0, stack.text);
  assert.deepEqual(Object.keys(summary.drift?.[0]?.changes ?? {}), ["generated"]);
});

test("what is gone is made anew, with what depends on it", async (context) => {
  const stack = await deployed(context);
  stack.cloud.things.delete("id-1");
  const preview = await stack.run("preview", SITE, { refresh: true });
  assert.deepEqual(
    preview.summary.drift?.map(({ name, op }) => [name, op]),
    [["a", "delete"]],
  );
  assert.match(stack.text, / - test:index:Thing a gone\n/);
  assert.deepEqual(preview.summary.counts, { create: 1, same: 1, update: 1 });
  const up = await stack.run("up", SITE, { refresh: true });
  assert.equal(up.exitCode, 0, stack.text);
  assert.deepEqual(stack.cloud.takeCalls(), ["create a", "update b"]);
});

test("up with refresh puts right what changed outside and writes what it read", async (context) => {
  const stack = await deployed(context);
  change(stack, "id-1", { size: 5 });
  change(stack, "id-2", { generated: 7 });
  const { exitCode, summary } = await stack.run("up", SITE, { refresh: true });
  assert.equal(exitCode, 0, stack.text);
  assert.deepEqual(stack.cloud.takeCalls(), ["update a"]);
  assert.deepEqual(summary.counts, { same: 2, update: 1 });
  const { resources, pending } = await stack.stored();
  assert.equal(resources.find(({ urn }) => urn.endsWith("::b"))?.outputs?.["generated"], 7);
  assert.deepEqual(pending, []);
  const again = await stack.run("up", SITE, { refresh: true, expectNoChanges: true });
  assert.equal(again.exitCode, 0, stack.text);
  assert.deepEqual(again.summary.drift, []);
});

test("a resource that cannot be read ends the run before the program begins, and leaves no lock", async (context) => {
  const stack = await deployed(context);
  const before = await stack.stateText();
  stack.cloud.fault("read a", { message: "503 Service Unavailable", times: 2 });
  for (const command of ["preview", "up"] as const) {
    const { exitCode, summary } = await stack.run(command, SITE, { refresh: true });
    assert.equal(exitCode, 1, stack.text);
    assert.match(stack.text, /test:index:Thing a \(refresh\)\n {4}503 Service Unavailable/);
    assert.deepEqual(summary.resources, []);
  }
  assert.deepEqual(stack.cloud.takeCalls(), []);
  assert.equal(await stack.stateText(), before);
  assert.ok(!(await stack.files()).some((file) => file.includes("/locks/")));
});

test("a first deployment has nothing to read", async (context) => {
  const stack = await TestStack.create();
  context.after(() => stack.remove());
  const { exitCode, summary } = await stack.run("up", SITE, { refresh: true });
  assert.equal(exitCode, 0, stack.text);
  assert.deepEqual(summary.counts, { create: 3 });
});
