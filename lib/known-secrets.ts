/**
 * The secret values of a site, to be cut out of what is handed to others. Upstream analogue: none.
 */
import { inspect } from "node:util";
import { currentContext, inline } from "./kubeconfig.ts";
import type { Outputs } from "./outputs.ts";
import { Redactor } from "./redact.ts";

/** Shorter values occur by chance. */
const SHORTEST = 8;

/** Keys of Kubernetes secrets whose values are no secret, and in many texts. */
const PUBLIC_KEYS = new Set([
  "ca.crt",
  "tls.crt",
  "namespace",
  "format",
  "admin-user",
  "ca.pem",
  "public.pem",
]);

/** A line of configuration that names its value a secret: key or JSON key, then the value. */
const NAMED =
  /(?:secret|password|passwd|token|passphrase|auth|key-data|api_?url)"?[ \t]*[:=][ \t]*["']?([^\s"',}]+)/gi;

/** A word that nobody would type: letters of both cases and digits. */
const RANDOM = /(?=[\w+/=.-]*[a-z])(?=[\w+/=.-]*[A-Z])(?=[\w+/=.-]*\d)[\w+/=.-]{20,}/g;

/** What can leak in text of no known form. */
const PATTERNS = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  // A web token, such as a service account's.
  /\beyJ[\w-]{10,}\.eyJ[\w-]+\.[\w-]+/g,
  /https:\/\/hooks\.slack\.com\/[\w/-]+/g,
  // User and password in a URL.
  /(?<=\w:\/\/)[^/\s:@]+:[^/\s@]+(?=@)/g,
];

/** The values that a text with secrets in it holds: all of a single line, the telling parts of several. */
function valuesIn(text: string): string[] {
  const lines = text.trim().split("\n");
  const key = text.includes("PRIVATE KEY") ? lines.filter((line) => !line.startsWith("-----")) : [];
  const named = [...text.matchAll(NAMED)].map(([, value]) => value ?? "");
  return [...(lines.length === 1 ? lines : key), ...named, ...(text.match(RANDOM) ?? [])];
}

/** Secret values of a stack's outputs. */
export function secretsOfOutputs(outputs: Outputs): string[] {
  const found: string[] = [];
  for (const name of ["magnumKubeconfig", "haKubeconfig", "k3sKubeconfig"]) {
    const text = outputs[name];
    if (typeof text !== "string" || text === "") continue;
    const { user } = currentContext(text);
    for (const key of ["token", "password", "client-key-data"]) {
      const value = user[key];
      if (typeof value === "string") found.push(value);
    }
    found.push(...valuesIn(inline(user, "client-key-data") ?? ""));
  }
  const bastion = outputs["seedBastion"] as { privateKey?: string } | undefined;
  for (const key of [outputs["seedSshPrivateKey"], bastion?.privateKey]) {
    if (typeof key === "string") found.push(...valuesIn(key));
  }
  return found;
}

/** Secret values of what `kubectl get secrets --output json` printed; undefined if it is no such list. */
export function secretsOfCluster(list: string): string[] | undefined {
  let items: { data?: Record<string, string> }[] | undefined;
  try {
    ({ items } = JSON.parse(list) as { items?: typeof items });
  } catch {
    return undefined;
  }
  return items?.flatMap(({ data }) =>
    Object.entries(data ?? {})
      .filter(([key]) => !PUBLIC_KEYS.has(key))
      .flatMap(([, value]) => valuesIn(Buffer.from(value, "base64").toString("utf8"))),
  );
}

/** Secret values of any text that holds some, such as a file of credentials. */
export const secretsOfText = valuesIn;

/** Everything a value can look like: as it is, in JSON, in a URL, in base64 wherever it begins. */
function formsOf(value: string): string[] {
  const base64 = [0, 1, 2].map((offset) =>
    Buffer.from(" ".repeat(offset) + value)
      .toString("base64")
      // The first and last characters depend on what stands around.
      .slice(offset === 0 ? 0 : 4, -4),
  );
  return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value), ...base64];
}

/** Cuts known secrets, and what looks like one, out of texts; `leaks` is the second look, with other means. */
export class SecretFilter {
  readonly #forms: readonly string[];
  readonly #redactor = new Redactor();

  constructor(secrets: readonly string[]) {
    const values = new Set(secrets.map((value) => value.trim()).filter((value) => value.length >= SHORTEST));
    this.#forms = [...new Set([...values].flatMap(formsOf))].filter((form) => form.length >= SHORTEST);
    this.#redactor.add(...this.#forms);
  }

  /** How many values are known. */
  get size(): number {
    return this.#forms.length;
  }

  clean(text: string): string {
    return PATTERNS.reduce(
      (rest, pattern) => rest.replaceAll(pattern, "[secret]"),
      this.#redactor.clean(text),
    );
  }

  /** Whether a text holds a known secret in any form. */
  leaks(text: string): boolean {
    return this.#forms.some((form) => text.includes(form));
  }

  /** Never shows a value, not even to a debugger's print. */
  [inspect.custom](): string {
    return `SecretFilter of ${this.size} forms`;
  }
}
