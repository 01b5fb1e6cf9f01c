/**
 * What a run looks like: rewritten lines in a terminal, plain lines elsewhere, its end, and where the time went.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Display, closingLines } from "../../automation/display.ts";
import type { StackResult } from "../../automation/stack.ts";
import type { Op, Step } from "../../automation/steps.ts";
import { criticalPath, describePath } from "../../automation/timeline.ts";

function step(op: Op, name: string, more: Partial<Step> = {}): Step {
  const type = "pkg:m:T";
  const urn = `urn:pulumi:dev::p::${type}::${name}`;
  return {
    urn,
    type,
    name,
    parent: "",
    op,
    custom: true,
    protect: false,
    changes: [],
    inputs: {},
    started: 0,
    ...more,
  };
}

test("a terminal: what is under way stands below, rewritten; what is done stays above it", () => {
  const parts: string[] = [];
  const out = { write: (text: string) => parts.push(text), isTTY: true, rows: 10, columns: 80 };
  const display = new Display(out, false);
  display.onBegin(step("create", "server"));
  display.onBegin(step("create", "network"));
  assert.equal(
    parts.at(-1)?.replaceAll(/0\.\ds/g, "Ns"),
    "\u001b[1A\u001b[J + pkg:m:T server creating Ns\n + pkg:m:T network creating Ns\n",
  );
  display.onEnd(step("create", "network", { ended: 2 }));
  assert.equal(
    parts.at(-1)?.replaceAll(/0\.\ds/g, "Ns"),
    "\u001b[2A\u001b[J + pkg:m:T network created (2.Ns)\n + pkg:m:T server creating Ns\n".replace(
      "2.Ns",
      "2.0s",
    ),
  );
  display.onEnd(step("create", "server", { ended: 1, failed: true }));
  display.close(["the end"]);
  assert.match(parts.slice(-2).join(""), /server FAILED to create \(1\.0s\)\n(\u001b\S*)?the end\n$/);
});

test("elsewhere: a line when it begins, a line when it ends, differences below; nothing for what stays", () => {
  let text = "";
  const display = new Display({ write: (part: string) => (text += part) }, false);
  const changes = [
    { path: "image", kind: "update", replaces: true, old: "a", new: "b" },
    { path: "key", kind: "update", replaces: false, old: "[secret]", new: "[secret]" },
    { path: "later", kind: "add", replaces: false },
  ] as const;
  display.onLook();
  display.onPlan({ same: 2, update: 1, replace: 1 });
  display.onBegin(step("update", "server"));
  display.onDiagnostic({ severity: "info", urn: step("update", "server").urn, text: "two\nlines" });
  display.onEnd(step("update", "server", { ended: 3, changes }));
  display.onBegin(step("same", "other"));
  display.onEnd(step("same", "other", { ended: 4 }));
  display.close([]);
  assert.equal(
    text,
    [
      "Looking what there is to do",
      "To do: 2 unchanged, ~ 1 to update, +- 1 to replace",
      " ~ pkg:m:T server updating",
      "   server: two",
      "   lines",
      " ~ pkg:m:T server updated (3.0s)",
      '       ~ image: "a" => "b"  [needs a replacement]',
      "       ~ key: [secret] => [secret]",
      "       + later: [unknown]",
      "",
    ].join("\n"),
  );
});

test("the end: outputs, counts, each failure with what was being done, and how to go on", () => {
  const server = step("create", "server", { failed: true });
  const result: StackResult = {
    operation: "up",
    stack: "dev",
    outcome: "failed",
    changes: 1,
    counts: { create: 1, same: 2 },
    steps: [server],
    drift: [],
    outputs: { address: "1.2.3.4", key: "[secret]" },
    diagnostics: [
      { severity: "error", urn: server.urn, text: "no host" },
      { severity: "error", urn: "", text: "something else" },
    ],
    seconds: 3,
  };
  assert.deepEqual(closingLines(result), [
    ...["", "Resources: + 1 created, 2 unchanged"],
    ...["", "Errors:", "  pkg:m:T server (create)", "    no host", "    something else"],
    ...["", "What was done is in the state. Correct the cause and run up again: it goes on from here."],
  ]);
  assert.deepEqual(closingLines({ ...result, outcome: "succeeded", diagnostics: [] }), [
    ...["", "Outputs:", '    address: "1.2.3.4"', "    key: [secret]"],
    ...["", "Resources: + 1 created, 2 unchanged"],
  ]);
});

test("the critical path follows dependencies, through components, and not what only ran beside", () => {
  const network = step("create", "network", { started: 0, ended: 2 });
  const beside = step("create", "beside", { started: 0, ended: 9 });
  const group = step("create", "group", { started: 2, ended: 8, custom: false });
  const server = step("create", "server", { started: 2, ended: 6 });
  const last = step("create", "last", { started: 9, ended: 13 });
  const dependencies = new Map([
    [server.urn, new Set([network.urn])],
    [group.urn, new Set([server.urn])],
    [last.urn, new Set([group.urn])],
  ]);
  const path = criticalPath([network, beside, group, server, last], dependencies);
  assert.deepEqual(
    path.steps.map(({ name }) => name),
    ["network", "server", "last"],
  );
  assert.equal(
    describePath(path, 15, "up"),
    "critical path: network 2.0s → server 4.0s → last 4.0s; up took 15.0s = 1.50 × critical path (10.0s)",
  );
});

test("of a destroy, what is needed waits for what needs it", () => {
  const server = step("delete", "server", { started: 0, ended: 3 });
  const network = step("delete", "network", { started: 3, ended: 4 });
  const dependencies = new Map([[server.urn, new Set([network.urn])]]);
  const path = criticalPath([server, network], dependencies);
  assert.deepEqual([path.steps.length, path.seconds], [2, 4]);
});
