/**
 * The offline front door: reads Pulumi.<stack>.yaml without decrypting anything.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { PLACEHOLDER_SECRET } from "./credentials.ts";
import { InputError, type Problem } from "./problems.ts";
import { configSchema } from "./schema.ts";
import { closestOf } from "./nearest.ts";
import { fields } from "./schemaTree.ts";
import { formatPath, isMap, type Key, matchingPaths, valueAt } from "./tree.ts";

/** The program's configuration namespace: the project's name in Pulumi.yaml. */
export const NAMESPACE = "capi-mgmt";

/** What a stack file holds for this program. */
export interface StackFile {
  /** The file's name, as told to operators. */
  readonly name: string;
  /** Values by top-level key, `secure:` values being placeholders. */
  readonly values: Record<string, unknown>;
  /** Everything under `config` by full key, for example `capi-mgmt:seed`, `secure:` values being placeholders. */
  readonly all: Record<string, unknown>;
  /** Paths of the `secure:` values. */
  readonly encryptedPaths: ReadonlySet<string>;
  /** Wrong namespaces and sections encrypted as a whole. */
  readonly problems: Problem[];
}

/** The stack's configuration file. */
export function stackFileName(stack: string): string {
  return `Pulumi.${stack}.yaml`;
}

/** Names of the stacks that have a file in a folder. */
export function stackNames(folder: string): string[] {
  return readdirSync(folder)
    .map((file) => /^Pulumi\.([A-Za-z0-9_.-]+)\.yaml$/.exec(file)?.[1])
    .filter((name) => name !== undefined)
    .sort();
}

/**
 * Whether a stack file only shows what a site looks like: it says `capi-mgmt:sample: true`. No tool takes it for a site.
 */
export function isSample(file: Pick<StackFile, "values">): boolean {
  return file.values["sample"] === true;
}

/** What an operator who means a sample as a site is told. */
export function sampleRefusal(stack: string): string {
  return (
    `${stackFileName(stack)} is a sample (capi-mgmt:sample: true), not a site: ` +
    "bin/new-site NAME writes a site's file"
  );
}

/**
 * Reads a stack's file.
 *
 * @throws if there is no such file, naming those there are, or if it is not YAML
 */
export function readStackFile(folder: string, stack: string): StackFile {
  const name = stackFileName(stack);
  const file = join(folder, name);
  if (!existsSync(file)) {
    const known = stackNames(folder);
    throw new InputError(`no ${name} (stacks here: ${known.length === 0 ? "none" : known.join(", ")})`);
  }
  return parseStackFile(name, readFileSync(file, "utf8"));
}

/**
 * Understands a stack file's text.
 *
 * @throws if it is not YAML; the message tells the place, never the text
 */
export function parseStackFile(name: string, text: string): StackFile {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    const place = (error as { linePos?: { line: number; col: number }[] }).linePos?.[0];
    const where = place === undefined ? "" : `, line ${place.line}, column ${place.col}`;
    throw new InputError(`${name} is not YAML${where}`);
  }
  const config = valueAt(document, ["config"]);
  const encryptedPaths = new Set<string>();
  const entries = isMap(config) ? Object.entries(config) : [];
  const problems = namespaceProblems(entries.map(([key]) => key));
  if (config !== undefined && config !== null && !isMap(config)) {
    problems.push({ path: "config", problem: "has the wrong type", legal: "a map of capi-mgmt:… keys" });
  }
  const values = Object.fromEntries(
    entries
      .filter(([key]) => key.startsWith(`${NAMESPACE}:`))
      .map(([key, value]) => {
        const section = key.slice(NAMESPACE.length + 1);
        return [section, opened(value, [section], encryptedPaths)];
      }),
  );
  for (const section of Object.keys(values)) {
    if (!encryptedPaths.has(section)) continue;
    problems.push({
      path: section,
      problem: "is encrypted as a whole, so that nothing of it can be read offline",
      legal: "only secret fields encrypted, with pulumi config set --secret --path",
    });
  }
  const all = Object.fromEntries(entries.map(([key, value]) => [key, opened(value, [], new Set())]));
  return { name, values, all, encryptedPaths, problems };
}

/** Keys of other namespaces that look like a slip of ours. */
export function namespaceProblems(keys: readonly string[]): Problem[] {
  return keys.flatMap((key): Problem[] => {
    const [namespace, ...rest] = key.split(":");
    const section = rest.join(":");
    if (section === "") {
      return [{ path: key, problem: "has no namespace", legal: `${NAMESPACE}:${key}` }];
    }
    if (namespace === NAMESPACE || closestOf(namespace ?? "", [NAMESPACE]) === undefined) return [];
    return [{ path: key, problem: "is not this program's namespace", legal: `${NAMESPACE}:${section}` }];
  });
}

/** The value with `{secure: …}` replaced by a placeholder, its path noted. */
function opened(value: unknown, path: readonly Key[], encrypted: Set<string>): unknown {
  if (Array.isArray(value)) return value.map((item, index) => opened(item, [...path, index], encrypted));
  if (!isMap(value)) return value;
  const keys = Object.keys(value);
  if (keys.length === 1 && keys[0] === "secure" && typeof value["secure"] === "string") {
    encrypted.add(formatPath(path));
    return PLACEHOLDER_SECRET;
  }
  return Object.fromEntries(keys.map((key) => [key, opened(value[key], [...path, key], encrypted)]));
}

/** Secrets of the schema that the stack file holds in plain text. */
export function plainSecrets(file: StackFile): Problem[] {
  return fields(configSchema)
    .filter(({ meta }) => meta.secret === true)
    .flatMap(({ path }) => matchingPaths(file.values, path))
    .filter((path) => valueAt(file.values, path) !== null && !file.encryptedPaths.has(formatPath(path)))
    .map((path) => ({
      path: formatPath(path),
      problem: "is a secret and stored in plain text",
      got: "[secret]",
      legal: `pulumi config set --secret --path '${NAMESPACE}:${formatPath(path)}', and a new secret, since this one is in git`,
    }));
}
