/**
 * The front doors: configuration and credentials together, for the Pulumi program (decrypted by Pulumi) and for
 * offline tools (from the stack's file). Imports nothing of Pulumi.
 */
import { type Credentials, findCredentials, isOffline, placeholderCredentials } from "./credentials.ts";
import { readLayers } from "./layers.ts";
import { loadConfig, type LoadResult } from "./load.ts";
import { ConfigError, type Problem } from "./problems.ts";
import type { Config } from "./schema.ts";
import { configSchema } from "./schema.ts";
import { NAMESPACE, namespaceProblems, readStackFile, stackFileName } from "./stackFile.ts";
import { valueAt, without } from "./tree.ts";

export interface ProgramInput {
  /** The stack's name. */
  readonly stack: string;
  /**
   * All configuration of the run by full key, `capi-mgmt:seed` to JSON text: `pulumi.runtime.allConfig()`.
   * Secrets are decrypted in it.
   */
  readonly values: Readonly<Record<string, string>>;
  /** Default: the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The project's folder. Default: the working folder. */
  readonly folder?: string;
}

/** What a program needs to start. */
export interface Loaded {
  readonly config: Config;
  readonly credentials: Credentials;
  /** Paths that are encrypted in the stack's file. */
  readonly encryptedPaths: ReadonlySet<string>;
}

/** What a tool shows of a configuration. */
export interface Inspected extends LoadResult {
  readonly credentials?: Credentials;
  /** Paths that are encrypted in the stack's file. */
  readonly encryptedPaths: ReadonlySet<string>;
}

/**
 * Configuration and credentials of a Pulumi run.
 *
 * @throws ConfigError with every problem of both
 */
export function loadForProgram(input: ProgramInput): Loaded {
  const folder = input.folder ?? process.cwd();
  const environment = input.environment ?? process.env;
  const { values, problems } = sections(input.values);
  const encryptedPaths = encryptedInFile(folder, input.stack);
  const result = loadConfig({
    ...readLayers(),
    stack: { name: stackFileName(input.stack), values },
    encryptedPaths,
    encryptedAreOpaque: isOffline(environment),
  });
  const found = credentialsFor(result, environment, folder);
  const all = [...problems, ...result.problems, ...found.problems];
  if (all.length > 0 || result.config === undefined || found.credentials === undefined) {
    throw new ConfigError(stackFileName(input.stack), all);
  }
  return { config: result.config, credentials: found.credentials, encryptedPaths };
}

/**
 * Configuration from a stack's file, nothing decrypted, credentials being placeholders.
 *
 * @throws if there is no such file or it is not YAML
 */
export function inspectStack(folder: string, stack: string): Inspected {
  const file = readStackFile(folder, stack);
  const result = loadConfig({
    ...readLayers(),
    stack: { name: file.name, values: file.values },
    encryptedPaths: file.encryptedPaths,
    encryptedAreOpaque: true,
  });
  const problems = [...file.problems, ...result.problems];
  const credentials = placeholderCredentials(result.config?.openstack ?? {});
  return { ...result, problems, credentials, encryptedPaths: file.encryptedPaths };
}

/** Splits Pulumi's flat configuration into our sections. */
function sections(all: Readonly<Record<string, string>>): {
  values: Record<string, unknown>;
  problems: Problem[];
} {
  const ours = Object.entries(all).filter(([key]) => key.startsWith(`${NAMESPACE}:`));
  return {
    values: Object.fromEntries(ours.map(([key, text]) => [key.slice(NAMESPACE.length + 1), parsed(text)])),
    problems: namespaceProblems(Object.keys(all)),
  };
}

/** Pulumi gives maps and lists as JSON and text as it is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Pulumi tells only which top-level keys hold secrets; the file tells the paths, so that the rest can be shown. */
function encryptedInFile(folder: string, stack: string): ReadonlySet<string> {
  try {
    return readStackFile(folder, stack).encryptedPaths;
  } catch {
    return new Set();
  }
}

function credentialsFor(
  result: LoadResult,
  environment: Readonly<Record<string, string | undefined>>,
  folder: string,
) {
  const wrong = new Set(result.problems.map(({ path }) => path));
  const openstack = without(valueAt(result.values, ["openstack"]), wrong, ["openstack"]);
  const legal = configSchema.shape.openstack.partial().safeParse(openstack);
  // What is wrong with the section itself has been told; looking further would tell it twice.
  if (!legal.success) return { problems: [] };
  return findCredentials({ openstack: legal.data, environment, folder });
}
