import assert from "node:assert/strict";
import { test } from "node:test";
import { changesOf, countChanges, fingerprint } from "../../ci/changes.ts";
import type { Step } from "../../automation/stack.ts";
import { inputsOf, type Previewed, previewOf, stepsOf, urnOf } from "../support/previews.ts";

void test("each operation of Pulumi's engine becomes one change a resource", () => {
  const { changes } = previewOf({
    volume: { op: "create" },
    server: [
      { op: "create-replacement", paths: ["imageId"] },
      { op: "replace", paths: ["imageId"] },
      { op: "delete-replaced" },
    ],
    rule: { op: "delete" },
    network: [{ op: "refresh", paths: ["tags"] }, { op: "same" }],
  });
  assert.deepEqual(
    changes.map(({ name, operation, properties }) => [name, operation, properties]),
    [
      ["volume", "create", []],
      ["server", "replace", ["imageId"]],
      ["rule", "delete", []],
      ["network", "same", []],
    ],
  );
  assert.deepEqual(countChanges(changes), { create: 1, replace: 1, delete: 1, same: 1 });
});

void test("an operation nobody knows is refused, not passed over", () => {
  const steps = stepsOf({ volume: { op: "teleport" as Step["op"] } });
  assert.throws(() => changesOf(steps, inputsOf({})), /unknown operation "teleport" \(legal: create, /);
});

void test("a preview whose values were not seen is refused", () => {
  const unseen = () => {
    throw new Error("its values are not known");
  };
  const steps = stepsOf({ volume: { op: "create" } });
  assert.throws(() => changesOf(steps, { unknown: unseen, digest: unseen }), /its values are not known/);
});

void test("the fingerprint is of what changes, whatever the order and what stays the same", () => {
  const one = previewOf({ volume: { op: "create" }, server: { op: "update", paths: ["b", "a"] } });
  const two = previewOf({
    other: { op: "same" },
    server: { op: "update", paths: ["a", "b"] },
    volume: { op: "create" },
  });
  assert.equal(fingerprint(one.changes), fingerprint(two.changes));
});

void test("the fingerprint differs when an operation, a resource, a property or a value does", () => {
  const update: Previewed = { op: "update", paths: ["a"], inputs: { a: "image-1" } };
  const previews: Record<string, Previewed>[] = [
    { server: update },
    { server: { ...update, paths: ["b"] } },
    { server: { ...update, op: "replace" } },
    { volume: update },
    { server: { ...update, inputs: { a: "image-2" } } },
    {},
  ];
  const prints = previews.map((resources) => fingerprint(previewOf(resources).changes));
  assert.equal(new Set(prints).size, prints.length);
});

void test("what an earlier run left half made is known as such", () => {
  const { changes } = previewOf({ release: { op: "update", unfinished: true } });
  assert.equal(changes[0]?.unfinished, true);
  assert.equal(changes[0]?.urn, urnOf("release"));
});
