/**
 * `bin/openstack-config-export STACK`: images and cluster templates that fit a deployed stack, for openstack-config.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { parse } from "yaml";
import { writeAtomically } from "../kayobe/atomicFile.ts";
import { kubernetesImages } from "../releases/imageManifest.ts";
import {
  generate,
  type Lists,
  merge,
  render,
  suitable,
  type TemplateSettings,
  variables,
} from "../kayobe/openstackConfig.ts";
import { CommandError, EXIT } from "../lib/command-error.ts";
import { deployedVersion } from "../lib/outputs.ts";
import { readMap } from "../releases/source.ts";
import { manifestOfChart } from "../releases/upstream.ts";
import type { Config } from "../config/schema.ts";
import { command, one, stackSettings, UsageError } from "./kit.ts";
import { readOutputs } from "./stackOutputs.ts";

const usage = `Usage: bin/openstack-config-export STACK [options]

Writes the variables openstack_images and openstack_container_clusters_templates for openstack-config: for each
Kubernetes image that the stack's Cluster API can make clusters of, the image and a template named by version. Flavors,
networks and labels come from magnum.templates of Pulumi.STACK.yaml.

  --output FILE          write there; what an earlier run wrote is kept: templates are never changed, and hidden when
                         they are no longer current. Without it the text is printed
  --manifest FILE|URL    manifest.json of azimuth-images; default: the one the chart was tested with
  --outputs FILE         take the stack's outputs from what pulumi stack output --json printed; - is stdin
  --chart-version V      openstack-cluster chart of the templates; default: the deployed one
  --prefix NAME          call the variables NAME_images and NAME_container_clusters_templates
  --private              images and templates for the project that makes them only; default: public
  --drop NAME            delete this template (state: absent); it must be unused. May be given again
  --check                write nothing; exit 2 if FILE is out of date
  --help

Exit codes: 0 done, or nothing to do; 1 failed, the old file is intact; 2 --check found FILE out of date;
64 wrong usage.
`;

const options = {
  output: { type: "string" },
  manifest: { type: "string" },
  outputs: { type: "string" },
  "chart-version": { type: "string" },
  prefix: { type: "string" },
  private: { type: "boolean" },
  drop: { type: "string", multiple: true },
  check: { type: "boolean" },
} as const;
const name = "bin/openstack-config-export";

process.exitCode = await command({ name, usage, options }, async ({ words, values }) => {
  const stack = one(words, "stack");
  const { output, prefix, drop = [] } = values;
  if (values.check === true && output === undefined) throw new UsageError("--check needs --output");
  if (drop.length > 0 && output === undefined) throw new UsageError("--drop needs --output");
  if (prefix !== undefined && !/^[a-z_][a-z0-9_]*$/.test(prefix)) {
    throw new UsageError(`--prefix: not the beginning of a variable's name (got ${prefix})`);
  }

  const config = await stackSettings(stack);
  if (config === undefined)
    throw new CommandError(`Pulumi.${stack}.yaml is not here or not valid: see npm run config -- ${stack}`);
  const outputs = readOutputs(stack, values.outputs);
  const clusterApi = deployedVersion(outputs, "clusterApi");
  const chartVersion = values["chart-version"] ?? deployedVersion(outputs, "openstackClusterChart");
  if (clusterApi === undefined || chartVersion === undefined) {
    throw new CommandError(`stack ${stack} does not tell its versions (output versions): deploy it first`);
  }
  const { source, manifest } =
    values.manifest === undefined
      ? await manifestOfChart(chartVersion, config.mirror.url)
      : { source: values.manifest, manifest: await readMap(values.manifest) };
  const { fitting, others, minors } = suitable(kubernetesImages(manifest, source), clusterApi);
  for (const { key, kubernetesVersion } of others) {
    console.error(
      `left out: ${key} (${kubernetesVersion}), which Cluster API ${clusterApi} makes no clusters of`,
    );
  }
  if (fitting.length === 0) {
    throw new CommandError(
      `${source}: no image that Cluster API ${clusterApi} can make clusters of (Kubernetes ${(minors ?? []).map((minor) => `1.${minor}`).join(", ") || "unknown"})`,
    );
  }
  const wanted = generate(fitting, chartVersion, settings(config, values.private !== true));
  const before = output !== undefined && existsSync(output) ? readFileSync(output, "utf8") : undefined;
  const previous =
    before === undefined ? { images: [], templates: [] } : listsOf(before, output ?? "", prefix);
  const unknown = drop.filter((name) => !previous.templates.some((template) => template.name === name));
  if (unknown.length > 0)
    throw new CommandError(`--drop: ${output ?? ""} has no template ${unknown.join(", ")}`);
  const inUse = drop.filter((name) => wanted.templates.some((template) => template.name === name));
  if (inUse.length > 0) throw new CommandError(`--drop: ${inUse.join(", ")} is current`);

  const text = render(merge(previous, wanted, drop), stack, prefix);
  if (output === undefined) process.stdout.write(text);
  else return finish(output, before, text, values.check === true);
  return EXIT.ok;
});

function finish(output: string, before: string | undefined, text: string, check: boolean): number {
  const state = before === text ? "unchanged" : before === undefined ? "missing" : "stale";
  if (check) {
    console.log(`${output}: ${state}`);
    return state === "unchanged" ? EXIT.ok : EXIT.no;
  }
  if (state !== "unchanged") {
    writeAtomically(output, text, before === undefined ? 0o644 : statSync(output).mode & 0o777);
  }
  console.log(`${output}: ${state === "unchanged" ? state : "written"}`);
  if (state !== "unchanged")
    console.log("\ntools/openstack-config -- --tags images,container-clusters-templates");
  return EXIT.ok;
}

function settings({ magnum, cluster, seed }: Config, isPublic: boolean): TemplateSettings {
  const { templates } = magnum;
  return {
    externalNetworkId: templates.externalNetworkId ?? seed.network.externalNetworkId,
    controlPlaneFlavor: templates.controlPlaneFlavor ?? cluster.controlPlane.flavor,
    workerFlavor: templates.workerFlavor ?? cluster.workers.flavor,
    dnsNameservers: templates.dnsNameservers,
    networkDriver: templates.networkDriver,
    loadBalancerProvider: templates.loadBalancerProvider ?? cluster.apiServer.loadBalancerProvider,
    labels: templates.labels,
    public: isPublic,
  };
}

/** The lists of an earlier run. A file with anything else in it is not ours to write again. */
function listsOf(text: string, file: string, prefix: string | undefined): Lists {
  const names = variables(prefix);
  let content: unknown;
  try {
    content = parse(text) ?? {};
  } catch {
    throw new CommandError(`${file}: not YAML; it was not written by this command`);
  }
  const map = content as Record<string, unknown>;
  const strange = Object.keys(map).filter((key) => key !== names.images && key !== names.templates);
  const [images, templates] = [map[names.images] ?? [], map[names.templates] ?? []];
  const named = (list: unknown): list is { name: string }[] =>
    Array.isArray(list) &&
    list.every((item: unknown) => typeof (item as { name?: unknown } | null)?.name === "string");
  if (strange.length > 0 || !named(images) || !named(templates)) {
    throw new CommandError(
      `${file}: was not written by this command${strange.length > 0 ? ` (it has ${strange.join(", ")})` : ""}; give another file, and --prefix to put the lists together`,
    );
  }
  return { images, templates } as unknown as Lists;
}
