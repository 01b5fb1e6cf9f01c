/**
 * The inputs of the command resources: which there are, their types and their defaults.
 * Upstream analogue: the Annotate and CommandInputs definitions in pulumi-command's provider/pkg/provider.
 */
import { type Properties, UNKNOWN, type Value, isMap } from "./values.ts";

export const LOCAL = "command:local:Command";
export const REMOTE = "command:remote:Command";

/** What is wrong with an input. */
interface Failure {
  /** Path of the input: `connection.port`. */
  property: string;
  reason: string;
}

type Type = "string" | "integer" | "number" | "boolean" | "list" | "texts" | "map" | Fields;
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
/** The inputs of each resource, by token. */
const INPUTS: Readonly<Record<string, Fields>> = {
  [LOCAL]: { ...LIFECYCLE, ...RUN, interpreter: { type: "texts" }, dir: { type: "string" } },
  [REMOTE]: { ...LIFECYCLE, ...RUN, connection: CONNECTION },
};

/** Checks types and fills in defaults. No message holds a value: any of them may be a secret. */
export function checkInputs(type: string, news: Properties): { inputs: Properties; failures: Failure[] } {
  const failures: Failure[] = [];
  return { inputs: checkFields(INPUTS[type] ?? {}, news, "", failures), failures };
}

function checkFields(fields: Fields, news: Properties, path: string, failures: Failure[]): Properties {
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

function checkField(field: Field, value: Value, path: string, failures: Failure[]): Value {
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
  }
}
