/**
 * Logs and backups: from the configuration to the values of the charts and the resources of the whole program. The
 * charts were rendered with them once (loki 18.11.0, fluent-bit 0.58.1, velero 12.1.0); this test holds the spelling.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { backupsSecret, backupValues } from "../../lib/backup-values.ts";
import { collectorValues, logsSecret, lokiValues } from "../../lib/logs-values.ts";
import { problemsOf } from "../config/support.ts";
import { FULL } from "../support/fullSite.ts";
import { isSecret, unwrapped } from "../support/mocks.ts";
import { runSite } from "../support/program.ts";
import { configOf, type Values } from "../support/siteConfig.ts";

process.env["CAPI_MGMT_OFFLINE"] = "0";
process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";

const OPTIONS = { logs: FULL.logs, backups: FULL.backups };
const { external: EXTERNAL } = FULL.logs;

/** Everything that is made of the two sections. */
function made(change: Values) {
  const { logs, backups } = configOf(change);
  const { store } = backups;
  return {
    loki: lokiValues(logs),
    collector: collectorValues(logs, "capi-mgmt-x"),
    secret: logsSecret(logs),
    ...(store === undefined
      ? {}
      : { velero: backupValues(backups, store, true), store: backupsSecret(store) }),
  };
}

test("a site that does not ask has neither", async () => {
  const { resources } = await runSite("prod");
  assert.deepEqual(
    resources.filter(({ name }) => /^(logs|backups)/.test(name)).map(({ name }) => name),
    [],
  );
});

test("no password is in a release's values, and the audit log is collected from the control plane", () => {
  const { loki, collector, velero } = made(OPTIONS);
  assert.ok(!/(STORE|LOGS)PASSWORD/.test(JSON.stringify({ loki, collector, velero })));
  const { config, tolerations } = collector as {
    config: { inputs: string; outputs: string };
    tolerations: unknown;
  };
  assert.match(config.inputs, /^ {4}Path \/var\/log\/kubernetes\/audit\/audit\.log$/m);
  assert.deepEqual(tolerations, [{ operator: "Exists" }]);
  for (const line of ["Host loki.example.org", "Port 443", "Tls.Verify On", "Http_Passwd ${LOGS_PASSWORD}"])
    assert.ok(config.outputs.includes(`    ${line}\n`), line);
  assert.equal(
    backupsSecret(FULL.backups.store)["cloud"]?.split("\n")[2],
    "aws_secret_access_key=STOREPASSWORD",
  );
});

const run = (change: Values) =>
  runSite("prod", {
    change: (config) => {
      for (const [section, values] of Object.entries(change))
        config[`capi-mgmt:${section}`] = { ...config[`capi-mgmt:${section}`], ...(values as Values) };
    },
  });

void test("with its own Loki: Loki, then the collector, and Grafana is told where", async () => {
  const recording = await run({ logs: { enabled: true } });
  const loki = unwrapped(recording.get("logs-loki").inputs) as Values;
  assert.deepEqual([loki["name"], loki["version"], loki["namespace"]], ["loki", "18.11.0", "logging-system"]);
  assert.ok(recording.get("logs-collector").dependsOn.includes("logs-loki"));
  const source = unwrapped(recording.get("logs-grafana-source").inputs) as { metadata: Values };
  assert.equal(source.metadata["namespace"], "monitoring-system");
  const { outputs } = (unwrapped(recording.get("logs-collector").inputs) as { values: { config: Values } })
    .values.config;
  assert.match(String(outputs), /Host loki\.logging-system\.svc\n {4}Port 3100\n/);
});

void test("with a Loki elsewhere there is none here, and its password is a secret; so is the store's", async () => {
  const recording = await run(OPTIONS);
  const names = recording.resources.map(({ name }) => name);
  assert.ok(!names.includes("logs-loki") && !names.includes("logs-grafana-source"));
  for (const name of ["logs-destination", "backups-store"])
    assert.ok(isSecret(recording.get(name).inputs["stringData"]), name);
  const { dependsOn, inputs } = recording.get("backups-release");
  assert.ok(dependsOn.includes("backups-store") && dependsOn.includes("monitoring-release"));
  const { chart, version } = unwrapped(inputs) as Values;
  assert.deepEqual([chart, version], ["velero", "12.1.0"]);
});

const REFUSED: readonly [what: string, change: Values, expected: string[]][] = [
  [
    "backups without a store",
    { backups: { enabled: true } },
    [
      "backups.store: is required with backups.enabled (got nothing; legal a map of url, bucket, accessKeyId, secretAccessKey)",
    ],
  ],
  [
    "half a login",
    { logs: { external: { url: EXTERNAL.url, username: "u" } } },
    ["logs.external.password: is required with logs.external.username (got nothing; legal both, or neither)"],
  ],
  [
    "logs in plain",
    { logs: { external: { url: "http://loki.example.org" } } },
    [
      'logs.external.url: is not valid (got "http://loki.example.org"; legal an https:// URL without credentials)',
    ],
  ],
  [
    "either on a site of one machine",
    { cluster: { enabled: false }, monitoring: { enabled: false }, logs: { enabled: true } },
    [
      "logs.enabled: needs the HA cluster, which cluster.enabled leaves out (got true; legal false, or cluster.enabled true)",
    ],
  ],
];

for (const [what, change, expected] of REFUSED) {
  test(`${what} is refused by its key`, () => assert.deepEqual(problemsOf(change), expected));
}
