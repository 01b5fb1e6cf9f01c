/**
 * `bin/alerts STACK`: the firing alerts of a site.
 */
import { EXIT } from "../lib/command-error.ts";
import { alertLines } from "../operate/alerts.ts";
import { firingAlerts } from "../operate/alertmanager.ts";
import { command, one, stackSettings } from "./kit.ts";
import { readOutputs } from "./stackOutputs.ts";

const usage = `Usage: bin/alerts STACK [--json] [--outputs FILE]

Lists the alerts that fire now, gravest first, as the site's Alertmanager knows them; asked through SSH to the seed.
Not listed: what is silenced or inhibited, and Watchdog and InfoInhibitor, which fire by design. Without Watchdog the
command fails, for then alerts do not arrive.

  --json          print {stack, alerts: [{name, severity, since, summary, labels}]}
  --outputs FILE  take the outputs from what pulumi stack output --json --show-secrets printed; - is stdin
  --help

Exit codes: 0 none fires; 1 Alertmanager could not be asked; 2 at least one fires; 64 wrong usage.
`;

const options = { json: { type: "boolean" }, outputs: { type: "string" } } as const;

process.exit(
  await command({ name: "bin/alerts", usage, options }, async ({ words, values }) => {
    const stack = one(words, "stack");
    const alerts = await firingAlerts(stack, readOutputs(stack, values.outputs), await stackSettings(stack));
    if (values.json === true) console.log(JSON.stringify({ stack, alerts }, null, 2));
    else console.log(alerts.length === 0 ? "no alert fires" : alerts.map(alertLines).join("\n"));
    return alerts.length === 0 ? EXIT.ok : EXIT.no;
  }),
);
