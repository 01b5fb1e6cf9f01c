/**
 * `runStack` in a process of its own, as the lab's commands and the pipeline's jobs have it: what a program leaves behind that
 * failed or was interrupted, Node's test runner would take for a failure of the test, or tell a thousand times.
 */
import { spawn } from "node:child_process";
import type { Operation, StackResult } from "../../automation/stack.ts";
import { project } from "./lab.ts";

/**
 * @param env whole environment of the process
 * @param stop its Ctrl-C
 * @returns the result, `text` being what a person would read at the end
 */
export async function runApart(
  operation: Operation,
  stack: string,
  folder: string,
  env: NodeJS.ProcessEnv,
  stop?: AbortSignal,
): Promise<StackResult & { readonly text: string }> {
  const words = ["--no-warnings", "tests/support/stackRun.ts", operation, stack, folder];
  const child = spawn(process.execPath, words, { cwd: project, env, stdio: ["ignore", "pipe", "inherit"] });
  stop?.addEventListener("abort", () => child.kill("SIGINT"));
  const printed: Buffer[] = [];
  for await (const chunk of child.stdout) printed.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(printed).toString()) as StackResult & { text: string };
}
