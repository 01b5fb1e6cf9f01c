import assert from "node:assert/strict";
import { test } from "node:test";
import { countChanges, fingerprint, parsePreview } from "../../ci/changes.ts";

const urn = (type: string, name: string) =>
  `urn:pulumi:prod::capi-mgmt::capi-mgmt:components:Seed$${type}::${name}`;
const volume = urn("openstack:blockstorage/volume:Volume", "seed-data");
const server = urn("openstack:compute/instance:Instance", "seed");

function digest(...steps: object[]): string {
  return JSON.stringify({ steps, changeSummary: {} });
}

void test("each operation of Pulumi's digest becomes one change", () => {
  const changes = parsePreview(
    digest(
      { op: "create", urn: volume },
      { op: "create-replacement", urn: server, detailedDiff: { imageId: { kind: "update-replace" } } },
      { op: "replace", urn: server, detailedDiff: { imageId: { kind: "update-replace" } } },
      { op: "delete-replaced", urn: server },
    ),
  );
  assert.deepEqual(changes, [
    {
      urn: volume,
      type: "openstack:blockstorage/volume:Volume",
      name: "seed-data",
      operation: "create",
      properties: [],
    },
    {
      urn: server,
      type: "openstack:compute/instance:Instance",
      name: "seed",
      operation: "replace",
      properties: ["imageId"],
    },
  ]);
  assert.deepEqual(countChanges(changes), { create: 1, replace: 1 });
});

void test("an operation nobody knows is refused, not passed over", () => {
  assert.throws(
    () => parsePreview(digest({ op: "teleport", urn: volume })),
    /unknown operation "teleport" \(legal: create, /,
  );
});

void test("what is not a preview is refused with what is legal", () => {
  assert.throws(() => parsePreview("error: no stack"), /^Error: not a preview: the text is not JSON/);
  assert.throws(
    () => parsePreview("{}"),
    /no list `steps` or `resources` \(legal: the output of `preview --json`\)/,
  );
});

void test("the fingerprint is of what changes, whatever the order and what stays the same", () => {
  const one = parsePreview(
    digest({ op: "create", urn: volume }, { op: "update", urn: server, diffReasons: ["b", "a"] }),
  );
  const two = parsePreview(
    digest(
      { op: "same", urn: urn("t", "other") },
      { op: "update", urn: server, diffReasons: ["a", "b"] },
      { op: "create", urn: volume },
    ),
  );
  assert.equal(fingerprint(one), fingerprint(two));
});

void test("the fingerprint differs when an operation, a resource or a property does", () => {
  const prints = [
    digest({ op: "update", urn: server, diffReasons: ["a"] }),
    digest({ op: "update", urn: server, diffReasons: ["b"] }),
    digest({ op: "replace", urn: server, diffReasons: ["a"] }),
    digest({ op: "update", urn: volume, diffReasons: ["a"] }),
    digest(),
  ].map((text) => fingerprint(parsePreview(text)));
  assert.equal(new Set(prints).size, prints.length);
});

void test("the embedded engine's preview has the fingerprint of Pulumi's", () => {
  const embedded = JSON.stringify({
    resources: [
      { op: "update", urn: server, changes: { "metadata.a": { old: "[secret]", new: "[secret]" } } },
      { op: "same", urn: volume },
    ],
  });
  const pulumi = digest({ op: "update", urn: server, detailedDiff: { "metadata.a": { kind: "update" } } });
  assert.deepEqual(parsePreview(embedded)[0]?.properties, ["metadata.a"]);
  assert.equal(fingerprint(parsePreview(embedded)), fingerprint(parsePreview(pulumi)));
});
