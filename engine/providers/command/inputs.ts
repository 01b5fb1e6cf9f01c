/**
 * The inputs of the command resources: which there are, their types and their defaults.
 * Upstream analogue: the Annotate and CommandInputs definitions in pulumi-command's provider/pkg/provider.
 */
import { Archive, Asset, UNKNOWN, type CheckResult, type Properties, type Value } from "../../provider.ts";
import { isMap } from "../../values.ts";

type Type = "string" | "integer" | "number" | "boolean" | "list" | "texts" | "map" | "file" | Fields;
interface Field {
  type: Type;
  required?: boolean;
  default?: Value;
  legal?: readonly string[];
}
interface Fields {
  [name: string]: Field;
}

const LOGGING = ["stdout", "stderr", "stdoutAndStderr", "none"];
/** Dial attempts, seconds a dial may take, user and port when the program does not say (remote/connection.go). */
const HOST: Fields = {
  host: { type: "string", required: true },
  port: { type: "number", default: 22 },
  user: { type: "string", default: "root" },
  password: { type: "string" },
  privateKey: { type: "string" },
  privateKeyPassword: { type: "string" },
  agentSocketPath: { type: "string" },
  dialErrorLimit: { type: "integer", default: 10 },
  perDialTimeout: { type: "integer", default: 15 },
  hostKey: { type: "string" },
};
const SECRETS = ["password", "privateKey", "privateKeyPassword"];
const CONNECTION: Field = { type: { ...HOST, proxy: { type: HOST } }, required: true };
const LIFECYCLE: Fields = {
  create: { type: "string" },
  update: { type: "string" },
  delete: { type: "string" },
  triggers: { type: "list" },
};
const RUN: Fields = {
  stdin: { type: "string" },
  logging: { type: "string", legal: LOGGING },
  environment: { type: "map" },
  addPreviousOutputInEnv: { type: "boolean" },
};
const LOCAL: Fields = {
  ...RUN,
  interpreter: { type: "texts" },
  dir: { type: "string" },
  assetPaths: { type: "texts" },
  archivePaths: { type: "texts" },
};

/** The inputs of each resource and function this provider implements, by token. */
export const INPUTS: Readonly<Record<string, Fields>> = {
  "command:local:Command": { ...LIFECYCLE, ...LOCAL },
  "command:remote:Command": { ...LIFECYCLE, ...RUN, connection: CONNECTION },
  "command:remote:CopyToRemote": {
    connection: CONNECTION,
    source: { type: "file", required: true },
    remotePath: { type: "string", required: true },
    triggers: { type: "list" },
  },
  "command:local:run": { ...LOCAL, command: { type: "string", required: true } },
};

/** Checks types and fills in defaults. No message holds a value: any of them may be a secret. */
export function checkInputs(token: string, news: Properties): CheckResult {
  const failures: CheckResult["failures"] = [];
  const inputs = checkFields(INPUTS[token] ?? {}, news, "", failures);
  const source = inputs["source"];
  if (source instanceof Archive && source.path === undefined) {
    failures.push({
      property: "source",
      reason: "source must be a file, a folder or a text, not an archive of parts",
    });
  }
  if (source instanceof Asset && source.uri !== undefined) {
    failures.push({ property: "source", reason: "source must be a file, a folder or a text, not a URI" });
  }
  return { inputs, failures, secretInputs: secretInputs(inputs) };
}

/** The keys and passwords of a connection, secret on their own as well as with it (`provider:"secret"` in connection.go). */
function secretInputs(inputs: Properties): string[] {
  return ["connection", "connection.proxy"].flatMap((place) => {
    const host = place
      .split(".")
      .reduce<Value | undefined>((at, key) => (isMap(at) ? at[key] : undefined), inputs);
    if (!isMap(host)) return [];
    return SECRETS.filter((name) => host[name] !== undefined).map((name) => `${place}.${name}`);
  });
}

function checkFields(
  fields: Fields,
  news: Properties,
  path: string,
  failures: CheckResult["failures"],
): Properties {
  const inputs: Properties = {};
  for (const [name, value] of Object.entries(news)) {
    if (value === null || name === "version" || name.startsWith("__")) continue;
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!field) {
      const legal = Object.keys(fields).join(", ");
      failures.push({ property: path + name, reason: `unknown property ${path}${name}; there are ${legal}` });
      continue;
    }
    inputs[name] = checkField(field, value, path + name, failures);
  }
  for (const [name, field] of Object.entries(fields)) {
    if (inputs[name] !== undefined) continue;
    if (field.default !== undefined) inputs[name] = field.default;
    else if (field.required) {
      failures.push({ property: path + name, reason: `missing required property ${path}${name}` });
    }
  }
  return inputs;
}

function checkField(field: Field, value: Value, path: string, failures: CheckResult["failures"]): Value {
  const fail = (expected: string): Value => {
    failures.push({ property: path, reason: `${path} must be ${expected}` });
    return value;
  };
  if (value === UNKNOWN) return value;
  if (typeof field.type === "object") {
    return isMap(value) ? checkFields(field.type, value, `${path}.`, failures) : fail("an object");
  }
  switch (field.type) {
    case "string":
      if (typeof value !== "string") return fail("a string");
      return field.legal && !field.legal.includes(value) ? fail(`one of ${field.legal.join(", ")}`) : value;
    case "integer":
      return Number.isInteger(value) ? value : fail("a whole number");
    case "number":
      return typeof value === "number" ? value : fail("a number");
    case "boolean":
      return typeof value === "boolean" ? value : fail("true or false");
    case "list":
      return Array.isArray(value) ? value : fail("a list");
    case "texts":
      return Array.isArray(value) && value.every((item) => typeof item === "string" || item === UNKNOWN)
        ? value
        : fail("a list of strings");
    case "map":
      return isMap(value) &&
        Object.values(value).every((item) => typeof item === "string" || item === UNKNOWN)
        ? value
        : fail("a map of strings");
    case "file":
      return value instanceof Asset || value instanceof Archive ? value : fail("an asset or an archive");
  }
}
