/**
 * Runs a Pulumi command for one site, with whichever engine the job has, and gives back what it printed.
 *
 * Real sites run the real `pulumi` CLI. The embedded engine serves the lab only: CAPI_MGMT_ENGINE=embedded selects it.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";

export interface Result {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

const root = join(import.meta.dirname, "..");

/** Runs a program; its standard error is shown as it comes (progress), its standard output is kept. */
export function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
      process.stderr.write(chunk);
    });
    child.on("error", (error) => reject(new Error(`${command}: ${error.message}`)));
    child.on("close", (code, signal) =>
      resolve({ exitCode: code ?? (signal === null ? 1 : 130), stdout, stderr }),
    );
  });
}

/** The command line for an operation on a site. */
export function commandLine(
  operation: "preview" | "up" | "drift",
  site: string,
  engine: string | undefined = process.env["CAPI_MGMT_ENGINE"],
): [command: string, args: string[]] {
  if (engine === "embedded") {
    const lab = ["--no-warnings", join(root, "lab/cli.ts")];
    if (operation === "up")
      return [process.execPath, [...lab, "up", "--stack", site, "--engine", "embedded"]];
    // A refresh first, so that the preview is against what the cloud has now.
    const refresh = operation === "drift" ? ["--refresh"] : [];
    return [
      process.execPath,
      [...lab, "preview", ...refresh, "--stack", site, "--engine", "embedded", "--json"],
    ];
  }
  if (engine !== undefined && engine !== "pulumi") {
    throw new Error(`CAPI_MGMT_ENGINE: no such engine (got ${engine}; legal: pulumi, embedded)`);
  }
  const common = ["--stack", site, "--non-interactive"];
  if (operation === "up") return ["pulumi", ["up", "--yes", "--skip-preview", ...common]];
  if (operation === "drift") return ["pulumi", ["preview", "--refresh", "--json", ...common]];
  return ["pulumi", ["preview", "--json", ...common]];
}
