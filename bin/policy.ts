/**
 * `bin/policy STACK`: what a stack would create, judged by the rules of policy/rules.ts, offline.
 */
import { join } from "node:path";
import { readArguments } from "./arguments.ts";
import { runEngine } from "../engine/main.ts";
import { judgeStack, plannedResources, renderPolicy } from "../policy/stack.ts";

const usage = `Usage: bin/policy STACK [--json]

Judges the offline plan and the configuration of stack STACK by the policy rules: what is open to whom, what is
protected, pinned, verified and encrypted. Severity and exemptions come from the stack (policy.severity,
policy.exemptions). Needs no credentials, contacts nothing, decrypts nothing.

  --json   print {verdict, findings: [{rule, severity, subject, message, note}]}
  --help

Exit codes: 0 no mandatory rule is broken; 1 the configuration or the program is wrong, so that nothing could be judged;
2 a mandatory rule is broken, or wrong usage.
`;

const { word: stack, values } = readArguments(
  { name: "bin/policy", usage, word: "stack" },
  { json: { type: "boolean" } },
);
const json = values.json === true;
process.exitCode = await main(join(import.meta.dirname, ".."), stack);

async function main(folder: string, stack: string): Promise<number> {
  let plan = "";
  const { exitCode, summary } = await runEngine({
    command: "plan",
    stack,
    projectDir: folder,
    out: { write: (part) => (plan += part) },
  });
  if (exitCode !== 0) {
    process.stderr.write(`${plan}bin/policy: there is no plan to judge\n`);
    return 1;
  }
  const report = judgeStack(folder, stack, plannedResources(summary.resources));
  console.log(json ? JSON.stringify(report, null, 2) : renderPolicy(report));
  return report.verdict === "fail" ? 2 : 0;
}
