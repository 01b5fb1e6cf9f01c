/** Small parts of the lab that need neither root nor services. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, test } from "node:test";

const scratch = mkdtempSync(join(tmpdir(), "lab-unit-"));
process.env["XDG_CACHE_HOME"] = scratch; // before site.ts reads it
after(() => rmSync(scratch, { recursive: true, force: true }));

const { ensurePart, partDir, treeHash } = await import("../../lab/prepare/cache.ts");
const { shellQuote } = await import("../../lab/environment.ts");
const { parseEnvironment, parseStat, findProcesses } = await import("../../lab/processes.ts");
const { Progress, failureText, formatSeconds, timeTable } = await import("../../lab/progress.ts");
const { lastLines, run } = await import("../../lab/run.ts");
const { mirrorFile } = await import("../../lab/services/mirrorPath.ts");

const nothing = () => undefined;

test("times read as people say them", () => {
  const table: [number, string][] = [
    [0.44, "0.4 s"],
    [12.4, "12 s"],
    [59.4, "59 s"],
    [65, "1 m 05 s"],
    [3600, "60 m 00 s"],
  ];
  for (const [seconds, text] of table) assert.equal(formatSeconds(seconds), text);
});

test("the time table places each step on the common line", () => {
  const steps = [
    { name: "one", from: 0, to: 5 },
    { name: "second", from: 5, to: 10, failed: true },
    { name: "unfinished", from: 9 },
  ];
  assert.equal(
    timeTable(steps, 10, 10),
    ["one        5.0 s  █████", "second     5.0 s       █████  failed", "total       10 s"].join("\n"),
  );
});

test("a failed step is reported, its error passed on, and what it did is in the log that the error names", async () => {
  const out = new PassThrough();
  const logs = join(scratch, "logs");
  const progress = new Progress(out, logs);
  const failure = new Error("no");
  const breaks = progress.step("break it", (note) => {
    note("first line");
    note("second line");
    return Promise.reject(failure);
  });
  await assert.rejects(breaks, failure);
  const log = join(logs, "step-break-it.log");
  assert.equal(failure.message, `break it: no\nlog: ${log}`);
  assert.equal(readFileSync(log, "utf8"), "first line\nsecond line\nno\n");
  await assert.rejects(
    progress.step("waits for it", () => breaks),
    failure,
  );
  assert.equal(failure.message, `break it: no\nlog: ${log}`, "an error names one log, the first step's");
  assert.match(
    failureText(failure),
    /^break it: no\nlog: \S+\nnext: put the cause right and give the same command/,
  );
  assert.equal(failureText(new Error("--stack: unknown")), "--stack: unknown");
  const own = progress.step("service", () => Promise.reject(new Error("ended")), "/lab/log/service.log");
  await assert.rejects(own, { message: "service: ended\nlog: /lab/log/service.log" });
  assert.equal(progress.steps[0]?.failed, true);
  assert.match(String(out.read()), /✗ break it/);
});

test("a command's error holds its last words and its exit code", async () => {
  await assert.rejects(
    run("sh", ["-c", "echo first; echo last words >&2; exit 3"]),
    /exit code 3:\nlast words/,
  );
  assert.equal((await run("cat", [], { input: "by stdin" })).stdout, "by stdin");
  assert.equal((await run("sh", ["-c", "exit 4"], { allowFailure: true })).code, 4);
  assert.equal(lastLines("a\n\nb\nc\n", 2), "b\nc");
});

test("the mirror serves plus signs in both spellings and nothing outside its folder", () => {
  const file = "/m/github.com/k3s-io/k3s/releases/download/v1.36.3+k3s1/k3s";
  assert.equal(mirrorFile("/m", "/github.com/k3s-io/k3s/releases/download/v1.36.3+k3s1/k3s"), file);
  assert.equal(mirrorFile("/m", "/github.com/k3s-io/k3s/releases/download/v1.36.3%2Bk3s1/k3s?x=1"), file);
  for (const url of [
    "/../etc/passwd",
    "/a/../../etc/passwd",
    "/%2e%2e/etc/passwd",
    "/%zz",
    "/a%00b",
    "/..",
  ]) {
    assert.equal(mirrorFile("/m", url), undefined, url);
  }
});

test("shell words survive quotes and dollars", async () => {
  const word = `it's "$HOME" \\ and\nmore`;
  assert.equal((await run("sh", ["-c", `printf %s ${shellQuote(word)}`])).stdout, word);
});

test("a process's environment and state are read although its name holds brackets", () => {
  assert.deepEqual([...parseEnvironment("A=1\0B=x=y\0\0")], [["A", "1"], ["B", "x=y"]]); // prettier-ignore
  const fields = Array.from({ length: 20 }, (_, index) => String(index + 3));
  assert.deepEqual(parseStat(`7 (a) b) S ${fields.slice(1).join(" ")}`), {
    state: "S",
    session: 6,
    startTicks: 22,
  });
});

test("processes of another folder are not ours", () => {
  assert.deepEqual(findProcesses("/nowhere/at/all"), []);
});

test("a part is built once, continued after an interruption, and built again when it was damaged", async () => {
  let built = 0;
  const part = {
    name: "tool",
    key: "v1",
    files: ["tool"],
    tree: "tree",
    build(dir: string) {
      built += 1;
      writeFileSync(join(dir, "tool"), "content");
      mkdirSync(join(dir, "tree"), { recursive: true });
      writeFileSync(join(dir, "tree", "file"), "abc");
      return built === 1 ? Promise.reject(new Error("interrupted")) : Promise.resolve();
    },
  };
  await assert.rejects(ensurePart(part, nothing), /interrupted/);
  const dir = await ensurePart(part, nothing);
  assert.equal(built, 2);
  assert.equal(dir, partDir(part));
  await ensurePart(part, nothing, true);
  assert.equal(built, 2);
  writeFileSync(join(dir, "tool"), "damaged");
  await ensurePart(part, nothing);
  assert.equal(built, 2, "without verify the record is trusted");
  await ensurePart(part, nothing, true);
  assert.equal(built, 3);
  assert.equal(readFileSync(join(dir, "tool"), "utf8"), "content");
  writeFileSync(join(dir, "tree", "file"), "ab");
  await ensurePart(part, nothing, true);
  assert.equal(built, 4, "a file cut short");
  assert.notEqual(partDir({ name: "tool", key: "v2" }), dir);
});

test("byte code that Python writes later does not count as damage", () => {
  const tree = mkdtempSync(join(scratch, "tree-"));
  writeFileSync(join(tree, "a.py"), "1");
  const before = treeHash(tree);
  mkdirSync(join(tree, "__pycache__"));
  writeFileSync(join(tree, "__pycache__", "a.pyc"), "2");
  assert.equal(treeHash(tree), before);
});

test("two builders of one part do not meet; a dead builder's lock is taken over", async () => {
  let inside = 0;
  let most = 0;
  const part = {
    name: "locked",
    key: "1",
    async build() {
      most = Math.max(most, ++inside);
      await new Promise((done) => setTimeout(done, 50));
      inside -= 1;
    },
  };
  writeFileSync(`${partDir(part)}.lock`, "999999999\n");
  await Promise.all([ensurePart(part, nothing), ensurePart(part, nothing)]);
  assert.equal(most, 1);
});
