/**
 * Running commands against the lab's site from outside, as an operator would: the openstack client, kubectl, helm, ssh.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const project = join(import.meta.dirname, "../..");

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Wall clock. */
  readonly seconds: number;
}

let environment: NodeJS.ProcessEnv | undefined;

/** Runs a program in the project's folder, after `enterLab` with the lab's environment. */
export function command(
  program: string,
  args: readonly string[],
  options: { input?: string; timeout?: number; env?: NodeJS.ProcessEnv } = {},
): Ran {
  const began = Date.now();
  const done = spawnSync(program, args, {
    cwd: project,
    encoding: "utf8",
    env: { ...(environment ?? process.env), ...options.env },
    timeout: options.timeout ?? 120_000,
    input: options.input,
    maxBuffer: 2 ** 28,
  });
  const { status, stdout, stderr, error } = done;
  return {
    status,
    stdout,
    stderr: error === undefined ? stderr : `${stderr}${error.message}`,
    seconds: (Date.now() - began) / 1000,
  };
}

/** `npm run lab -- …` without npm. */
export function lab(...args: string[]): Ran {
  return command(process.execPath, ["--no-warnings", "lab/cli.ts", ...args], { timeout: 40 * 60_000 });
}

/** Starts the site if it does not run, and takes over what `npm run lab -- env` exports. */
export function enterLab(): void {
  const started = lab("start");
  assert.equal(started.status, 0, started.stderr);
  const script = `eval "$("${process.execPath}" --no-warnings lab/cli.ts env)" && env -0`;
  const { stdout } = command("bash", ["-c", script]);
  const entries = stdout.split("\0").filter((entry) => entry.includes("="));
  environment = Object.fromEntries(
    entries.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
  );
}

/** The environment that `enterLab` took over. */
export function labEnvironment(): NodeJS.ProcessEnv {
  assert.ok(environment !== undefined, "enterLab comes first");
  return environment;
}

/** Enters the lab, deploys stack `lab` if it is not there, and brings it to what its file says. */
export function enterDeployedLab(): void {
  enterLab();
  const up = lab("up", "--stack", "lab");
  assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
}

/** What a command on the seed prints. */
export function onSeed(...args: string[]): string {
  return output(join(project, "bin/seed-ssh"), ["lab", "--", ...args]);
}

/** Writes a kubeconfig that stack `lab` has as an output into a file. */
export function writeKubeconfig(name: "haKubeconfig" | "magnumKubeconfig", file: string): void {
  const cli = ["--no-warnings", "lab/cli.ts", "output", name, "--show-secrets"];
  writeFileSync(file, output(process.execPath, cli), { mode: 0o600 });
}

/** The command's standard output; the test fails with what the command said if it fails. */
export function output(
  program: string,
  args: readonly string[],
  options: Parameters<typeof command>[2] = {},
): string {
  const done = command(program, args, options);
  assert.equal(
    done.status,
    0,
    `${program} ${args.join(" ")}: exit code ${done.status}\n${done.stdout}\n${done.stderr}`,
  );
  return done.stdout;
}

/**
 * What the openstack client lists, as it names the columns. The client waits without end for an answer that was lost
 * (seen once, right after a destroy took networks away): a call that hangs is made again, twice at most.
 */
export function openstack<T = Record<string, unknown>>(...args: string[]): T[] {
  for (let attempt = 1; ; attempt += 1) {
    const done = command("openstack", [...args, "-f", "json"], { timeout: 40_000 });
    if (done.status === 0) return JSON.parse(done.stdout) as T[];
    if (done.status === null && attempt < 3) continue;
    assert.fail(`openstack ${args.join(" ")}: exit code ${done.status}\n${done.stdout}\n${done.stderr}`);
  }
}
