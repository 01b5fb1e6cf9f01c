/**
 * What exists outside the program: refresh, resources only read, imports, invokes.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { invoke } from "../../engine/invoke.ts";
import { Secret } from "../../engine/property.ts";
import { UNKNOWN } from "../../engine/values.ts";
import { Rig, referenceOf } from "./support/rig.ts";

async function rigFor(context: TestContext): Promise<Rig> {
  const rig = await Rig.create();
  context.after(() => rig.remove());
  return rig;
}

test("refresh takes over what changed outside, and up then puts it right", async (context) => {
  const rig = await rigFor(context);
  await rig.up((p) => p.thing("a", { size: 1, key: new Secret("hush") }));
  rig.cloud.takeCalls();
  const thing = rig.cloud.things.get("id-1");
  assert.ok(thing !== undefined);
  rig.cloud.things.set("id-1", { ...thing, size: 5 });
  const result = await rig.refresh();
  assert.deepEqual(result.steps, ["refresh a"]);
  const [stored] = (await rig.snapshot()).resources.filter(({ type }) => type === "test:index:Thing");
  assert.equal(stored?.outputs["size"], 5);
  assert.deepEqual(stored?.outputs["key"], new Secret("hush"), "a refresh does not bare a secret");
  const up = await rig.up((p) => p.thing("a", { size: 1, key: new Secret("hush") }));
  assert.deepEqual(up.steps, ["update a"]);
});

test("refresh without drift changes nothing, not even the file", async (context) => {
  const rig = await rigFor(context);
  await rig.up((p) => p.thing("a", { size: 1 }));
  const before = JSON.stringify(await (await rig.store()).load());
  const result = await rig.refresh();
  assert.deepEqual(result.steps, ["same a"]);
  assert.equal(JSON.stringify(await (await rig.store()).load()), before);
});

test("refresh drops what is gone, with every reference to it, and up makes it anew", async (context) => {
  const rig = await rigFor(context);
  const program = async (p: Parameters<Parameters<Rig["up"]>[0]>[0]): Promise<void> => {
    const a = await p.thing("a");
    await p.thing("b", { of: a.state.id }, { needs: { of: a } });
  };
  await rig.up(program);
  rig.cloud.things.delete("id-1");
  const result = await rig.refresh();
  assert.deepEqual(result.steps.sort(), ["delete a", "same b"]);
  const { resources } = await rig.snapshot();
  assert.ok(!JSON.stringify(resources).includes('::a"'));
  rig.cloud.takeCalls();
  await rig.up(program);
  assert.deepEqual(rig.cloud.takeCalls(), ["create a", "update b"]);
});

test("a failed read is reported and leaves the state as it was", async (context) => {
  const rig = await rigFor(context);
  await rig.up((p) => p.thing("a"));
  rig.cloud.fault("read a", { message: "503", times: 1 });
  const result = await rig.refresh();
  assert.deepEqual(result.failures, ["503"]);
  assert.deepEqual(await rig.names(), ["a"]);
});

test("get: read, kept as external, never deleted; a missing one is an error", async (context) => {
  const rig = await rigFor(context);
  rig.cloud.things.set("net", { name: "given", generated: "g" });
  const result = await rig.up((p) => p.get("n", "net"));
  assert.deepEqual(result.steps, ["read n"]);
  assert.deepEqual(await rig.names(), ["n (external)"]);
  const missing = await rig.up(async (p) => {
    await p.get("n", "net");
    await p.get("m", "nowhere");
  });
  assert.deepEqual(missing.failures, ["resource 'nowhere' does not exist"]);
  const removed = await rig.up(() => Promise.resolve());
  assert.deepEqual(removed.steps, ["discard n"]);
  assert.deepEqual(rig.cloud.takeCalls(), []);
  assert.ok(rig.cloud.things.has("net"));
});

test("get reads in a preview too, and knows nothing of an unknown id", async (context) => {
  const rig = await rigFor(context);
  rig.cloud.things.set("net", { name: "given", generated: "g" });
  await rig.preview(async (p) => {
    assert.equal((await p.get("n", "net")).state.outputs["name"], "given");
    assert.deepEqual((await p.get("m", "04da6b54-80e4-46f7-96ec-b56ff0331ba9")).state.outputs, {});
  });
});

test("import takes an existing resource over and then makes it what the program wants", async (context) => {
  const rig = await rigFor(context);
  rig.cloud.things.set("vol", { name: "data", size: 1, generated: "g" });
  const result = await rig.up((p) => p.thing("v", { name: "data", size: 2 }, { importId: "vol" }));
  assert.deepEqual(result.steps, ["import v", "update v"]);
  assert.deepEqual(rig.cloud.takeCalls(), ["update v"]);
  assert.deepEqual(await rig.names(), ["v"]);
  const again = await rig.up((p) => p.thing("v", { name: "data", size: 2 }, { importId: "vol" }));
  assert.deepEqual(again.steps, ["same v"]);
});

test("invoke: asks the provider, keeps a secret argument secret, is unknown where an argument is", async (context) => {
  const rig = await rigFor(context);
  await rig.up(async (p) => {
    const reference = referenceOf(p.provider);
    assert.deepEqual(await invoke(p.run, "test:index:find", { name: "x" }, reference), {
      token: "test:index:find",
      name: "x",
    });
    const secret = await invoke(p.run, "test:index:find", { name: new Secret("x") }, reference);
    assert.deepEqual(secret?.["name"], new Secret("x"));
    assert.equal(await invoke(p.run, "test:index:find", { name: UNKNOWN }, reference), undefined);
    await assert.rejects(invoke(p.run, "pulumi:pulumi:nothing", {}, ""), /does not have the function/);
  });
});
