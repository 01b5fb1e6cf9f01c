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

/**
 * The command line for an operation on a site.
 *
 * @param refresh reads every resource first, so that the operation is against what the cloud has now
 */
export function commandLine(
  operation: "preview" | "up",
  site: string,
  refresh = false,
  engine: string | undefined = process.env["CAPI_MGMT_ENGINE"],
): [command: string, args: string[]] {
  const flags = [...(operation === "preview" ? ["--json"] : []), ...(refresh ? ["--refresh"] : [])];
  if (engine === "embedded") {
    const lab = ["--no-warnings", join(root, "lab/cli.ts"), operation, "--stack", site];
    return [process.execPath, [...lab, "--engine", "embedded", ...flags]];
  }
  if (engine !== undefined && engine !== "pulumi") {
    throw new Error(`CAPI_MGMT_ENGINE: no such engine (got ${engine}; legal: pulumi, embedded)`);
  }
  const unasked = operation === "up" ? ["--yes", "--skip-preview"] : [];
  return ["pulumi", [operation, ...unasked, ...flags, "--stack", site, "--non-interactive"]];
}
