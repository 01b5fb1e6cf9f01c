/**
 * The lab's command line: `npm run lab [-- COMMAND]`. Parses, checks what the machine must have, calls the parts, prints results.
 */
import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { EXIT } from "../lib/command-error.ts";
import { exportsFor } from "./environment.ts";
import { fault, faultUsage } from "./faults.ts";
import { siteArtifacts } from "./prepare/artifacts.ts";
import { prepareConsumers } from "./prepare/consumers.ts";
import { prepare } from "./prepare/index.ts";
import { logFile } from "./processes.ts";
import { Progress, failureText, formatSeconds } from "./progress.ts";
import { describePulumi } from "./pulumi/install.ts";
import { resetSite, siteStatus, startSite, stopSite } from "./services/site.ts";
import { paths } from "./site.ts";
import type { StackCommand, StackOptions } from "./stack.ts";

const usage = `usage: npm run lab [-- COMMAND]

  (no command)                   prepare, start, deploy stack lab, print its outputs
  prepare [--consumers]          build or check everything in the cache, with kolla-ansible and Magnum's driver too
  start | stop | reset           the site's services | data stays | everything goes, also leftovers of a killed run
  status [--json]                one row a service
  logs SERVICE [--follow]        a service's log
  env                            shell exports: eval "$(npm run --silent lab -- env)"
  preview|up|refresh|destroy [--stack NAME] [--expect-no-changes] [--json]
  preview|up --refresh           read every resource first: what differs from the state, and what up makes of it
  up --skip-preflight            begin without preflight, with a warning
  output [NAME] [--stack NAME] [--show-secrets] [--json]
  cancel [--stack NAME]          release the lock that a killed run left on the stack
${faultUsage}

Real sites use pulumi itself; the lab is for trying, tests and rehearsal. docs/lab.md tells more.`;

/** A mistake in the arguments: usage, and its exit code. */
class UsageError extends Error {}

const stackCommands = new Set(["preview", "up", "refresh", "destroy", "output", "cancel"]);

async function main(argv: string[]): Promise<number> {
  if (argv[0] === "fault" && !argv.some((word) => word === "--help" || word === "-h")) {
    requireLab();
    process.stdout.write(await usageIfWrong(() => fault(argv.slice(1))));
    return EXIT.ok;
  }
  const { values, positionals } = readArguments(argv);
  if (values.help) {
    console.log(usage);
    return EXIT.ok;
  }
  const [command, ...rest] = positionals;
  if (rest.length > (command === "logs" || command === "output" ? 1 : 0)) {
    throw new UsageError(`${command}: unexpected argument "${rest.at(-1)}"`);
  }
  const options: StackOptions = {
    stack: values.stack ?? "lab",
    json: values.json ?? false,
    expectNoChanges: values["expect-no-changes"] ?? false,
    showSecrets: values["show-secrets"] ?? false,
    refresh: values.refresh ?? false,
    skipPreflight: values["skip-preflight"] ?? false,
    ...(command === "output" && rest[0] !== undefined ? { output: rest[0] } : {}),
  };
  if (command !== undefined && !knownCommands.has(command))
    throw new UsageError(`unknown command "${command}"`);
  if (options.refresh && command !== "preview" && command !== "up")
    throw new UsageError(
      "--refresh: only preview and up take it (the command refresh works on the state alone)",
    );
  requireLab();

  const progress = new Progress();
  switch (command) {
    case undefined:
      return everything(options, progress);
    case "prepare":
      await prepare(progress, true);
      if (values.consumers) await progress.step("consumers", (note) => prepareConsumers(note, true));
      return report(progress);
    case "start":
      await startSite(await prepare(progress), progress);
      return report(progress);
    case "stop":
      await stopSite(progress);
      return report(progress);
    case "reset":
      await resetSite(progress);
      return report(progress);
    case "status":
      return status(options.json);
    case "logs":
      return logs(rest[0], values.follow ?? false);
    case "env":
      process.stdout.write(exportsFor());
      return EXIT.ok;
    default:
      return deploy(command as StackCommand, options);
  }
}

const knownCommands = new Set([
  ...stackCommands,
  "prepare",
  "start",
  "stop",
  "reset",
  "status",
  "logs",
  "env",
]);

function readArguments(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        stack: { type: "string" },
        json: { type: "boolean" },
        follow: { type: "boolean", short: "f" },
        consumers: { type: "boolean" },
        "expect-no-changes": { type: "boolean" },
        refresh: { type: "boolean" },
        "show-secrets": { type: "boolean" },
        "skip-preflight": { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function usageIfWrong<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The lab needs Linux and root: namespaces, mounts, loop devices and packages cannot be had otherwise. */
function requireLab(): void {
  const problems = [
    ...(process.platform === "linux" ? [] : [`Linux (this is ${process.platform})`]),
    ...(process.getuid?.() === 0 ? [] : ["root, for network namespaces, mounts and packages"]),
    ...(process.platform !== "linux" || existsSync("/usr/bin/apt-get") ? [] : ["Debian 12's apt-get"]),
  ];
  if (problems.length > 0) {
    throw new Error(
      `the lab needs ${problems.join(" and ")}. Without it, the whole plan can be seen offline: npm run plan -- lab`,
    );
  }
}

async function everything(options: StackOptions, progress: Progress): Promise<number> {
  console.error("prepare");
  const artifacts = await prepare(progress);
  console.error("start");
  await startSite(artifacts, progress);
  console.error(`the site runs (${formatSeconds(progress.elapsed())}); deploying stack ${options.stack}`);
  const code = await progress.step(`stack ${options.stack}`, () => deploy("up", options));
  if (code !== EXIT.ok)
    console.error(
      `the deployment failed; its error is above, the services' logs are in ${paths.log}\n` +
        "next: put the cause right, then npm run lab -- up goes on from there",
    );
  return report(progress, code);
}

/** One command on a stack. */
async function deploy(command: StackCommand, options: StackOptions): Promise<number> {
  // only when needed: it loads Pulumi's SDK, which the other commands can do without
  const { runCommand } = await import("./stack.ts");
  return runCommand(command, options);
}

function report(progress: Progress, code: number = EXIT.ok): number {
  console.error(`\n${progress.table()}`);
  return code;
}

async function status(json: boolean): Promise<number> {
  const artifacts = siteArtifacts();
  const rows = await siteStatus(artifacts);
  const tools = describePulumi(artifacts.pulumi);
  if (json) console.log(JSON.stringify(rows, null, 2));
  else {
    for (const row of rows) {
      console.log(
        `${row.service.padEnd(18)} ${String(row.pid ?? "-").padStart(8)}  ${row.endpoint.padEnd(45)} ${row.state}`,
      );
    }
    console.log();
    for (const { name, version, kind } of tools)
      console.log(`${name.padEnd(18)} ${version.padStart(8)}  ${kind}`);
  }
  return rows.every((row) => row.state === "ok") ? EXIT.ok : EXIT.failed;
}

async function logs(service: string | undefined, follow: boolean): Promise<number> {
  const known = existsSync(paths.log)
    ? readdirSync(paths.log).flatMap((name) => (name.endsWith(".log") ? [name.slice(0, -4)] : []))
    : [];
  if (service === undefined || !known.includes(service)) {
    throw new UsageError(`logs: ${service ?? "name a service"} (there are: ${known.join(", ") || "none"})`);
  }
  const file = logFile(service);
  let size = statSync(file).size;
  process.stdout.write(readFileSync(file));
  while (follow) {
    await new Promise((done) => setTimeout(done, 300));
    const now = statSync(file).size;
    if (now > size)
      createReadStream(file, { start: size, end: now - 1 }).pipe(process.stdout, { end: false });
    size = now;
  }
  return EXIT.ok;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(failureText(error));
  if (error instanceof UsageError) console.error(`\n${usage}`);
  process.exitCode = error instanceof UsageError ? EXIT.usage : EXIT.failed;
}
