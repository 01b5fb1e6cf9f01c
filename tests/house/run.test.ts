/**
 * The closing line of tests/run.ts: what is skipped as a whole or in no layer is an error, so is a hook that fails; a second run is counted.
 */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { execa } from "execa";
import { temporaryFolder } from "../support/shell.ts";

const root = join(import.meta.dirname, "../..");

/** Runs a layer over test files of its own. */
async function run(context: TestContext, layer: string, files: Record<string, string>) {
  const folder = temporaryFolder(context);
  for (const part of [
    "tests/run.ts",
    "lib/command-error.ts",
    "lib/lazy-sdk.ts",
    "config/problems.ts",
    "package.json",
  ]) {
    cpSync(join(root, part), join(folder, part));
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const [file, body] of Object.entries(files)) {
    mkdirSync(join(folder, file, ".."), { recursive: true });
    writeFileSync(join(folder, file), `import { test } from "node:test";\n${body}\n`);
  }
  // Node's runner tells its own children by this variable that they are.
  const env = { NODE_TEST_CONTEXT: undefined, FOLDER: folder };
  const args = ["--no-warnings", join(folder, "tests/run.ts"), layer];
  const { exitCode, stdout, stderr } = await execa(process.execPath, args, { reject: false, env });
  return { exitCode, lines: stdout.split("\n"), stderr };
}

void test("a file of which everything is skipped is an error by name", async (context) => {
  const { exitCode, lines } = await run(context, "fast", {
    "tests/lib/good.test.ts": 'test("one", () => {}); test("other", { skip: "not here" }, () => {});',
    "tests/lib/idle.test.ts": 'test("never", { skip: "not here" }, () => {});',
  });
  assert.equal(exitCode, 1);
  assert.ok(lines.includes("error: tests/lib/idle.test.ts: everything in it is skipped"), lines.join("\n"));
  assert.equal(lines.at(-1), "1 passed, 1 failed, 2 skipped, 0 flaky");
});

void test("a test file that is in no layer is an error by name, whichever layer runs", async (context) => {
  const test = 'test("one", () => {});';
  const files = {
    "tests/lib/good.test.ts": test,
    "tests/lab/stray.test.ts": test,
    "tests/new/a.test.ts": test,
  };
  const { exitCode, lines, stderr } = await run(context, "fast", files);
  assert.equal(exitCode, 1);
  assert.equal(stderr, "error: in no layer of tests/run.ts: tests/lab/stray.test.ts, tests/new/a.test.ts");
  assert.deepEqual(lines, [""], "nothing ran");
});

void test("a file of the lab that passes in its second run passes, and is counted as flaky", async (context) => {
  const flaky = `
    import { existsSync, writeFileSync } from "node:fs";
    test("second time", () => {
      const mark = process.env["FOLDER"] + "/mark";
      if (existsSync(mark)) return;
      writeFileSync(mark, "");
      throw new Error("first time");
    });`;
  const { exitCode, lines } = await run(context, "lab", { "tests/lab/deploy.test.ts": flaky });
  assert.equal(lines.at(-1), "1 passed, 0 failed, 0 skipped, 1 flaky", lines.join("\n"));
  assert.equal(exitCode, 0);
});

void test("what fails before or after a suite's tests is a failure", async (context) => {
  for (const hook of ["before", "after"]) {
    const body = `
      import { after, before, describe } from "node:test";
      describe("a site", () => {
        ${hook}(() => { throw new Error("it is still there"); });
        test("one", () => {});
      });`;
    const { exitCode, lines } = await run(context, "fast", { "tests/lib/a.test.ts": body });
    assert.equal(exitCode, 1, lines.join("\n"));
    assert.match(lines.at(-1) ?? "", /^\d passed, [1-9] failed, /);
  }
});
