/**
 * Which releases go together, as upstream states it. One table an upstream statement; checks/versions.ts applies
 * them. To support a newer release, add its row here after reading the statement named above the table.
 */
// By file: the package's index loads four times as many.
import SemVer from "semver/classes/semver.js";
import gte from "semver/functions/gte.js";
import parse from "semver/functions/parse.js";

/** A release's numbers. */
export type Release = SemVer;

/** Reads `v1.34.8`, `1.34.8` or `v1.34.8+k3s1`; undefined if it is none of these. */
export function parseRelease(text: string): Release | undefined {
  return parse(text) ?? undefined;
}

/** Whether one release is the other or newer. A pre-release comes before its release; what follows `+` does not count. */
export const atLeast: (one: Release, other: Release) => boolean = gte;

/**
 * Kubernetes minors (of 1.x) on which a Cluster API release may run, and, where a later patch of Cluster API
 * brought one, from which patch on. Cluster API, docs/book/src/reference/versions.md, matrix of the core
 * provider; 1.37 from its PR #14169.
 */
export const CLUSTER_API_RUNS_ON: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  "1.12": { 31: 0, 32: 0, 33: 0, 34: 0, 35: 1, 36: 8 },
  "1.13": { 32: 0, 33: 0, 34: 0, 35: 0, 36: 1 },
  "1.14": { 33: 0, 34: 0, 35: 0, 36: 0, 37: 1 },
};

/**
 * Cluster API that a CAPO release needs: its README's compatibility table; contract from its metadata.yaml.
 * CAPO 0.14 has contract v1beta1, which Cluster API stops accepting in 1.16 (#11920).
 */
export const CAPO_NEEDS_CLUSTER_API: Readonly<
  Record<string, { readonly from: number; readonly below: number }>
> = {
  "0.12": { from: 9, below: 16 },
  "0.13": { from: 11, below: 16 },
  "0.14": { from: 12, below: 16 },
};

/** Oldest CAPO that the janitor works with: its chart from 0.15.0 needs the OpenStackClusterIdentity kinds of 0.14. */
export const JANITOR_NEEDS_CAPO = new SemVer("0.14.0");

/** Oldest Kubernetes that openstack-resource-controller runs on, by its documentation. */
export const ORC_NEEDS_KUBERNETES_MINOR = 29;

/** kubectl may be one minor older or newer than the API server: Kubernetes' version skew policy. */
export const KUBECTL_SKEW = 1;

/** First release of the chart openstack-cluster that reads controlPlane.certificatesExpiryDays comes after this one. */
export const CHART_WITHOUT_CERTIFICATE_ROLLOUT = new SemVer("0.27.0");

/** First chart that reads apiServer.allowedCIDRs: capi-helm-charts #699. Older ones leave the API open to all. */
export const CHART_WITH_ALLOWED_CIDRS = new SemVer("0.24.0");

/** The Kubernetes minors a Cluster API release may run on; undefined if the release is not in the table. */
export function kubernetesMinorsFor(clusterApi: Release): number[] | undefined {
  const row = CLUSTER_API_RUNS_ON[`${clusterApi.major}.${clusterApi.minor}`];
  if (row === undefined) return undefined;
  return Object.entries(row)
    .filter(([, patch]) => clusterApi.patch >= patch)
    .map(([minor]) => Number(minor));
}

/** Minors older than the oldest to run on that a Cluster API release still makes clusters of: the same document. */
const OLDER_WORKLOADS = 2;

/** The Kubernetes minors of clusters that a Cluster API release makes; undefined if it is not in the table. */
export function workloadMinorsFor(clusterApi: Release): number[] | undefined {
  const minors = kubernetesMinorsFor(clusterApi);
  if (minors === undefined) return undefined;
  const oldest = Math.min(...minors);
  const older = Array.from({ length: OLDER_WORKLOADS }, (_, index) => oldest - OLDER_WORKLOADS + index);
  return [...older, ...minors];
}
