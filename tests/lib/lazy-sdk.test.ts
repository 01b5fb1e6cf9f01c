/**
 * What is left out of Pulumi's SDK until somebody uses it, each in a process of its own: a process has one SDK.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");

/** Runs a module of which `say` prints the answer as JSON. */
function run(text: string): unknown {
  const code = `
    import { createRequire } from "node:module";
    // What only stands in the place of a module has no file.
    const loaded = (part) =>
      Object.values(createRequire(import.meta.url).cache).some(({ filename }) => filename?.includes(part));
    const say = (answer) => console.log(JSON.stringify(answer));
    ${text}`;
  const args = ["--no-warnings", "--input-type=module", "--eval", code];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout) as unknown;
}

const PARTS = `["/typescript/lib/", "/@npmcli/arborist/", "/pulumi/automation/stack.js"].map(loaded)`;

test("the planner and the engine's side come ahead of the SDK", () => {
  const planner = `await (await import("./plan/load.ts")).loadPlanner(); say(${PARTS});`;
  assert.deepEqual(run(planner), [false, false, false]);
  assert.deepEqual(run(`await import("./automation/stack.ts"); say(${PARTS});`), [false, false, true]);
});

test("what is left out is there when it is used", () => {
  const text = `
    import "./lib/lazy-sdk.ts";
    import * as pulumi from "@pulumi/pulumi";
    const before = ${PARTS};
    const { text } = await pulumi.runtime.serializeFunction(() => 42);
    const { LocalWorkspace } = await import("@pulumi/pulumi/automation/index.js");
    say([before, text.includes("42"), typeof LocalWorkspace.create, pulumi.automation.LocalWorkspace === LocalWorkspace]);`;
  assert.deepEqual(run(text), [[false, false, false], true, "function", true]);
});

test("what the SDK notes of each resource is not sent to the engine; what the program says is", () => {
  const text = `
    import "./lib/lazy-sdk.ts";
    import * as pulumi from "@pulumi/pulumi";
    import settings from "@pulumi/pulumi/runtime/settings.js";
    const sent = [];
    const log = (request, done) => { sent.push(request.getMessage()); done(); };
    pulumi.runtime.setMocks({ call: () => ({}), newResource: ({ name }) => ({ id: name, state: {} }) });
    settings.getEngine = () => ({ log });
    new pulumi.ComponentResource("a:b:C", "one");
    await pulumi.log.warn("mind the gap");
    await new Promise((resolve) => setTimeout(resolve, 50));
    say(sent);`;
  assert.deepEqual(run(text), ["mind the gap"]);
});

test("a promise that never ends is still told, and where it began with the SDK's own variable", () => {
  const text = (variable: string) => `
    process.env["PULUMI_DEBUG_PROMISE_LEAKS"] = ${JSON.stringify(variable)};
    await import("./lib/lazy-sdk.ts");
    await import("@pulumi/pulumi");
    const { default: sdk } = await import("@pulumi/pulumi/runtime/debuggable.js");
    sdk.debuggablePromise(new Promise(() => undefined), "of the test");
    console.error = () => undefined;
    const [leaks] = sdk.leakedPromises();
    say([...leaks].map(sdk.promiseDebugString));
    process.exit(0);`;
  const [without] = run(text("")) as string[];
  assert.match(without ?? "", /^CONTEXT\(\d+\): of the test\n/);
  assert.doesNotMatch(without ?? "", /\n {4}at /);
  assert.match(String((run(text("1")) as string[])[0]), /of the test\n[^]*\n {4}at /);
});
