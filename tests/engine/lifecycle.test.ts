/**
 * What the engine does to a resource, as tables: the decision, the provider's calls in order, the state after.
 * The expectations are those of the real engine: pkg/resource/deploy/step_generator.go and pkg/engine/lifecycletest.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Secret, type PropertyMap } from "../../engine/property.ts";
import { UNKNOWN } from "../../engine/values.ts";
import { Rig, referenceOf, type Options, type Program } from "./support/rig.ts";

async function rigFor(context: TestContext): Promise<Rig> {
  const rig = await Rig.create();
  context.after(() => rig.remove());
  return rig;
}

interface Change {
  name: string;
  before: { inputs: PropertyMap; options?: Options };
  after: { inputs: PropertyMap; options?: Options } | undefined;
  /** Of the second up. */
  steps: string[];
  calls: string[];
  names: string[];
}

const CHANGES: Change[] = [
  {
    name: "nothing",
    before: { inputs: { size: 1 } },
    after: { inputs: { size: 1 } },
    steps: ["same a"],
    calls: [],
    names: ["a"],
  },
  {
    name: "a property",
    before: { inputs: { size: 1 } },
    after: { inputs: { size: 2 } },
    steps: ["update a"],
    calls: ["update a"],
    names: ["a"],
  },
  {
    name: "a property the provider replaces for: made before the old one goes",
    before: { inputs: { immutable: 1 } },
    after: { inputs: { immutable: 2 } },
    steps: ["replace a", "delete-replaced a"],
    calls: ["create a", "delete a"],
    names: ["a"],
  },
  {
    name: "a property the provider deletes first for",
    before: { inputs: { exclusive: 1 } },
    after: { inputs: { exclusive: 2 } },
    steps: ["delete-replaced a", "replace a"],
    calls: ["delete a", "create a"],
    names: ["a"],
  },
  {
    name: "deleteBeforeReplace of the program goes before the provider's wish",
    before: { inputs: { exclusive: 1 } },
    after: { inputs: { exclusive: 2 }, options: { deleteBeforeReplace: false } },
    steps: ["replace a", "delete-replaced a"],
    calls: ["create a", "delete a"],
    names: ["a"],
  },
  {
    name: "deleteBeforeReplace asked for",
    before: { inputs: { immutable: 1 } },
    after: { inputs: { immutable: 2 }, options: { deleteBeforeReplace: true } },
    steps: ["delete-replaced a", "replace a"],
    calls: ["delete a", "create a"],
    names: ["a"],
  },
  {
    name: "replaceOnChanges",
    before: { inputs: { size: 1 } },
    after: { inputs: { size: 2 }, options: { replaceOnChanges: ["size"] } },
    steps: ["replace a", "delete-replaced a"],
    calls: ["create a", "delete a"],
    names: ["a"],
  },
  {
    name: "replaceOnChanges of something else",
    before: { inputs: { size: 1 } },
    after: { inputs: { size: 2 }, options: { replaceOnChanges: ["colour"] } },
    steps: ["update a"],
    calls: ["update a"],
    names: ["a"],
  },
  {
    name: "a property under ignoreChanges",
    before: { inputs: { size: 1 } },
    after: { inputs: { size: 2 }, options: { ignoreChanges: ["size"] } },
    steps: ["same a"],
    calls: [],
    names: ["a"],
  },
  {
    name: "a nested property under ignoreChanges beside one that is not",
    before: { inputs: { spec: { a: 1, b: 1 } } },
    after: { inputs: { spec: { a: 2, b: 2 } }, options: { ignoreChanges: ["spec.a"] } },
    steps: ["update a"],
    calls: ["update a"],
    names: ["a"],
  },
  {
    name: "the replacement trigger",
    before: { inputs: { size: 1 }, options: { replacementTrigger: "one" } },
    after: { inputs: { size: 1 }, options: { replacementTrigger: "two" } },
    steps: ["replace a", "delete-replaced a"],
    calls: ["create a", "delete a"],
    names: ["a"],
  },
  {
    name: "a replacement trigger that is new triggers nothing",
    before: { inputs: { size: 1 } },
    after: { inputs: { size: 1 }, options: { replacementTrigger: "two" } },
    steps: ["same a"],
    calls: [],
    names: ["a"],
  },
  {
    name: "removed from the program",
    before: { inputs: {} },
    after: undefined,
    steps: ["delete a"],
    calls: ["delete a"],
    names: [],
  },
  {
    name: "removed with retainOnDelete",
    before: { inputs: {}, options: { retainOnDelete: true } },
    after: undefined,
    steps: ["delete a"],
    calls: [],
    names: [],
  },
  {
    name: "replaced with retainOnDelete: the old one stays in the cloud",
    before: { inputs: { immutable: 1 }, options: { retainOnDelete: true } },
    after: { inputs: { immutable: 2 }, options: { retainOnDelete: true } },
    steps: ["replace a", "delete-replaced a"],
    calls: ["create a"],
    names: ["a"],
  },
  {
    name: "removed while protected: refused",
    before: { inputs: {}, options: { protect: true } },
    after: undefined,
    steps: ["failed delete a"],
    calls: [],
    names: ["a"],
  },
  {
    name: "replaced while protected: refused",
    before: { inputs: { immutable: 1 }, options: { protect: true } },
    after: { inputs: { immutable: 2 }, options: { protect: true } },
    steps: ["failed replace a"],
    calls: [],
    names: ["a"],
  },
  {
    name: "replaced while the protection is taken off",
    before: { inputs: { immutable: 1 }, options: { protect: true } },
    after: { inputs: { immutable: 2 }, options: { protect: false } },
    steps: ["replace a", "delete-replaced a"],
    calls: ["create a", "delete a"],
    names: ["a"],
  },
  {
    name: "a value that becomes secret is no change to the cloud",
    before: { inputs: { key: "k" } },
    after: { inputs: { key: new Secret("k") } },
    steps: ["same a"],
    calls: [],
    names: ["a"],
  },
];

for (const { name, before, after, steps, calls, names } of CHANGES) {
  test(`change: ${name}`, async (context) => {
    const rig = await rigFor(context);
    await rig.up((program) => program.thing("a", before.inputs, before.options));
    assert.deepEqual(rig.cloud.takeCalls(), ["create a"]);
    const program = (p: Program): Promise<unknown> =>
      after === undefined ? Promise.resolve() : p.thing("a", after.inputs, after.options);
    const preview = await rig.preview(program);
    assert.deepEqual(preview.steps, steps, "the preview says what up does");
    assert.deepEqual(rig.cloud.takeCalls(), [], "a preview changes nothing");
    const result = await rig.up(program);
    assert.deepEqual(result.steps, steps);
    assert.deepEqual(rig.cloud.takeCalls(), calls);
    assert.deepEqual(await rig.names(), names);
  });
}

test("deletes go from dependents to what they depend on, also through parents, providers and components", async (context) => {
  const rig = await rigFor(context);
  await rig.up(async (program) => {
    const group = await program.group("g");
    const inner = await program.thing("inner", {}, { parent: group.urn });
    await program.thing("child", {}, { parent: inner.urn });
    const after = await program.thing("after", {}, { needs: { "": group } });
    await program.thing("last", { of: "x" }, { needs: { of: after } });
    await program.thing("free");
  });
  rig.cloud.takeCalls();
  const result = await rig.destroy();
  const calls = rig.cloud.takeCalls();
  const before = (first: string, second: string): void =>
    assert.ok(
      calls.indexOf(`delete ${first}`) < calls.indexOf(`delete ${second}`),
      `${first} goes before ${second}`,
    );
  before("last", "after");
  before("after", "inner");
  before("child", "inner");
  assert.equal(calls.length, 5);
  const steps = result.display.timed.map(({ step }) => step.urn.split("::").at(-1));
  assert.equal(steps.at(-1), "p", "the provider outlives what it manages");
  assert.deepEqual((await rig.snapshot()).resources, []);
});

test("deleting first takes along the dependents that would be replaced, and only those", async (context) => {
  const rig = await rigFor(context);
  const program = (version: number) => async (p: Program) => {
    const root = await p.thing("root", { exclusive: version });
    const id = root.state.id === "" ? UNKNOWN : root.state.id;
    const replaced = await p.thing("replaced", { immutable: id }, { needs: { immutable: root } });
    await p.thing("updated", { of: id }, { needs: { of: root } });
    const second = replaced.state.id === "" ? UNKNOWN : replaced.state.id;
    await p.thing("second", { immutable: second }, { needs: { immutable: replaced } });
    await p.thing("ordered", {}, { needs: { "": root } });
  };
  await rig.up(program(1));
  rig.cloud.takeCalls();
  const preview = await rig.preview(program(2));
  assert.deepEqual(preview.steps, [
    "delete-replaced second",
    "delete-replaced replaced",
    "delete-replaced root",
    "replace root",
    "replace replaced",
    "update updated",
    "replace second",
    "same ordered",
  ]);
  await rig.up(program(2));
  assert.deepEqual(rig.cloud.takeCalls(), [
    "delete second",
    "delete replaced",
    "delete root",
    "create root",
    "create replaced",
    "update updated",
    "create second",
  ]);
  assert.deepEqual(await rig.names(), ["root", "replaced", "updated", "second", "ordered"]);
});

test("a protected dependent stops a replacement that would have to delete it first", async (context) => {
  const rig = await rigFor(context);
  const program = (version: number) => async (p: Program) => {
    const root = await p.thing("root", { exclusive: version });
    if (root.failed) return;
    await p.thing("kept", { immutable: root.state.id }, { needs: { immutable: root }, protect: true });
  };
  await rig.up(program(1));
  rig.cloud.takeCalls();
  const result = await rig.up(program(2));
  assert.match(result.failures.join(), /kept is protected and cannot be deleted/);
  assert.deepEqual(rig.cloud.takeCalls(), []);
});

test("replaceWith and deletedWith follow the resource they name", async (context) => {
  const rig = await rigFor(context);
  const program = (version: number) => async (p: Program) => {
    const root = await p.thing("root", { immutable: version });
    await p.thing("with", {}, { replaceWith: [root.urn], needs: { "": root } });
    await p.thing("inside", {}, { deletedWith: root.urn, needs: { "": root } });
  };
  await rig.up(program(1));
  rig.cloud.takeCalls();
  const result = await rig.up(program(2));
  assert.deepEqual(result.steps.slice(0, 3), ["replace root", "replace with", "replace inside"]);
  assert.deepEqual(
    rig.cloud.takeCalls().filter((call) => call.startsWith("delete")),
    ["delete with", "delete root"],
    "what is deleted with the root needs no call of its own",
  );
});

test("a provider whose change it cannot bridge has its resources replaced; one it can has them kept", async (context) => {
  const rig = await rigFor(context);
  rig.config = { region: "one" };
  await rig.up((p) => p.thing("a"));
  rig.cloud.takeCalls();
  rig.config = { region: "one", verbose: "true" };
  const kept = await rig.up((p) => p.thing("a"));
  assert.deepEqual(kept.steps, ["same a"]);
  rig.config = { region: "two", verbose: "true" };
  const moved = await rig.up((p) => p.thing("a"));
  assert.deepEqual(moved.steps, ["replace a", "delete-replaced a"]);
  // The new instance for the new one, and then the former instance once more: it alone can delete what it made.
  assert.deepEqual(
    rig.cloud.configured.slice(-2).map(({ region }) => region),
    ["two", "one"],
  );
});

test("preview: outputs only the cloud knows are unknown, and nothing is asked of a provider with unknown inputs", async (context) => {
  const rig = await rigFor(context);
  let generated: unknown;
  await rig.preview(async (p) => {
    const a = await p.thing("a", { size: 1 });
    generated = a.state.outputs["generated"];
    assert.equal(a.state.outputs["size"], 1);
    assert.equal(a.state.id, "");
    await p.thing("b", { of: generated as never }, { needs: { of: a } });
  });
  assert.equal(generated, UNKNOWN);
  rig.config = { kubeconfig: UNKNOWN };
  const result = await rig.preview((p) => p.thing("c", { anything: 1 }));
  assert.deepEqual(result.steps, ["create c"]);
});

test("an alias takes the state over under the new name, and references to it follow", async (context) => {
  const rig = await rigFor(context);
  const noAlias = { urn: "", name: "", type: "", stack: "", project: "", parent: "", noParent: false };
  await rig.up(async (p) => {
    const group = await p.group("old");
    const child = await p.thing("old-child", {}, { parent: group.urn });
    await p.thing("user", { of: "x" }, { needs: { of: child } });
  });
  rig.cloud.takeCalls();
  const result = await rig.up(async (p) => {
    const group = await p.group("new", { aliases: [{ ...noAlias, name: "old" }] });
    const child = await p.thing("new-child", {}, { parent: group.urn });
    await p.thing("user", { of: "x" }, { needs: { of: child } });
  });
  assert.deepEqual(result.steps, ["same new", "same new-child", "same user"]);
  assert.deepEqual(rig.cloud.takeCalls(), []);
  const { resources } = await rig.snapshot();
  assert.deepEqual(await rig.names(), ["new", "new-child", "user"]);
  assert.ok(!JSON.stringify(resources).includes("::old"), "nothing refers to the former name");
});

test("two resources with one URN, and two that claim one alias, are refused", async (context) => {
  const rig = await rigFor(context);
  const twice = await rig.up((p) => Promise.all([p.thing("a"), p.thing("a")]));
  assert.match(twice.failures.join(), /two resources with the URN .*::a/);
  const alias = { urn: "urn:pulumi:dev::project::test:index:Thing::a", ...{ name: "", type: "", stack: "" } };
  const full = { ...alias, project: "", parent: "", noParent: false };
  const claimed = await rig.up(async (p) => {
    await p.thing("b", {}, { aliases: [full] });
    await p.thing("c", {}, { aliases: [full] });
  });
  assert.match(claimed.failures.join(), /c claims .*::a as its alias, but .*::b is that resource/);
});

test("check failures are all reported and nothing is made", async (context) => {
  const rig = await rigFor(context);
  const result = await rig.up((p) => p.thing("a", { invalid: true }));
  assert.deepEqual(result.failures, ["invalid: a is invalid"]);
  assert.deepEqual(rig.cloud.takeCalls(), []);
});

test("generated names are kept by updates and made anew by replacements", async (context) => {
  const rig = await rigFor(context);
  const name = async (inputs: PropertyMap): Promise<unknown> => {
    let result: unknown;
    await rig.up(async (p) => (result = (await p.thing("a", inputs)).state.inputs["name"]));
    return result;
  };
  const first = await name({ size: 1 });
  assert.match(String(first), /^a-[0-9a-f]{7}$/);
  assert.equal(await name({ size: 2 }), first);
  assert.notEqual(await name({ size: 2, immutable: 1 }), first);
});

test("custom timeouts reach the provider in seconds", async (context) => {
  const rig = await rigFor(context);
  await rig.up((p) => p.thing("a", {}, { timeouts: { create: 90 } }));
  assert.equal(rig.cloud.timeouts["a"], 90);
});

test("a resource of another provider instance keeps its own", async (context) => {
  const rig = await rigFor(context);
  await rig.up((p) => p.thing("a"));
  const { resources } = await rig.snapshot();
  const provider = resources.find(({ type }) => type === "pulumi:providers:test");
  const thing = resources.find(({ type }) => type === "test:index:Thing");
  assert.equal(thing?.provider, `${provider?.urn}::${provider?.id}`);
  assert.equal(typeof referenceOf, "function");
});
