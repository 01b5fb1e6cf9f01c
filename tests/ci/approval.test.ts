/** What counts as approved, change by change. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { notApproved, recordedChanges, recordLine } from "../../ci/approval.ts";
import { type Previewed, previewOf } from "../support/previews.ts";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
type Resources = Record<string, Previewed | Previewed[]>;

/** Names of the changes that are not approved, where `approved` is what the note was written of. */
function refused(approved: Resources, now: Resources): string[] {
  const record = recordedChanges(`a note\n${recordLine(previewOf(approved).changes)}\n`);
  const { changes, inputs } = previewOf(now);
  return notApproved(changes, record, inputs).map(({ name }) => name);
}

const image = (id: string): Previewed => ({ op: "update", paths: ["imageId"], inputs: { imageId: id } });
const replaced: Previewed[] = [
  { op: "create-replacement", paths: ["imageId"], inputs: { imageId: "1" } },
  { op: "replace", paths: ["imageId"] },
  { op: "delete-replaced" },
];

const table: [what: string, approved: Resources, now: Resources, refused: string[]][] = [
  [
    "the very same changes",
    { a: image("1"), b: { op: "delete" } },
    { a: image("1"), b: { op: "delete" } },
    [],
  ],
  [
    "the rest of a run that failed half way",
    { a: image("1"), b: image("2") },
    { a: { op: "same" }, b: image("2") },
    [],
  ],
  ["another value of the same property", { a: image("1") }, { a: image("2") }, ["a"]],
  ["a resource nobody saw", { a: image("1") }, { a: image("1"), b: image("1") }, ["b"]],
  ["a deletion where an update was seen", { a: image("1") }, { a: { op: "delete" } }, ["a"]],
  [
    "a replacement where an update was seen",
    { a: image("1") },
    { a: { ...image("1"), op: "replace" } },
    ["a"],
  ],
  [
    "an update where a creation was seen: somebody else made it",
    { a: { ...image("1"), op: "create" } },
    { a: image("1") },
    ["a"],
  ],
  [
    "an update of what the approved creation left half made",
    { a: { ...image("1"), op: "create" } },
    { a: { op: "update", inputs: { imageId: "1" }, unfinished: true } },
    [],
  ],
  [
    "the same to other values",
    { a: { ...image("1"), op: "create" } },
    { a: { op: "update", inputs: { imageId: "2" }, unfinished: true } },
    ["a"],
  ],
  [
    "the second half of a replacement that makes first",
    { a: replaced },
    { a: { op: "delete-replaced" } },
    [],
  ],
  [
    "the second half of one that deletes first",
    { a: replaced },
    { a: { op: "create", inputs: { imageId: "1" } } },
    [],
  ],
  ["a left-over of a replacement nobody saw", { a: image("1") }, { a: { op: "delete-replaced" } }, ["a"]],
  [
    "a property within one that was not known",
    { a: { op: "update", paths: ["values"], inputs: { n: 1, values: UNKNOWN } } },
    { a: { op: "update", paths: ["values.x[0]"], inputs: { n: 1, values: { x: [7] } } } },
    [],
  ],
  [
    "a property beside it",
    { a: { op: "update", paths: ["values"], inputs: { n: 1, values: UNKNOWN } } },
    { a: { op: "update", paths: ["values.x[0]", "n"], inputs: { n: 2, values: { x: [7] } } } },
    ["a"],
  ],
  ["anything, where nothing is approved", {}, { a: image("1") }, ["a"]],
];
for (const [what, approved, now, expected] of table) {
  void test(`${what} ${expected.length === 0 ? "is" : "is not"} approved`, () => {
    assert.deepEqual(refused(approved, now), expected);
  });
}

void test("a note without a record approves nothing; one of 500 changes stays small", () => {
  assert.deepEqual(recordedChanges("<!-- capi-mgmt preview site=prod fingerprint=none -->\n"), []);
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`r${i}`, image(String(i))]));
  const line = recordLine(previewOf(many).changes);
  assert.equal(recordedChanges(line).length, 500);
  assert.ok(line.length < 60_000, `${line.length} characters`);
});
