/**
 * The arguments of a command that takes one stack and prints a report: `STACK [--json]`.
 */
import { parseArgs } from "node:util";

/** Reads the arguments. Wrong usage ends the process with 2 and the usage text, `--help` with 0. */
export function oneStack(name: string, usage: string): { stack: string; json: boolean } {
  const refuse = (message: string): never => {
    console.error(`${name}: ${message}\n\n${usage}`);
    return process.exit(2);
  };
  const read = () => {
    try {
      return parseArgs({
        allowPositionals: true,
        options: { json: { type: "boolean" }, help: { type: "boolean" } },
      });
    } catch (error) {
      return refuse((error as Error).message);
    }
  };
  const { values, positionals } = read();
  if (values.help === true) {
    console.log(usage);
    process.exit(0);
  }
  const [stack, ...rest] = positionals;
  if (stack === undefined || rest.length > 0) return refuse("give one stack");
  return { stack, json: values.json === true };
}
