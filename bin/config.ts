/**
 * `npm run config -- STACK`: the effective configuration of a stack and where each value came from, or everything
 * that is wrong with it; with --values what a release is given. Decrypts nothing and reaches nothing.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { inspectStack, type Inspected } from "../config/program.ts";
import { formatProblems, type Problem } from "../config/problems.ts";
import { writeReference } from "../config/reference.ts";
import { configSchema } from "../config/schema.ts";
import { EXTRA_VALUES_RELEASES } from "../config/sections/extraValues.ts";
import { fields, schemaAt } from "../config/schemaTree.ts";
import { plainSecrets, readStackFile, stackFileName, stackNames } from "../config/stackFile.ts";
import { formatPath, isMap, type Key, leaves } from "../config/tree.ts";
import { EXIT } from "../lib/command-error.ts";
import { extraValuesOf, extraValuesProblems, withExtraValues } from "../lib/extra-values.ts";
import { plannedValues } from "../lib/release-values.ts";
import { withQuotaTable } from "../preflight/quotaTable.ts";
import { atMostOne, command, UsageError } from "./kit.ts";

const usage = `Usage: npm run config -- STACK [--values RELEASE] [--json] [--check-secrets]

Prints every value of the stack's configuration with the layer it came from. Secrets are shown as [secret].

  --values RELEASE  print the values a Helm release is given, extraValues merged in: cluster, monitoring,
                    certManager, addonProvider, janitor, logCollector, loki or backups; what only the deployment
                    knows as <words>
  --json            print {stack, problems, values: [{path, value, layer}]}, or the release's values as JSON
  --check-secrets   fail if a secret is stored in plain text in Pulumi.STACK.yaml; print no values
  --write-reference write the tables of docs/configuration.md and docs/from-azimuth.md
  --help            print this

Exit codes: 0 all is well; 1 there are problems, each printed; 64 wrong usage.
`;

const SECRET = "[secret]";

interface Row {
  readonly path: string;
  readonly value: unknown;
  readonly layer: string;
}

/** Every value that may be shown, in the schema's order. */
function rows(inspected: Inspected): Row[] {
  const order = fields(configSchema).map(({ path }) => formatPath(path));
  // A map of any keys is one field of the schema and several values here: it comes where the field is.
  const place = (path: string) =>
    order.findIndex(
      (field) => path === field || (/^[[.]/.test(path.slice(field.length)) && path.startsWith(field)),
    );
  const found = leaves(inspected.values)
    // An empty map of fields says only that none of them is set.
    .filter(({ path, value }) => path.length > 0 && !(isMap(value) && place(formatPath(path)) < 0))
    .map(({ path, value }) => ({
      path: formatPath(path),
      value: isSecret(path, inspected) ? SECRET : value,
      layer: inspected.provenance.get(formatPath(path)) ?? "",
    }));
  return found.sort((one, other) => place(one.path) - place(other.path));
}

function isSecret(path: readonly Key[], inspected: Inspected): boolean {
  const text = formatPath(path);
  const holdsEncrypted = [...inspected.encryptedPaths].some(
    (other) => other === text || other.startsWith(`${text}[`),
  );
  // What the schema does not know may be anything, a secret with a misspelled key too.
  const known = schemaAt(configSchema, path);
  return holdsEncrypted || known === undefined || known.meta.secret === true;
}

function table(list: readonly Row[]): string {
  const width = (texts: string[]) => Math.max(0, ...texts.map((text) => text.length));
  const paths = width(list.map(({ path }) => path));
  const layers = width(list.map(({ layer }) => layer));
  return list
    .map(({ path, value, layer }) => `${path.padEnd(paths)}  ${layer.padEnd(layers)}  ${shown(value)}`)
    .join("\n");
}

function shown(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return value.includes("\n") ? `${value.split("\n")[0]} …` : value;
}

const options = {
  values: { type: "string" },
  json: { type: "boolean" },
  "check-secrets": { type: "boolean" },
  "write-reference": { type: "boolean" },
} as const;

process.exitCode = await command({ name: "npm run config", usage, options }, ({ words, values }) => {
  const folder = process.cwd();
  if (values["write-reference"] === true) {
    writeReference(join(folder, "docs"));
    const page = join(folder, "docs/new-site.md");
    writeFileSync(page, withQuotaTable(readFileSync(page, "utf8")));
    return EXIT.ok;
  }
  const stack = atMostOne(words, "stack");
  if (stack === undefined) {
    throw new UsageError(`which stack? (stacks here: ${stackNames(folder).join(", ") || "none"})`);
  }
  const json = values.json === true;
  if (values.values !== undefined) return printValues(folder, stack, values.values, json);
  return values["check-secrets"] === true ? checkSecrets(folder, stack, json) : print(folder, stack, json);
});

function checkSecrets(folder: string, stack: string, json: boolean): number {
  const problems = plainSecrets(readStackFile(folder, stack));
  if (json) console.log(JSON.stringify({ stack, problems }, null, 2));
  else if (problems.length === 0) console.log(`${stackFileName(stack)}: no secret is stored in plain text`);
  report(stack, problems, json);
  return problems.length === 0 ? EXIT.ok : EXIT.failed;
}

/** A configuration with what is wrong with its extra values too, and what the releases are given. */
function inspect(folder: string, stack: string) {
  const inspected = inspectStack(folder, stack);
  const { config, credentials, encryptedPaths } = inspected;
  if (config === undefined || credentials === undefined) return { inspected, config, planned: undefined };
  const planned = plannedValues(config, credentials.authUrl);
  const problems = [...inspected.problems, ...extraValuesProblems(config, planned, encryptedPaths)];
  return { inspected: { ...inspected, problems }, config, planned };
}

function printValues(folder: string, stack: string, release: string, json: boolean): number {
  const { inspected, config, planned } = inspect(folder, stack);
  const names = EXTRA_VALUES_RELEASES.join(", ");
  const name = EXTRA_VALUES_RELEASES.find((known) => known === release);
  if (name === undefined) throw new UsageError(`--values takes one of ${names}, not ${release}`);
  // Beside a conflict the merged values show what would come of it.
  if (config !== undefined && planned !== undefined) {
    const extra = extraValuesOf(config, inspected.encryptedPaths, name);
    const ours = { ...planned[name], ...("registryAuth" in planned[name] ? { registryAuth: SECRET } : {}) };
    const merged = withExtraValues(ours, extra, () => SECRET);
    process.stdout.write(json ? `${JSON.stringify(merged, null, 2)}\n` : stringify(merged));
  }
  if (inspected.problems.length > 0) console.error(formatProblems(stackFileName(stack), inspected.problems));
  return inspected.problems.length === 0 ? EXIT.ok : EXIT.failed;
}

function print(folder: string, stack: string, json: boolean): number {
  const { inspected } = inspect(folder, stack);
  const list = rows(inspected);
  if (json) console.log(JSON.stringify({ stack, problems: inspected.problems, values: list }, null, 2));
  else if (inspected.problems.length === 0) console.log(table(list));
  report(stack, inspected.problems, json);
  return inspected.problems.length === 0 ? EXIT.ok : EXIT.failed;
}

function report(stack: string, problems: readonly Problem[], json: boolean): void {
  if (problems.length > 0 && !json) console.error(formatProblems(stackFileName(stack), problems));
}
