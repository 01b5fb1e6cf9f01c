/**
 * The checksums of the versions in config/defaults.yaml, from what upstream publishes: a checksum file beside the
 * release, the manifest of azimuth-images, or, where there is neither, the download itself. Upstream analogue:
 * kubespray's scripts/download_hash.py.
 */
import { createHash } from "node:crypto";
import { parseDocument, stringify } from "yaml";
import { valueAt } from "../config/tree.ts";
import { mirrored, releases } from "../lib/mirror.ts";
import { TOOL_SOURCES } from "../lib/more-tools.ts";
import { CommandError } from "../lib/command-error.ts";
import { kubernetesImages } from "./imageManifest.ts";
import { download, readText } from "./source.ts";
import { manifestOfChart } from "./upstream.ts";

/** A checksum and where it comes from. */
export interface Pin {
  /** Path of the setting: `k3s.sha256`. */
  readonly setting: string;
  readonly value: string;
  /** For the comment on its line. */
  readonly source: string;
}

interface Wanted {
  readonly setting: string;
  /** Path of what it is the checksum of. */
  readonly of: string;
  readonly find: (
    version: string,
    mirror: string | undefined,
    defaults: unknown,
  ) => Promise<Omit<Pin, "setting">>;
}

/** Every checksum that defaults.yaml can hold. */
const WANTED: readonly Wanted[] = [
  {
    setting: "seed.image.checksum",
    of: "seed.image.url",
    find: async (url, mirror) => {
      const list = new URL("SHA256SUMS", url).href;
      const name = url.slice(url.lastIndexOf("/") + 1);
      return {
        value: `sha256:${await listed(mirrored(list, mirror), name)}`,
        source: "SHA256SUMS beside it",
      };
    },
  },
  {
    setting: "k3s.sha256",
    of: "k3s.version",
    find: async (version, mirror) => ({
      value: await listed(mirrored(releases.k3s(version).checksums.amd64, mirror), "k3s"),
      source: "sha256sum-amd64.txt of the release",
    }),
  },
  {
    setting: "tools.kubectl.sha256",
    of: "tools.kubectl.version",
    find: async (version, mirror) => ({
      value: await listed(mirrored(`${releases.kubectl(version)}/amd64/kubectl.sha256`, mirror), "kubectl"),
      source: "kubectl.sha256 of the release, linux/amd64",
    }),
  },
  {
    setting: "tools.helm.sha256",
    of: "tools.helm.version",
    find: async (version, mirror) => {
      const archive = `${releases.helm(version)}-amd64.tar.gz`;
      const name = archive.slice(archive.lastIndexOf("/") + 1);
      return {
        value: await listed(mirrored(`${archive}.sha256sum`, mirror), name),
        source: "sha256sum of the release, linux/amd64",
      };
    },
  },
  ...(["k9s", "kustomize", "crictl"] as const).map((tool): Wanted => ({
    setting: `tools.${tool}.sha256`,
    of: `tools.${tool}.version`,
    find: async (version, mirror) => {
      const { url, sums } = TOOL_SOURCES[tool](version);
      const list = (sums ?? "").replaceAll("ARCH", "amd64");
      const name = url.slice(url.lastIndexOf("/") + 1).replaceAll("ARCH", "amd64");
      return {
        value: await listed(mirrored(list, mirror), name),
        source: "checksum file of the release, linux/amd64",
      };
    },
  })),
  ...(
    [
      [
        "tools.clusterctl",
        (version: string) => TOOL_SOURCES.clusterctl(version).url.replace("ARCH", "amd64"),
      ],
      ["clusterApi.orc", releases.orc],
      ["clusterApi.core", releases.clusterApi],
      ["clusterApi.openstack", releases.capo],
    ] as const
  ).map(([path, url]): Wanted => ({
    setting: `${path}.sha256`,
    of: `${path}.version`,
    find: async (version, mirror) => ({
      value: createHash("sha256")
        .update(await download(mirrored(url(version), mirror)))
        .digest("hex"),
      source: "of the download: the release has no checksum file",
    }),
  })),
  { setting: "cluster.image.checksum", of: "cluster.image.url", find: imageChecksum },
];

/** From the manifest that goes with the chart of defaults.yaml: the way on which bin/new-site finds a site's image. */
async function imageChecksum(
  url: string,
  mirror: string | undefined,
  defaults: unknown,
): Promise<Omit<Pin, "setting">> {
  const chart = settingOf(defaults, "cluster.chart.version");
  const { source, manifest } = await manifestOfChart(chart, mirror);
  const images = kubernetesImages(manifest, source);
  const found = images.find((image) => image.url === url);
  if (found !== undefined)
    return { value: found.checksum, source: `azimuth-images, as chart ${chart} names it` };
  const version = settingOf(defaults, "cluster.kubernetesVersion");
  const others = images.filter(({ kubernetesVersion }) => kubernetesVersion === version);
  const instead = others.map((image) => `\n  url: ${image.url}\n  checksum: ${image.checksum}`).join("");
  throw new CommandError(
    `${source}: does not have ${url}; of Kubernetes ${version} it has ${instead === "" ? "none" : `instead:${instead}`}`,
  );
}

function settingOf(defaults: unknown, path: string): string {
  const value = valueAt(defaults, path.split("."));
  if (typeof value !== "string") throw new CommandError(`${path}: not set in config/defaults.yaml`);
  return value;
}

/** The SHA-256 that a checksum file states: lines of sum and name, or the sum alone. */
async function listed(source: string, name: string): Promise<string> {
  const lines = (await readText(source)).split("\n").map((line) => line.trim().split(/\s+/));
  const named = lines.find(([, file]) => file?.replace(/^\*/, "") === name)?.[0];
  const sum = named ?? lines.find((words) => words.length === 1 && words[0] !== "")?.[0] ?? "";
  if (!/^[0-9a-f]{64}$/i.test(sum)) throw new CommandError(`${source}: no SHA-256 of ${name}`);
  return sum.toLowerCase();
}

/**
 * The pins of a text of defaults.yaml that it lacks.
 *
 * @param mirror base URL of a mirror to ask instead of upstream
 * @returns what was found, and why the rest was not
 */
export async function findPins(text: string, mirror?: string): Promise<{ pins: Pin[]; problems: string[] }> {
  const values = parseDocument(text).toJS() as unknown;
  const missing = WANTED.filter(({ setting }) => valueAt(values, setting.split(".")) === undefined);
  const results = await Promise.allSettled(
    missing.map(async ({ setting, of, find }) => {
      return { setting, ...(await find(settingOf(values, of), mirror, values)) };
    }),
  );
  const pins: Pin[] = [];
  const problems: string[] = [];
  results.forEach((result, index) => {
    if (result.status === "fulfilled") pins.push(result.value);
    else if (result.reason instanceof CommandError)
      problems.push(`${missing[index]?.setting}: ${result.reason.message}`);
    else throw result.reason;
  });
  return { pins, problems };
}

/** The text with the pins, each on a line of its own below what it is the checksum of; every other byte stays. */
export function withPins(text: string, pins: readonly Pin[]): string {
  return pins.reduce((result, { setting, value, source }) => {
    const wanted = WANTED.find((one) => one.setting === setting);
    const node = parseDocument(result).getIn(wanted?.of.split(".") ?? [], true) as
      { range?: number[] } | undefined;
    const start = node?.range?.[0];
    if (start === undefined) throw new Error(`${wanted?.of} is not in the text`);
    const begin = result.lastIndexOf("\n", start) + 1;
    const end = result.indexOf("\n", start);
    const indent = /^ */.exec(result.slice(begin))?.[0] ?? "";
    const key = setting.slice(setting.lastIndexOf(".") + 1);
    // Digits alone would be a number without quotes.
    const text = stringify(value, { lineWidth: 0 }).trim();
    return `${result.slice(0, end + 1)}${indent}${key}: ${text} # ${source}\n${result.slice(end + 1)}`;
  }, text);
}
