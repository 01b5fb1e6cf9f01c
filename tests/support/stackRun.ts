/**
 * `node tests/support/stackRun.ts OPERATION STACK FOLDER`: what stackProcess.ts starts. Stopped by SIGINT; prints the result as
 * JSON, `text` being what a person would read.
 */
import { closingLines } from "../../automation/display.ts";
import { listenForInterrupts, type Operation, runStack } from "../../automation/stack.ts";

const [operation, stack = "", projectDir = ""] = process.argv.slice(2) as [Operation, string, string];
const interrupts = listenForInterrupts(() => undefined);
const result = await runStack({ operation, stack, projectDir, create: true, interrupts });
process.stdout.write(JSON.stringify({ ...result, text: closingLines(result).join("\n") }), () =>
  process.exit(0),
);
