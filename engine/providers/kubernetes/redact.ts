/**
 * Keeps secrets out of errors: an API server or a chart may quote the value it refuses.
 */
import { isMap, type Value } from "../../values.ts";
import { at, isSecret, type KubeObject } from "./object.ts";

const MARK = "[secret]";

/** Shorter values are no secrets, and replacing them would make any message unreadable. */
const SHORTEST = 4;

/** Keys of chart values whose content is not to be shown. */
const SENSITIVE =
  /pass(word|wd|phrase)?$|secret|token|credential|private|api_?key|webhook|url_with|cert|clouds/i;

/** The error; if the object is a Secret, without any of its values, encoded or not. */
export function redacted(object: KubeObject, error: Error): Error {
  if (!isSecret(object)) return error;
  const encoded = Object.values((at(object, "data") as Record<string, unknown> | undefined) ?? {}).map(
    String,
  );
  const plain = encoded.map((value) => Buffer.from(value, "base64").toString());
  return new Error(withoutValues(error.message, [...encoded, ...plain]), { cause: undefined });
}

/** The texts among chart values that stand below a key that sounds secret. */
export function sensitiveValues(values: Value | undefined, below = false): string[] {
  if (typeof values === "string") return below ? [values] : [];
  if (Array.isArray(values)) return values.flatMap((item) => sensitiveValues(item, below));
  if (!isMap(values)) return [];
  return Object.entries(values).flatMap(([key, value]) =>
    sensitiveValues(value, below || SENSITIVE.test(key)),
  );
}

/** `text` with every one of `values`, and every line of those with several, replaced. */
export function withoutValues(text: string, values: string[]): string {
  const parts = values.flatMap((value) => [value, ...value.split("\n").map((line) => line.trim())]);
  return [...new Set(parts)]
    .filter((part) => part.length >= SHORTEST)
    .sort((a, b) => b.length - a.length)
    .reduce((result, part) => result.replaceAll(part, MARK), text);
}
