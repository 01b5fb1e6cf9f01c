/**
 * Where releases are downloaded from: upstream, or one mirror that keeps upstream's layout below one base URL.
 * Upstream analogue: the URL variables that each azimuth-ops role has for itself.
 */

/**
 * The address of an upstream URL on a mirror: `<mirror>/<upstream host>/<upstream path>`.
 *
 * @param url upstream address, https or http
 * @param mirror the mirror's base URL; undefined answers upstream itself
 */
export function mirrored(url: string, mirror: string | undefined): string {
  if (mirror === undefined) return url;
  const { host, pathname, search } = new URL(url);
  return `${mirror.replace(/\/+$/, "")}/${host}${pathname === "/" ? "" : pathname}${search}`;
}

/** A file of a GitHub release. A plus sign is escaped: GitHub reads a bare one in a path as a space. */
function githubRelease(repository: string, version: string, file: string): string {
  return `https://github.com/${repository}/releases/download/${version.replaceAll("+", "%2B")}/${file}`;
}

/** Upstream addresses; `arch` in names of files is the Go name (amd64, arm64), chosen on the machine. */
export const releases = {
  k3s: (version: string) => ({
    binary: {
      amd64: githubRelease("k3s-io/k3s", version, "k3s"),
      arm64: githubRelease("k3s-io/k3s", version, "k3s-arm64"),
    },
    checksums: {
      amd64: githubRelease("k3s-io/k3s", version, "sha256sum-amd64.txt"),
      arm64: githubRelease("k3s-io/k3s", version, "sha256sum-arm64.txt"),
    },
  }),
  kubectl: (version: string) => `https://dl.k8s.io/release/${version}/bin/linux`,
  helm: (version: string) => `https://get.helm.sh/helm-${version}-linux`,
  clusterApi: (version: string) =>
    githubRelease("kubernetes-sigs/cluster-api", version, "cluster-api-components.yaml"),
  capo: (version: string) =>
    githubRelease(
      "kubernetes-sigs/cluster-api-provider-openstack",
      version,
      "infrastructure-components.yaml",
    ),
  orc: (version: string) => githubRelease("k-orc/openstack-resource-controller", version, "install.yaml"),
} as const;
