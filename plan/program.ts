/**
 * Runs the program in this process, under whatever monitor the SDK has, as the SDK's own launcher would. Upstream
 * analogue: sdk/nodejs/cmd/run/run.ts.
 */
import { pathToFileURL } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import type { Recorder } from "./recorder.ts";

/** The project's name in Pulumi.yaml. */
export { NAMESPACE as PROJECT_NAME } from "../config/stackFile.ts";

let runs = 0;

/**
 * Evaluates the program anew inside of a stack, and waits until everything it asks for is recorded.
 *
 * @param entry the program's file
 * @throws whatever the program throws while it is evaluated. What is thrown later, in an `apply`, is an unhandled
 *   rejection of the process.
 */
export async function runProgram(entry: string, recorder: Recorder): Promise<void> {
  // A query of its own makes Node evaluate the module again.
  const module = `${pathToFileURL(entry).href}?run=${(runs += 1)}`;
  let failure: { readonly error: unknown } | undefined;
  await pulumi.runtime.runInPulumiStack(async () => {
    try {
      return ((await import(module)) as { default?: Record<string, unknown> }).default;
    } catch (error) {
      // Thrown here, it would be an unhandled rejection as well.
      failure = { error };
      return {};
    }
  });
  if (failure !== undefined) throw failure.error;
  await recorder.settled();
}
