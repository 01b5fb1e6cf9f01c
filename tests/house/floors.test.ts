/**
 * The lint rule that holds the floors, by violations that it must refuse.
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { test } from "node:test";
import { Linter } from "eslint";
import { parser } from "typescript-eslint";
import floors, { FLOORS } from "../../eslint.floors.ts";

const root = join(import.meta.dirname, "../..");
const linter = new Linter({ cwd: root, configType: "flat" });

function messages(file: string, code: string): string[] {
  const config = [{ ...floors, languageOptions: { parser: parser as Linter.Parser } }];
  return linter.verify(code, config, { filename: join(root, file) }).map(({ message }) => message);
}

const refused: [file: string, code: string, message: RegExp][] = [
  ["config/x.ts", 'import { a } from "../lib/names.ts";', /^config may not import lib: it stands on nothing/],
  ["config/checks/x.ts", 'import type { A } from "../../lib/names.ts";', /^config may not import lib/],
  ["lib/x.ts", 'import "../components/seed.ts";', /^lib may not import components: it stands on config only/],
  ["kayobe/x.ts", 'export { a } from "../bin/kit.ts";', /^kayobe may not import bin/],
  ["preflight/x.ts", 'export * from "../components/seed.ts";', /^preflight may not import components/],
  ["bin/x.ts", 'const a = await import("../components/seed.ts");', /^bin may not import components/],
  ["index.ts", 'import "./lab/site.ts";', /^index.ts may not import lab/],
  ["state/x.ts", 'type A = import("../ci/job.ts").A;', /^state may not import ci/],
];
for (const [file, code, message] of refused) {
  void test(`refused: ${code} in ${file}`, () => {
    const [found = "", ...more] = messages(file, code);
    assert.match(found, message);
    assert.deepEqual(more, []);
  });
}

void test("allowed: the floors below, the same folder, packages; tests may import everything", () => {
  const code = 'import "../config/schema.ts"; import "./names.ts"; import "yaml"; import "node:fs";';
  assert.deepEqual(messages("lib/x.ts", code), []);
  assert.deepEqual(messages("tests/x.ts", 'import "../lab/site.ts"; import "../components/seed.ts";'), []);
});

void test("the floors have no circle", () => {
  const visit = (floor: string, above: readonly string[]): void => {
    assert.ok(!above.includes(floor), `circle: ${[...above, floor].join(" → ")}`);
    for (const below of FLOORS[floor] ?? []) visit(below, [...above, floor]);
  };
  for (const floor of Object.keys(FLOORS)) visit(floor, []);
});

void test("no floor stands on one that it does not use, but for config and lib", () => {
  for (const [floor, below] of Object.entries(FLOORS)) {
    const files = floor.includes(".") ? [floor] : globSync(`${floor}/**/*.ts`, { cwd: root });
    const used = new Set(
      files.flatMap((file) =>
        [...readFileSync(join(root, file), "utf8").matchAll(/(?:from|import\(?) ?"(\.[^"]+)"/g)].map(
          ([, name = ""]) => join(dirname(file), name).split(sep)[0] ?? "",
        ),
      ),
    );
    const ground = ["config", "lib"];
    assert.deepEqual(
      below.filter((name) => !used.has(name) && !ground.includes(name)),
      [],
      `${floor} may import more than it does`,
    );
  }
});

void test("nothing but tests imports bin, ci or lab", () => {
  for (const [floor, below] of Object.entries(FLOORS)) {
    for (const top of ["bin", "ci", "lab", "tests"]) assert.ok(!below.includes(top), `${floor} → ${top}`);
  }
});
