/**
 * Runs one layer of the tests with Node's own test runner and ends with a plain count line.
 *
 * Layers: `fast` (no root, loopback only, under two minutes), `lab` (a management cluster's life on the small real site of
 * lab/), `lab-more` (sites of other shapes), `lab-parts` (the site's parts), `fresh` (root: the machine as new), `go` (the
 * lab's Go packages that are quick to build). Further arguments narrow the run to the test files whose path contains one of them:
 * `npm test -- config`.
 */
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { pathToFileURL } from "node:url";
import { EXIT } from "../lib/command-error.ts";

interface Layer {
  readonly files: readonly string[];
  /** Files side by side. */
  readonly concurrency: number;
  /** Limit for one test, in milliseconds. */
  readonly timeout: number;
  /** One file after the other on one site, where a file that fails has a second run. */
  readonly inTurn: boolean;
}

/** Files of tests/lab, in the order given: a test that runs beside another would see its changes. */
function onTheLab(...names: string[]): Layer {
  const files = names.map((name) => `tests/lab/${name}.test.ts`);
  return { files, concurrency: 1, timeout: 45 * 60_000, inTurn: true };
}

const LAYERS: Readonly<Record<string, Layer>> = {
  fast: {
    files: [
      // First, since it waits for a while for addresses that do not answer.
      "tests/program/planted.test.ts",
      "tests/{config,lib,automation,components,program,plan,lab-unit,bin,policy,preflight,kayobe,releases,state,openstack,ci,house}/**/*.test.ts",
    ],
    // One more than there are processors: some wait.
    concurrency: Math.min(availableParallelism() + 1, 8),
    timeout: 60_000,
    inTurn: false,
  },
  // In the order of a cluster's life, so that the stack is deployed once for all who need it; the alert rules need
  // promtool, which the lab's cache holds. What .ci/run runs.
  lab: onTheLab(
    ...["alertRules", "deploy", "connect", "allowList", "secrets", "credentials", "balancer"],
    ...["pipeline", "teardown"],
  ),
  // Three hours: the rest of a cluster's life, then sites that are deployed anew; singleNode and otherSite take an empty site and
  // leave it so.
  "lab-more": onTheLab(
    ...["handover", "changes", "extras", "backups", "teardown", "singleNode", "otherSite", "refusals"],
  ),
  "lab-parts": onTheLab(
    ...[
      "addonCharts",
      "controllerCharts",
      "chartValues",
      "images",
      "commandRemote",
      "monitoring",
      "site",
      "kubernetes",
      "state",
    ],
  ),
  // A machine as new, under which .ci/run runs the lab's tests; not in one itself.
  fresh: { files: ["tests/fresh/*.test.ts"], concurrency: 1, timeout: 30 * 60_000, inTurn: false },
  go: { files: ["tests/go/*.test.ts"], concurrency: 1, timeout: 10 * 60_000, inTurn: false },
};

const root = join(import.meta.dirname, "..");
const [name = "", ...only] = process.argv.slice(2);
const layer = LAYERS[name];
if (layer === undefined) {
  console.error(`usage: node tests/run.ts ${Object.keys(LAYERS).join("|")} [PART OF A PATH ...]`);
  process.exit(EXIT.usage);
}

// What no layer runs proves nothing.
const known = new Set(Object.values(LAYERS).flatMap(({ files }) => globSync([...files], { cwd: root })));
const strays = globSync("tests/**/*.test.ts", { cwd: root }).filter((file) => !known.has(file));
if (strays.length > 0) {
  console.error(`error: in no layer of tests/run.ts: ${strays.sort().join(", ")}`);
  process.exit(EXIT.failed);
}

const files = [...new Set(layer.files.flatMap((pattern) => globSync(pattern, { cwd: root }).sort()))]
  .map((file) => join(root, file))
  .filter((file) => only.length === 0 || only.some((part) => relative(root, file).includes(part)));
if (files.length === 0) {
  console.error(`no test file of layer ${name} matches ${only.join(" ") || layer.files.join(" ")}`);
  process.exit(EXIT.usage);
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Files that failed and passed when run once more. */
  flaky: number;
}

const none = (): Counts => ({ passed: 0, failed: 0, skipped: 0, flaky: 0 });

/** Files of which something ran, and files of which something was skipped. */
const ran = new Set<string>();
const skippedIn = new Set<string>();

const hookFailed = (error: Error): boolean => "failureType" in error && error.failureType === "hookFailed";

/** Runs files and shows what happens; suites only group tests, so counting them would report more than was asserted. */
function runFiles(chosen: readonly string[]): Promise<Counts> {
  const counts = none();
  const { concurrency, timeout } = layer as Layer;
  // What runs the whole program makes much garbage at once, and what loads the SDK needs little of it.
  const execArgv = [
    "--max-semi-space-size=64",
    "--import",
    pathToFileURL(join(root, "lib/lazy-sdk.ts")).href,
  ];
  const stream = run({ files: [...chosen], concurrency, timeout, cwd: root, execArgv });
  stream.on("test:pass", (event) => {
    // A suite that is skipped hides its tests: then it counts for them.
    if (event.skip !== undefined) {
      counts.skipped += 1;
      skippedIn.add(event.file ?? "");
    } else if (event.details.type !== "suite") {
      counts.passed += 1;
      ran.add(event.file ?? "");
    }
  });
  stream.on("test:fail", (event) => {
    // A suite fails with its tests, and by itself when what comes before or after them does.
    if (event.details.type === "suite" && !hookFailed(event.details.error)) return;
    counts.failed += 1;
    ran.add(event.file ?? "");
  });
  return new Promise((done) => {
    const shown = stream.compose(spec);
    shown.on("end", () => done(counts));
    shown.pipe(process.stdout, { end: false });
  });
}

/** One file after the other; one that fails is run once more, and the second run decides. */
async function runInTurn(chosen: readonly string[]): Promise<Counts> {
  const total = none();
  for (const file of chosen) {
    let counts = await runFiles([file]);
    if (counts.failed > 0) {
      console.log(`== ${relative(root, file)}: ${counts.failed} failed, once more`);
      counts = await runFiles([file]);
      if (counts.failed === 0) counts.flaky = 1;
    }
    for (const key of ["passed", "failed", "skipped", "flaky"] as const) total[key] += counts[key];
  }
  return total;
}

const started = Date.now();
const { passed, failed, skipped, flaky } = await (layer.inTurn ? runInTurn(files) : runFiles(files));
console.log(`${name} tests took ${((Date.now() - started) / 1000).toFixed(1)} s`);
// What never runs proves nothing: a program that the tests need is missing, or the condition is wrong.
const idle = [...skippedIn].filter((file) => !ran.has(file)).map((file) => relative(root, file));
for (const file of idle) console.log(`error: ${file}: everything in it is skipped`);
console.log(`${passed} passed, ${failed + idle.length} failed, ${skipped} skipped, ${flaky} flaky`);
if (failed + idle.length > 0 || passed === 0) process.exitCode = EXIT.failed;
