/**
 * Reading a document from a file or a URL.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { HandoverError } from "../lib/problem.ts";

/** Milliseconds for a whole download; the largest, a chart repository's index, is a few hundred kB. */
const TIMEOUT = 30_000;

/** The text of a file, or of what a URL answers. Throws HandoverError naming it. */
export async function readText(source: string): Promise<string> {
  if (!/^https?:\/\//.test(source)) {
    try {
      return readFileSync(source, "utf8");
    } catch (error) {
      throw new HandoverError(`${source}: ${(error as Error).message}`);
    }
  }
  let answer: Response;
  try {
    answer = await fetch(source, { signal: AbortSignal.timeout(TIMEOUT) });
    if (answer.ok) return await answer.text();
  } catch (error) {
    const { cause, message } = error as Error;
    throw new HandoverError(`${source}: ${cause instanceof Error ? cause.message : message}`);
  }
  throw new HandoverError(`${source}: HTTP ${answer.status}`);
}

/** A map from JSON or YAML. Throws HandoverError naming the source. */
export async function readMap(source: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readText(source);
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new HandoverError(
      `${source}: neither JSON nor YAML: ${(error as Error).message.split("\n")[0] ?? ""}`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new HandoverError(`${source}: not a map`);
  }
  return value as Record<string, unknown>;
}
