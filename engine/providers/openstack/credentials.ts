/**
 * Where the provider's settings come from: the provider resource's inputs, an entry of clouds.yaml, the OS_* environment.
 * Upstream analogue: openstack/provider.go and utils/auth of terraform-provider-openstack with gophercloud's clientconfig.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import type { Connection } from "../../../openstack/connection.ts";
import { UNKNOWN, type Properties } from "../../provider.ts";

type Entry = Record<string, unknown>;
type Environment = Record<string, string | undefined>;

/** The provider inputs of @pulumi/openstack 3.15.2; those marked false are refused when set. */
const KNOWN: Readonly<Record<string, boolean>> = {
  allowReauth: true,
  applicationCredentialId: true,
  applicationCredentialName: true,
  applicationCredentialSecret: true,
  authUrl: true,
  cacertFile: true,
  cert: true,
  cloud: true,
  defaultDomain: true,
  delayedAuth: true,
  disableNoCacheHeader: true,
  domainId: true,
  domainName: true,
  enableLogging: false,
  endpointOverrides: true,
  endpointType: true,
  insecure: true,
  key: true,
  maxRetries: true,
  password: true,
  projectDomainId: true,
  projectDomainName: true,
  region: true,
  swauth: false,
  systemScope: true,
  tenantId: true,
  tenantName: true,
  token: true,
  useOctavia: true,
  userDomainId: true,
  userDomainName: true,
  userId: true,
  userName: true,
  version: true,
  pluginDownloadURL: true,
};

/**
 * Reads `inputs` (non-string values arrive as JSON text, as the SDK sends them), then the clouds.yaml entry they name, then the
 * environment. Throws an error that says which setting is missing and every place that was looked at.
 */
export function loadCredentials(
  inputs: Properties,
  environment: Environment = process.env,
  directory = process.cwd(),
): Connection {
  for (const [name, value] of Object.entries(inputs)) {
    if (!Object.hasOwn(KNOWN, name)) throw new Error(`unknown openstack provider setting ${name}`);
    if (!KNOWN[name] && text(value) && text(value) !== "false") {
      throw new Error(`the embedded engine's openstack provider does not implement the setting ${name}`);
    }
    if (value === UNKNOWN) throw new Error(`the openstack provider setting ${name} is not known yet`);
  }
  const given = (name: string): string | undefined => text(inputs[name]);
  const cloudName = given("cloud") ?? environment["OS_CLOUD"];
  const entry = cloudName ? readCloud(cloudName, environment, directory) : {};
  const auth = record(entry["auth"]);
  // With a clouds.yaml entry the environment is left out: an entry is complete, and stray OS_* variables would mix two clouds.
  const env = (...names: string[]): string | undefined =>
    cloudName ? undefined : names.map((name) => environment[name]).find((value) => value);
  const pick = (name: string, key: string, ...names: string[]): string | undefined =>
    given(name) ?? text(auth[key]) ?? env(...names);

  const authUrl = pick("authUrl", "auth_url", "OS_AUTH_URL");
  if (!authUrl) {
    throw new Error(
      "no OpenStack authentication URL: set the provider's cloud (an entry of clouds.yaml) or authUrl, or OS_CLOUD or OS_AUTH_URL",
    );
  }
  return {
    authUrl: authUrl.replace(/\/+$/, "").replace(/\/v2\.0$/, "/v3"),
    identity: identityOf(pick, text(entry["auth_type"])),
    region: given("region") ?? text(entry["region_name"]) ?? environment["OS_REGION_NAME"],
    interface: interfaceOf(
      given("endpointType") ??
        text(entry["interface"]) ??
        text(entry["endpoint_type"]) ??
        env("OS_ENDPOINT_TYPE", "OS_INTERFACE"),
    ),
    ca: pem(given("cacertFile") ?? text(entry["cacert"]) ?? env("OS_CACERT"), "certificate authority"),
    certificate: pem(given("cert") ?? text(entry["cert"]) ?? env("OS_CERT"), "client certificate"),
    key: pem(given("key") ?? text(entry["key"]) ?? env("OS_KEY"), "client key"),
    insecure:
      (given("insecure") ?? env("OS_INSECURE")) === "true" ||
      (given("insecure") === undefined && (entry["verify"] === false || entry["insecure"] === true)),
    endpoints: overridesOf(given("endpointOverrides"), entry),
  };
}

type Pick = (name: string, key: string, ...names: string[]) => string | undefined;

function identityOf(pick: Pick, authType: string | undefined): Record<string, unknown> {
  const named = (id: string | undefined, name: string | undefined): Record<string, unknown> =>
    id ? { id } : name ? { name } : { id: "default" };
  const defaultDomain = pick("defaultDomain", "default_domain", "OS_DEFAULT_DOMAIN");
  const domain = named(
    pick("domainId", "domain_id", "OS_DOMAIN_ID"),
    pick("domainName", "domain_name", "OS_DOMAIN_NAME") ?? defaultDomain,
  );
  const of = (name: string, key: string, variable: string): Record<string, unknown> => {
    const id = pick(`${name}Id`, `${key}_id`, `${variable}_ID`);
    const called = pick(`${name}Name`, `${key}_name`, `${variable}_NAME`);
    return id || called ? named(id, called) : domain;
  };
  const userDomain = of("userDomain", "user_domain", "OS_USER_DOMAIN");
  const userId = pick("userId", "user_id", "OS_USER_ID");
  const userName = pick("userName", "username", "OS_USERNAME", "OS_USER_NAME");
  const user = userId ? { id: userId } : { name: userName, domain: userDomain };

  const secret = pick(
    "applicationCredentialSecret",
    "application_credential_secret",
    "OS_APPLICATION_CREDENTIAL_SECRET",
  );
  const id = pick("applicationCredentialId", "application_credential_id", "OS_APPLICATION_CREDENTIAL_ID");
  const name = pick(
    "applicationCredentialName",
    "application_credential_name",
    "OS_APPLICATION_CREDENTIAL_NAME",
  );
  if (secret || id || name || authType === "v3applicationcredential") {
    if (!secret) throw new Error("the application credential's secret is missing");
    if (!id && !name) throw new Error("the application credential's id is missing");
    const credential = id ? { id, secret } : { name, secret, user };
    return { methods: ["application_credential"], application_credential: credential };
  }
  const projectId = pick("tenantId", "project_id", "OS_PROJECT_ID", "OS_TENANT_ID");
  const projectName = pick("tenantName", "project_name", "OS_PROJECT_NAME", "OS_TENANT_NAME");
  const scope = projectId
    ? { project: { id: projectId } }
    : projectName
      ? { project: { name: projectName, domain: of("projectDomain", "project_domain", "OS_PROJECT_DOMAIN") } }
      : pick("systemScope", "system_scope", "OS_SYSTEM_SCOPE")
        ? { system: { all: true } }
        : undefined;
  const token = pick("token", "token", "OS_TOKEN", "OS_AUTH_TOKEN");
  if (token) return { methods: ["token"], token: { id: token }, scope };
  const password = pick("password", "password", "OS_PASSWORD");
  if (!password || !(userId ?? userName)) {
    throw new Error(
      "no OpenStack credentials: set an application credential (applicationCredentialId and applicationCredentialSecret), a token, or userName and password",
    );
  }
  return { methods: ["password"], password: { user: { ...user, password } }, scope };
}

/** The files looked at for a clouds.yaml, in order. */
export function cloudsFiles(environment: Environment, directory: string): string[] {
  const named = environment["OS_CLIENT_CONFIG_FILE"];
  return [
    ...(named ? [named] : []),
    join(directory, "clouds.yaml"),
    join(homedir(), ".config", "openstack", "clouds.yaml"),
    "/etc/openstack/clouds.yaml",
  ];
}

function readCloud(name: string, environment: Environment, directory: string): Entry {
  const files = cloudsFiles(environment, directory);
  const file = files.find((path) => existsSync(path));
  if (!file) {
    throw new Error(`no clouds.yaml for the cloud ${name}; looked at ${files.join(", ")}`);
  }
  const entry = record(record(record(parse(readFileSync(file, "utf8")))["clouds"])[name]);
  if (Object.keys(entry).length === 0) throw new Error(`${file} has no entry clouds.${name}`);
  const secureFile = file.replace(/clouds\.yaml$/, "secure.yaml");
  const secure =
    secureFile !== file && existsSync(secureFile)
      ? record(record(record(parse(readFileSync(secureFile, "utf8")))["clouds"])[name])
      : {};
  return { ...entry, ...secure, auth: { ...record(entry["auth"]), ...record(secure["auth"]) } };
}

/** Inline PEM as it is, anything else as a file's path. */
function pem(value: string | undefined, what: string): string | undefined {
  if (!value) return undefined;
  if (value.includes("-----BEGIN")) return value;
  try {
    return readFileSync(value.replace(/^~(?=\/)/, homedir()), "utf8");
  } catch (error) {
    throw new Error(`the ${what} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function interfaceOf(value: string | undefined): Connection["interface"] {
  const name = (value ?? "public").replace(/URL$/, "");
  if (name === "public" || name === "internal" || name === "admin") return name;
  throw new Error(`the endpoint type must be public, internal or admin, got ${value}`);
}

function overridesOf(given: string | undefined, entry: Entry): Record<string, string> {
  const overrides: Record<string, string> = {};
  for (const [key, value] of Object.entries(entry)) {
    if (key.endsWith("_endpoint_override") && typeof value === "string") {
      overrides[key.slice(0, -"_endpoint_override".length).replaceAll("_", "-")] = value;
    }
  }
  for (const [key, value] of Object.entries(record(given ? JSON.parse(given) : {}))) {
    overrides[key] = String(value);
  }
  return overrides;
}

function record(value: unknown): Entry {
  return typeof value === "object" && value !== null ? (value as Entry) : {};
}

function text(value: unknown): string | undefined {
  if (typeof value === "boolean" || typeof value === "number") return String(value);
  return typeof value === "string" && value !== "" ? value : undefined;
}
