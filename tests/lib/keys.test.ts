/**
 * Every key of the sections that releases are made of: another value of it is another release. What releases are given is
 * computed as the program does, their versions and times are looked for in the whole program under the mocks. Does not
 * prove that a chart reads a value: tests/lab/chartValues.test.ts does for the lab's.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { merge } from "../../config/merge.ts";
import { configSchema } from "../../config/schema.ts";
import { fields } from "../../config/schemaTree.ts";
import { leaves } from "../../config/tree.ts";
import { type ReleaseName, siteExtraValues, withExtraValues } from "../../lib/extra-values.ts";
import { backupsSecret } from "../../lib/backup-values.ts";
import { logsSecret } from "../../lib/logs-values.ts";
import { plannedValues } from "../../lib/release-values.ts";
import { slackUrls } from "../../lib/slack.ts";
import { unwrapped } from "../support/mocks.ts";
import { FULL } from "../support/fullSite.ts";
import { FIRST, OTHER, PLACES, REGISTRY } from "../support/otherValues.ts";
import { runSite } from "../support/program.ts";
import { configOf, type Values } from "../support/siteConfig.ts";

process.env["CAPI_MGMT_OFFLINE"] = "0";
process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";

const ids = ["a", "b", "c", "d", "e"].map((letter) => `${letter.repeat(8)}-0000-4000-8000-000000000000`);
const [IMAGE, NETWORK, SUBNET, CONTROL_PLANE, WORKERS] = ids;

/** Values that can be told apart from everything else that the program says. */
const MARKED = {
  clusterApi: {
    certManager: { version: "v1.21.9", repository: "https://cert-manager.example.org" },
    orc: { version: "v2.6.9", sha256: "1".repeat(64) },
    core: { version: "v1.14.9", sha256: "2".repeat(64), featureGates: { Core: true } },
    kubeadmBootstrap: { featureGates: { Bootstrap: true } },
    kubeadmControlPlane: { featureGates: { ControlPlane: true } },
    openstack: { version: "v0.14.9", sha256: "3".repeat(64), featureGates: { OpenStack: true } },
    addonProvider: { version: "0.13.9", repository: "https://addon-provider.example.org" },
    janitor: { version: "0.15.9", repository: "https://janitor.example.org" },
    timeouts: { deployments: "1237s", certManager: "1238s", charts: "1239s" },
  },
  cluster: {
    image: { id: IMAGE },
    network: { useSeedNetwork: false, networkId: NETWORK, subnetId: SUBNET },
    apiServer: { floatingIpAddress: "203.0.113.201", routerAddresses: ["203.0.113.202"] },
    controlPlane: { certificatesExpiryDays: 77, serverGroup: "none", serverGroupId: CONTROL_PLANE },
    workers: { serverGroup: "none", serverGroupId: WORKERS },
    chart: { version: "0.27.0-marked", repository: "https://openstack-cluster.example.org" },
    timeouts: { ready: "1240s", delete: "1241s" },
  },
  monitoring: {
    version: "88.5.9",
    repository: "https://monitoring.example.org",
    timeouts: { ready: "1242s" },
  },
  logs: {
    enabled: true,
    collector: { version: "0.58.9", repository: "https://fluent-bit.example.org" },
    loki: { version: "18.11.9", repository: "https://loki-chart.example.org" },
    timeouts: { ready: "1243s" },
  },
  backups: {
    enabled: true,
    store: {
      url: "https://s3-marked.example.org",
      bucket: "bucket-marked",
      accessKeyId: "KEY-MARKED",
      secretAccessKey: "SECRET-MARKED",
    },
    version: "12.1.9",
    repository: "https://velero.example.org",
    timeouts: { ready: "1244s" },
  },
  extras: {
    release: {
      on: "cluster",
      release: {
        chart: "chart-marked",
        version: "7.7.7",
        repository: "https://extra.example.org",
        namespace: "namespace-marked",
        values: { size: "values-marked" },
        timeout: "1245s",
      },
    },
    commands: {
      on: "seed",
      commands: { run: "echo run-marked", remove: "echo remove-marked", timeout: "1246s" },
    },
  },
  tools: {
    install: ["k9s", "kustomize", "clusterctl", "crictl"],
    kubectl: { version: "v1.34.19", sha256: "4".repeat(64) },
    helm: { version: "v4.2.19", sha256: "5".repeat(64) },
    k9s: { version: "v0.51.19", sha256: "6".repeat(64) },
    kustomize: { version: "v5.8.19", sha256: "7".repeat(64) },
    clusterctl: { version: "v1.14.19", sha256: "8".repeat(64) },
    crictl: { version: "v1.34.29", sha256: "9".repeat(64) },
  },
};

/** Keys that another test holds, with that test. */
const ELSEWHERE: readonly [test: string, keys: RegExp][] = [
  ["tests/program/singleNode.test.ts", /^cluster\.enabled$/],
  ["tests/program/site.test.ts", /^(monitoring|clusterApi\.janitor)\.enabled$/],
  ["tests/lib/logs.test.ts", /^(logs|backups)\.enabled$/],
  ["tests/components/machineImage.test.ts", /^cluster\.image\.(name|url|checksum|diskFormat)$/],
  ["tests/lib/extras.test.ts", /^extras(\.\*\.(on|manifests|after))?$/],
  ["tests/lib/extra-values.test.ts", /^extraValues\.\w+\.override$/],
];

function changed(tree: unknown, [key, ...rest]: readonly (string | number)[], value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(tree))
    return tree.map((item, index): unknown => (index === key ? changed(item, rest, value) : item));
  const map = (tree ?? {}) as Values;
  return { ...map, [key]: changed(map[key], rest, value) };
}

/** Everything that releases are given. */
function made(change: Values) {
  const config = configOf(change);
  const { store } = config.backups;
  const extra = siteExtraValues(config, new Set());
  return {
    releases: Object.entries(plannedValues(config, "https://keystone.example:5000/v3")).map(
      ([name, values]) => withExtraValues({ ...values }, extra[name as ReleaseName], (value) => value),
    ),
    secrets: [
      logsSecret(config.logs),
      store === undefined ? {} : backupsSecret(store),
      slackUrls(config.monitoring.slack),
    ],
  };
}

/** What a mark looks like where it arrives. */
function shown(path: readonly string[], value: unknown): string {
  if (path.at(-2) === "featureGates") return `${path.at(-1)}=true`;
  if (path.at(-1) === "timeout" || path.at(-2) === "timeouts") return String(value).replace("s", "");
  return Array.isArray(value) ? String(value[0]) : String(value);
}

const SECTIONS =
  /^(mirror|registries|proxy|clusterApi|cluster|monitoring|logs|backups|extraValues|extras|tools)$/;

const keys = fields(configSchema)
  .map(({ path }) => path)
  .filter(([section = ""]) => SECTIONS.test(section));
const marks = leaves(MARKED).map(({ path, value }) => ({ path: path.map(String), value }));
const marked = marks.map(({ path }) => `${path.join(".").replace(/^extras\.\w+/, "extras.*")}.`);
const isMarked = (name: string) => marked.some((path) => path.startsWith(`${name}.`));

for (const path of keys) {
  const name = path.join(".");
  const elsewhere = ELSEWHERE.find(([, names]) => names.test(name));
  const other = OTHER[name] ?? OTHER[path.at(-1) ?? ""];
  if (elsewhere !== undefined || (OTHER[name] === undefined && isMarked(name))) continue;
  test(`${name}: a change arrives in a release`, () => {
    assert.ok(other !== undefined, "the table has no other value");
    const place =
      PLACES[name] ??
      path.map((key, index) =>
        key === "[]" ? 0 : key !== "*" ? key : path[index - 1] === "auth" ? REGISTRY : "gpu",
      );
    const [, at = [], first] = FIRST.find(([names]) => names.test(name)) ?? [];
    const before = at.length === 0 ? FULL : changed(FULL, at, first);
    assert.notDeepEqual(made(changed(before, place, other) as Values), made(before as Values));
  });
}

test("versions, repositories, times, sums, gates and ids arrive in what the program asks for", async () => {
  const { resources } = await runSite("prod", {
    change: (config) => {
      for (const [section, values] of Object.entries(MARKED))
        config[`capi-mgmt:${section}`] = merge(config[`capi-mgmt:${section}`], values) as Values;
    },
  });
  const asked = JSON.stringify(resources.map(({ inputs }) => unwrapped(inputs)));
  const missing = marks
    .filter(({ path, value }) => typeof value !== "boolean" || path.includes("featureGates"))
    .filter(({ path, value }) => !asked.includes(shown(path, value)));
  assert.deepEqual(missing, []);
});

test("what other tests hold is there, and so are they", () => {
  for (const [file, names] of ELSEWHERE) {
    assert.ok(existsSync(file), file);
    assert.ok(
      keys.some((path) => names.test(path.join("."))),
      String(names),
    );
  }
});
