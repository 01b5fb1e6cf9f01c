/**
 * `node tests/support/stackRun.ts OPERATION STACK FOLDER`: one `runStack` in a process of its own, as the lab's commands and
 * the pipeline's jobs have it: what a program leaves behind that failed or was interrupted, Node's test runner would take for
 * a failure of the test. Stopped by SIGINT; prints the result as JSON, `text` being what a person would read.
 */
import { closingLines } from "../../automation/display.ts";
import { listenForInterrupts, type Operation, runStack } from "../../automation/stack.ts";

const [operation, stack = "", projectDir = ""] = process.argv.slice(2) as [Operation, string, string];
const interrupts = listenForInterrupts(() => undefined);
const result = await runStack({ operation, stack, projectDir, create: true, interrupts });
process.stdout.write(JSON.stringify({ ...result, text: closingLines(result).join("\n") }), () =>
  process.exit(0),
);
