/**
 * `bin/preflight STACK`: everything that would stop a deployment, in one table, before anything is touched.
 */
import { join } from "node:path";
import { readArguments } from "./arguments.ts";
import { renderTable, report } from "../preflight/check.ts";
import { gather } from "../preflight/gather.ts";
import { judge } from "../preflight/judge.ts";
import { loadSite } from "../preflight/site.ts";

const usage = `Usage: bin/preflight STACK [--json]

Checks credentials, roles, quota (with one rolling upgrade), flavors, images, the external network, addresses, the
load-balancer provider, volume types, availability zones, downloads, the clock and the state store of a site. Reads
Pulumi.STACK.yaml, clouds.yaml and PULUMI_BACKEND_URL; changes nothing.

  --json   print {verdict, checks: [{id, want, have, verdict, hint}]}
  --help

Exit codes: 0 every check passes or only warns; 1 the configuration is wrong, or preflight could not run; 2 a check
fails; 64 wrong usage.
`;

const { word: stack, values } = readArguments(
  { name: "bin/preflight", usage, word: "stack" },
  { json: { type: "boolean" } },
);
const json = values.json === true;
const folder = join(import.meta.dirname, "..");
try {
  const { config, credentials } = await loadSite(folder, stack);
  if (!json) console.error(`preflight: asking ${credentials.authUrl} …`);
  const facts = await gather({ stack, config, credentials, backendUrl: process.env["PULUMI_BACKEND_URL"] });
  const result = report(judge(config, facts));
  console.log(json ? JSON.stringify(result, null, 2) : renderTable(result));
  process.exitCode = result.verdict === "fail" ? 2 : 0;
} catch (error) {
  console.error(`bin/preflight: ${(error as Error).message}`);
  process.exitCode = 1;
}
