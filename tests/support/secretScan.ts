/**
 * Looks for secret values in what a program printed or wrote: as they are, within JSON or a URL, in base64.
 * Does not find a value that was compressed, encrypted or cut in two.
 */
import assert from "node:assert/strict";

/** Secret values by what they are called in a failure. */
export type Secrets = Readonly<Record<string, string>>;

/** Shorter values would be found by chance. */
const SHORTEST = 8;

/** The text holds none of the secrets. A failure names the secret, never its value. */
export function assertClean(text: string, secrets: Secrets, what: string): void {
  for (const [name, value] of Object.entries(secrets)) {
    assert.ok(value.length >= SHORTEST, `${name} is not known, or too short to look for`);
    assert.ok(!formsOf(value).some((form) => text.includes(form)), `${what} holds the planted ${name}`);
  }
}

function formsOf(value: string): string[] {
  const forms = [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)];
  // The first and last characters of base64 depend on what stands around.
  for (const offset of [0, 1, 2])
    forms.push(
      Buffer.from(" ".repeat(offset) + value)
        .toString("base64")
        .slice(4, -4),
    );
  return forms;
}
