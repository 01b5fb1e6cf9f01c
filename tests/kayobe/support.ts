/**
 * A kayobe-config repository, outputs of a stack, and a command run as an operator runs it.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { tokenKubeconfig } from "../../lib/kubeconfig.ts";

const PROJECT = join(import.meta.dirname, "..", "..");

/** A folder that goes with the test. */
export function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "capi-mgmt-handover-test-"));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The least that kayobe takes for a kayobe-config repository, with environments. */
export function kayobeConfig(root: string, ...environments: string[]): string {
  const etc = join(root, "etc", "kayobe");
  mkdirSync(etc, { recursive: true });
  writeFileSync(join(etc, "kolla.yml"), "---\n");
  for (const name of environments) mkdirSync(join(etc, "environments", name), { recursive: true });
  return root;
}

/** What `pulumi stack output --json --show-secrets` prints, for a token. */
export function outputs(token: string, more: Record<string, unknown> = {}): string {
  const magnumKubeconfig = tokenKubeconfig({
    name: "capi-mgmt-test",
    server: "https://192.0.2.1:6443",
    caCert: "authority",
    token,
  });
  const versions = { openstackClusterChart: "0.27.0", clusterApi: "v1.14.0" };
  return JSON.stringify({ magnumKubeconfig, clusterName: "capi-mgmt-test", versions, ...more });
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of bin/ with text on its standard input. */
export function runCommand(
  program: string,
  args: readonly string[],
  input = "",
  environment: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(PROJECT, "bin", program), args, { env: { ...process.env, ...environment } });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
    child.stdin.on("error", () => undefined);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(input);
  });
}
