/**
 * Settings of the lab's image registry, Debian's docker-registry. Its storage is written by the lab (kubernetes/imageStore.ts).
 * Upstream analogue: the pull-through registry of an air-gapped site.
 */
import { addresses, paths, ports } from "../site.ts";

/** Plain HTTP: what containerd is given as a mirror of every registry. */
export const registryUrl = `http://${addresses.services}:${ports.registry}`;

/** Every registry that the lab's images are named after, with this URL as its mirror: the setting `registryMirrors`. */
export const registryMirrors = (url: string = registryUrl): Record<string, string[]> =>
  Object.fromEntries(["docker.io", "ghcr.io", "quay.io", "registry.k8s.io"].map((host) => [host, [url]]));

/** config.yml: one folder that nobody writes to. Nothing is reported to anyone, and nothing listens beside the registry. */
export function registryConfig(
  root: string = paths.registry,
  address = `${addresses.services}:${ports.registry}`,
): string {
  const readonly = { readonly: { enabled: true }, uploadpurging: { enabled: false } };
  return JSON.stringify(
    {
      version: "0.1",
      log: { level: "warn", accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: root },
        maintenance: readonly,
        cache: { blobdescriptor: "inmemory" },
      },
      http: { addr: address },
    },
    null,
    2,
  );
}
