/**
 * The stack's lock between the embedded engine and the real Pulumi CLI: either is refused while the other works, and
 * either removes what a dead run of the other left. Without the CLI and its plugins every test is skipped.
 *
 * State is a folder here; that a lock is the same in S3, tests/lab/state.test.ts and docs/state.md have. Does not prove
 * that two that begin in the same instant both give way: neither engine can be stopped between its two looks.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, runEngine } from "../../engine/main.ts";
import { noRealPulumi } from "../support/realPulumi.ts";

const project = join(import.meta.dirname, "../..");

/** A resource that takes until a file is there; a new round is a new resource. */
const PROGRAM = `
import { local } from "@pulumi/command";
const { ROUND, FOLDER } = process.env;
new local.Command("wait-" + ROUND, {
  create: "touch " + FOLDER + "/begun-" + ROUND + "; until [ -e " + FOLDER + "/end-" + ROUND + " ]; do sleep 0.1; done",
});
`;

describe("the lock of a stack", { skip: noRealPulumi("command") }, () => {
  const folder = mkdtempSync(join(tmpdir(), "locks-"));
  const state = join(folder, "state");
  const locks = join(state, ".pulumi/locks/organization/locks/dev");
  let round = 0;
  const environment = () => ({
    ...process.env,
    ROUND: String(round),
    FOLDER: folder,
    PULUMI_BACKEND_URL: `file://${state}`,
    PULUMI_CONFIG_PASSPHRASE: "correct horse",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  });

  before(() => {
    mkdirSync(state);
    writeFileSync(join(folder, "Pulumi.yaml"), "name: locks\nruntime: nodejs\nmain: index.js\n");
    writeFileSync(join(folder, "package.json"), '{"type": "module"}');
    writeFileSync(join(folder, "index.js"), PROGRAM);
    symlinkSync(join(project, "node_modules"), join(folder, "node_modules"));
    const made = spawnSync("pulumi", ["stack", "init", "dev", "--non-interactive"], {
      cwd: folder,
      env: environment(),
      encoding: "utf8",
    });
    assert.equal(made.status, 0, made.stderr);
  });
  after(() => {
    for (let each = 1; each <= round; each += 1) release(each);
    rmSync(folder, { recursive: true, force: true });
  });

  async function embedded(command: Command): Promise<{ exitCode: number; text: string }> {
    let text = "";
    const { exitCode } = await runEngine({
      command,
      stack: "dev",
      projectDir: folder,
      backendUrl: `file://${state}`,
      passphrase: "correct horse",
      env: environment(),
      out: { write: (part) => (text += part) },
    });
    return { exitCode, text };
  }

  /** The real CLI. Its process and what it comes to. */
  function real(...args: string[]): {
    child: ChildProcess;
    done: Promise<{ exitCode: number | null; text: string }>;
  } {
    const child = spawn("pulumi", [...args, "--stack", "dev", "--non-interactive"], {
      cwd: folder,
      env: environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const done = new Promise<{ exitCode: number | null; text: string }>((resolve) =>
      child.on("close", (exitCode) => resolve({ exitCode, text })),
    );
    return { child, done };
  }
  const realUp = () => real("up", "--yes", "--skip-preview");

  async function begun(): Promise<void> {
    for (let wait = 0; !existsSync(join(folder, `begun-${round}`)); wait += 1) {
      assert.ok(wait < 600, "the run that is to hold the lock did not begin");
      await sleep(100);
    }
  }
  const release = (which: number) => writeFileSync(join(folder, `end-${which}`), "");

  test("the real CLI is refused while the embedded engine works", async () => {
    round += 1;
    const holding = embedded("up");
    await begun();
    const refused = await realUp().done;
    release(round);
    const { exitCode, text } = await holding;
    assert.equal(exitCode, 0, text);
    assert.notEqual(refused.exitCode, 0, refused.text);
    assert.match(refused.text, /the stack is currently locked by 1 lock\(s\)/);
    assert.match(refused.text, new RegExp(`created by \\S+@\\S+ \\(pid ${process.pid}\\) at 20\\d\\d-`));
    assert.deepEqual(readdirSync(locks), []);
  });

  test("the embedded engine is refused while the real CLI works, and cancels the lock of a killed one", async () => {
    round += 1;
    const { child, done } = realUp();
    await begun();
    const refused = await embedded("up");
    child.kill("SIGKILL");
    await done;
    release(round);
    assert.equal(refused.exitCode, 1, refused.text);
    assert.match(
      refused.text,
      new RegExp(`locked by another run: \\S+@\\S+ \\(pid ${child.pid ?? 0}\\) since 20\\d\\d-`),
    );
    assert.match((await embedded("up")).text, /\(pid \d+, a process that is gone\) since 20\d\d-/);
    assert.match((await embedded("cancel")).text, /Removed the lock of \S+@\S+ \(pid \d+/);
    const { exitCode, text } = await embedded("up");
    assert.equal(exitCode, 0, text);
  });

  test("the real CLI cancels the lock of a killed embedded engine", async () => {
    mkdirSync(locks, { recursive: true });
    const lock = { pid: 4711, username: "runner", hostname: "job-1234", timestamp: new Date().toISOString() };
    writeFileSync(join(locks, "00000000-0000-4000-8000-000000000000.json"), JSON.stringify(lock));
    const refused = await realUp().done;
    assert.match(refused.text, /created by runner@job-1234 \(pid 4711\) at 20\d\d-/);
    const cancelled = await real("cancel", "--yes").done;
    assert.equal(cancelled.exitCode, 0, cancelled.text);
    assert.deepEqual(readdirSync(locks), []);
  });
});
