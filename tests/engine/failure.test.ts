/**
 * What is left when something goes wrong, and that the next run goes on from there.
 */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { deleteStates } from "../../engine/deletion.ts";
import { StackLocked } from "../../engine/stack-store.ts";
import { Rig, type Program } from "./support/rig.ts";

async function rigFor(context: TestContext): Promise<Rig> {
  const rig = await Rig.create();
  context.after(() => rig.remove());
  return rig;
}

test("a create that fails leaves nothing, independent resources are made, the re-run makes the rest", async (context) => {
  const rig = await rigFor(context);
  const program = async (p: Program): Promise<void> => {
    const [a] = await Promise.all([p.thing("a"), p.thing("free")]);
    if (!a.failed) await p.thing("b", { of: a.state.id }, { needs: { of: a } });
  };
  rig.cloud.fault("create a", { message: "quota exceeded", times: 1 });
  const first = await rig.up(program);
  assert.deepEqual(first.failures, ["quota exceeded"]);
  assert.equal(first.display.failures[0]?.kept, "nothing of it is in the state");
  assert.deepEqual(await rig.names(), ["free"]);
  const second = await rig.up(program);
  assert.deepEqual(second.failures, []);
  assert.deepEqual(rig.cloud.takeCalls(), ["create a", "create free", "create a", "create b"]);
  assert.equal(rig.cloud.things.size, 3, "nothing is there twice");
});

test("after a failure nothing is deleted that the program may only not have reached", async (context) => {
  const rig = await rigFor(context);
  await rig.up((p) => Promise.all([p.thing("a"), p.thing("gone")]));
  rig.cloud.takeCalls();
  rig.cloud.fault("update a", { message: "no", times: 1 });
  await rig.up((p) => p.thing("a", { size: 2 }));
  assert.deepEqual(rig.cloud.takeCalls(), ["update a"]);
  await rig.up((p) => p.thing("a", { size: 2 }));
  assert.deepEqual(rig.cloud.takeCalls(), ["update a", "delete gone"]);
});

test("a resource that exists but is not ready is kept as such and updated by the next run", async (context) => {
  const rig = await rigFor(context);
  rig.cloud.fault("create a", { partial: "the server is in state ERROR", times: 1 });
  const first = await rig.up((p) => p.thing("a", { size: 1 }));
  assert.deepEqual(first.failures, ["the server is in state ERROR"]);
  const [stored] = (await rig.snapshot()).resources.filter(({ type }) => type === "test:index:Thing");
  assert.equal(stored?.id, "id-1");
  assert.deepEqual(stored?.initErrors, ["the server is in state ERROR"]);
  const second = await rig.up((p) => p.thing("a", { size: 1 }));
  assert.deepEqual(second.steps, ["update a"]);
  assert.deepEqual(rig.cloud.takeCalls(), ["create a", "update a"]);
  const third = await rig.up((p) => p.thing("a", { size: 1 }));
  assert.deepEqual(third.steps, ["same a"]);
});

test("replaceOnChanges of #initerror makes a resource anew that did not come up", async (context) => {
  const rig = await rigFor(context);
  rig.cloud.fault("create a", { partial: "broken", times: 1 });
  await rig.up((p) => p.thing("a"));
  const second = await rig.up((p) => p.thing("a", {}, { replaceOnChanges: ["#initerror"] }));
  assert.deepEqual(second.steps, ["replace a", "delete-replaced a"]);
});

interface Interrupted {
  name: string;
  option: boolean;
  fault: string;
  /** After the failed run, in the state. */
  names: string[];
  /** The next run's calls. */
  calls: string[];
}

const REPLACEMENTS: Interrupted[] = [
  {
    name: "create first, create fails",
    option: false,
    fault: "create a",
    names: ["a"],
    calls: ["create a", "delete a"],
  },
  {
    name: "create first, delete fails",
    option: false,
    fault: "delete a",
    names: ["a", "a (delete)"],
    calls: ["delete a"],
  },
  {
    name: "delete first, delete fails",
    option: true,
    fault: "delete a",
    names: ["a"],
    calls: ["delete a", "create a"],
  },
  {
    name: "delete first, create fails",
    option: true,
    fault: "create a",
    names: ["a (pending replacement)"],
    calls: ["create a"],
  },
];

for (const { name, option, fault, names, calls } of REPLACEMENTS) {
  test(`a replacement cut off (${name}) is ended by the next run`, async (context) => {
    const rig = await rigFor(context);
    const program = (version: number) => (p: Program) =>
      p.thing("a", { immutable: version }, { deleteBeforeReplace: option });
    await rig.up(program(1));
    rig.cloud.fault(fault, { message: "no", times: 1 });
    const failed = await rig.up(program(2));
    assert.equal(failed.failures[0], fault === "delete a" && option ? "no" : "no");
    assert.deepEqual(await rig.names(), names);
    rig.cloud.takeCalls();
    await rig.up(program(2));
    assert.deepEqual(rig.cloud.takeCalls(), calls);
    assert.deepEqual(await rig.names(), ["a"]);
    assert.equal(rig.cloud.things.size, 1);
  });
}

test("a resource deleted ahead of a replacement and then dropped from the program is forgotten", async (context) => {
  const rig = await rigFor(context);
  await rig.up((p) => p.thing("a", { immutable: 1 }));
  rig.cloud.fault("create a", { message: "no", times: 1 });
  await rig.up((p) => p.thing("a", { immutable: 2 }, { deleteBeforeReplace: true }));
  rig.cloud.takeCalls();
  const result = await rig.up(() => Promise.resolve());
  assert.deepEqual(result.steps, ["forget a"]);
  assert.deepEqual(rig.cloud.takeCalls(), [], "it is deleted already");
  assert.deepEqual(await rig.names(), []);
});

test("a delete that fails keeps what it needs, and other branches go", async (context) => {
  const rig = await rigFor(context);
  await rig.up(async (p) => {
    const root = await p.thing("root");
    await p.thing("stuck", {}, { needs: { "": root } });
    await p.thing("free");
  });
  rig.cloud.takeCalls();
  rig.cloud.fault("delete stuck", { message: "in use", times: 1 });
  const result = await rig.destroy();
  assert.deepEqual(result.failures, ["in use"]);
  assert.deepEqual(await rig.names(), ["root", "stuck"]);
  await rig.destroy();
  assert.deepEqual(await rig.names(), []);
});

test("what is begun is in the state before the provider is called, and gone from it after", async (context) => {
  const rig = await rigFor(context);
  let open = (): void => undefined;
  rig.cloud.fault("create a", { wait: new Promise<void>((resolve) => (open = resolve)) });
  const running = rig.up((p) => p.thing("a", { size: 1 }));
  while (!rig.cloud.calls.includes("create a")) await new Promise((resolve) => setTimeout(resolve, 5));
  const during = await rig.snapshot();
  assert.deepEqual(
    during.operations.map(({ type, resource }) => `${type} ${resource.urn.split("::").at(-1)}`),
    ["creating a"],
  );
  open();
  await running;
  assert.deepEqual((await rig.snapshot()).operations, []);
});

test("a run killed while creating: the next one warns, keeps the trace, and a create or a refresh settles it", async (context) => {
  const rig = await rigFor(context);
  rig.cloud.fault("create a", { wait: new Promise(() => undefined) });
  void rig.up((p) => Promise.all([p.thing("other"), p.thing("a")]));
  while (!rig.cloud.calls.includes("create a")) await new Promise((resolve) => setTimeout(resolve, 5));
  while (!(await rig.names()).includes("other")) await new Promise((resolve) => setTimeout(resolve, 5));
  // The process of that run is gone now, as far as the next one can tell.
  rig.cloud.faults.clear();
  rig.cloud.takeCalls();
  const elsewhere = await rig.up((p) => p.thing("other"));
  assert.deepEqual(
    elsewhere.run.checkpoint.interruptedCreates.map(({ resource }) => resource.urn.split("::").at(-1)),
    ["a"],
  );
  const again = await rig.up((p) => Promise.all([p.thing("other"), p.thing("a")]));
  assert.deepEqual(again.run.checkpoint.interruptedCreates, []);
  assert.deepEqual((await rig.snapshot()).operations, []);
});

test("an interrupt lets what is under way finish, begins nothing more, and the state is whole", async (context) => {
  const rig = await rigFor(context);
  let open = (): void => undefined;
  await rig.up((p) => Promise.all([p.thing("x"), p.thing("y", {}, { retainOnDelete: true })]));
  rig.cloud.takeCalls();
  rig.cloud.fault("delete x", { wait: new Promise<void>((resolve) => (open = resolve)) });
  const running = rig.up(async (p) => {
    const works = deleteStates(p.run, p.run.base);
    while (!rig.cloud.calls.includes("delete x")) await new Promise((resolve) => setTimeout(resolve, 5));
    p.run.stop();
    open();
    await works;
  });
  await running;
  assert.deepEqual(await rig.names(), []);
  const { resources } = await rig.snapshot();
  assert.deepEqual(
    resources.map(({ type }) => type),
    ["pulumi:providers:test"],
    "the provider was next and is kept",
  );
});

test("after an interrupt a registration that is already here begins nothing", async (context) => {
  const rig = await rigFor(context);
  const result = await rig.up(async (p) => {
    p.run.stop();
    assert.ok((await p.thing("a")).failed);
  });
  assert.deepEqual(rig.cloud.calls, []);
  assert.deepEqual(result.failures, []);
});

test("a second run is refused, naming who holds the stack; cancel frees it", async (context) => {
  const rig = await rigFor(context);
  const [first, second] = [await rig.store(), await rig.store()];
  await first.lock();
  await assert.rejects(second.lock(), (error: unknown) => {
    assert.ok(error instanceof StackLocked);
    assert.match(error.message, new RegExp(`@.* \\(pid ${process.pid}\\) since \\d{4}-`));
    return true;
  });
  const holders = await second.cancel();
  assert.equal(holders.length, 1);
  await second.lock();
  await second.unlock();
  await first.lock();
  await first.unlock();
});

test("protected resources stop a destroy before anything is touched; --exclude-protected leaves them and what they need", async (context) => {
  const rig = await rigFor(context);
  await rig.up(async (p) => {
    const net = await p.thing("net");
    await p.thing("volume", {}, { protect: true, needs: { "": net } });
    await p.thing("server", {}, { needs: { "": net } });
  });
  rig.cloud.takeCalls();
  await assert.rejects(rig.destroy(), /volume is protected and cannot be deleted/);
  assert.deepEqual(rig.cloud.takeCalls(), []);
  await rig.destroy(true);
  assert.deepEqual(rig.cloud.takeCalls(), ["delete server"]);
  assert.deepEqual(await rig.names(), ["net", "volume"]);
});

test("when the state cannot be written, nothing is begun", async (context) => {
  const rig = await rigFor(context);
  await rig.up((p) => p.thing("a"));
  rig.cloud.takeCalls();
  const store = await rig.store();
  const result = await rig.up(async (p) => {
    p.run.checkpoint.begin = () => Promise.reject(new Error("the bucket is read-only"));
    await p.thing("b");
  });
  assert.deepEqual(result.failures, ["the bucket is read-only"]);
  assert.deepEqual(rig.cloud.takeCalls(), []);
  assert.ok((await store.load()) !== undefined);
});
