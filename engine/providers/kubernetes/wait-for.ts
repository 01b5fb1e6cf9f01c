/**
 * The annotation pulumi.com/waitFor: `jsonpath={.status.phase}=Running`, `condition=Ready[=False]`, or a JSON list of these.
 * Upstream analogue: metadata.ReadyCondition, jsonpath/jsonpath.go and condition/{jsonpath,kubectl}.go.
 */
import { parseJsonPath, type Select } from "./json-path.ts";
import { annotation, at, numberAt, textAt, type KubeObject } from "./object.ts";
import { conditionOf, describeCondition, isObserved, type Readiness, type Rule } from "./readiness.ts";

const KEY = "pulumi.com/waitFor";

/** The rule that the object's annotation asks for, or undefined without one. Throws if it is malformed. */
export function waitForRule(object: KubeObject): Rule | undefined {
  const value = annotation(object, KEY);
  if (value === "") return undefined;
  const rules = expressionsOf(value).map(parseExpression);
  if (rules.length === 0) throw new Error(`${KEY}: at least one condition is needed`);
  return async (live, around) => {
    let result: Readiness = { ready: true };
    for (const rule of rules) {
      result = await rule(live, around);
      if (!result.ready) break;
    }
    return result;
  };
}

function expressionsOf(value: string): string[] {
  try {
    const list: unknown = JSON.parse(value);
    if (Array.isArray(list) && list.every((item) => typeof item === "string")) return list;
  } catch {
    // one expression, not a list
  }
  return [value];
}

function parseExpression(expression: string): Rule {
  if (expression.startsWith("jsonpath=")) return jsonPathRule(expression.slice("jsonpath=".length));
  if (expression.startsWith("condition=")) return conditionRule(expression.slice("condition=".length));
  throw new Error(`${KEY}: expected a "jsonpath=" or "condition=" prefix, got ${JSON.stringify(expression)}`);
}

function jsonPathRule(text: string): Rule {
  if (text.startsWith("'")) throw new Error(`${KEY}: ${text} should omit shell quotes`);
  // A single = separates path and value; == belongs to a filter.
  const match = /^\s*\{\s*(.*?)\s*\}\s*(?:=(.*))?$/s.exec(text);
  if (match === null)
    throw new Error(`${KEY}: format should be {.path}=value or {.path}, got ${JSON.stringify(text)}`);
  const [, path = "", wanted] = match;
  if (wanted === "") throw new Error(`${KEY}: {${path}}= requires a value`);
  let select: Select;
  try {
    select = parseJsonPath(path);
  } catch (error) {
    throw new Error(`${KEY}: ${(error as Error).message}`, { cause: error });
  }
  return (live) => {
    if (!isObserved(live))
      return { ready: false, message: "its controller has yet to see the latest change" };
    const [found] = select(live);
    if (found === undefined) return { ready: false, message: `{${path}} is not there yet` };
    if (wanted === undefined) return { ready: true };
    if (typeof found === "object" && found !== null) {
      return {
        ready: false,
        failed: true,
        message: `{${path}} is no plain value and never equals ${wanted}`,
      };
    }
    const plain = typeof found === "string" ? found : JSON.stringify(found);
    if (plain === wanted) return { ready: true };
    // The value itself may be a secret's; its difference is all that may be told.
    const shown = textAt(live, "kind") === "Secret" ? "another value" : JSON.stringify(found);
    return { ready: false, message: `{${path}} is ${shown}, waiting for ${wanted}` };
  };
}

function conditionRule(text: string): Rule {
  const [type = "", wanted = "True"] = text.split("=");
  if (type === "") throw new Error(`${KEY}: condition= requires a condition's type`);
  return (live) => {
    const condition = conditionOf(live, type);
    if (condition === undefined) return { ready: false, message: `condition ${type} is not set yet` };
    const generation = numberAt(live, 0, "metadata", "generation");
    const observed = at(condition, "observedGeneration") ?? at(live, "status", "observedGeneration");
    if (typeof observed === "number" && observed < generation) {
      return { ready: false, message: `condition ${type} is of an earlier generation` };
    }
    const met = textAt(condition, "status").toLowerCase() === wanted.toLowerCase();
    return met
      ? { ready: true }
      : { ready: false, message: `${describeCondition(condition)}, waiting for ${wanted}` };
  };
}
