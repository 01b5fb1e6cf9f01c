import assert from "node:assert/strict";
import { test } from "node:test";
import { commandLine } from "../../ci/engine.ts";

const table: [Parameters<typeof commandLine>, string][] = [
  [["preview", "prod"], "pulumi preview --json --stack prod --non-interactive"],
  [["preview", "prod", true], "pulumi preview --json --refresh --stack prod --non-interactive"],
  [["up", "prod"], "pulumi up --yes --skip-preview --stack prod --non-interactive"],
  [["up", "prod", true], "pulumi up --yes --skip-preview --refresh --stack prod --non-interactive"],
];

for (const [args, expected] of table) {
  void test(`${args.slice(0, 3).join(" ")} is ${expected}`, () => {
    const [program, words] = commandLine(...args);
    assert.equal([program, ...words].join(" "), expected);
  });
}

void test("the embedded engine takes the same flags, and is chosen by name only", () => {
  const [program, words] = commandLine("preview", "lab", true, "embedded");
  assert.equal(program, process.execPath);
  assert.equal(words.slice(2).join(" "), "preview --stack lab --engine embedded --json --refresh");
  assert.throws(() => commandLine("up", "lab", false, "terraform"), {
    message: "CAPI_MGMT_ENGINE: no such engine (got terraform; legal: pulumi, embedded)",
  });
});
