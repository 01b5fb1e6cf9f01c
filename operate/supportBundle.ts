/**
 * What a maintainer needs to look into a site's trouble, in one file without secrets. Upstream analogue: `must-gather`
 * of other distributions; azimuth-config has none.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runOnSeed } from "../kayobe/seedRun.ts";
import { CommandError } from "../lib/command-error.ts";
import { SecretFilter, secretsOfCluster, secretsOfOutputs, secretsOfText } from "../lib/known-secrets.ts";
import { siteNames } from "../lib/names.ts";
import type { Outputs } from "../lib/outputs.ts";

/** Text by path in the bundle. */
export type Parts = Map<string, string>;

/** Where the parts begin that are for the scan alone. */
const FOR_THE_SCAN = "secrets/";

/** Outputs that are no secret: a secret of Kubernetes may hold a name too, which must not be cut out everywhere. */
const PUBLIC_OUTPUTS = ["seedAddress", "seedUser", "clusterName", "apiServerAddress"];

/** Largest size of a part; what is left out is its middle. */
const LARGEST = 4 * 2 ** 20;

/**
 * What the seed tells of itself, of k3s and of the cluster.
 *
 * @returns parts, those of the scan among them
 * @throws CommandError if the seed cannot be asked, or ends before it has told everything
 */
export async function partsOfSeed(stack: string, outputs: Outputs): Promise<Parts> {
  const program = readFileSync(join(import.meta.dirname, "support-bundle.sh"), "utf8");
  const mark = `=====${randomBytes(12).toString("hex")}`;
  const words = ["sudo", "-n", "bash", "-s", "--", mark, siteNames(stack).kubeconfigFile];
  return split(await runOnSeed(stack, outputs, words, program), mark);
}

function split(text: string, mark: string): Parts {
  const [, ...sections] = `\n${text}`.split(`\n${mark} `);
  const parts = new Map(
    sections.map((section) => {
      const end = section.indexOf("\n");
      return end < 0 ? [section, ""] : [section.slice(0, end), section.slice(end + 1)];
    }),
  );
  if (!parts.delete("end")) throw new CommandError("the seed ended before it had told everything");
  return parts;
}

/** A stack's state as a maintainer needs it: what is there, nothing of inputs and outputs. */
export function resourcesOf(exported: string): string {
  const { deployment } = JSON.parse(exported) as {
    deployment?: {
      resources?: Record<string, unknown>[];
      pending_operations?: { type: string; resource: { urn: string } }[];
    };
  };
  const kept = [
    "urn",
    "type",
    "id",
    "parent",
    "protect",
    "retainOnDelete",
    "dependencies",
    "created",
    "modified",
    "pendingReplacement",
    "delete",
  ];
  return JSON.stringify(
    {
      resources: (deployment?.resources ?? []).map((resource) =>
        // The id of a random or generated thing may be the thing: those of OpenStack and Kubernetes name objects.
        Object.fromEntries(kept.filter((key) => key in resource).map((key) => [key, resource[key]])),
      ),
      pending: (deployment?.pending_operations ?? []).map(({ type, resource }) => ({
        type,
        urn: resource.urn,
      })),
    },
    null,
    2,
  );
}

/** What may be handed on, and what of it had to be left out. */
export interface Cleaned {
  readonly parts: Parts;
  readonly leftOut: readonly string[];
}

/**
 * The parts that may be handed on, with every known secret cut out. Of a cluster whose secrets could not be read nothing
 * is kept, for nothing could be looked for.
 *
 * @param more secret values known from elsewhere
 * @throws CommandError if one is still there afterwards; then nothing may be written
 */
export function withoutSecrets(
  stack: string,
  parts: Parts,
  outputs: Outputs,
  more: readonly string[] = [],
): Cleaned {
  const secrets = [...secretsOfOutputs(outputs), ...more];
  const leftOut: string[] = [];
  for (const [name, text] of parts) {
    if (!name.startsWith(FOR_THE_SCAN)) continue;
    const cluster = /^secrets\/(.*)\.json$/.exec(name)?.[1];
    const found = cluster === undefined ? secretsOfText(text) : secretsOfCluster(text);
    if (found === undefined) leftOut.push(`${cluster}/`);
    else secrets.push(...found);
  }
  const names: readonly string[] = Object.values(siteNames(stack));
  const shown = new Set<unknown>([...PUBLIC_OUTPUTS.map((name): unknown => outputs[name]), ...names]);
  const filter = new SecretFilter(secrets.filter((value) => !shown.has(value)));
  const kept: Parts = new Map();
  for (const [name, text] of parts) {
    if ([FOR_THE_SCAN, ...leftOut].some((folder) => name.startsWith(folder))) continue;
    const clean = shortened(filter.clean(text));
    if (filter.leaks(clean)) throw new CommandError(`${name} still holds a secret: nothing is written`);
    kept.set(name, clean);
  }
  return {
    parts: kept,
    leftOut: leftOut.map(
      (folder) => `${folder}: the cluster's secrets could not be read, so none of it is kept`,
    ),
  };
}

function shortened(text: string): string {
  if (text.length <= LARGEST) return text;
  return `${text.slice(0, LARGEST / 2)}\n[… ${text.length - LARGEST} characters left out …]\n${text.slice(-LARGEST / 2)}`;
}

/**
 * Writes the parts as a tar.gz, readable by its owner only.
 *
 * @param folder the one folder in it
 * @throws CommandError if the file is there already or cannot be written
 */
export function writeBundle(file: string, folder: string, parts: Parts): void {
  const scratch = mkdtempSync(join(tmpdir(), "capi-mgmt-bundle-"));
  try {
    for (const [name, text] of parts) {
      const path = join(scratch, folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text, { mode: 0o600 });
    }
    const out = reserve(file);
    const args = ["--create", "--gzip", "--owner=0", "--group=0", "--directory", scratch, folder];
    const tar = spawnSync("tar", args, { stdio: ["ignore", out, "pipe"], encoding: "utf8" });
    closeSync(out);
    if (tar.error !== undefined || tar.status !== 0) {
      rmSync(file, { force: true });
      throw new CommandError(`tar: ${tar.error?.message ?? tar.stderr.trim()}`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function reserve(file: string): number {
  try {
    return openSync(file, "wx", 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST")
      throw new CommandError(`${file} is there already`);
    throw error;
  }
}
