/**
 * No value that the program sets is lost in the lab in silence: each changes what the lab's chart renders, or the chart
 * refuses another one, or lab/README.md names it. For the lab's own stack and for a site with every option. Real helm.
 * Does not prove that the real charts read them: that was seen by rendering those.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { projectDir } from "../../lab/site.ts";
import { isMap, type Key } from "../../config/tree.ts";
import { plannedValues } from "../../lib/release-values.ts";
import { configOf as stackConfigOf } from "../support/config.ts";
import { FULL } from "../support/fullSite.ts";
import { addonOf, rendered, renderedText } from "../support/helm.ts";
import { configOf } from "../support/siteConfig.ts";

const AUTH_URL = "https://keystone.example:5000/v3";

/** Releases whose chart the lab has a stand-in of; the others are upstream's chart, or not in the lab at all. */
const CHARTS = {
  cluster: "openstack-cluster",
  monitoring: "kube-prometheus-stack",
  janitor: "cluster-api-janitor-openstack",
  backups: "velero",
} as const;

const network = { useSeedNetwork: true, networkId: undefined, subnetId: undefined };
const SITES = {
  lab: stackConfigOf("lab"),
  "every option": configOf(FULL),
  // What excludes other options.
  "a network that Cluster API makes": configOf({
    cluster: { network: { ...network, useSeedNetwork: false, dnsNameservers: ["192.0.2.53"] } },
    registries: FULL.registries,
  }),
};

/** What the deployment puts in place of words. */
function known(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(known);
  if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, known(one)]));
  return value === "<the seed and the routers>" ? "203.0.113.9/32" : value;
}

interface Leaf {
  readonly path: readonly Key[];
  readonly value: unknown;
}

function leavesOf(value: unknown, path: readonly Key[] = []): Leaf[] {
  const below: [Key, unknown][] = Array.isArray(value)
    ? value.map((one: unknown, index): [Key, unknown] => [index, one])
    : isMap(value)
      ? Object.entries(value)
      : [];
  return below.length === 0
    ? [{ path, value }]
    : below.flatMap(([key, one]) => leavesOf(one, [...path, key]));
}

/** The same for each item of a list and each name of a group, rule or registry. */
const nameOf = (path: readonly Key[]) =>
  path
    .map((key) => (typeof key === "number" ? "[]" : key))
    .join(".")
    .replaceAll(".[]", "[]");

function changed(tree: unknown, [key, ...rest]: readonly Key[], value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(tree))
    return tree.map((one: unknown, index) => (index === key ? changed(one, rest, value) : one));
  const map = tree as Record<string, unknown>;
  return { ...map, [key]: changed(map[key], rest, value) };
}

/** Other values of the same kind, of which a schema may refuse some. */
function others(value: unknown): unknown[] {
  if (typeof value === "boolean") return [!value];
  if (typeof value === "number") return [value + 2, value - 1];
  if (typeof value !== "string") return [Array.isArray(value) ? ["other"] : { other: "x" }];
  const digits = value.replace(/\d(?!.*\d)/, (digit) => String((Number(digit) + 1) % 10));
  return [`${value}x`, digits, "keep", "other"].filter((other) => other !== value);
}

/** Everything that a cluster's chart renders, in the addons' charts too. */
async function everything(chart: string, values: object): Promise<string> {
  if (chart !== CHARTS.cluster) return renderedText(chart, chart, "some", values);
  const objects = await rendered(chart, "site", "default", values);
  const addons = [];
  for (const name of ["cni-calico", "etcd-defrag", "reloader"]) {
    const addon = addonOf(objects, name);
    if (addon === undefined) continue;
    addons.push(await renderedText(addon.chart, name, addon.namespace, ...addon.values));
  }
  // An addon's values count where its chart renders them.
  const others = objects.filter(({ kind, metadata }) => kind !== "Secret" || !/-config$/.test(metadata.name));
  return JSON.stringify([others, addons]);
}

/** Whether another value makes any difference that can be seen. */
async function isLost(
  chart: string,
  values: object,
  { path, value }: Leaf,
  before: string,
): Promise<boolean> {
  let refusals = 0;
  const list = others(value);
  for (const other of list) {
    try {
      if ((await everything(chart, changed(values, path, other) as object)) !== before) return false;
    } catch {
      refusals += 1;
    }
  }
  // Where only this value is taken, another one would be told.
  return refusals < list.length;
}

const README = readFileSync(join(projectDir, "lab/README.md"), "utf8");
const section =
  /## Values that the program sets and the lab's charts ignore\n([^]*?)\n## /.exec(README)?.[1] ?? "";
const named = [...section.matchAll(/^- `([^`]+)`/gm)].map(([, name = ""]) => name);
const isNamed = (name: string, value: string) =>
  value === name || value.startsWith(`${name}.`) || value.startsWith(`${name}[`);

const lost = new Set<string>();
const seen = new Set<string>();
for (const [site, config] of Object.entries(SITES)) {
  for (const [release, chart] of Object.entries(CHARTS)) {
    test(
      `${site}: every value of ${release} shows in the lab, or is named`,
      { timeout: 1_200_000 },
      async () => {
        const values = known(plannedValues(config, AUTH_URL)[release as keyof typeof CHARTS]) as object;
        const before = await everything(chart, values);
        for (const leaf of leavesOf(values)) {
          const name = `${chart}: ${nameOf(leaf.path)}`;
          // What an earlier site has too was looked at there.
          if (seen.has(name)) continue;
          seen.add(name);
          if (await isLost(chart, values, leaf, before)) lost.add(name);
        }
        const silent = [...lost].filter((value) => !named.some((name) => isNamed(name, value)));
        assert.deepEqual(silent, [], "ignored, and not in lab/README.md");
      },
    );
  }
}

test("lab/README.md names none that the charts do not ignore", () => {
  assert.deepEqual(
    named.filter((name) => ![...lost].some((value) => isNamed(name, value))),
    [],
  );
});
