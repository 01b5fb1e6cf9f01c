/**
 * The configuration of the project's own stacks, for tests.
 */
import { join } from "node:path";
import { inspectStack } from "../../config/program.ts";
import { formatProblems } from "../../config/problems.ts";
import type { Config } from "../../config/schema.ts";

const PROJECT = join(import.meta.dirname, "../..");

/** The effective configuration of Pulumi.<stack>.yaml. */
export function configOf(stack: "dev" | "prod" | "lab"): Config {
  const { config, problems } = inspectStack(PROJECT, stack);
  if (config === undefined) throw new Error(formatProblems(stack, problems));
  return config;
}
