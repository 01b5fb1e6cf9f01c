/**
 * The quota of a new site as docs/new-site.md tells it: what preflight computes, so that the page cannot say anything
 * else. Pure.
 */
import { newSiteInput } from "../config/newSite.ts";
import { loadConfig } from "../config/load.ts";
import { needs, QUOTA_NAMES, type FlavorSize } from "./needs.ts";

const BEGIN = "<!-- quota: begin (npm run config -- --write-reference) -->";
const END = "<!-- quota: end -->";

/** The smallest flavor that preflight lets pass, for every machine. */
const SMALLEST: FlavorSize = { vcpus: 2, ram: 8192, disk: 100 };

/** What a site needs whose file says nothing but the four values, at the peak of a rolling upgrade. */
function quotaOfNewSite(layer: string) {
  const input = newSiteInput({
    name: "new",
    layers: [layer],
    externalNetworkId: "00000000-0000-4000-8000-000000000000",
    seedFlavor: "any",
    controlPlaneFlavor: "any",
    workerFlavor: "any",
    allowedCidrs: [],
  });
  const { config } = loadConfig(input);
  if (config === undefined) throw new Error(`a new site of layer ${layer} has problems`);
  return needs(config, { seed: SMALLEST, controlPlane: SMALLEST, workers: SMALLEST }, true);
}

/** The page with its table replaced. */
export function withQuotaTable(page: string): string {
  const production = quotaOfNewSite("production");
  const development = quotaOfNewSite("development");
  const rows = QUOTA_NAMES.map((name) => `| ${name} | ${production[name]} | ${development[name]} |`);
  const table = ["| quota | layer `production` | layer `development` |", "| --- | --- | --- |", ...rows].join(
    "\n",
  );
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`the page lacks ${BEGIN} or ${END}`);
  return `${before}${BEGIN}\n\n${table}\n\n${END}${after}`;
}
