/**
 * `npm run plan -- STACK`: everything a stack would create, offline: no credentials, no cloud, no root, no state.
 * What only the cloud can decide is shown as [unknown]; `secure:` values are placeholders and shown as [secret].
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runEngine } from "../engine/main.ts";
import { judgeStack, plannedResources, renderPolicy } from "../policy/stack.ts";
import { readArguments } from "./arguments.ts";

const HELP = `Usage: npm run plan -- STACK [--json] [--out FILE]

Shows what stack STACK would create on an empty site, and what the policy rules say of it, offline.

  --json       one JSON document: {stack, counts, resources: [{urn, type, name, parent, op, inputs, dependsOn, protect}],
               policy: {verdict, findings}}
  --out FILE   write to FILE instead of the terminal
  --help       this text

Exit codes: 0 planned, whatever the policy says (bin/policy judges by exit code); 1 the configuration or the program
is wrong; 2 wrong use.
`;

const { word: stack, values } = readArguments(
  { name: "npm run plan", usage: HELP, word: "stack" },
  { json: { type: "boolean" }, out: { type: "string" } },
);
process.exitCode = await main();

async function main(): Promise<number> {
  const folder = join(import.meta.dirname, "..");
  let text = "";
  const { exitCode, summary } = await runEngine({
    command: "plan",
    stack,
    projectDir: folder,
    out: { write: (part) => (text += part) },
  });
  if (exitCode !== 0) {
    process.stderr.write(text);
    return exitCode;
  }
  const policy = judgeStack(folder, stack, plannedResources(summary.resources));
  if (values.json === true) {
    const { counts, resources } = summary;
    text = `${JSON.stringify({ stack, counts, resources, policy }, undefined, 2)}\n`;
  } else {
    text += `\n${renderPolicy(policy)}\n`;
  }
  if (values.out === undefined) process.stdout.write(text);
  else await writeFile(values.out, text);
  return 0;
}
