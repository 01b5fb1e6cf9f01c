/**
 * The node image that a site starts with: the newest one of azimuth-images that goes with its configuration. Upstream
 * analogue: azimuth-ops role community_images, which takes the manifest of the release that it names.
 */
import { loadConfig, type LoadInput } from "../config/load.ts";
import { merge } from "../config/merge.ts";
import { valueAt } from "../config/tree.ts";
import { CommandError } from "../lib/command-error.ts";
import { kubernetesImages } from "./imageManifest.ts";
import { manifestOfChart } from "./upstream.ts";

/** The part of section `cluster` that an image brings. */
export interface NodeImage {
  /** With v. */
  readonly kubernetesVersion: string;
  readonly image: {
    readonly url: string;
    /** Algorithm, colon, hexadecimal digits, as the manifest states it. */
    readonly checksum: string;
  };
}

/**
 * The newest image of the manifest that the configuration's chart release was tested with, of those with which the
 * configuration has no problem that it does not have anyway: a Kubernetes that Cluster API does not run on, or that is
 * too far from kubectl's, is passed over.
 *
 * Contacts upstream, or `mirror.url`.
 *
 * @throws CommandError if upstream does not answer or no image goes with the configuration
 */
export async function newestNodeImage(input: LoadInput): Promise<NodeImage> {
  const { values } = loadConfig(input);
  const chart = valueAt(values, ["cluster", "chart", "version"]);
  if (typeof chart !== "string") throw new CommandError("cluster.chart.version is not set");
  const mirror = valueAt(values, ["mirror", "url"]);
  const { source, manifest } = await manifestOfChart(chart, typeof mirror === "string" ? mirror : undefined);
  const known = new Set(problemsOf(input));
  for (const { kubernetesVersion, url, checksum } of kubernetesImages(manifest, source)) {
    const found = { kubernetesVersion, image: { url, checksum } };
    const stack = { ...input.stack, values: merge(input.stack.values, { cluster: found }) };
    if (problemsOf({ ...input, stack }).every((problem) => known.has(problem))) return found;
  }
  throw new CommandError(`${source}: no image goes with the rest of the configuration`);
}

function problemsOf(input: LoadInput): string[] {
  return loadConfig(input).problems.map(({ path, problem }) => `${path} ${problem}`);
}
