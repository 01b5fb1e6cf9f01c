/**
 * `npm run bench`: what a pipeline pays for a merge request, on the deployed stack `lab`: a preview, and an `up` that changes
 * nothing, in ratios to a program of one resource in the same run, started alike. Prints medians; nothing is asserted, for a busy
 * machine proves nothing. Makes and removes a stack `floor` in the lab's bucket.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { EXIT } from "../../lib/command-error.ts";
import { project } from "../support/lab.ts";

const usage = `usage: npm run bench [-- --rounds N]

Needs the stack lab deployed (npm run lab) and a machine that does nothing else. Default: 5 rounds after one that is not counted.`;

function readRounds(): number {
  try {
    const { values } = parseArgs({ options: { rounds: { type: "string" }, help: { type: "boolean" } } });
    const rounds = Number(values.rounds ?? "5");
    if (values.help !== true && Number.isInteger(rounds) && rounds > 0) return rounds;
    console.log(usage);
    process.exit(values.help === true ? EXIT.ok : EXIT.usage);
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    process.exit(EXIT.usage);
  }
}

const rounds = readRounds();
const folder = mkdtempSync(join(tmpdir(), "bench-"));
writeFileSync(join(folder, "Pulumi.yaml"), "name: bench\nruntime: nodejs\n");

const floor = (operation: string) => ["tests/bench/floor.ts", operation, folder];
const lab = (...words: string[]) => ["lab/cli.ts", ...words, "--expect-no-changes"];
const measured = {
  "preview, one resource": floor("preview"),
  "preview, stack lab": lab("preview"),
  "up without changes, one resource": floor("up"),
  "up without changes, stack lab": lab("up"),
} as const;
type Name = keyof typeof measured;
const floors: Readonly<Record<Name, Name>> = {
  "preview, one resource": "preview, one resource",
  "preview, stack lab": "preview, one resource",
  "up without changes, one resource": "up without changes, one resource",
  "up without changes, stack lab": "up without changes, one resource",
};

/** Seconds: by the clock, and of the processor, of all processes that it started and waited for. */
interface Time {
  readonly wall: number;
  readonly processor: number;
}

function time(words: readonly string[]): Time {
  // The shell's clock: Node tells nothing of its children's processor time.
  const script = 'TIMEFORMAT="%R %U %S"; exec 3>&2; time "$@" >/dev/null 2>&3';
  const done = spawnSync("bash", ["-c", script, "time", process.execPath, "--no-warnings", ...words], {
    cwd: project,
    encoding: "utf8",
  });
  const lines = done.stderr.trim().split("\n");
  const [wall = NaN, user = NaN, system = NaN] = (lines.at(-1) ?? "").split(" ").map(Number);
  if (done.status !== 0 || Number.isNaN(system))
    throw new Error(`${words.join(" ")}: exit code ${done.status}\n${done.stderr}`);
  return { wall, processor: user + system };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

try {
  time(floor("up"));
  const times = new Map<Name, Time[]>();
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, words] of Object.entries(measured) as [Name, string[]][]) {
      const taken = time(words);
      if (round > 0) times.set(name, [...(times.get(name) ?? []), taken]);
    }
    console.error(`round ${round} of ${rounds}`);
  }
  const wall = (name: Name) => median((times.get(name) ?? []).map((taken) => taken.wall));
  for (const name of Object.keys(measured) as Name[]) {
    const processor = median((times.get(name) ?? []).map((taken) => taken.processor));
    const ratio = wall(name) / wall(floors[name]);
    console.log(
      `${name.padEnd(34)} ${wall(name).toFixed(2)} s  ${ratio.toFixed(2)} x floor  ${processor.toFixed(1)} s of processor`,
    );
  }
} finally {
  spawnSync(process.execPath, ["--no-warnings", ...floor("destroy")], { cwd: project });
  rmSync(folder, { recursive: true, force: true });
}
