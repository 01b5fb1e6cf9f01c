/**
 * The engine's events as plain steps: what began and ended, what changes with both values, drift, what was said.
 * The events are as Pulumi 3.229 writes them. Does not prove that an engine writes them so: tests/lab/state.test.ts does.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DiffKind, EngineEvent, StepEventMetadata } from "@pulumi/pulumi/automation/index.js";
import { Recorder, changeCount, plainText } from "../../automation/steps.ts";

const urn = (type: string, name: string) => `urn:pulumi:dev::p::${type}::${name}`;

type State = Partial<NonNullable<StepEventMetadata["new"]>>;

function metadata(
  op: string,
  name: string,
  more: Partial<Omit<StepEventMetadata, "old" | "new">> & { old?: State; new?: State } = {},
): StepEventMetadata {
  const type = "pkg:m:T";
  const state = {
    urn: urn(type, name),
    type,
    custom: true,
    id: "",
    parent: "",
    provider: "",
    inputs: {},
    outputs: {},
  };
  const { old, new: next, ...rest } = more;
  return {
    op,
    urn: state.urn,
    type,
    provider: "",
    ...(old === undefined ? {} : { old: { ...state, ...old } }),
    ...(next === undefined ? {} : { new: { ...state, ...next } }),
    ...rest,
  } as StepEventMetadata;
}

const event = (content: object): EngineEvent => ({ sequence: 1, timestamp: 1, ...content });
const pre = (data: StepEventMetadata) => event({ resourcePreEvent: { metadata: data } });
const end = (data: StepEventMetadata) => event({ resOutputsEvent: { metadata: data } });
const failed = (data: StepEventMetadata) =>
  event({ resOpFailedEvent: { metadata: data, status: 1, steps: 1 } });

test("a step lasts from its first event to its last; one that failed says so; one under way has no end", () => {
  const heard: string[] = [];
  const recorder = new Recorder({
    onBegin: ({ name }) => void heard.push(`begin ${name}`),
    onEnd: ({ name, failed: bad }) => void heard.push(`end ${name}${bad ? " badly" : ""}`),
  });
  for (const name of ["a", "b", "c"])
    recorder.add(pre(metadata("create", name, { new: { inputs: { size: 1 } } })));
  recorder.add(end(metadata("create", "a", { new: { inputs: { size: 1 }, protect: true } })));
  recorder.add(failed(metadata("create", "b", { new: {} })));
  assert.deepEqual(heard, ["begin a", "begin b", "begin c", "end a", "end b badly"]);
  const [a, b, c] = recorder.steps;
  assert.ok(a?.ended !== undefined && a.ended >= a.started);
  assert.deepEqual([a.inputs, a.protect, b?.failed, c?.ended], [{ size: 1 }, true, true, undefined]);
});

test("changes carry path, kind and both values, and whether they replace", () => {
  const recorder = new Recorder();
  const step = metadata("update", "a", {
    old: { inputs: { tags: ["x", "y"], "a.b": 1, key: "[secret]" }, outputs: { image: "old" } },
    new: { inputs: { tags: ["x", "z"], image: "new", key: "[secret]" }, outputs: {} },
    detailedDiff: {
      "tags[1]": { diffKind: "update" as DiffKind, inputDiff: true },
      '["a.b"]': { diffKind: "delete" as DiffKind, inputDiff: true },
      image: { diffKind: "update-replace" as DiffKind, inputDiff: false },
      "key.inner": { diffKind: "update" as DiffKind, inputDiff: true },
    },
  });
  recorder.add(pre(step));
  recorder.add(end(step));
  const change = (path: string, kind: string, replaces: boolean, values: object) => ({
    path,
    kind,
    replaces,
    ...values,
  });
  assert.deepEqual(recorder.steps[0]?.changes, [
    change("tags[1]", "update", false, { old: "y", new: "z" }),
    change('["a.b"]', "delete", false, { old: 1 }),
    change("image", "update", true, { old: "old", new: "new" }),
    change("key.inner", "update", false, { old: "[secret]", new: "[secret]" }),
  ]);
});

test("without a detailed difference the changed keys are told", () => {
  const recorder = new Recorder();
  const step = metadata("replace", "a", {
    old: { inputs: { size: 1 } },
    new: { inputs: { size: 2, more: true } },
    diffs: ["size", "more"],
    keys: ["size"],
  });
  recorder.add(pre(step));
  recorder.add(end(step));
  assert.deepEqual(
    recorder.steps[0]?.changes.map(({ path, kind, replaces }) => [path, kind, replaces]),
    [
      ["size", "update", true],
      ["more", "add", false],
    ],
  );
});

test("a refresh finds what differs and what is gone, and neither counts as a change", () => {
  const recorder = new Recorder();
  const steps = [
    metadata("refresh", "same", { old: {}, new: {} }),
    metadata("refresh", "gone", { old: {} }),
    metadata("refresh", "changed", {
      old: { outputs: { size: 1 } },
      new: { outputs: { size: 2 } },
      detailedDiff: { size: { diffKind: "update" as DiffKind, inputDiff: false } },
    }),
  ];
  for (const step of steps) recorder.add(pre(step));
  for (const step of steps) recorder.add(end(step));
  assert.deepEqual(
    recorder.drift.map(({ name, op, changes }) => [name, op, changes[0]?.old, changes[0]?.new]),
    [
      ["gone", "delete", undefined, undefined],
      ["changed", "update", 1, 2],
    ],
  );
  assert.equal(changeCount({ same: 3, refresh: 3, read: 1 }), 0);
  assert.equal(changeCount({ same: 3, create: 2, delete: 1 }), 3);
});

test("the command refresh ends a step with what it found: named, with the resource, as drift", () => {
  const recorder = new Recorder();
  const state = { old: { outputs: { size: 1 } }, new: { outputs: { size: 2 } } };
  const detailedDiff = { size: { diffKind: "update" as DiffKind, inputDiff: false } };
  for (const name of ["same", "gone", "changed"]) recorder.add(pre(metadata("refresh", name, state)));
  recorder.add(end(metadata("same", "same", { old: {}, new: {} })));
  recorder.add(end(metadata("delete", "gone", { old: {} })));
  recorder.add(end(metadata("update", "changed", { ...state, detailedDiff })));
  assert.deepEqual(
    recorder.drift.map(({ name, op, changes }) => [name, op, changes[0]?.old, changes[0]?.new]),
    [
      ["gone", "delete", undefined, undefined],
      ["changed", "update", 1, 2],
    ],
  );
  assert.ok(recorder.steps.every(({ op, ended }) => op === "refresh" && ended !== undefined));
});

test("what is said is told once, without colour marks, nothing of the debug messages, secrets of outputs concealed, new outputs seen", () => {
  const events: EngineEvent[] = [];
  const recorder = new Recorder({ onEvent: (heard) => void events.push(heard) });
  const say = (message: string, more = {}) =>
    recorder.add(event({ diagnosticEvent: { severity: "error", message, color: "raw", ...more } }));
  say("<{%fg 1%}>error: <{%reset%}>no host\n");
  say("error: no host");
  say("half a line", { ephemeral: true });
  say("RegisterResource RPC prepared: PLANTED", { severity: "debug" });
  assert.deepEqual(recorder.diagnostics, [{ severity: "error", urn: "", text: "no host" }]);
  assert.doesNotMatch(
    JSON.stringify(events),
    /PLANTED/,
    "debug messages hold secrets: they are not passed on",
  );
  assert.equal(plainText("<{%reset%}>a"), "a");
  const type = "pulumi:pulumi:Stack";
  // as an event has a secret
  const concealed = {
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    ciphertext: "[secret]",
  };
  const outputs = { key: concealed, list: [concealed] };
  const stack = (before: Record<string, unknown>) => ({
    ...metadata("same", "dev", { old: { outputs: before }, new: { outputs } }),
    urn: urn(type, "dev"),
    type,
  });
  recorder.add(pre(stack(outputs)));
  recorder.add(end(stack(outputs)));
  assert.deepEqual(recorder.outputs, { key: "[secret]", list: ["[secret]"] });
  assert.equal(recorder.newOutputs, false);
  // once more, when the program has given them
  recorder.add(end(stack({ key: concealed })));
  assert.equal(recorder.newOutputs, true, "one output more than before");
});
