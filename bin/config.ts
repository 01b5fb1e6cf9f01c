/**
 * `npm run config -- STACK`: the effective configuration of a stack and where each value came from, or everything
 * that is wrong with it. Decrypts nothing and reaches nothing.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { inspectStack, type Inspected } from "../config/program.ts";
import { formatProblems, type Problem } from "../config/problems.ts";
import { writeReference } from "../config/reference.ts";
import { configSchema } from "../config/schema.ts";
import { fields, schemaAt } from "../config/schemaTree.ts";
import { plainSecrets, readStackFile, stackFileName, stackNames } from "../config/stackFile.ts";
import { formatPath, isMap, type Key, leaves } from "../config/tree.ts";
import { withQuotaTable } from "../preflight/quotaTable.ts";

const HELP = `Usage: npm run config -- STACK [--json] [--check-secrets]

Prints every value of the stack's configuration with the layer it came from. Secrets are shown as [secret].

  --json            print {stack, problems, values: [{path, value, layer}]}
  --check-secrets   fail if a secret is stored in plain text in Pulumi.STACK.yaml; print no values
  --write-reference write the tables of docs/configuration.md and docs/from-azimuth.md
  --help            print this

Exit codes: 0 all is well; 1 there are problems, each printed; 2 the command was not understood.`;

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

/** Runs the command and returns its exit code. */
function main(args: string[]): number {
  const options = parse(args);
  if (typeof options === "string") {
    console.error(`${options}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const folder = process.cwd();
  const { stack } = options;
  if (options.writeReference) {
    writeReference(join(folder, "docs"));
    const page = join(folder, "docs/new-site.md");
    writeFileSync(page, withQuotaTable(readFileSync(page, "utf8")));
    return 0;
  }
  if (stack === undefined) {
    console.error(`which stack? (stacks here: ${stackNames(folder).join(", ") || "none"})\n\n${HELP}`);
    return 2;
  }
  try {
    return options.checkSecrets
      ? checkSecrets(folder, stack, options.json)
      : print(folder, stack, options.json);
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
}

function checkSecrets(folder: string, stack: string, json: boolean): number {
  const problems = plainSecrets(readStackFile(folder, stack));
  if (json) console.log(JSON.stringify({ stack, problems }, null, 2));
  else if (problems.length === 0) console.log(`${stackFileName(stack)}: no secret is stored in plain text`);
  report(stack, problems, json);
  return problems.length === 0 ? 0 : 1;
}

function print(folder: string, stack: string, json: boolean): number {
  const inspected = inspectStack(folder, stack);
  const list = rows(inspected);
  if (json) console.log(JSON.stringify({ stack, problems: inspected.problems, values: list }, null, 2));
  else if (inspected.problems.length === 0) console.log(table(list));
  report(stack, inspected.problems, json);
  return inspected.problems.length === 0 ? 0 : 1;
}

function report(stack: string, problems: readonly Problem[], json: boolean): void {
  if (problems.length > 0 && !json) console.error(formatProblems(stackFileName(stack), problems));
}

/** The options, or what is wrong with them. */
function parse(args: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        "check-secrets": { type: "boolean", default: false },
        "write-reference": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    if (positionals.length > 1) return `one stack at a time, not ${positionals.join(" ")}`;
    return {
      stack: positionals[0],
      json: values.json,
      checkSecrets: values["check-secrets"],
      writeReference: values["write-reference"],
      help: values.help,
    };
  } catch (error) {
    return (error as Error).message;
  }
}

process.exitCode = main(process.argv.slice(2));
