/**
 * Runs one layer of the tests with Node's own test runner and ends with a plain count line.
 *
 * Layers: `fast` (no root, loopback only, under two minutes), `lab` (the small real site of lab/, its parts, and the whole
 * life of a management cluster on it), `parity` (the embedded engine against the real Pulumi CLI). Further arguments
 * narrow the run to the test files whose path contains one of them: `npm test -- config`.
 */
import { globSync } from "node:fs";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";

/** What each layer holds: where its files are, how many run side by side, and the limit for one test in milliseconds. */
const LAYERS: Record<string, { files: string[]; concurrency: number; timeout: number }> = {
  fast: {
    files: [
      "tests/{config,lib,components,program,engine,lab-unit,bin,policy,preflight,handover,state,ci}/**/*.test.ts",
    ],
    concurrency: 2,
    timeout: 60_000,
  },
  // One site, one network namespace: a lab test that runs beside another would see its changes. In the order of a
  // cluster's life, so that the stack is deployed once for all who need it.
  lab: {
    files: [
      ...["site", "openstack-provider", "kubernetes", "kubernetes-provider", "state"],
      ...["refusals", "deploy", "secrets", "handover", "pipeline", "changes", "teardown"],
    ].map((name) => `tests/lab/${name}.test.ts`),
    concurrency: 1,
    timeout: 45 * 60_000,
  },
  parity: { files: ["tests/parity/*.test.ts"], concurrency: 1, timeout: 30 * 60_000 },
};

const root = join(import.meta.dirname, "..");
const [name = "", ...only] = process.argv.slice(2);
const layer = LAYERS[name];
if (layer === undefined) {
  console.error(`usage: node tests/run.ts ${Object.keys(LAYERS).join("|")} [PART OF A PATH ...]`);
  process.exit(2);
}

const files = layer.files
  .flatMap((pattern) => globSync(pattern, { cwd: root }).sort())
  .map((file) => join(root, file))
  .filter((file) => only.length === 0 || only.some((part) => relative(root, file).includes(part)));
if (files.length === 0) {
  console.error(`no test file of layer ${name} matches ${only.join(" ") || layer.files.join(" ")}`);
  process.exit(2);
}

const counts = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();
const stream = run({ files, concurrency: layer.concurrency, timeout: layer.timeout, cwd: root });
// Suites only group tests: counting them too would report more than was asserted.
stream.on("test:pass", (event) => {
  if (event.details.type === "suite") return;
  if (event.skip !== undefined) counts.skipped += 1;
  else counts.passed += 1;
});
stream.on("test:fail", (event) => {
  if (event.details.type !== "suite") counts.failed += 1;
  process.exitCode = 1;
});
stream
  .compose(spec)
  .on("end", () => {
    console.log(`${name} tests took ${((Date.now() - started) / 1000).toFixed(1)} s`);
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    if (counts.passed === 0 && counts.skipped === 0) process.exitCode = 1;
  })
  .pipe(process.stdout);
