/** Servers of the lab's Kubernetes binary, outside the lab. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { lastLines, sleep } from "../../lab/run.ts";

export interface StartedServer {
  readonly child: ChildProcess;
  /** Until it was up. */
  readonly seconds: number;
}

/** Starts a server and waits until its log, which may hold an earlier run's, says that it is up. */
export async function startServer(logFile: string, command: readonly string[]): Promise<StartedServer> {
  const log = openSync(logFile, "a");
  const from = readFileSync(logFile, "utf8").length;
  const began = performance.now();
  const [program, ...args] = command as [string, ...string[]];
  const child = spawn(program, args, { stdio: ["ignore", log, log] });
  closeSync(log);
  for (;;) {
    const text = readFileSync(logFile, "utf8").slice(from);
    if (text.includes("k3s is up and running")) {
      return { child, seconds: (performance.now() - began) / 1000 };
    }
    const told = () => lastLines(text, 15);
    assert.equal(child.exitCode, null, `${program} ended:\n${told()}`);
    if (performance.now() - began >= 180_000) {
      child.kill("SIGKILL");
      assert.fail(`${program} is not up after 3 minutes:\n${told()}`);
    }
    await sleep(50);
  }
}

/** Ends a server, if it runs, and waits for its end. */
export async function stopServer(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once("exit", done));
  child.kill(signal);
  await ended;
}
