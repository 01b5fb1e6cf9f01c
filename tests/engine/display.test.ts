/**
 * What a run looks like: rewritten lines in a terminal, plain lines elsewhere, nothing secret anywhere.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { Display, type Output } from "../../engine/display.ts";
import { Secret, type PropertyMap } from "../../engine/property.ts";
import { Redactor } from "../../engine/redact.ts";
import { closingLines, programErrors, summarize } from "../../engine/report.ts";
import { newState, type ResourceState } from "../../engine/state.ts";
import type { Operation, Step } from "../../engine/step.ts";
import { planTree } from "../../engine/tree.ts";

function state(name: string, inputs: PropertyMap = {}, parent = ""): ResourceState {
  return newState({
    urn: `urn:pulumi:dev::p::pkg:m:T::${name}`,
    type: "pkg:m:T",
    custom: true,
    inputs,
    parent,
  });
}

function step(
  operation: Operation,
  before: ResourceState | undefined,
  after: ResourceState | undefined,
): Step {
  const urn = (after ?? before)?.urn ?? "";
  return { operation, urn, old: before, new: after, replaces: operation === "replace" ? ["image"] : [] };
}

function displayTo(out: Output, preview = false): Display {
  return new Display({ out, redactor: new Redactor(), preview, quiet: false, title: "A run" });
}

test("a terminal: what is under way stands below, rewritten; what is done stays above it", () => {
  const parts: string[] = [];
  const display = displayTo({ write: (text) => parts.push(text), isTTY: true, rows: 10, columns: 80 });
  const server = step("create", undefined, state("server"));
  const network = step("create", undefined, state("network"));
  display.begin(server);
  display.begin(network);
  assert.match(
    parts.at(-1) ?? "",
    /^\u001b\[1A\u001b\[J \+ pkg:m:T server creating 0\.\ds\n \+ pkg:m:T network creating/,
  );
  display.end(network, 0, false);
  const text = parts.at(-1) ?? "";
  assert.ok(text.startsWith("\u001b[2A\u001b[J"), "the two lines are taken away");
  assert.match(
    stripVTControlCharacters(text),
    /^A run\n \+ pkg:m:T network created \(0\.\ds\)\n \+ pkg:m:T server creating/,
  );
  display.end(server, 0, true);
  display.close(["the end"]);
  assert.match(
    stripVTControlCharacters(parts.slice(-2).join("")),
    /server FAILED to create \(0\.\ds\)\nthe end\n$/,
  );
});

test("elsewhere: a line when it begins, a line when it ends, differences below", () => {
  let text = "";
  const display = displayTo({ write: (part) => (text += part) });
  const change = step(
    "replace",
    state("server", { image: "a", key: new Secret("hush-hush"), size: 1 }),
    state("server", { image: "b", key: new Secret("hush-again"), size: 1 }),
  );
  display.begin(change);
  display.message("info", change.urn, "the key is hush-again");
  display.end(change, 0, false);
  display.end(step("same", state("other"), state("other")), 0, false);
  display.close();
  assert.equal(
    text.replaceAll(/\d+\.\ds/g, "Ns"),
    [
      "A run",
      "+- pkg:m:T server replacing",
      "  server: the key is [secret]",
      "+- pkg:m:T server replaced because of image (Ns)",
      '       ~ image: "a" => "b"  [needs a replacement]',
      "       ~ key: [secret] => [secret]",
      "",
    ].join("\n"),
  );
});

test("the end: outputs, counts, the failure in the provider's words, and how to go on", () => {
  const display = displayTo({ write: () => undefined });
  const server = step("create", undefined, state("server", { key: new Secret("hush-hush") }));
  display.begin(server);
  display.end(server, 0, true);
  display.failure({
    urn: server.urn,
    operation: "create",
    message: "no host for hush-hush",
    kept: "nothing of it",
  });
  display.message("error", "", "Error: resource server [pkg:m:T] failed to register");
  display.message("error", "", "Error: something else");
  const summary = summarize(
    "up",
    "dev",
    display,
    { address: "1.2.3.4", key: new Secret("hush-hush") },
    false,
  );
  const text = closingLines(summary, display, { address: "1.2.3.4", key: new Secret("hush-hush") }).join(
    "\n",
  );
  assert.match(text, /Outputs:\n {4}address: "1\.2\.3\.4"\n {4}key: \[secret\]/);
  assert.match(
    text,
    /Errors:\n {2}pkg:m:T server \(create\)\n {4}no host for \[secret\]\n {4}Kept: nothing of it\./,
  );
  assert.match(text, /run up again/);
  assert.deepEqual(programErrors(summary), ["Error: something else"]);
  assert.ok(!JSON.stringify(summary).includes("hush-hush"));
});

test("a replacement is one resource in the report; default providers are the engine's own and none", () => {
  const display = displayTo({ write: () => undefined });
  const old = state("a", { image: "a" });
  display.end(step("replace", old, state("a", { image: "b" })), 0, false);
  display.end(step("delete-replaced", old, undefined), 0, false);
  const provider = newState({
    urn: "urn:pulumi:dev::p::pulumi:providers:pkg::default_1_0_0",
    type: "pulumi:providers:pkg",
    custom: true,
  });
  display.end(step("create", undefined, provider), 0, false);
  const summary = summarize("up", "dev", display, {}, false);
  assert.deepEqual(summary.counts, { replace: 1 });
  assert.deepEqual(
    summary.resources.map(({ op, changes }) => ({ op, changes })),
    [{ op: "replace", changes: { image: { old: "a", new: "b" } } }],
  );
});

test("a plan is a tree by parents, with what each resource is given", () => {
  const display = displayTo({ write: () => undefined }, true);
  const parent = state("group");
  display.end(step("create", undefined, parent), 0, false);
  display.end(step("create", undefined, state("b", { size: 1 }, parent.urn)), 0, false);
  display.end(step("create", undefined, state("a", { key: new Secret("hush-hush") }, parent.urn)), 0, false);
  const lines = planTree(summarize("plan", "dev", display, {}, false));
  assert.deepEqual(lines, [
    "└─ + pkg:m:T group",
    "   ├─ + pkg:m:T a",
    "   │       key: [secret]",
    "   └─ + pkg:m:T b",
    "           size: 1",
    "",
    "dev: 3 to create (offline: nothing was contacted)",
  ]);
});
