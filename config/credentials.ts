/**
 * Finds the application credential: in the configuration, or in clouds.yaml as openstacksdk finds it. Anything but
 * an application credential is refused: Cluster API keeps a copy in the cluster, and a password there would be
 * worth more than the project. Upstream analogue: clouds.yaml of an azimuth-config environment.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { environmentProblems } from "./environment.ts";
import { httpUrl, line, pem, uuid } from "./formats.ts";
import { merge } from "./merge.ts";
import { describeValue, type Problem } from "./problems.ts";
import type { Config } from "./schema.ts";
import { isMap, valueAt } from "./tree.ts";

/** What OpenStack is reached with. Holds a secret. */
export interface Credentials {
  readonly authUrl: string;
  readonly applicationCredentialId: string;
  readonly applicationCredentialSecret: string;
  readonly region?: string;
  readonly projectId?: string;
  readonly interface: "public" | "internal" | "admin";
  /** Certificates that signed the endpoints, as PEM; undefined for those the system trusts. */
  readonly caCert?: string;
  /** Where they came from, for messages: `configuration`, a file's path, `placeholder`. */
  readonly source: string;
}

export interface CredentialsInput {
  /** Section openstack of the configuration, as far as it is legal. */
  readonly openstack: Partial<Config["openstack"]>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folder that ./clouds.yaml is looked for in: the project's. */
  readonly folder: string;
  /** The user's home. Default: the system's answer. */
  readonly home?: string;
  /** Text of a file, undefined if there is none. Default: from disk. */
  readonly read?: (file: string) => string | undefined;
}

export interface CredentialsResult {
  readonly credentials?: Credentials;
  readonly problems: Problem[];
}

/** The value that stands for a secret when nothing may be decrypted or looked for. */
export const PLACEHOLDER_SECRET = "[secret]";

/** Whether this run plans offline, without credentials and without decrypting. */
export function isOffline(environment: Readonly<Record<string, string | undefined>>): boolean {
  return environment["CAPI_MGMT_OFFLINE"] === "1";
}

/** Credentials for an offline plan: the configuration's where given, else recognisable placeholders. */
export function placeholderCredentials(openstack: Partial<Config["openstack"]>): Credentials {
  return {
    authUrl: openstack.authUrl ?? "https://openstack.invalid:5000/v3",
    applicationCredentialId: openstack.applicationCredentialId ?? "0".repeat(32),
    applicationCredentialSecret: PLACEHOLDER_SECRET,
    projectId: openstack.projectId ?? "0".repeat(32),
    interface: openstack.interface ?? "public",
    ...(openstack.region === undefined ? {} : { region: openstack.region }),
    ...(openstack.caCert === undefined ? {} : { caCert: openstack.caCert }),
    source: "placeholder",
  };
}

/** Finds the credentials, or says everything that is wrong with them. Reads files, changes nothing. */
export function findCredentials(input: CredentialsInput): CredentialsResult {
  const { openstack } = input;
  if (isOffline(input.environment)) return { credentials: placeholderCredentials(openstack), problems: [] };
  const found = findAnywhere(input);
  const cloud = inConfiguration(openstack) ? undefined : (openstack.cloud ?? "openstack");
  const problems = [...environmentProblems(input.environment, cloud), ...found.problems];
  return problems.length > 0 ? { problems } : found;
}

function inConfiguration(openstack: Partial<Config["openstack"]>): boolean {
  const { authUrl, applicationCredentialId, applicationCredentialSecret } = openstack;
  return [authUrl, applicationCredentialId, applicationCredentialSecret].some((value) => value !== undefined);
}

function findAnywhere(input: CredentialsInput): CredentialsResult {
  const { openstack } = input;
  const { authUrl, applicationCredentialId, applicationCredentialSecret } = openstack;
  const explicit = { authUrl, applicationCredentialId, applicationCredentialSecret };
  const missing = Object.entries(explicit).filter(([, value]) => value === undefined);
  if (missing.length === 3) return fromCloudsFile(input);
  if (missing.length > 0) {
    const all = Object.keys(explicit)
      .map((key) => `openstack.${key}`)
      .join(", ");
    const problems = missing.map(([key]) => ({
      path: `openstack.${key}`,
      problem: "is required with the rest of an application credential",
      got: "nothing",
      legal: `all of ${all}, or none of them for clouds.yaml`,
    }));
    return { problems };
  }
  return {
    credentials: {
      authUrl: authUrl ?? "",
      applicationCredentialId: applicationCredentialId ?? "",
      applicationCredentialSecret: applicationCredentialSecret ?? "",
      ...optional(openstack),
      interface: openstack.interface ?? "public",
      source: "configuration",
    },
    problems: [],
  };
}

function optional(values: {
  region?: string | undefined;
  projectId?: string | undefined;
  caCert?: string | undefined;
}) {
  return {
    ...(values.region === undefined ? {} : { region: values.region }),
    ...(values.projectId === undefined ? {} : { projectId: values.projectId }),
    ...(values.caCert === undefined ? {} : { caCert: values.caCert }),
  };
}

/** Where clouds.yaml is looked for, in order. */
function cloudsFiles(input: Pick<CredentialsInput, "environment" | "folder" | "home">): string[] {
  const named = input.environment["OS_CLIENT_CONFIG_FILE"];
  const home = input.home ?? homedir();
  return [
    ...(named === undefined || named === "" ? [] : [resolve(input.folder, named)]),
    join(input.folder, "clouds.yaml"),
    join(home, ".config/openstack/clouds.yaml"),
    "/etc/openstack/clouds.yaml",
  ];
}

function readFromDisk(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

function fromCloudsFile(input: CredentialsInput): CredentialsResult {
  const read = input.read ?? readFromDisk;
  const files = cloudsFiles(input);
  const named = input.environment["OS_CLIENT_CONFIG_FILE"];
  // A file that was named and is not there is a mistake; falling through would deploy to another cloud.
  const candidates = named === undefined || named === "" ? files : files.slice(0, 1);
  const file = candidates.find((candidate) => read(candidate) !== undefined);
  if (file === undefined) {
    return one({
      path: "openstack.cloud",
      problem: "no clouds.yaml found",
      legal: `an application credential in ${candidates.join(", ")}, or openstack.authUrl, openstack.applicationCredentialId and openstack.applicationCredentialSecret`,
    });
  }
  const parsed = parseClouds(file, read);
  return "problems" in parsed ? parsed : fromEntry(input, file, parsed.clouds, read);
}

function parseClouds(file: string, read: (file: string) => string | undefined) {
  const clouds: Record<string, unknown> = {};
  // openstacksdk reads secrets from secure.yaml beside clouds.yaml.
  for (const source of [file, join(dirname(file), "secure.yaml")]) {
    const text = read(source);
    if (text === undefined) continue;
    let document: unknown;
    try {
      document = parse(text);
    } catch {
      // The parser's message quotes the text, which holds a secret.
      return one({ path: source, problem: "is not YAML", legal: "the clouds.yaml that Horizon gives" });
    }
    const found = valueAt(document, ["clouds"]);
    if (isMap(found)) Object.assign(clouds, merge(clouds, found));
    else if (source === file) {
      return one({
        path: source,
        problem: "has no clouds",
        got: describeValue(found, true),
        legal: "a map clouds",
      });
    }
  }
  return { clouds };
}

function fromEntry(
  input: CredentialsInput,
  file: string,
  clouds: Record<string, unknown>,
  read: (file: string) => string | undefined,
): CredentialsResult {
  const name = input.openstack.cloud ?? "openstack";
  const entry = Object.hasOwn(clouds, name) ? clouds[name] : undefined;
  if (!isMap(entry)) {
    return one({
      path: "openstack.cloud",
      problem: `is not an entry of ${file}`,
      got: JSON.stringify(name),
      legal: Object.keys(clouds).join(", ") || "an entry under clouds",
    });
  }
  const at = `${file}: clouds.${name}`;
  const problems = authProblems(at, entry);
  const caFile = valueAt(entry, ["cacert"]);
  const caCert = input.openstack.caCert ?? certificates(at, caFile, input, read, problems);
  if (valueAt(entry, ["verify"]) === false) {
    problems.push({
      path: `${at}.verify`,
      problem: "switches TLS verification off",
      got: "false",
      legal: "true, with cacert naming the certificates that signed the endpoints",
    });
  }
  const endpoints = input.openstack.interface ?? valueAt(entry, ["interface"]) ?? "public";
  if (!isInterface(endpoints)) {
    problems.push({
      path: `${at}.interface`,
      problem: "is not valid",
      got: describeValue(endpoints, false),
      legal: "public, internal, admin",
    });
  }
  if (problems.length > 0 || !isInterface(endpoints)) return { problems };
  const text = (...path: string[]) => valueAt(entry, path) as string;
  const region = input.openstack.region ?? (valueAt(entry, ["region_name"]) as string | undefined);
  const projectId =
    input.openstack.projectId ?? (valueAt(entry, ["auth", "project_id"]) as string | undefined);
  return {
    credentials: {
      authUrl: text("auth", "auth_url"),
      applicationCredentialId: text("auth", "application_credential_id"),
      applicationCredentialSecret: text("auth", "application_credential_secret"),
      ...optional({ region, projectId, caCert }),
      interface: endpoints,
      source: file,
    },
    problems,
  };
}

function isInterface(value: unknown): value is Credentials["interface"] {
  return value === "public" || value === "internal" || value === "admin";
}

/** What an entry must have; secrets are never shown. */
function authProblems(at: string, entry: Record<string, unknown>): Problem[] {
  const type = valueAt(entry, ["auth_type"]);
  if (type !== "v3applicationcredential") {
    const hasPassword = valueAt(entry, ["auth", "password"]) !== undefined;
    return [
      {
        path: `${at}.auth_type`,
        problem: hasPassword || type === "password" ? "is a password" : "is not an application credential",
        got: type === undefined ? "nothing" : describeValue(type, false),
        legal: "v3applicationcredential: make one with `openstack application credential create`",
      },
    ];
  }
  const formats = [
    { key: "auth_url", format: httpUrl, legal: "the identity endpoint's URL", hidden: false },
    {
      key: "application_credential_id",
      format: uuid,
      legal: "the application credential's id",
      hidden: false,
    },
    {
      key: "application_credential_secret",
      format: line,
      legal: "the application credential's secret",
      hidden: true,
    },
  ];
  return formats.flatMap(({ key, format, legal, hidden }) => {
    const value = valueAt(entry, ["auth", key]);
    if (format.safeParse(value).success) return [];
    const problem = value === undefined || value === null ? "is required" : "is not valid";
    return [{ path: `${at}.auth.${key}`, problem, got: describeValue(value, hidden), legal }];
  });
}

function certificates(
  at: string,
  file: unknown,
  input: CredentialsInput,
  read: (file: string) => string | undefined,
  problems: Problem[],
): string | undefined {
  if (file === undefined || file === null) return undefined;
  const path = typeof file === "string" ? expand(file, input) : undefined;
  const text = path === undefined ? undefined : read(path);
  if (text !== undefined && pem.safeParse(text).success) return text;
  problems.push({
    path: `${at}.cacert`,
    problem: text === undefined ? "is not a file that can be read" : "is not a file of PEM certificates",
    got: describeValue(file, false),
    legal: "a file of PEM certificates",
  });
  return undefined;
}

/** As openstacksdk does: `~` is the home, a relative path starts at the working folder. */
function expand(file: string, input: CredentialsInput): string {
  return file.startsWith("~/") ? join(input.home ?? homedir(), file.slice(2)) : resolve(input.folder, file);
}

function one(problem: Problem): { problems: Problem[] } {
  return { problems: [problem] };
}
