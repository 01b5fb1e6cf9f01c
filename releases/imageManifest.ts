/**
 * The manifest of a release of azimuth-images: one entry an image, those of Kubernetes with its version. Upstream
 * analogue: azimuth-images' bin/generate-manifest writes it, azimuth-ops role community_images reads it.
 */
import { z } from "zod";
import { atLeast, parseRelease } from "../config/versions.ts";
import { CommandError } from "../lib/command-error.ts";

const entry = z.object({
  name: z.string().min(1),
  url: z.url({ protocol: /^https?$/ }),
  checksum: z.string().regex(/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/),
  kubernetes_version: z.string().regex(/^v?\d+\.\d+\.\d+$/),
});

export interface KubernetesImage {
  /** Entry of the manifest: kubernetes-1-34-noble. */
  readonly key: string;
  readonly name: string;
  readonly url: string;
  /** Algorithm, colon, hexadecimal digits. */
  readonly checksum: string;
  /** With v. */
  readonly kubernetesVersion: string;
  /** Ubuntu's release: 24.04. */
  readonly osVersion: string | undefined;
}

/** Ubuntu's code names; upstream's own template states 22.04 whatever the image is. */
const UBUNTU: Readonly<Record<string, string>> = { focal: "20.04", jammy: "22.04", noble: "24.04" };

/**
 * The Kubernetes images of a manifest, newest first.
 *
 * @throws CommandError with every entry that lacks something, or if there is none
 */
export function kubernetesImages(
  manifest: Readonly<Record<string, unknown>>,
  source: string,
): KubernetesImage[] {
  const problems: string[] = [];
  const images: KubernetesImage[] = [];
  for (const [key, value] of Object.entries(manifest)) {
    if (typeof value !== "object" || value === null || !("kubernetes_version" in value)) continue;
    const { data, error } = entry.safeParse(value);
    if (data === undefined) {
      problems.push(
        `${source}: ${key}: ${(error?.issues ?? []).map(({ path }) => path.join(".")).join(", ")}: not valid`,
      );
      continue;
    }
    const codeName = Object.keys(UBUNTU).find((word) => `${key} ${data.name}`.includes(word));
    images.push({
      key,
      name: data.name,
      url: data.url,
      checksum: data.checksum,
      kubernetesVersion: `v${data.kubernetes_version.replace(/^v/, "")}`,
      osVersion: codeName === undefined ? undefined : UBUNTU[codeName],
    });
  }
  if (problems.length > 0) throw new CommandError(problems.join("\n"));
  if (images.length === 0) throw new CommandError(`${source}: no image with a kubernetes_version`);
  return images.sort(newestFirst);
}

function newestFirst(one: KubernetesImage, other: KubernetesImage): number {
  const [left, right] = [parseRelease(one.kubernetesVersion), parseRelease(other.kubernetesVersion)];
  if (left === undefined || right === undefined || one.kubernetesVersion === other.kubernetesVersion) {
    return one.key < other.key ? -1 : 1;
  }
  return atLeast(left, right) ? -1 : 1;
}
