/**
 * Which upstream releases are newer than a configuration's, and whether the version table lets them in. Upstream
 * analogue: azimuth-config's renovate settings and capi-helm-charts' update-dependencies workflow.
 */
import compare from "semver/functions/compare.js";
import { loadConfig, type LoadInput } from "../config/load.ts";
import { parseRelease } from "../config/versions.ts";
import { valueAt } from "../config/tree.ts";

/** Component of capi-helm-charts' dependencies.json, or chart, to the setting that pins it here. */
export const SETTINGS: Readonly<Record<string, string>> = {
  "openstack-cluster": "cluster.chart.version",
  "cluster-api": "clusterApi.core.version",
  "cluster-api-provider-openstack": "clusterApi.openstack.version",
  "openstack-resource-controller": "clusterApi.orc.version",
  "cert-manager": "clusterApi.certManager.version",
  "addon-provider": "clusterApi.addonProvider.version",
  "cluster-api-janitor-openstack": "clusterApi.janitor.version",
  helm: "tools.helm.version",
  "kube-prometheus-stack": "monitoring.version",
  "fluent-bit": "logs.collector.version",
  loki: "logs.loki.version",
  velero: "backups.version",
};

/** Charts that are released each by itself, with the section that has their version and repository. */
export const CHARTS: readonly (readonly [chart: string, section: readonly string[]])[] = [
  ["kube-prometheus-stack", ["monitoring"]],
  ["fluent-bit", ["logs", "collector"]],
  ["loki", ["logs", "loki"]],
  ["velero", ["backups"]],
];

export interface Finding {
  readonly component: string;
  readonly setting: string;
  readonly ours: string;
  readonly upstream: string;
  /** `newer` may be taken; `refused` is newer too, but the table or another setting does not allow it. */
  readonly verdict: "current" | "ahead" | "newer" | "refused";
  /** Why it is refused. */
  readonly problems: readonly string[];
}

/**
 * Compares what upstream releases together with a configuration. A release is judged together with the other newer
 * ones; where that does not load, alone: then it goes in without the rest.
 *
 * @param upstream component to release; components that are not pinned here are passed over
 * @param input the configuration; it must have no problems as it is
 */
export function compareReleases(upstream: Readonly<Record<string, string>>, input: LoadInput): Finding[] {
  const { values } = loadConfig(input);
  const rows = Object.entries(SETTINGS).flatMap(([component, setting]) => {
    const release = upstream[component];
    const ours = valueAt(values, setting.split("."));
    if (release === undefined || typeof ours !== "string") return [];
    // The setting's own spelling: some have a v, some not.
    const bare = release.replace(/^v/, "");
    return [{ component, setting, ours, upstream: ours.startsWith("v") ? `v${bare}` : bare }];
  });
  const newer = rows.filter(({ ours, upstream: theirs }) => order(theirs, ours) > 0);
  const together = problemsWith(input, newer);
  return rows.map((row) => {
    const sign = order(row.upstream, row.ours);
    if (sign <= 0) return { ...row, verdict: sign === 0 ? "current" : "ahead", problems: [] };
    const problems = together.length === 0 ? [] : problemsWith(input, [row]);
    return { ...row, verdict: problems.length === 0 ? "newer" : "refused", problems };
  });
}

/** Positive if one release is newer than the other, negative if it is older. */
function order(one: string, other: string): number {
  const [left, right] = [parseRelease(one), parseRelease(other)];
  if (left === undefined || right === undefined) return one === other ? 0 : 1;
  return compare(left, right);
}

function problemsWith(input: LoadInput, rows: readonly { setting: string; upstream: string }[]): string[] {
  const stack = rows.reduce(
    (values, row) => withValue(values, row.setting.split("."), row.upstream),
    input.stack.values,
  );
  const before = new Set(loadConfig(input).problems.map(({ path, problem }) => `${path} ${problem}`));
  return loadConfig({ ...input, stack: { ...input.stack, values: stack } })
    .problems.map(({ path, problem, legal }) => `${path} ${problem} (legal ${legal})`)
    .filter((text) => ![...before].some((known) => text.startsWith(known)));
}

/** A copy of nested maps with one value set. */
function withValue(values: unknown, path: readonly string[], value: string): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const map = typeof values === "object" && values !== null ? (values as Record<string, unknown>) : {};
  return { ...map, [key]: withValue(map[key], rest, value) };
}

/** The findings as a table. */
export function releaseTable(findings: readonly Finding[]): string {
  const rows = [
    ["component", "ours", "upstream", ""],
    ...findings.map(({ component, ours, upstream, verdict }) => [component, ours, upstream, verdict]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const reasons = findings.flatMap(({ component, problems }) =>
    problems.map((problem) => `${component}: ${problem}`),
  );
  return [...lines, ...(reasons.length === 0 ? [] : ["", ...reasons])].join("\n");
}
