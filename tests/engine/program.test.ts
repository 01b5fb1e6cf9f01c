/**
 * The engine with the unmodified SDK and a real program process: the wire, the display, the files.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Scenario } from "./support/scenario.ts";
import { TestStack } from "./support/stack.ts";

async function stackFor(context: TestContext): Promise<TestStack> {
  const stack = await TestStack.create();
  context.after(() => stack.remove());
  return stack;
}

const SITE: Scenario = {
  resources: [
    { name: "p", type: "pulumi:providers:test", props: { region: "one" } },
    { name: "g", type: "test:index:Group", component: true },
    {
      name: "a",
      props: { size: 1, list: [1, "two", null], key: { $secret: "hush-hush" } },
      opts: { parent: "g", provider: "p", customTimeouts: { create: "1m30s" } },
    },
    { name: "b", props: { of: { $of: "a.id" }, made: { $of: "a.generated" } }, opts: { provider: "p" } },
  ],
  outputs: { made: { $of: "a.generated" }, key: { $of: "a.key" } },
};

test("preview, up, a second up, drift of the program, destroy", async (context) => {
  const stack = await stackFor(context);
  const preview = await stack.run("preview", SITE);
  assert.equal(preview.exitCode, 0, stack.text);
  assert.deepEqual(preview.summary.counts, { create: 5 });
  const planned = preview.summary.resources.find(({ name }) => name === "b");
  assert.equal(planned?.inputs["of"], "[unknown]");
  assert.deepEqual(preview.summary.outputs, { outputs: { made: "[unknown]", key: "[secret]" } });
  assert.deepEqual(stack.cloud.calls, []);
  assert.deepEqual(await stack.files(), [], "a preview leaves no file and no lock");

  const up = await stack.run("up", SITE);
  assert.equal(up.exitCode, 0, stack.text);
  assert.deepEqual(stack.cloud.takeCalls(), ["create a", "create b"]);
  assert.equal(stack.cloud.timeouts["a"], 90);
  assert.ok(!stack.text.includes("hush-hush"));
  assert.match(stack.text, /\+ test:index:Thing a created \(\d+\.\ds\)/);
  assert.match(stack.text, /Resources: \+ 5 created\ncritical path: /);
  const made = stack.cloud.things.get("id-2");
  assert.equal(made?.["of"], "id-1", "a known output of one is the input of the next");
  const text = await stack.stateText();
  assert.ok(!text.includes("hush-hush"), "no secret in the clear in the state");
  const { resources, pending } = await stack.stored();
  assert.deepEqual(pending, []);
  const provider = resources.find(({ type }) => type.startsWith("pulumi:providers:"));
  assert.ok(provider !== undefined && provider.outputs !== undefined);
  // The engine's own part is an input only: in the outputs it would be a change to a provider's DiffConfig.
  assert.ok(!("__internal" in provider.outputs));
  const a = resources.find(({ urn }) => urn.endsWith("::a"));
  assert.equal(a?.urn, "urn:pulumi:dev::scenario::test:index:Group$test:index:Thing::a");
  assert.deepEqual(a?.inputs?.["list"], [1, "two", null]);
  const b = resources.find(({ urn }) => urn.endsWith("::b"));
  assert.deepEqual(b?.dependencies, [a?.urn]);

  const files = await stack.files();
  const same = await stack.run("up", SITE, { expectNoChanges: true });
  assert.equal(same.exitCode, 0, stack.text);
  assert.deepEqual(same.summary.counts, { same: 5 });
  assert.equal(await stack.stateText(), text, "nothing changed, nothing written");
  assert.deepEqual(await stack.files(), files, "no history, no lock left");

  const changed: Scenario = structuredClone(SITE);
  const [, , thing] = changed.resources;
  thing!.props = { size: 2, list: [1, "three"], key: { $secret: "hush-again" } };
  const expected = await stack.run("preview", changed, { expectNoChanges: true });
  assert.equal(expected.exitCode, 3);
  assert.match(stack.text, / ~ test:index:Thing a update\n/);
  assert.match(stack.text, /~ size: 1 => 2/);
  assert.match(stack.text, /~ list\[1\]: "two" => "three"/);
  assert.match(stack.text, /- list\[2\]: null/);
  assert.match(stack.text, /~ key: \[secret\] => \[secret\]/);
  assert.match(stack.text, /error: no changes were expected, but 1 were found/);

  const output = await stack.run("output", undefined, { name: "outputs", showSecrets: true });
  assert.equal(output.exitCode, 0);
  assert.match(stack.text, /"key":"hush-hush"/);
  await stack.run("output");
  assert.equal(stack.text, 'outputs: {"key":[secret],"made":"made-id-1"}\n');
  const json = await stack.run("destroy", undefined, { json: true });
  assert.equal(json.exitCode, 0);
  const report = JSON.parse(stack.text) as { counts: object; timeline: { criticalPath: { urns: string[] } } };
  assert.deepEqual(report.counts, { delete: 5 });
  assert.deepEqual(stack.cloud.takeCalls(), ["delete b", "delete a"]);
  assert.deepEqual((await stack.stored()).resources, []);
});

test("a failed resource: the provider's words, what was kept, how to go on; nothing of what follows from it", async (context) => {
  const stack = await stackFor(context);
  const scenario: Scenario = structuredClone(SITE);
  scenario.resources.push({ name: "free", opts: { provider: "p" } });
  stack.cloud.fault("create a", { message: "Quota exceeded for hush-hush", times: 1 });
  const failed = await stack.run("up", scenario);
  assert.equal(failed.exitCode, 1);
  assert.match(
    stack.text,
    /test:index:Thing a \(create\)\n {4}Quota exceeded for \[secret\]\n {4}Kept: nothing/,
  );
  assert.match(stack.text, /run up again: it goes on from here/);
  assert.doesNotMatch(stack.text, /failed to register|unhandled/);
  assert.deepEqual(stack.cloud.takeCalls().sort(), ["create a", "create free"]);
  const again = await stack.run("up", scenario);
  assert.equal(again.exitCode, 0, stack.text);
  assert.deepEqual(stack.cloud.takeCalls(), ["create a", "create b"]);
});

test("a program that refuses its configuration: its report and nothing else, nothing touched", async (context) => {
  const stack = await stackFor(context);
  const report = "2 problems:\n  seed.flavor: required\n  seed.network.cidr: not a CIDR (got 10.0.0.0/40)";
  const result = await stack.run("up", { resources: [], throwFirst: report });
  assert.equal(result.exitCode, 1);
  assert.equal(stack.text, `${report}\n`);
  assert.deepEqual(stack.cloud.calls, []);
  const plan = await stack.run("plan", { resources: [], throwFirst: report });
  assert.equal(plan.exitCode, 1);
  assert.equal(stack.text, `${report}\n`);
});

test("plan: no state, no passphrase, no provider; what the program prints and makes, unknowns and secrets marked", async (context) => {
  const stack = await stackFor(context);
  const options = { backendUrl: undefined as never, passphrase: undefined as never, providers: {} };
  const result = await stack.run("plan", SITE, options);
  assert.equal(result.exitCode, 0, stack.text);
  assert.match(stack.text, /└─ \+ pulumi:pulumi:Stack scenario-dev/);
  assert.match(stack.text, /└─ \+ test:index:Thing a\n.*key: \[secret\]/);
  assert.match(stack.text, /of: \[unknown\]/);
  assert.ok(!stack.text.includes("hush-hush"));
  assert.deepEqual(await stack.files(), []);
});

test("default providers, transforms, hooks, and what is refused by name", async (context) => {
  const stack = await stackFor(context);
  const scenario: Scenario = {
    resources: [{ name: "a", props: { size: 1 }, opts: { hook: "afterCreate" } }],
    renameByTransform: "from the transform",
    print: "hello from the program",
  };
  const up = await stack.run("up", scenario);
  assert.equal(up.exitCode, 0, stack.text);
  assert.equal(stack.cloud.things.get("id-1")?.["label"], "from the transform");
  assert.match(stack.text, /hook afterCreate a/);
  assert.match(stack.text, /hello from the program/);
  const { resources } = await stack.stored();
  assert.ok(resources.some(({ urn }) => urn === "urn:pulumi:dev::scenario::pulumi:providers:test::default"));

  const ghost = await stack.run("up", { resources: [{ name: "q", type: "ghost:index:Thing" }] });
  assert.equal(ghost.exitCode, 1);
  assert.match(stack.text, /has no provider for package ghost \(it has: openstack, kubernetes, command\)/);
});

test("get and resource references over the wire", async (context) => {
  const stack = await stackFor(context);
  stack.cloud.things.set("net", { name: "given", generated: "g" });
  const result = await stack.run("up", {
    resources: [
      { name: "n", get: "net" },
      { name: "a", props: { network: { $of: "n.id" }, made: { $of: "n.generated" } } },
    ],
  });
  assert.equal(result.exitCode, 0, stack.text);
  assert.deepEqual(result.summary.counts, { create: 2, read: 1 });
  assert.equal(stack.cloud.things.get("id-1")?.["made"], "g");
});

test("a wrong passphrase is told as such", async (context) => {
  const stack = await stackFor(context);
  await stack.run("up", { resources: [{ name: "a", props: { key: { $secret: "hush-hush" } } }] });
  const result = await stack.run("output", undefined, { passphrase: "wrong horse" });
  assert.equal(result.exitCode, 1);
  assert.match(stack.text, /^error: incorrect passphrase/);
});

test("Ctrl-C: what is under way is finished and saved, the lock is gone; a kill leaves lock and trace", async (context) => {
  const stack = await stackFor(context);
  const child = (): ReturnType<typeof spawn> =>
    spawn(process.execPath, [join(import.meta.dirname, "support/slow-up.ts"), stack.folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
  const until = (process: ReturnType<typeof spawn>, text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      let seen = "";
      process.stdout?.on("data", (part) => {
        seen += String(part);
        if (seen.includes(text)) resolve();
      });
      process.once("exit", () => reject(new Error(`never printed ${text}: ${seen}`)));
    });
  const ended = (process: ReturnType<typeof spawn>): Promise<number | null> =>
    new Promise((resolve) => process.once("exit", resolve));

  const first = child();
  const code = ended(first);
  await until(first, "slow creating");
  // Twice: npm passes on the terminal's Ctrl-C to a child that has it already.
  let told = "";
  first.stdout?.on("data", (part) => (told += String(part)));
  first.kill("SIGINT");
  await new Promise((resolve) => setTimeout(resolve, 100));
  first.kill("SIGINT");
  assert.equal(await code, 130);
  assert.match(told, /interrupted: what is under way is finished and saved/);
  assert.doesNotMatch(told, /interrupted again/);
  const { resources, pending } = await stack.stored();
  assert.ok(
    resources.some(({ urn }) => urn.endsWith("::slow")),
    "what was under way is in the state",
  );
  assert.ok(!resources.some(({ urn }) => urn.endsWith("::after")), "nothing more was begun");
  assert.deepEqual(pending, []);
  assert.ok(!(await stack.files()).some((file) => file.includes("/locks/")));

  const second = child();
  const gone = ended(second);
  await until(second, "after creating");
  const third = await stack.run("up", { resources: [] });
  assert.equal(third.exitCode, 1);
  assert.match(stack.text, new RegExp(`locked by another run: .*pid ${second.pid}`));
  while ((await stack.stored()).pending.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  second.kill("SIGKILL");
  await gone;
  assert.deepEqual(
    (await stack.stored()).pending.map(({ type, resource }) => [type, resource.urn.split("::").at(-1)]),
    [["creating", "after"]],
  );
  await stack.run("cancel");
  assert.match(stack.text, new RegExp(`Removed the lock of .*pid ${second.pid}`));
  const fourth = await stack.run("preview", { resources: [] });
  assert.equal(fourth.exitCode, 0);
  assert.match(stack.text, /warning: after: an earlier run was cut off while creating it/);
});
