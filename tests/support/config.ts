/**
 * The configuration of the project's own stacks, for tests.
 */
import { join } from "node:path";
import { inspectStack } from "../../config/program.ts";
import { formatProblems } from "../../config/problems.ts";
import type { Config } from "../../config/schema.ts";

const PROJECT = join(import.meta.dirname, "../..");

const read = new Map<string, Config>();

/** The effective configuration of Pulumi.<stack>.yaml, read once; each answer is a copy of its own. */
export function configOf(stack: "dev" | "prod" | "lab"): Config {
  let known = read.get(stack);
  if (known === undefined) {
    const { config, problems } = inspectStack(PROJECT, stack);
    if (config === undefined) throw new Error(formatProblems(stack, problems));
    read.set(stack, (known = config));
  }
  return structuredClone(known);
}
