/**
 * Keeps known secrets out of everything printed, whoever wrote the text (a provider's error, the program's own output).
 * Upstream analogue: sdk/go/common/util/logging (CreateFilter).
 */
/** Shorter strings occur by chance everywhere; hiding them would hide the message. */
const SHORTEST = 6;
/** Within a secret of several lines (a key, a kubeconfig), a line from this length on is secret by itself. */
const SHORTEST_LINE = 20;

export class Redactor {
  readonly #secrets = new Set<string>();
  #pattern: RegExp | undefined;

  add(...texts: string[]): void {
    for (const text of texts) {
      const parts = text.includes("\n")
        ? text.split("\n").filter((line) => line.trim().length >= SHORTEST_LINE)
        : [];
      for (const part of [text, ...parts.map((line) => line.trim())]) {
        if (part.length < SHORTEST || /^-----/.test(part) || this.#secrets.has(part)) continue;
        this.#secrets.add(part);
        this.#pattern = undefined;
      }
    }
  }

  /** `text` with every known secret replaced. */
  clean(text: string): string {
    if (this.#secrets.size === 0) return text;
    this.#pattern ??= new RegExp(
      [...this.#secrets]
        .sort((a, b) => b.length - a.length)
        .map((secret) => secret.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))
        .join("|"),
      "g",
    );
    return text.replaceAll(this.#pattern, "[secret]");
  }
}
