/**
 * `bin/new-site NAME`: asks for what has no default (or takes flags), writes Pulumi.NAME.yaml with secrets encrypted,
 * and runs preflight.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import type { parseArgs } from "node:util";
import {
  newSiteFile,
  newSiteInput,
  newSiteProblems,
  type NewSite,
  type SiteNodeImage,
} from "../config/newSite.ts";
import { formatProblems, InputError } from "../config/problems.ts";
import { isSample, readStackFile, stackFileName } from "../config/stackFile.ts";
import { Crypter, passphraseOf } from "../state/passphrase.ts";
import { stackNameProblem } from "../lib/names.ts";
import { CommandError, EXIT } from "../lib/command-error.ts";
import { newestNodeImage } from "../releases/nodeImage.ts";
import { command, endWith, one, PROJECT, UsageError } from "./kit.ts";

const usage = `Usage: bin/new-site NAME [options]

Writes Pulumi.NAME.yaml for a new site: the values that have no default, the networks that may reach it, and Slack's
webhook, encrypted; and, where upstream answers, the newest node image that goes with the rest, with its checksum. Asks
for what the options leave out, if there is a terminal. Then runs bin/preflight.

  --external-network ID        external network: floating IPs and the router's gateway
  --seed-flavor NAME           seed: at least 2 vCPU and 8 GB
  --control-plane-flavor NAME  control plane machines: at least 2 vCPU and 8 GB
  --worker-flavor NAME         workers: at least 2 vCPU and 8 GB
  --allow CIDR                 network that may reach SSH and the Kubernetes APIs; may be given several times
  --layer NAME                 layer of config/layers (default production); may be given several times
  --cloud NAME                 entry of clouds.yaml (default openstack)
  --slack-webhook-file FILE    Slack's webhook from a file, - for standard input; never an argument: others can read those
  --mirror URL                 mirror of every download, for a site without internet (docs/new-site.md)
  --offline                    do not look for the newest node image; the default's stays
  --skip-preflight             do not run preflight
  --help

The passphrase comes from PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE, or is asked for. It is needed for
every later command on the stack; for a cloud KMS set the webhook with the pulumi CLI instead. Where it is set, the file is
complete: pulumi stack init NAME leaves it as it is.

Exit codes: 0 the file is written and preflight passes; 1 a value is wrong or nothing could be written;
2 preflight fails (the file is written); 64 wrong usage.
`;

const options = {
  "external-network": { type: "string" },
  "seed-flavor": { type: "string" },
  "control-plane-flavor": { type: "string" },
  "worker-flavor": { type: "string" },
  allow: { type: "string", multiple: true },
  layer: { type: "string", multiple: true },
  cloud: { type: "string" },
  "slack-webhook-file": { type: "string" },
  mirror: { type: "string" },
  offline: { type: "boolean" },
  "skip-preflight": { type: "boolean" },
} as const;
type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];

const exitCode = await command({ name: "bin/new-site", usage, options }, async ({ words, values }) => {
  const name = one(words, "name");
  const nameProblem = stackNameProblem(name);
  if (nameProblem !== undefined) throw new UsageError(nameProblem);
  const file = join(PROJECT, stackFileName(name));
  if (existsSync(file)) {
    const what = isSample(readStackFile(PROJECT, name))
      ? "is a sample that comes with the program: give the site another name"
      : "is there already; nothing was changed";
    throw new CommandError(`${stackFileName(name)} ${what}`);
  }
  const site = await askFor(name, values);
  const problems = newSiteProblems(site);
  if (problems.length > 0) {
    throw new InputError(`${formatProblems(stackFileName(name), problems)}\nNothing was written.`);
  }
  const nodeImage = values.offline === true ? undefined : await lookForNodeImage(site);
  const isEncrypted = site.slackWebhookUrl !== undefined || passphraseOf(process.env) !== undefined;
  const crypter = isEncrypted ? await Crypter.create(await passphrase()) : undefined;
  writeFileSync(file, newSiteFile({ ...site, nodeImage }, crypter), { flag: "wx" });
  console.log(`wrote ${stackFileName(name)}`);
  const passes = values["skip-preflight"] === true || preflightPasses(name);
  console.log(
    `next: npm run plan -- ${name}, npx pulumi stack init ${name}, npx pulumi up --stack ${name} (docs/new-site.md)`,
  );
  return passes ? EXIT.ok : EXIT.no;
});
endWith(exitCode);

function preflightPasses(name: string): boolean {
  const preflight = [join(PROJECT, "bin/preflight.ts"), name];
  return spawnSync(process.execPath, ["--no-warnings", ...preflight], { stdio: "inherit" }).status === 0;
}

async function askFor(name: string, values: Values): Promise<NewSite> {
  const ask = questions(values);
  return {
    name,
    layers: values.layer ?? ["production"],
    cloud: values.cloud,
    mirrorUrl: values.mirror,
    externalNetworkId: values["external-network"] ?? (await ask("Id of the external network")),
    seedFlavor: values["seed-flavor"] ?? (await ask("Flavor of the seed")),
    controlPlaneFlavor: values["control-plane-flavor"] ?? (await ask("Flavor of the control plane machines")),
    workerFlavor: values["worker-flavor"] ?? (await ask("Flavor of the workers")),
    allowedCidrs: values.allow ?? (await askOptional(ask, "Networks that may reach it, with spaces between")),
    slackWebhookUrl: await webhook(values),
  };
}

/** Asks on a terminal; without one every missing option is named at once. */
function questions(values: Values): (question: string) => Promise<string> {
  const required = ["external-network", "seed-flavor", "control-plane-flavor", "worker-flavor"] as const;
  const missing = required.filter((option) => values[option] === undefined);
  if (missing.length > 0 && !process.stdin.isTTY) {
    throw new CommandError(
      `there is no terminal to ask on: give ${missing.map((option) => `--${option}`).join(", ")}`,
    );
  }
  return async (question) => {
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const answer = await terminal.question(`${question}: `);
    terminal.close();
    return answer.trim();
  };
}

async function askOptional(ask: (question: string) => Promise<string>, question: string): Promise<string[]> {
  if (!process.stdin.isTTY) return [];
  const answer = await ask(`${question} (empty: private networks)`);
  return answer.split(/[\s,]+/).filter((cidr) => cidr !== "");
}

/** The newest node image that goes with the site's other values; without an answer of upstream the default stays. */
async function lookForNodeImage(site: NewSite): Promise<SiteNodeImage | undefined> {
  console.error("looking for the newest node image …");
  try {
    const found = await newestNodeImage(newSiteInput(site));
    console.error(`node image: Kubernetes ${found.kubernetesVersion}, ${found.image.url}`);
    return found;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(`node image: the default's, because ${error.message}`);
    return undefined;
  }
}

async function webhook(values: Values): Promise<string | undefined> {
  const source = values["slack-webhook-file"];
  if (source !== undefined) return readFileSync(source === "-" ? 0 : source, "utf8").trim();
  if (!process.stdin.isTTY) return undefined;
  const answer = await askHidden("Slack webhook for alerts (empty: none)");
  return answer === "" ? undefined : answer;
}

async function passphrase(): Promise<string> {
  const given = passphraseOf(process.env);
  if (given !== undefined) return given;
  if (!process.stdin.isTTY) {
    throw new CommandError(
      "the webhook needs a passphrase: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
    );
  }
  const [first, second] = [await askHidden("New passphrase of the stack"), await askHidden("Once more")];
  if (first !== second) throw new CommandError("the two passphrases differ; nothing was written");
  return first;
}

/** A question whose answer is not shown. */
async function askHidden(question: string): Promise<string> {
  process.stderr.write(`${question}: `);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  const answer = await terminal.question("");
  terminal.close();
  process.stderr.write("\n");
  return answer.trim();
}
