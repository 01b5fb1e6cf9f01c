/**
 * Deploying a lab stack with other settings than its file has, without touching the file.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { parse, stringify } from "yaml";
import { runEngine } from "../../engine/main.ts";
import { stackEnvironment } from "../../lab/stack.ts";
import { paths } from "../../lab/site.ts";
import { output, project } from "./lab.ts";

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
  command: "up" | "destroy",
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

    let printed = "";
    const out = new Writable({
      write(chunk: Buffer, _encoding, done) {
        printed += chunk.toString();
        done();
      },
    });
    const own = stackEnvironment(output("which", ["helm"]).trim());
    // Providers run in this process and look for helm in its environment.
    Object.assign(process.env, own);
    const env = { ...process.env, ...more };
    const backendUrl = env["PULUMI_BACKEND_URL"] ?? "";
    const passphrase = readFileSync(paths.passphrase, "utf8").trim();
    const run = { command, stack, projectDir: folder, backendUrl, passphrase, env, out };
    const { exitCode, summary } = await runEngine(run);
    return { exitCode, printed, counts: summary.counts };
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
