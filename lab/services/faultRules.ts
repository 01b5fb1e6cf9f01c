/**
 * Fault rules of the proxy: which request they hit and what happens to it. Pure, so that the table of decisions is tested alone.
 */

/** The arguments of `npm run lab -- fault`. */
export const faultUsage = `  fault add [--service NAME] [--method METHOD] [--path PART|/REGEX/] [--status N] [--body TEXT] [--delay MS] [--drop] [--count N]
                                 what the proxy does to matching API requests
  fault list | fault clear [ID]
  fault api-down [NAME] | fault api-up [NAME]    all or one API drops every connection | answers again
  fault seed-kill [SERVER]       end a booted machine, seed or node, as a power loss would (default: the only seed)`;

export interface FaultRule {
  /** Given by the CLI; `fault clear ID` removes it. */
  id: number;
  /** API name (keystone, nova …) or `*`. */
  service: string;
  /** HTTP method in upper case, or `*`. */
  method: string;
  /** Part of the path, or a regular expression when it is written between slashes. Empty: every path. */
  path: string;
  /** Answer this status instead of asking the service. */
  status?: number;
  /** Body of that answer. Default: an error in OpenStack's form. */
  body?: string;
  /** Milliseconds to wait first; alone: the request then passes. */
  delay?: number;
  /** Close the connection without an answer. */
  drop?: boolean;
  /** How many requests are hit; after that the rule does nothing. Default: all. */
  count?: number;
}

export interface FaultFile {
  /** Changes with each change, so that the CLI sees when the proxy has taken it. */
  generation: number;
  rules: FaultRule[];
}

interface RequestLine {
  service: string;
  method: string;
  path: string;
}

/** Whether a rule is meant for a request, counts aside. */
export function matches(rule: FaultRule, request: RequestLine): boolean {
  if (rule.service !== "*" && rule.service !== request.service) return false;
  if (rule.method !== "*" && rule.method !== request.method) return false;
  const expression = /^\/(.+)\/$/.exec(rule.path);
  if (expression) return new RegExp(expression[1] as string).test(request.path);
  return request.path.includes(rule.path);
}

/** The first rule that hits the request and is not used up. `hits`: rule id → requests hit so far. */
export function choose(
  rules: readonly FaultRule[],
  request: RequestLine,
  hits: ReadonlyMap<number, number>,
): FaultRule | undefined {
  return rules.find(
    (rule) => (rule.count === undefined || (hits.get(rule.id) ?? 0) < rule.count) && matches(rule, request),
  );
}

/** The answer of a rule with a status, in the form OpenStack's clients read. */
export function faultBody(rule: FaultRule, request: RequestLine): string {
  if (rule.body !== undefined) return rule.body;
  const message = `The lab's fault ${rule.id} refuses ${request.method} ${request.path}.`;
  return JSON.stringify({ error: { code: rule.status, title: "Lab fault", message } });
}

/** Options of `fault add`, read strictly. */
export function parseFault(args: readonly string[], id: number, services: readonly string[]): FaultRule {
  const rule: FaultRule = { id, service: "*", method: "*", path: "" };
  for (let index = 0; index < args.length; index += 2) {
    const [name, value] = [args[index] as string, args[index + 1]];
    if (name === "--drop") {
      rule.drop = true;
      index -= 1;
      continue;
    }
    if (value === undefined) throw new Error(`${name}: a value is missing`);
    if (name === "--service") {
      if (value !== "*" && !services.includes(value)) {
        throw new Error(`--service: unknown service "${value}" (legal: ${services.join(", ")}, *)`);
      }
      rule.service = value;
    } else if (name === "--method") rule.method = value.toUpperCase();
    else if (name === "--path") {
      if (/^\/(.+)\/$/.test(value)) new RegExp(value.slice(1, -1)); // throws what is wrong with it
      rule.path = value;
    } else if (name === "--body") rule.body = value;
    else if (name === "--status") rule.status = whole(name, value, 100, 599);
    else if (name === "--delay") rule.delay = whole(name, value, 0, 3_600_000);
    else if (name === "--count") rule.count = whole(name, value, 1, 1_000_000);
    else throw new Error(`unknown option ${name}`);
  }
  if (rule.status === undefined && rule.delay === undefined && !rule.drop) {
    throw new Error("a fault needs --status, --delay or --drop");
  }
  if (rule.status !== undefined && rule.drop) throw new Error("--status and --drop exclude each other");
  return rule;
}

function whole(name: string, text: string, least: number, most: number): number {
  if (!/^\d+$/.test(text) || Number(text) < least || Number(text) > most) {
    throw new Error(`${name}: "${text}" is no whole number from ${least} to ${most}`);
  }
  return Number(text);
}

/** One rule as `fault list` prints it. */
export function describe(rule: FaultRule, hits: number): string {
  const what = [
    ...(rule.delay === undefined ? [] : [`waits ${rule.delay} ms`]),
    ...(rule.drop ? ["drops the connection"] : []),
    ...(rule.status === undefined ? [] : [`answers ${rule.status}`]),
  ].join(", ");
  const limit = rule.count === undefined ? "" : ` of ${rule.count}`;
  return `${rule.id}  ${rule.service} ${rule.method} ${rule.path || "(every path)"}: ${what}; ${hits}${limit} hit`;
}
