/**
 * `bin/check-releases [STACK]`: what upstream has that is newer than our versions.
 */
import { kubernetesImages } from "../releases/imageManifest.ts";
import { suitable } from "../kayobe/openstackConfig.ts";
import { EXIT } from "../lib/command-error.ts";
import { compareReleases, releaseTable } from "../releases/releases.ts";
import { readMap } from "../releases/source.ts";
import { dependenciesUrl, manifestUrl, newestChart } from "../releases/upstream.ts";
import { readLayers } from "../config/layers.ts";
import { loadConfig, type LoadInput } from "../config/load.ts";
import { readStackFile } from "../config/stackFile.ts";
import { mirrored } from "../lib/mirror.ts";
import { atMostOne, command, PROJECT } from "./kit.ts";

const usage = `Usage: bin/check-releases [STACK] [options]

Compares our versions with what upstream releases together: the newest openstack-cluster chart, and what its
dependencies.json says it was tested with. Tells for each newer release whether the version table allows it, and which
Kubernetes images there are. Without STACK the recommended versions (config/defaults.yaml) are compared.

  --manifest FILE|URL   a dependencies.json of capi-helm-charts, or a manifest.json of azimuth-images, instead of
                        asking upstream. May be given again
  --json                print {releases: [{component, setting, ours, upstream, verdict, problems}],
                        images: [{name, url, checksum, kubernetesVersion, fits}]}
  --help

Exit codes: 0 nothing newer; 1 failed; 2 newer releases, at least one may be taken; 3 newer releases, none of which
the version table allows; 64 wrong usage.
`;

const options = { manifest: { type: "string", multiple: true }, json: { type: "boolean" } } as const;

process.exitCode = await command(
  { name: "bin/check-releases", usage, options },
  async ({ words, values }) => {
    const input = loadInput(atMostOne(words, "stack"));
    const { values: configuration } = loadConfig(input);
    const { cluster, clusterApi, mirror } = configuration as {
      cluster: { chart: { repository: string } };
      clusterApi: { core: { version: string } };
      mirror: { url?: string };
    };
    const found =
      values.manifest === undefined
        ? await fromUpstream(mirrored(cluster.chart.repository, mirror.url), mirror.url)
        : await fromManifests(values.manifest);
    const releases = compareReleases(found.releases, input);
    const { fitting, others } = suitable(found.images, clusterApi.core.version);
    const images = [
      ...fitting.map((image) => ({ ...image, fits: true })),
      ...others.map((image) => ({ ...image, fits: false })),
    ];
    if (values.json === true) console.log(JSON.stringify({ releases, images }, null, 2));
    else {
      if (releases.length > 0) console.log(releaseTable(releases));
      if (images.length > 0) console.log("\nKubernetes images:");
      for (const { name, kubernetesVersion, fits } of images) {
        console.log(
          `  ${kubernetesVersion}  ${name}${fits ? "" : "  (Cluster API makes no clusters of it)"}`,
        );
      }
    }
    if (releases.some(({ verdict }) => verdict === "newer")) return EXIT.no;
    return releases.some(({ verdict }) => verdict === "refused") ? EXIT.refused : EXIT.ok;
  },
);

/** The configuration of a stack, or the defaults alone. */
function loadInput(stack: string | undefined): LoadInput {
  if (stack === undefined) return { ...readLayers(), stack: { name: "no stack", values: {} } };
  const { name, values, encryptedPaths } = readStackFile(PROJECT, stack);
  return { ...readLayers(), stack: { name, values }, encryptedPaths, encryptedAreOpaque: true };
}

async function fromUpstream(repository: string, mirror: string | undefined) {
  const chart = await newestChart(repository, "openstack-cluster");
  const dependencies = texts(await readMap(dependenciesUrl(chart, mirror)));
  const images = dependencies["azimuth-images"];
  const source = images === undefined ? undefined : manifestUrl(images, mirror);
  return {
    releases: { ...dependencies, "openstack-cluster": chart },
    images: source === undefined ? [] : kubernetesImages(await readMap(source), source),
  };
}

async function fromManifests(sources: readonly string[]) {
  const releases: Record<string, string> = {};
  const images = [];
  for (const source of sources) {
    const map = await readMap(source);
    // A manifest of images has a map for each image; dependencies.json has versions only.
    if (Object.values(map).some((value) => typeof value === "object"))
      images.push(...kubernetesImages(map, source));
    else Object.assign(releases, texts(map));
  }
  return { releases, images };
}

function texts(map: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(map).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
