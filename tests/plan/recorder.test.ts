/**
 * What the recorder sees of a registration: identity, what is inherited, order, secrets, what is unknown, refusals.
 * What it refuses is in plan.test.ts, since that is a failure of the process. Does not prove that an engine sees the same.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { type Answers, type Recorder, startRecorder, type Values } from "../../plan/recorder.ts";
import { isSecret, isUnknown, readable, unwrapped } from "../../plan/values.ts";

/** Nothing is known but inputs, as in a preview of something new. */
const PREVIEW: Answers = { resource: () => undefined, invoke: () => undefined };
const UPDATE: Answers = {
  resource: (_type, name) => ({ id: `${name}-id`, outputs: { address: "192.0.2.1" } }),
  invoke: () => ({ name: "found" }),
};

function start(answers: Answers = PREVIEW, config: Readonly<Record<string, string>> = {}): Promise<Recorder> {
  return startRecorder({ project: "p", stack: "s", preview: answers === PREVIEW, config, answers });
}

/** A custom resource whose output `address` only its provider knows. */
class Thing extends pulumi.CustomResource {
  declare readonly address: pulumi.Output<string>;
  declare readonly given: pulumi.Output<string>;

  constructor(name: string, inputs: pulumi.Inputs = {}, opts: pulumi.CustomResourceOptions = {}) {
    super("cloud:index:Thing", name, { address: undefined, ...inputs }, opts);
  }
}

class Group extends pulumi.ComponentResource {
  constructor(name: string, opts: pulumi.ComponentResourceOptions = {}) {
    super("own:index:Group", name, {}, opts);
  }
}

class Cloud extends pulumi.ProviderResource {
  constructor(name: string) {
    super("cloud", name, {}, { version: "1.2.3" });
  }
}

function find(recorder: Recorder, name: string) {
  const found = recorder.resources.find((resource) => resource.name === name);
  assert.ok(found, name);
  return found;
}

test("a URN tells the types of all ancestors, the stack left out", async () => {
  const recorder = await start();
  await pulumi.runtime.runInPulumiStack(() => {
    const inner = new Group("inner", { parent: new Group("outer") });
    new Thing("thing", {}, { parent: inner });
    return Promise.resolve({});
  });
  await recorder.settled();
  const thing = find(recorder, "thing");
  assert.equal(thing.urn, "urn:pulumi:s::p::own:index:Group$own:index:Group$cloud:index:Thing::thing");
  assert.equal(thing.parent, find(recorder, "inner").urn);
  assert.equal(find(recorder, "outer").urn, "urn:pulumi:s::p::own:index:Group::outer");
  assert.equal(find(recorder, "outer").parent, "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s");
  assert.equal(find(recorder, "p-s").parent, "");
});

test("a component's provider is that of all in it", async () => {
  const recorder = await start();
  const cloud = new Cloud("cloud");
  const inner = new Group("inner", { parent: new Group("outer", { providers: { cloud } }) });
  new Thing("inside", {}, { parent: inner });
  new Thing("outside");
  await recorder.settled();
  assert.equal(find(recorder, "inside").provider, find(recorder, "cloud").urn);
  assert.equal(find(recorder, "outside").provider, "");
  assert.equal(find(recorder, "cloud").inputs["version"], "1.2.3");
});

test("options are inherited from the component", async () => {
  const recorder = await start();
  const home = new Thing("home");
  const options = { protect: true, retainOnDelete: true, deletedWith: home };
  const group = new Group("group", options);
  new Thing("heir", {}, { parent: new Group("inner", { parent: group }) });
  new Thing("rebel", {}, { parent: group, protect: false, retainOnDelete: false });
  const own = { ignoreChanges: ["image"], replaceOnChanges: ["name"], deleteBeforeReplace: true };
  new Thing("own", {}, { ...own, additionalSecretOutputs: ["address"] });
  await recorder.settled();
  const { protect, retainOnDelete, deletedWith } = find(recorder, "heir");
  assert.deepEqual(
    { protect, retainOnDelete, deletedWith },
    { ...options, deletedWith: find(recorder, "home").urn },
  );
  assert.equal(find(recorder, "rebel").protect, false);
  assert.equal(find(recorder, "rebel").retainOnDelete, false);
  const { ignoreChanges, replaceOnChanges, deleteBeforeReplace, additionalSecretOutputs } = find(
    recorder,
    "own",
  );
  assert.deepEqual({ ignoreChanges, replaceOnChanges, deleteBeforeReplace }, own);
  assert.deepEqual(additionalSecretOutputs, ["address"]);
});

test("who depends on a component depends on all in it, who uses an output on its resource", async () => {
  const recorder = await start();
  const group = new Group("group");
  const first = new Thing("first", {}, { parent: group });
  new Thing("second", {}, { parent: new Group("inner", { parent: group }) });
  new Thing("after", {}, { dependsOn: group });
  new Thing("user", { given: pulumi.interpolate`http://${first.address}` });
  await recorder.settled();
  const urns = (...names: string[]) => names.map((name) => find(recorder, name).urn).sort();
  const { dependsOn } = find(recorder, "after");
  assert.deepEqual(
    dependsOn.filter((urn) => urn.includes("Thing")),
    urns("first", "second"),
  );
  assert.deepEqual(find(recorder, "user").dependsOn, urns("first"));
  assert.deepEqual(find(recorder, "first").dependsOn, []);
});

test("a secret stays marked through other resources, known or not", async () => {
  for (const answers of [PREVIEW, UPDATE]) {
    const recorder = await start(answers);
    const first = new Thing("first", { given: pulumi.secret("hush"), map: { inner: pulumi.secret("hush") } });
    const given = pulumi.all([first.given, first.address]).apply((both) => both.join(" at "));
    new Thing("second", { given, plain: "seen" });
    await recorder.settled();
    const { inputs } = find(recorder, "first");
    assert.equal(unwrapped(inputs["given"]), "hush");
    assert.deepEqual(readable(inputs), { given: "[secret]", map: { inner: "[secret]" } });
    const second = find(recorder, "second").inputs;
    assert.ok(isSecret(second["given"]));
    assert.equal(isUnknown(second["given"]), answers === PREVIEW);
    if (answers === UPDATE) assert.equal(unwrapped(second["given"]), "hush at 192.0.2.1");
    assert.deepEqual(readable(second), { given: "[secret]", plain: "seen" });
  }
});

test("in a preview outputs and ids are unknown, inputs are known", async () => {
  for (const answers of [PREVIEW, UPDATE]) {
    const recorder = await start(answers);
    const first = new Thing("first", { given: "known" });
    let applied = false;
    first.address.apply(() => (applied = true));
    new Thing("second", { given: first.given, ref: first.id, list: [first.address] });
    await recorder.settled();
    const preview = answers === PREVIEW;
    assert.deepEqual(readable(find(recorder, "second").inputs), {
      given: "known",
      list: [preview ? "[unknown]" : "192.0.2.1"],
      ref: preview ? "[unknown]" : "first-id",
    });
    assert.equal(applied, !preview, "apply runs for what is known only");
  }
});

test("a function answers what it is said to answer, or something unknown", async () => {
  for (const answers of [PREVIEW, UPDATE]) {
    const recorder = await start(answers);
    const found = pulumi.runtime.invokeOutput<Values>("cloud:index:get", { id: "1" });
    new Thing("thing", { given: found.apply(({ name }) => name) });
    await recorder.settled();
    assert.deepEqual(recorder.invokes, ["cloud:index:get"]);
    const { inputs } = find(recorder, "thing");
    assert.deepEqual(readable(inputs), { given: answers === PREVIEW ? "[unknown]" : "found" });
  }
});

test("a function that the answers do not know fails by its name", async () => {
  const refusing: Answers = {
    ...UPDATE,
    invoke: (token) => {
      throw new Error(`nobody knows ${token}`);
    },
  };
  await start(refusing);
  await assert.rejects(pulumi.runtime.invoke("cloud:index:get", {}), /nobody knows cloud:index:get/);
});

test("what is registered, and the outputs of components", async () => {
  const recorder = await start();
  class Told extends pulumi.ComponentResource {
    constructor() {
      super("own:index:Told", "told");
      this.registerOutputs({ plain: "seen", hidden: pulumi.secret("hush") });
    }
  }
  new Told();
  await recorder.settled();
  const { urn, custom } = find(recorder, "told");
  assert.equal(custom, false);
  const outputs = recorder.outputs.get(urn) ?? {};
  assert.deepEqual(readable(outputs), { hidden: "[secret]", plain: "seen" });
});
