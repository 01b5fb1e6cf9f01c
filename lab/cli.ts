/**
 * The lab's command line: `npm run lab [-- COMMAND]`. Parses, checks what the machine must have, and loads only the part that the command
 * needs: a preview does not wait for what builds the site.
 */
import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { EXIT } from "../lib/command-error.ts";
import { failureText } from "./progress.ts";
import { faultUsage } from "./services/faultRules.ts";
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
    const { fault } = await import("./faults.ts");
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

  switch (command) {
    case undefined: {
      const { runEverything } = await import("./siteCommands.ts");
      return runEverything(options.stack, () => deploy("up", options));
    }
    case "prepare":
    case "start":
    case "stop":
    case "reset": {
      const { runSiteCommand } = await import("./siteCommands.ts");
      return runSiteCommand(command, values.consumers ?? false);
    }
    case "status": {
      const { showStatus } = await import("./siteCommands.ts");
      return showStatus(options.json);
    }
    case "logs":
      return logs(rest[0], values.follow ?? false);
    case "env": {
      const { exportsFor } = await import("./environment.ts");
      process.stdout.write(exportsFor());
      return EXIT.ok;
    }
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

/** One command on a stack. */
async function deploy(command: StackCommand, options: StackOptions): Promise<number> {
  const { runCommand } = await import("./stack.ts");
  return runCommand(command, options);
}

async function logs(service: string | undefined, follow: boolean): Promise<number> {
  const { logFile } = await import("./processes.ts");
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
