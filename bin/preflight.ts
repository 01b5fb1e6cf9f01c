/**
 * `bin/preflight STACK`: everything that would stop a deployment, in one table, before anything is touched.
 */
import { EXIT } from "../lib/command-error.ts";
import { renderTable, report } from "../preflight/check.ts";
import { gather } from "../preflight/gather.ts";
import { judge } from "../preflight/judge.ts";
import { loadSite } from "../preflight/site.ts";
import { command, one, PROJECT } from "./kit.ts";

const usage = `Usage: bin/preflight STACK [--json]

Checks credentials, roles, key pair, names, quota, flavors, images, networks, addresses, the load-balancer provider,
volume types, availability zones, downloads, the clock and the state store of a site. Reads Pulumi.STACK.yaml,
clouds.yaml and PULUMI_BACKEND_URL, and the state where something bears the site's names; changes nothing.

  --json   print {verdict, checks: [{id, want, have, verdict, hint}]}
  --help

Exit codes: 0 every check passes or only warns; 1 the configuration is wrong, or preflight could not run; 2 a check
fails; 64 wrong usage.
`;

process.exitCode = await command(
  { name: "bin/preflight", usage, options: { json: { type: "boolean" } } },
  async ({ words, values }) => {
    const stack = one(words, "stack");
    const json = values.json === true;
    const { config, credentials } = await loadSite(PROJECT, stack);
    if (!json) console.error(`preflight: asking ${credentials.authUrl} …`);
    const backendUrl = process.env["PULUMI_BACKEND_URL"];
    const facts = await gather({ stack, config, credentials, backendUrl, folder: PROJECT });
    const result = report(judge(config, facts));
    console.log(json ? JSON.stringify(result, null, 2) : renderTable(result));
    return result.verdict === "fail" ? EXIT.no : EXIT.ok;
  },
);
