/**
 * Deploying a stack onto the lab: which engine, its backend and environment, and the stack's outputs.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Writable } from "node:stream";
import { run } from "./run.ts";
import { loadSecrets } from "./services/secrets.ts";
import { addresses, bucket, paths, ports, projectDir } from "./site.ts";

type EngineName = "pulumi" | "embedded";
export type StackCommand = "preview" | "up" | "refresh" | "destroy" | "output" | "cancel";

export interface StackOptions {
  stack: string;
  engine: EngineName | undefined;
  json: boolean;
  expectNoChanges: boolean;
  showSecrets: boolean;
  /** Of preview and up: reads every resource first. */
  refresh?: boolean;
  /** Of up: begins without preflight. */
  skipPreflight?: boolean;
  /** Name of the only output wanted, for `output`. */
  output?: string;
}

/** State as on a real site: S3, here the lab's gateway. */
const backendUrl =
  `s3://${bucket}?endpoint=http://${addresses.services}:${ports.s3}` +
  "&s3ForcePathStyle=true&region=us-east-1";

/** Environment of the program and of whatever runs against the lab. */
export function stackEnvironment(helm: string): Record<string, string> {
  const secrets = loadSecrets();
  return {
    OS_CLIENT_CONFIG_FILE: paths.clouds,
    OS_CLOUD: "openstack",
    CAPI_MGMT_HELM: helm,
    AWS_ACCESS_KEY_ID: secrets.s3AccessKey,
    AWS_SECRET_ACCESS_KEY: secrets.s3SecretKey,
    AWS_REGION: "us-east-1",
    AWS_ENDPOINT_URL_S3: `http://${addresses.services}:${ports.s3}`,
    PULUMI_BACKEND_URL: backendUrl,
    PULUMI_CONFIG_PASSPHRASE_FILE: paths.passphrase,
    // Half the bytes for each of the many times that a deployment writes its state.
    PULUMI_DIY_BACKEND_GZIP: "true",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
}

/** Runs one engine command; returns its exit code. */
export async function runStack(
  command: StackCommand,
  options: StackOptions,
  helm: string,
  out: NodeJS.WritableStream = process.stdout,
): Promise<number> {
  const env = {
    ...stackEnvironment(helm),
    ...(options.skipPreflight ? { CAPI_MGMT_SKIP_PREFLIGHT: "1" } : {}),
  };
  const engine = options.engine ?? (await defaultEngine());
  if (engine === "pulumi") return runPulumi(command, options, env, out);
  // only when needed: the engine loads Pulumi's SDK, which the other commands can do without
  const { runEngine } = await import("../engine/main.ts");
  // providers run in this process and look for credentials and helm in its environment
  Object.assign(process.env, env);
  const { exitCode } = await runEngine({
    command,
    stack: options.stack,
    projectDir,
    backendUrl,
    passphrase: readFileSync(paths.passphrase, "utf8").trim(),
    json: options.json,
    expectNoChanges: options.expectNoChanges,
    refresh: options.refresh ?? false,
    showSecrets: options.showSecrets,
    name: options.output,
    env: process.env,
    out,
  });
  return exitCode;
}

/** One output's plain text, secrets included; undefined if the stack has no such output. */
export async function readOutput(
  name: string,
  options: StackOptions,
  helm: string,
): Promise<string | undefined> {
  let text = "";
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const request = { ...options, json: true, showSecrets: true, expectNoChanges: false };
  if ((await runStack("output", request, helm, sink)) !== 0) return undefined;
  const value = (JSON.parse(text) as Record<string, unknown>)[name];
  return typeof value === "string" ? value : undefined;
}

/** The real CLI when it and the plugins the program needs are on the machine, else the embedded engine. */
async function defaultEngine(): Promise<EngineName> {
  const found = (process.env["PATH"] ?? "")
    .split(delimiter)
    .some((folder) => existsSync(join(folder, "pulumi")));
  if (!found) return "embedded";
  const listed = await run("pulumi", ["plugin", "ls", "--json"], { allowFailure: true });
  if (listed.code !== 0) return "embedded";
  const names = new Set((JSON.parse(listed.stdout) as { name: string }[]).map((plugin) => plugin.name));
  return ["openstack", "kubernetes", "command"].every((name) => names.has(name)) ? "pulumi" : "embedded";
}

/** Arguments of the real CLI for one command. */
export function pulumiArguments(command: StackCommand, options: StackOptions): string[] {
  if (command === "output") {
    return [
      ...["stack", "output", "--stack", options.stack, ...(options.output ? [options.output] : [])],
      ...(options.json ? ["--json"] : []),
      ...(options.showSecrets ? ["--show-secrets"] : []),
    ];
  }
  if (command === "cancel") return ["cancel", "--yes", "--stack", options.stack];
  return [
    ...[command, "--stack", options.stack, "--non-interactive"],
    ...(command === "preview" ? ["--diff"] : ["--yes", "--skip-preview"]),
    ...(options.json ? ["--json"] : []),
    ...(options.refresh ? ["--refresh"] : []),
    ...(options.expectNoChanges && command !== "destroy" ? ["--expect-no-changes"] : []),
  ];
}

async function runPulumi(
  command: StackCommand,
  options: StackOptions,
  env: Record<string, string>,
  out: NodeJS.WritableStream,
): Promise<number> {
  const cli = { cwd: projectDir, env };
  const selected = await run("pulumi", ["stack", "select", "--create", options.stack, "--non-interactive"], {
    ...cli,
    allowFailure: true,
  });
  if (selected.code !== 0) throw new Error(`pulumi stack select ${options.stack}: ${selected.stderr.trim()}`);
  return new Promise((done, fail) => {
    const child = spawn("pulumi", pulumiArguments(command, options), {
      cwd: projectDir,
      env: { ...process.env, ...env },
      stdio: ["inherit", "pipe", "inherit"],
    });
    child.stdout.pipe(out, { end: false });
    child.on("error", fail);
    child.on("close", (code) => done(code ?? 128));
  });
}
