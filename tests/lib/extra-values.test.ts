/**
 * The operator's values over the program's, from the configuration to the releases that the whole program asks for.
 * Does not prove that a chart reads them: Helm and the chart's schema judge that when it is deployed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { EXTRA_VALUES_RELEASES } from "../../config/sections/extraValues.ts";
import { formatProblem } from "../../config/problems.ts";
import { extraValuesOf, extraValuesProblems, withExtraValues } from "../../lib/extra-values.ts";
import { plannedValues } from "../../lib/release-values.ts";
import { configOf, type Values } from "../support/siteConfig.ts";
import { unwrapped } from "../support/mocks.ts";
import { runSite } from "../support/program.ts";

process.env["CAPI_MGMT_OFFLINE"] = "0";
process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";

const AUTH_URL = "https://keystone.example:5000/v3";
const keep = (value: unknown) => value;
const NONE = new Set<string>();

function problems(change: Values, encrypted = NONE): string[] {
  const config = configOf(change);
  return extraValuesProblems(config, plannedValues(config, AUTH_URL), encrypted).map(formatProblem);
}

const extra = (values: Values, isHidden = () => false) => ({ values, isSecret: isHidden });

test("extra values are merged last: maps merge, lists and single values replace", () => {
  const ours = { a: { b: 1, c: [1, 2] }, d: "x" };
  const merged = withExtraValues(ours, extra({ a: { c: [3], e: true }, f: 0 }), keep);
  assert.deepEqual(merged, { a: { b: 1, c: [3], e: true }, d: "x", f: 0 });
  assert.deepEqual(ours, { a: { b: 1, c: [1, 2] }, d: "x" });
});

test("a value that only the deployment knows is replaced, never merged into", () => {
  const output = pulumi.output("id");
  assert.deepEqual(withExtraValues({ a: output }, extra({ a: { b: 1 } }), keep), { a: { b: 1 } });
});

test("a conflict shows both values, and an override for exactly that path lifts it", () => {
  const values = { apiServer: { port: 443 }, addons: { ingress: { enabled: true } } };
  assert.deepEqual(problems({ extraValues: { cluster: { values } } }), [
    'extraValues.cluster.values.apiServer.port: is against what the program sets, which is 6443 (got 443; legal the setting that makes it, or extraValues.cluster.override with "apiServer.port": true)',
    'extraValues.cluster.values.addons.ingress.enabled: is against what the program sets, which is false (got true; legal the setting that makes it, or extraValues.cluster.override with "addons.ingress.enabled": true)',
  ]);
  const override = { "apiServer.port": true, "addons.ingress.enabled": true };
  assert.deepEqual(problems({ extraValues: { cluster: { values, override } } }), []);
});

test("a map over a single value, or the other way round, is a conflict too", () => {
  const lines = problems({
    extraValues: { cluster: { values: { apiServer: 1, kubernetesVersion: { a: 1 }, nodeGroups: [] } } },
  });
  assert.deepEqual(
    lines.map((line) => line.split(": ")[0]),
    ["apiServer", "kubernetesVersion", "nodeGroups"].map((key) => `extraValues.cluster.values.${key}`),
  );
});

test("an override that replaces nothing is told", () => {
  assert.deepEqual(problems({ extraValues: { janitor: { values: { a: 1 }, override: { a: true } } } }), [
    "extraValues.janitor.override.a: overrides nothing (legal only paths where extraValues replaces a value of the program's; there is none)",
  ]);
});

test("no conflict tells a secret", () => {
  const registries = { auth: { "registry.example.org": { username: "u", password: "TOPSECRET" } } };
  const lines = problems(
    {
      registries,
      extraValues: {
        cluster: {
          values: {
            registryAuth: { "registry.example.org": { password: "OTHERSECRET" } },
            kubernetesVersion: "THIRDSECRET",
          },
        },
      },
    },
    new Set(["extraValues.cluster.values.kubernetesVersion"]),
  );
  assert.equal(lines.length, 2);
  assert.equal(/SECRET/.test(lines.join("\n")), false, lines.join("\n"));
});

/** One value that the program leaves alone for each release, with the release's resources. */
const ADDED: Readonly<Record<string, readonly string[]>> = {
  cluster: ["cluster-release"],
  monitoring: ["monitoring-release"],
  certManager: ["bootstrap-cert-manager", "management-cert-manager"],
  addonProvider: ["bootstrap-addon-provider", "management-addon-provider"],
  janitor: ["management-janitor"],
  logCollector: ["logs-collector"],
  loki: ["logs-loki"],
  backups: ["backups-release"],
};
/** With everything on that takes values. */
const ON = {
  logs: { enabled: true },
  backups: {
    enabled: true,
    store: { url: "https://s3.example.org", bucket: "b", accessKeyId: "k", secretAccessKey: "s" },
  },
};
const prod = (change: Values) =>
  runSite("prod", {
    change: (config) => {
      for (const [section, values] of Object.entries({ ...ON, ...change }))
        config[`capi-mgmt:${section}`] = values;
    },
  });

test("extra values reach every release, and nothing else of the program changes but what follows the values", async () => {
  assert.deepEqual(Object.keys(ADDED), [...EXTRA_VALUES_RELEASES]);
  const before = await prod({});
  const after = await prod({
    extraValues: Object.fromEntries(
      Object.keys(ADDED).map((release) => [release, { values: { example: { owner: release } } }]),
    ),
  });
  const changed = after.resources
    // The mocks' kubeconfigs differ from run to run.
    .filter(({ type }) => !type.startsWith("pulumi:providers:"))
    .filter(({ name, type, inputs }) => {
      const old = before.resources.find((other) => other.name === name && other.type === type);
      return JSON.stringify(unwrapped(old?.inputs)) !== JSON.stringify(unwrapped(inputs));
    })
    .map(({ name }) => name);
  for (const [release, names] of Object.entries(ADDED)) {
    for (const name of names) {
      const { values } = unwrapped(after.get(name).inputs) as { values: Values };
      assert.deepEqual(values["example"], { owner: release }, name);
    }
  }
  // The wait and the teardown of the cluster follow its values.
  const expected = [...Object.values(ADDED).flat(), "cluster-teardown", "cluster-ready", "cluster-complete"];
  const waits = changed.filter((name) => !expected.includes(name));
  assert.deepEqual(waits, []);
});

test("what is encrypted in the stack file stays secret in the release", () => {
  const config = configOf({ extraValues: { monitoring: { values: { grafana: { adminPassword: "P" } } } } });
  const encrypted = new Set(["extraValues.monitoring.values.grafana.adminPassword"]);
  const marked: unknown[] = [];
  const merged = withExtraValues(
    { grafana: { enabled: true } },
    extraValuesOf(config, encrypted, "monitoring"),
    (value) => {
      marked.push(value);
      return "[secret]";
    },
  );
  assert.deepEqual(marked, ["P"]);
  assert.deepEqual(merged, { grafana: { enabled: true, adminPassword: "[secret]" } });
});
