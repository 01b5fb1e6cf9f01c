/**
 * `bin/policy STACK`: what a stack would create, judged by the rules of policy/rules.ts, offline.
 */
import { EXIT } from "../lib/command-error.ts";
import { loadPlanner } from "../plan/load.ts";
import { judgeStack, plannedResources, renderPolicy } from "../policy/stack.ts";
import { command, endWith, one, PROJECT } from "./kit.ts";

const usage = `Usage: bin/policy STACK [--json]

Judges the offline plan and the configuration of stack STACK by the policy rules: what is open to whom, what is
protected, pinned, verified and encrypted. Severity and exemptions come from the stack (policy.severity,
policy.exemptions). Needs no credentials, contacts nothing, decrypts nothing.

  --json   print {verdict, findings: [{rule, severity, subject, message, note}]}
  --help

Exit codes: 0 no mandatory rule is broken; 1 the configuration or the program is wrong, so that nothing could be judged;
2 a mandatory rule is broken; 64 wrong usage.
`;

const options = { json: { type: "boolean" } } as const;

const exitCode = await command({ name: "bin/policy", usage, options }, async ({ words, values }) => {
  const stack = one(words, "stack");
  const { planStack } = await loadPlanner();
  const { resources } = await planStack(PROJECT, stack);
  const report = judgeStack(PROJECT, stack, plannedResources(resources));
  console.log(values.json === true ? JSON.stringify(report, undefined, 2) : renderPolicy(report));
  return report.verdict === "fail" ? EXIT.no : EXIT.ok;
});
endWith(exitCode);
