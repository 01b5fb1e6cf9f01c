/**
 * The floor of the benchmark: a preview or an up of a program with one resource, by the same engine, backend and plugin process
 * as the stack's. `node tests/bench/floor.ts preview|up FOLDER`.
 */
import { local } from "@pulumi/command";
import { closingLines } from "../../automation/display.ts";
import { type Operation, runStack } from "../../automation/stack.ts";
import { stackEnvironment } from "../../lab/environment.ts";

const [operation, projectDir = ""] = process.argv.slice(2) as [Operation, string];
const result = await runStack({
  ...{ operation, projectDir, stack: "floor", create: true, env: stackEnvironment() },
  program: () => Promise.resolve(void new local.Command("one", { create: "true", logging: "none" })),
});
if (result.outcome !== "succeeded") console.error(closingLines(result).join("\n"));
process.exit(result.outcome === "succeeded" ? 0 : 1);
