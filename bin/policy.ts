/**
 * `bin/policy STACK`: what a stack would create, judged by the rules of policy/rules.ts, offline.
 */
import { join } from "node:path";
import { loadPlanner } from "../plan/load.ts";
import { judgeStack, plannedResources, renderPolicy } from "../policy/stack.ts";
import { readArguments } from "./arguments.ts";

const usage = `Usage: bin/policy STACK [--json]

Judges the offline plan and the configuration of stack STACK by the policy rules: what is open to whom, what is
protected, pinned, verified and encrypted. Severity and exemptions come from the stack (policy.severity,
policy.exemptions). Needs no credentials, contacts nothing, decrypts nothing.

  --json   print {verdict, findings: [{rule, severity, subject, message, note}]}
  --help

Exit codes: 0 no mandatory rule is broken; 1 the configuration or the program is wrong, so that nothing could be judged;
2 a mandatory rule is broken; 64 wrong usage.
`;

const { word: stack, values } = readArguments(
  { name: "bin/policy", usage, word: "stack" },
  { json: { type: "boolean" } },
);
try {
  process.exitCode = await main(join(import.meta.dirname, ".."));
} catch (error) {
  console.error(`bin/policy: ${(error as Error).message}`);
  // At once: after a failure of the program whatever it left behind could keep the process alive.
  process.exit(1);
}

async function main(folder: string): Promise<number> {
  const { planStack } = await loadPlanner();
  const { resources } = await planStack(folder, stack);
  const report = judgeStack(folder, stack, plannedResources(resources));
  console.log(values.json === true ? JSON.stringify(report, undefined, 2) : renderPolicy(report));
  return report.verdict === "fail" ? 2 : 0;
}
