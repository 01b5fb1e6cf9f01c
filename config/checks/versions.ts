/**
 * Checks of releases against the tables of ../versions.ts.
 */
import {
  atLeast,
  CAPO_NEEDS_CLUSTER_API,
  CHART_WITH_ALLOWED_CIDRS,
  CLUSTER_API_RUNS_ON,
  JANITOR_NEEDS_CAPO,
  KUBECTL_SKEW,
  kubernetesMinorsFor,
  ORC_NEEDS_KUBERNETES_MINOR,
  parseRelease,
} from "../versions.ts";
import { type Check, type PartialConfig, when } from "./check.ts";

const minors = (list: readonly number[]) => list.map((minor) => `1.${minor}`).join(", ");

/** The two clusters that run Cluster API. */
function managementClusters(config: PartialConfig) {
  return [
    { path: "k3s.version", version: config.k3s?.version },
    { path: "cluster.kubernetesVersion", version: config.cluster?.kubernetesVersion },
  ].flatMap(({ path, version }) => {
    const release = parseRelease(version ?? "");
    return release === undefined ? [] : [{ path, version, release }];
  });
}

/** Cluster API must be a release we know, and run on Kubernetes it was tested with. */
export const clusterApiOnKubernetes: Check = (config) => {
  const version = config.clusterApi?.core?.version;
  const clusterApi = parseRelease(version ?? "");
  if (clusterApi === undefined) return [];
  const supported = kubernetesMinorsFor(clusterApi);
  if (supported === undefined) {
    return [
      {
        path: "clusterApi.core.version",
        problem: "is not a supported release",
        got: JSON.stringify(version),
        legal: Object.keys(CLUSTER_API_RUNS_ON)
          .map((minor) => `v${minor}.x`)
          .join(", "),
      },
    ];
  }
  return managementClusters(config).flatMap(({ path, version: kubernetes, release }) =>
    when(release.major !== 1 || !supported.includes(release.minor), () => ({
      path,
      problem: `does not go with Cluster API ${version}`,
      got: JSON.stringify(kubernetes),
      legal: `Kubernetes ${minors(supported)}`,
    })),
  );
};

/** openstack-resource-controller needs a Kubernetes of some age. */
export const orcOnKubernetes: Check = (config) =>
  managementClusters(config).flatMap(({ path, version, release }) =>
    when(release.minor < ORC_NEEDS_KUBERNETES_MINOR, () => ({
      path,
      problem: "is too old for openstack-resource-controller",
      got: JSON.stringify(version),
      legal: `Kubernetes 1.${ORC_NEEDS_KUBERNETES_MINOR} or newer`,
    })),
  );

/** CAPO must be a release we know, and go with the Cluster API beside it. */
export const capoWithClusterApi: Check = ({ clusterApi }) => {
  const capo = parseRelease(clusterApi?.openstack?.version ?? "");
  const core = parseRelease(clusterApi?.core?.version ?? "");
  if (capo === undefined) return [];
  const needs = CAPO_NEEDS_CLUSTER_API[`${capo.major}.${capo.minor}`];
  const got = JSON.stringify(clusterApi?.openstack?.version);
  if (needs === undefined) {
    return [
      {
        path: "clusterApi.openstack.version",
        problem: "is not a supported release",
        got,
        legal: Object.keys(CAPO_NEEDS_CLUSTER_API)
          .map((minor) => `v${minor}.x`)
          .join(", "),
      },
    ];
  }
  return when(core !== undefined && (core.minor < needs.from || core.minor >= needs.below), () => ({
    path: "clusterApi.openstack.version",
    problem: `does not go with Cluster API ${clusterApi?.core?.version}`,
    got,
    legal: `with Cluster API 1.${needs.from} to 1.${needs.below - 1}`,
  }));
};

/** The janitor needs kinds that CAPO has from 0.14 on. */
export const janitorWithCapo: Check = ({ clusterApi }) => {
  const capo = parseRelease(clusterApi?.openstack?.version ?? "");
  const enabled = clusterApi?.janitor?.enabled;
  return when(enabled === true && capo !== undefined && !atLeast(capo, JANITOR_NEEDS_CAPO), () => ({
    path: "clusterApi.janitor.enabled",
    problem: `does not go with CAPO ${clusterApi?.openstack?.version}`,
    got: "true",
    legal: "CAPO v0.14.0 or newer, or false",
  }));
};

/** One kubectl on the seed talks to both API servers. */
export const kubectlSkew: Check = (config) => {
  const version = config.tools?.kubectl?.version;
  const kubectl = parseRelease(version ?? "");
  if (kubectl === undefined) return [];
  return managementClusters(config).flatMap(({ path, version: server, release }) =>
    when(Math.abs(release.minor - kubectl.minor) > KUBECTL_SKEW, () => ({
      path: "tools.kubectl.version",
      problem: `is more than one minor release from ${path} ${server}`,
      got: JSON.stringify(version),
      legal: `Kubernetes ${minors([release.minor - 1, release.minor, release.minor + 1])}`,
    })),
  );
};

/** Settings that a chart release does not read would be lost without a word. */
export const chartSettings: Check = ({ cluster }) => {
  const version = cluster?.chart?.version;
  const chart = parseRelease(version ?? "");
  if (chart === undefined) return [];
  const days = cluster?.controlPlane?.certificatesExpiryDays;
  const cidrs = cluster?.apiServer?.allowedCidrs;
  return [
    ...when(days !== undefined && days > 0 && days < 7, () => ({
      path: "cluster.controlPlane.certificatesExpiryDays",
      problem: "is less than Cluster API accepts",
      got: String(days),
      legal: "0, or 7 to 364",
    })),
    ...when(cidrs !== undefined && cidrs.length > 0 && !atLeast(chart, CHART_WITH_ALLOWED_CIDRS), () => ({
      path: "cluster.apiServer.allowedCidrs",
      problem: `has no effect with cluster.chart.version ${version}`,
      got: `a list of ${cidrs?.length}`,
      legal: "chart 0.24.0 or newer, or an empty list",
    })),
  ];
};

/** A program that nothing is held against could be anybody's. */
export const clusterctlSum: Check = ({ tools }) =>
  when(
    Array.isArray(tools?.install) &&
      tools.install.includes("clusterctl") &&
      tools.clusterctl?.sha256 === undefined,
    () => ({
      path: "tools.clusterctl.sha256",
      problem: "is required with clusterctl in tools.install: the release has no checksum file",
      got: "nothing",
      legal: "64 hexadecimal digits",
    }),
  );
