/**
 * Reading a document from a file or a URL.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { CommandError } from "../lib/command-error.ts";

/** Milliseconds for a whole download; the largest, prometheus-community's index, is a few MB. */
const TIMEOUT = 30_000;

/** The text of a file, or of what a URL answers. Throws CommandError naming it. */
export async function readText(source: string): Promise<string> {
  if (!/^https?:\/\//.test(source)) {
    try {
      return readFileSync(source, "utf8");
    } catch (error) {
      throw new CommandError(`${source}: ${(error as Error).message}`);
    }
  }
  return (await download(source)).toString("utf8");
}

/** What a URL answers, byte for byte. Throws CommandError naming it. */
export async function download(source: string): Promise<Buffer> {
  let answer: Response;
  try {
    answer = await fetch(source, { signal: AbortSignal.timeout(TIMEOUT) });
    if (answer.ok) return Buffer.from(await answer.arrayBuffer());
  } catch (error) {
    const { cause, message } = error as Error;
    throw new CommandError(`${source}: ${cause instanceof Error ? cause.message : message}`);
  }
  throw new CommandError(`${source}: HTTP ${answer.status}`);
}

/** A map from JSON or YAML. Throws CommandError naming the source. */
export async function readMap(source: string): Promise<Readonly<Record<string, unknown>>> {
  const text = await readText(source);
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new CommandError(
      `${source}: neither JSON nor YAML: ${(error as Error).message.split("\n")[0] ?? ""}`,
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new CommandError(`${source}: not a map`);
  }
  return value as Record<string, unknown>;
}
