/**
 * Deploying a lab stack with other settings than its file has, without touching the file.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { stackEnvironment } from "../../lab/environment.ts";
import { project } from "./lab.ts";
import { runApart } from "./stackProcess.ts";

interface Ended {
  readonly exitCode: number;
  readonly printed: string;
  /** Resources by what was done to them. */
  readonly counts: Readonly<Partial<Record<string, number>>>;
}

/**
 * A command on a stack with more configuration.
 *
 * @param config full key (`capi-mgmt:magnum`) to value, merged into the file's
 * @param more environment of the program, over the lab's
 */
export async function runWith(
  command: "up" | "refresh" | "destroy",
  stack: string,
  config: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const folder = mkdtempSync(join(tmpdir(), "lab-project-"));
  try {
    // A project of its own: everything is the real one's but the stack's file.
    const file = `Pulumi.${stack}.yaml`;
    for (const name of readdirSync(project)) {
      if (name !== file && name !== ".git") symlinkSync(join(project, name), join(folder, name));
    }
    const settings = parse(readFileSync(join(project, file), "utf8")) as { config: Record<string, unknown> };
    const changed = { ...settings, config: merged(settings.config, config) };
    writeFileSync(join(folder, file), stringify(changed));

    const env = { ...process.env, ...stackEnvironment(), ...more };
    const { outcome, counts, text } = await runApart(command, stack, folder, env);
    return { exitCode: outcome === "succeeded" ? 0 : 1, printed: text, counts };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Maps merged key by key; anything else of `over` takes the place of what was there. */
function merged(
  base: Readonly<Record<string, unknown>>,
  over: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const isMap = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isMap(below) && isMap(value) ? merged(below, value) : value;
  }
  return result;
}
