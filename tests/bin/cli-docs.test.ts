/**
 * docs/cli.md against what the commands say of themselves: every command, its flags, its exit codes.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/cli.md"), "utf8");
/** Section by the command that its heading names. */
const sections = new Map(
  page.split(/^## /m).map((section) => [section.slice(0, section.indexOf("\n")), section] as const),
);

/** The command's name as operators type it, and its program. */
const COMMANDS: Record<string, string> = {
  "npm run config": "bin/config.ts",
  "npm run plan": "bin/plan.ts",
  "npm run lab": "lab/cli.ts",
  ...Object.fromEntries(
    readdirSync(join(root, "bin"))
      .filter((name) => !name.includes("."))
      .map((name) => [`bin/${name}`, `bin/${name}.ts`]),
  ),
};

/** Flags of other programs, which a usage text names. */
const OTHERS = /npm run --silent|pulumi stack output(?: --[a-z-]+)+/g;

const flags = (text: string) =>
  [...new Set(text.match(/--[a-z][a-z-]+/g))].filter((flag) => flag !== "--help").sort();

for (const [name, program] of Object.entries(COMMANDS)) {
  void test(`docs/cli.md tells the flags and exit codes of ${name}`, () => {
    const section = sections.get(name);
    assert.ok(section !== undefined, `no section "${name}"`);
    const help = spawnSync(process.execPath, ["--no-warnings", join(root, program), "--help"], {
      cwd: root,
      encoding: "utf8",
    });
    assert.equal(help.status, 0, help.stderr);
    assert.deepEqual(flags(section), flags(help.stdout.replaceAll(OTHERS, "")));
    const [, told] = /Exit codes: ([^]*)$/.exec(help.stdout) ?? [];
    if (told === undefined) return;
    const codes = (text: string, pattern: RegExp) =>
      [...text.matchAll(pattern)].map(([, code]) => Number(code)).sort((a, b) => a - b);
    assert.deepEqual(codes(section, /^\| (\d+) \|/gm), codes(told, /(?:^|;\s)(\d+) /g));
  });
}

void test("docs/cli.md tells of no command that is not there", () => {
  const told = [...sections.keys()].filter((name) => /^(bin\/|npm run)/.test(name));
  assert.deepEqual(told.sort(), Object.keys(COMMANDS).sort());
});
