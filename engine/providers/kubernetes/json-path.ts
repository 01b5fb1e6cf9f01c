/**
 * The part of JSONPath that `kubectl wait` expressions use: names, indexes, wildcards, recursive descent and filters.
 * Upstream analogue: the jsonpath parser that pulumi-kubernetes gives waitFor's expressions to.
 */

/** All values that a path selects in `root`, in document order. */
export type Select = (root: unknown) => unknown[];

type Expand = (value: unknown) => unknown[];

/** Throws, naming the place, for what is not supported (unions, slices, functions, script expressions). */
export function parseJsonPath(path: string): Select {
  let rest = path.startsWith("$") ? path.slice(1) : path;
  if (rest !== "" && !/^[.[]/.test(rest)) rest = `.${rest}`;
  const steps: Expand[] = [];
  while (rest !== "") {
    const [step, length] = parseStep(rest, path);
    steps.push(step);
    rest = rest.slice(length);
  }
  return (root) => steps.reduce<unknown[]>((values, step) => values.flatMap(step), [root]);
}

function parseStep(rest: string, path: string): [Expand, number] {
  let match = /^\.\.([A-Za-z0-9_$-]+)/.exec(rest);
  if (match !== null) {
    const name = match[1] ?? "";
    return [(value) => descendants(value).flatMap((item) => member(item, name)), match[0].length];
  }
  match = /^\.\*|^\[\*\]/.exec(rest);
  if (match !== null) return [children, match[0].length];
  // kubectl writes a dot within a name as \. (an annotation's key).
  match = /^\.((?:\\.|[A-Za-z0-9_$/-])+)/.exec(rest);
  if (match !== null) {
    const name = (match[1] ?? "").replace(/\\(.)/g, "$1");
    return [(value) => member(value, name), match[0].length];
  }
  match = /^\[(-?\d+)\]/.exec(rest);
  if (match !== null) {
    const index = Number(match[1]);
    return [(value) => (Array.isArray(value) ? defined(value.at(index)) : []), match[0].length];
  }
  match = /^\[(?:'([^']*)'|"([^"]*)")\]/.exec(rest);
  if (match !== null) {
    const name = match[1] ?? match[2] ?? "";
    return [(value) => member(value, name), match[0].length];
  }
  match = /^\[\?\((.*?)\)\]/.exec(rest);
  if (match !== null) {
    const test = parseFilter(match[1] ?? "", path);
    return [(value) => children(value).filter(test), match[0].length];
  }
  throw new Error(`the path {${path}} is not supported from ${JSON.stringify(rest)} on`);
}

/** `@.type=="Ready"`, `@.count>3`, `@.name`; joined by && at most. */
function parseFilter(text: string, path: string): (item: unknown) => boolean {
  const tests = text.split("&&").map((part) => {
    const match = /^\s*@([^=!<>\s]*)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*$/.exec(part);
    if (match === null) throw new Error(`the filter ${JSON.stringify(text)} of {${path}} is not supported`);
    const [, inner = "", operator, literal = ""] = match;
    const select = parseJsonPath(inner);
    if (operator === undefined) return (item: unknown) => select(item).length > 0;
    const wanted = literalOf(literal, path);
    return (item: unknown) => select(item).some((found) => compare(found, operator, wanted));
  });
  return (item) => tests.every((test) => test(item));
}

function literalOf(text: string, path: string): unknown {
  const quoted = /^'([^']*)'$|^"([^"]*)"$/.exec(text);
  if (quoted !== null) return quoted[1] ?? quoted[2] ?? "";
  if (text === "true" || text === "false") return text === "true";
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new Error(`the value ${text} in the filter of {${path}} is not supported`);
}

function compare(found: unknown, operator: string, wanted: unknown): boolean {
  if (operator === "==") return found === wanted;
  if (operator === "!=") return found !== wanted;
  if (typeof found !== typeof wanted || (typeof found !== "number" && typeof found !== "string"))
    return false;
  const right = wanted as number | string;
  if (operator === "<") return found < right;
  if (operator === ">") return found > right;
  return operator === "<=" ? found <= right : found >= right;
}

function member(value: unknown, name: string): unknown[] {
  if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
    return [];
  return defined((value as Record<string, unknown>)[name]);
}

function children(value: unknown): unknown[] {
  return typeof value === "object" && value !== null ? Object.values(value) : [];
}

function descendants(value: unknown): unknown[] {
  return [value, ...children(value).flatMap(descendants)];
}

function defined(value: unknown): unknown[] {
  return value === undefined ? [] : [value];
}
