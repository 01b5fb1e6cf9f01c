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

/**
 * `up` of a stack with more configuration.
 *
 * @param config full key (`capi-mgmt:magnum`) to value, over the file's
 */
export async function deployWith(
  stack: string,
  config: Readonly<Record<string, unknown>>,
): Promise<{ exitCode: number; printed: string }> {
  const folder = mkdtempSync(join(tmpdir(), "lab-project-"));
  try {
    // A project of its own: everything is the real one's but the stack's file.
    const file = `Pulumi.${stack}.yaml`;
    for (const name of readdirSync(project)) {
      if (name !== file && name !== ".git") symlinkSync(join(project, name), join(folder, name));
    }
    const settings = parse(readFileSync(join(project, file), "utf8")) as { config: Record<string, unknown> };
    const changed = { ...settings, config: { ...settings.config, ...config } };
    writeFileSync(join(folder, file), stringify(changed));

    let printed = "";
    const out = new Writable({
      write(chunk: Buffer, _encoding, done) {
        printed += chunk.toString();
        done();
      },
    });
    const own = stackEnvironment(output("which", ["helm"]).trim());
    const env = { ...process.env, ...own };
    Object.assign(process.env, env);
    const backendUrl = env["PULUMI_BACKEND_URL"] ?? "";
    const passphrase = readFileSync(paths.passphrase, "utf8").trim();
    const run = { command: "up" as const, stack, projectDir: folder, backendUrl, passphrase, env, out };
    return { exitCode: (await runEngine(run)).exitCode, printed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
