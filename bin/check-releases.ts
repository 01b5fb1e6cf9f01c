/**
 * `bin/check-releases [STACK]`: what upstream has that is newer than our versions.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kubernetesImages } from "../releases/imageManifest.ts";
import { suitable } from "../kayobe/openstackConfig.ts";
import { EXIT } from "../lib/command-error.ts";
import { findPins, withPins } from "../releases/pins.ts";
import { compareReleases, releaseTable } from "../releases/releases.ts";
import { readMap } from "../releases/source.ts";
import { newestReleases, texts } from "../releases/upstream.ts";
import { readLayers } from "../config/layers.ts";
import { loadConfig, type LoadInput } from "../config/load.ts";
import { readStackFile } from "../config/stackFile.ts";
import { atMostOne, command, PROJECT, UsageError } from "./kit.ts";

const usage = `Usage: bin/check-releases [STACK] [options]

Compares our versions with what upstream releases together: the newest openstack-cluster chart, and what its
dependencies.json says it was tested with; and with the newest charts of monitoring, logs and backups. Tells for each
newer release whether the version table allows it, and which Kubernetes images there are. Without STACK the recommended
versions (config/defaults.yaml) are compared, with STACK what the site has switched on.

  --manifest FILE|URL   a dependencies.json of capi-helm-charts, or a manifest.json of azimuth-images, instead of
                        asking upstream. May be given again
  --pin                 write the checksums that config/defaults.yaml lacks, from upstream's own checksum files, and end:
                        only without STACK. A release without a checksum file is pinned to what is served now
  --mirror URL          with --pin, ask this mirror (docs/outside.md) instead of upstream
  --json                print {releases: [{component, setting, ours, upstream, verdict, problems}],
                        images: [{name, url, checksum, kubernetesVersion, fits}]}
  --help

Exit codes: 0 nothing newer, or every checksum is there; 1 failed; 2 newer releases, at least one may be taken; 3 newer releases, none of which
the version table allows; 64 wrong usage.
`;

const options = {
  manifest: { type: "string", multiple: true },
  json: { type: "boolean" },
  pin: { type: "boolean" },
  mirror: { type: "string" },
} as const;

process.exitCode = await command(
  { name: "bin/check-releases", usage, options },
  async ({ words, values }) => {
    const stack = atMostOne(words, "stack");
    if (values.pin === true) {
      if (stack !== undefined) throw new UsageError("--pin is for config/defaults.yaml, not for a stack");
      return pin(values.mirror);
    }
    if (values.mirror !== undefined) throw new UsageError("--mirror goes with --pin");
    const input = loadInput(stack);
    const { values: configuration } = loadConfig(input);
    const { clusterApi } = configuration as { clusterApi: { core: { version: string } } };
    const found =
      values.manifest === undefined
        ? await newestReleases(configuration, stack === undefined)
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

/** Writes what can be had; what cannot is told, and then the command fails. */
async function pin(mirror: string | undefined): Promise<number> {
  const file = join(PROJECT, "config/defaults.yaml");
  const text = readFileSync(file, "utf8");
  const { pins, problems } = await findPins(text, mirror);
  if (pins.length > 0) writeFileSync(file, withPins(text, pins));
  for (const { setting, value, source } of pins) console.log(`${setting}: ${value} (${source})`);
  for (const problem of problems) console.error(`bin/check-releases: ${problem}`);
  if (pins.length === 0 && problems.length === 0) console.log("every checksum is in config/defaults.yaml");
  return problems.length === 0 ? EXIT.ok : EXIT.failed;
}

/** The configuration of a stack, or the defaults alone. */
function loadInput(stack: string | undefined): LoadInput {
  if (stack === undefined) return { ...readLayers(), stack: { name: "no stack", values: {} } };
  const { name, values, encryptedPaths } = readStackFile(PROJECT, stack);
  return { ...readLayers(), stack: { name, values }, encryptedPaths, encryptedAreOpaque: true };
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
