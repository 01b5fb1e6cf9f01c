/**
 * The chart openstack-cluster as a site without internet publishes it for Magnum (docs/outside.md): the driver passes no
 * repositories of addons and no registry mirrors, so they are the chart's own defaults.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { merge } from "../../config/merge.ts";
import { addonRepositories } from "../../lib/addon-repositories.ts";
import { machineMirrors } from "../../lib/registries.ts";
import { run } from "../run.ts";
import { registryMirrors } from "../services/registry.ts";
import { addresses, ports } from "../site.ts";

/** The repository in the mirror. */
const REPOSITORY = "tenants.lab.test/charts";

const mirrorUrl = `http://${addresses.services}:${ports.mirror}`;

/** Magnum's `helm_chart_repo`. */
export const tenantChartRepository = `${mirrorUrl}/${REPOSITORY}`;

/** Over the chart's defaults. */
export const tenantDefaults = {
  addons: addonRepositories(mirrorUrl),
  registryMirrors: machineMirrors(registryMirrors()),
};

/** Packages the chart, with other defaults, into the mirror. */
export async function addTenantChart(root: string, helm: string, chart: string, work: string): Promise<void> {
  const folder = join(work, "tenants", "openstack-cluster");
  cpSync(chart, folder, { recursive: true });
  const values = join(folder, "values.yaml");
  writeFileSync(values, stringify(merge(parse(readFileSync(values, "utf8")), tenantDefaults)));
  const target = join(root, REPOSITORY);
  mkdirSync(target, { recursive: true });
  await run(helm, ["package", folder, "--destination", target]);
  await run(helm, ["repo", "index", target]);
}
