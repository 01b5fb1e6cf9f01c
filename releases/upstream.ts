/**
 * What upstream publishes together: the chart repository's index names the chart's releases, a release's
 * dependencies.json what it was tested with, and that names the release of azimuth-images with its manifest. Upstream
 * analogue: openstack-config's generate-magnum-capi-templates.yml, which follows the same way.
 */
import { atLeast, parseRelease } from "../config/versions.ts";
import { valueAt } from "../config/tree.ts";
import { mirrored } from "../lib/mirror.ts";
import { CommandError } from "../lib/command-error.ts";
import { kubernetesImages } from "./imageManifest.ts";
import { CHARTS } from "./releases.ts";
import { readMap } from "./source.ts";

const release = (repository: string, version: string, file: string) =>
  `https://github.com/azimuth-cloud/${repository}/releases/download/${version}/${file}`;

/** Where a release of the chart says what it was tested with. */
export const dependenciesUrl = (chartVersion: string, mirror: string | undefined) =>
  mirrored(release("capi-helm-charts", chartVersion, "dependencies.json"), mirror);

/** Where a release of azimuth-images describes its images. */
export const manifestUrl = (version: string, mirror: string | undefined) =>
  mirrored(release("azimuth-images", version, "manifest.json"), mirror);

/** The newest release of a chart in a repository; pre-releases do not count. */
export async function newestChart(repository: string, chart: string): Promise<string> {
  const source = `${repository.replace(/\/+$/, "")}/index.yaml`;
  const { entries } = await readMap(source);
  const list = (entries as Record<string, { version?: unknown }[]> | undefined)?.[chart] ?? [];
  const versions = list
    .map(({ version }) => String(version))
    .filter((version) => /^v?\d+\.\d+\.\d+$/.test(version));
  const newest = versions.reduce<string | undefined>((best, version) => newer(best, version), undefined);
  if (newest === undefined) throw new CommandError(`${source}: no release of ${chart}`);
  return newest;
}

/** The newer of two releases. */
export function newer(one: string | undefined, other: string): string {
  const [left, right] = [parseRelease(one ?? ""), parseRelease(other)];
  return one !== undefined && left !== undefined && right !== undefined && atLeast(left, right) ? one : other;
}

/** The image manifest that a release's dependencies.json names: its source and content, undefined if it names none. */
async function manifestOf(dependencies: Readonly<Record<string, unknown>>, mirror: string | undefined) {
  const version = dependencies["azimuth-images"];
  if (typeof version !== "string") return undefined;
  const source = manifestUrl(version, mirror);
  return { source, manifest: await readMap(source) };
}

/** The image manifest that a release of the chart was tested with: its source and content. */
export async function manifestOfChart(chartVersion: string, mirror: string | undefined) {
  const dependencies = dependenciesUrl(chartVersion, mirror);
  const found = await manifestOf(await readMap(dependencies), mirror);
  if (found === undefined) throw new CommandError(`${dependencies}: no azimuth-images`);
  return found;
}

/** Of a map, what is text. */
export function texts(map: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(map).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/**
 * The newest release of the chart openstack-cluster with what it was tested with, its images, and the newest charts of what
 * the configuration has switched on.
 *
 * @param configuration of a site, or the defaults
 * @param all also the charts of what is switched off
 */
export async function newestReleases(configuration: unknown, all: boolean) {
  const mirror = valueAt(configuration, ["mirror", "url"]) as string | undefined;
  const newest = (chart: string, section: readonly string[]) =>
    newestChart(mirrored(valueAt(configuration, [...section, "repository"]) as string, mirror), chart);
  const isOn = ([section = ""]: readonly string[]) =>
    all || valueAt(configuration, [section, "enabled"]) === true;
  const chart = await newest("openstack-cluster", ["cluster", "chart"]);
  const charts = await Promise.all(
    CHARTS.filter(([, section]) => isOn(section)).map(
      async ([name, section]) => [name, await newest(name, section)] as const,
    ),
  );
  const dependencies = texts(await readMap(dependenciesUrl(chart, mirror)));
  const found = await manifestOf(dependencies, mirror);
  return {
    releases: {
      ...dependencies,
      ...Object.fromEntries(charts),
      "openstack-cluster": chart,
    },
    images: found === undefined ? [] : kubernetesImages(found.manifest, found.source),
  };
}
