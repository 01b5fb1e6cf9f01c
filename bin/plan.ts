/**
 * `npm run plan -- STACK`: everything a stack would create, offline: no credentials, no cloud, no root, no state.
 * What only the cloud can decide is shown as [unknown]; `secure:` values are placeholders and shown as [secret].
 */
import { writeFileSync } from "node:fs";
import { EXIT } from "../lib/command-error.ts";
import { loadPlanner } from "../plan/load.ts";
import { planTree } from "../plan/tree.ts";
import { judgeStack, plannedResources, renderPolicy } from "../policy/stack.ts";
import { command, endWith, one, PROJECT } from "./kit.ts";

const usage = `Usage: npm run plan -- STACK [--json] [--out FILE]

Shows what stack STACK would create on an empty site, and what the policy rules say of it, offline.

  --json       one JSON document: {stack, counts, resources: [{urn, type, name, parent, op, inputs, dependsOn, protect}],
               policy: {verdict, findings}}
  --out FILE   write to FILE instead of the terminal
  --help       this text

Exit codes: 0 planned, whatever the policy says (bin/policy judges by exit code); 1 the configuration or the program
is wrong; 64 wrong usage.
`;

const options = { json: { type: "boolean" }, out: { type: "string" } } as const;

const exitCode = await command({ name: "npm run plan", usage, options }, async ({ words, values }) => {
  const stack = one(words, "stack");
  const { planStack } = await loadPlanner();
  const plan = await planStack(PROJECT, stack);
  const policy = judgeStack(PROJECT, stack, plannedResources(plan.resources));
  const text =
    values.json === true
      ? JSON.stringify({ ...plan, policy }, undefined, 2)
      : [...planTree(plan), "", renderPolicy(policy)].join("\n");
  if (values.out === undefined) console.log(text);
  else writeFileSync(values.out, `${text}\n`);
  return EXIT.ok;
});
endWith(exitCode);
