/**
 * `bin/support-bundle STACK`: what a maintainer needs, in one file without secrets.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { CommandError, EXIT } from "../lib/command-error.ts";
import type { Outputs } from "../lib/outputs.ts";
import { secretsOfConfiguration } from "../operate/configSecrets.ts";
import { firingAlerts } from "../operate/alertmanager.ts";
import {
  type Parts,
  partsOfSeed,
  resourcesOf,
  withoutSecrets,
  writeBundle,
} from "../operate/supportBundle.ts";
import { command, one, PROJECT, stackSettings } from "./kit.ts";
import { readOutputs, stackExport } from "./stackOutputs.ts";

const usage = `Usage: bin/support-bundle STACK [--out FILE] [--outputs FILE]

Writes one tar.gz with what a maintainer needs to look into a site's trouble, and lists what is in it: versions, the
configuration and the stack's resources without secrets, alerts, and from the seed: logs of cloud-init and k3s, and of
k3s and the cluster nodes, pods, events, logs, Cluster API's objects and helm releases without values.

It reads every secret of the site to look for them in what it collected, cuts them out as [secret], and writes nothing
if one is still there. What it cannot know are names and addresses that you would not show: look before you send it.

  --out FILE      default: support-bundle-STACK-TIME.tar.gz here; a file that is there is never overwritten
  --outputs FILE  take the outputs from what pulumi stack output --json --show-secrets printed; - is stdin
  --help

Exit codes: 0 written; 1 nothing is written; 3 written, but a part could not be had, which is told; 64 wrong usage.
`;

const options = { out: { type: "string" }, outputs: { type: "string" } } as const;

process.exit(
  await command({ name: "bin/support-bundle", usage, options }, async ({ words, values }) => {
    const stack = one(words, "stack");
    const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");
    const folder = `support-bundle-${stack}-${time}`;
    const file = values.out ?? `${folder}.tar.gz`;
    if (existsSync(file)) throw new CommandError(`${file} is there already`);
    const outputs = readOutputs(stack, values.outputs);
    const { parts, missing } = await collect(stack, outputs);
    const secrets = await secretsOfConfiguration(PROJECT, stack);
    const { parts: clean, leftOut } = withoutSecrets(stack, parts, outputs, secrets);
    for (const line of leftOut) console.error(line);
    missing.push(...leftOut);
    clean.set("README.txt", readme(stack, time, missing));
    writeBundle(file, folder, clean);
    for (const [name, text] of clean) console.log(`${String(text.length).padStart(9)}  ${folder}/${name}`);
    console.log(`${file} is written`);
    return missing.length === 0 ? EXIT.ok : EXIT.refused;
  }),
);

/** Everything that can be had; what cannot is told and does not keep the rest. */
async function collect(stack: string, outputs: Outputs): Promise<{ parts: Parts; missing: string[] }> {
  const parts: Parts = new Map();
  const missing: string[] = [];
  const add = async (what: string, work: () => Promise<Parts> | Parts) => {
    console.error(`${what} …`);
    try {
      for (const [name, text] of await work()) parts.set(name, text);
    } catch (error) {
      missing.push(`${what}: ${(error as Error).message}`);
      console.error(`  not to be had: ${(error as Error).message}`);
    }
  };
  await add("versions", () => new Map([["versions.json", versions(outputs)]]));
  await add("configuration", () => new Map([["configuration.json", configuration(stack)]]));
  await add("stack's resources", () => new Map([["resources.json", resourcesOf(stackExport(stack))]]));
  await add("seed and clusters, which may take some minutes", () => partsOfSeed(stack, outputs));
  const settings = await stackSettings(stack);
  if (settings?.monitoring.enabled !== false) {
    await add("alerts", async () => {
      const alerts = await firingAlerts(stack, outputs, settings);
      return new Map([["alerts.json", JSON.stringify(alerts, null, 2)]]);
    });
  }
  return { parts, missing };
}

function versions(outputs: Outputs): string {
  const git = spawnSync("git", ["describe", "--always", "--dirty", "--tags"], {
    cwd: PROJECT,
    encoding: "utf8",
  });
  const program = git.status === 0 ? git.stdout.trim() : "unknown";
  const { versions: deployed } = outputs;
  return JSON.stringify({ program, node: process.version, platform: process.platform, deployed }, null, 2);
}

/** As `npm run config` prints it: secrets hidden, problems told. */
function configuration(stack: string): string {
  const args = ["--no-warnings", join(import.meta.dirname, "config.ts"), stack, "--json"];
  const done = spawnSync(process.execPath, args, { cwd: PROJECT, encoding: "utf8" });
  if (done.stdout === "") throw new CommandError(done.stderr.trim());
  return done.stdout;
}

function readme(stack: string, time: string, missing: readonly string[]): string {
  return [
    `Support bundle of stack ${stack}, ${time}. Secrets are [secret].`,
    ...missing.map((line) => `not to be had: ${line}`),
    "",
  ].join("\n");
}
