/**
 * The stand-in charts of addon provider, janitor and kube-prometheus-stack: what they run is an image the lab makes, they
 * take the program's values and refuse others. Real helm. Does not prove that what is rendered runs: deploying does.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { backupImages, controllerImages, monitoringImages } from "../../lab/kubernetes/images.ts";
import { backupValues } from "../../lib/backup-values.ts";
import { monitoringValues } from "../../lib/monitoring-values.ts";
import { FULL } from "../support/fullSite.ts";
import { rendered, renderedText } from "../support/helm.ts";
import { configOf } from "../support/siteConfig.ts";

const images = new Set(
  [...backupImages, ...controllerImages, ...monitoringImages].map(({ reference }) => reference),
);

const { backups } = configOf({ backups: FULL.backups });
assert.ok(backups.store !== undefined);
const VELERO = backupValues(backups, backups.store, true);

const MONITORING = monitoringValues({
  enabled: true,
  version: "88.5.0",
  repository: "https://charts.example.org",
  slack: { webhookUrl: "http://slack.example.org", severities: ["warning", "critical"] },
  prometheus: { retention: "90d", size: "10Gi" },
  alertmanager: { retention: "168h", size: "10Gi" },
  grafana: { enabled: true },
  rules: { enabled: true, certificateExpiryDays: 30, disabled: ["TargetDown"] },
  timeouts: { ready: "10m" },
});

for (const [chart, values] of [
  ["cluster-api-addon-provider", {}],
  ["cluster-api-janitor-openstack", { defaultVolumesPolicy: "keep", retryDefaultDelay: 5 }],
  ["kube-prometheus-stack", MONITORING],
  ["velero", VELERO],
] as const) {
  test(`${chart}: every image is one that the lab makes, and an unknown value is refused`, async () => {
    const text = await renderedText(chart, chart, "some", values);
    const named = [...text.matchAll(/(?:image: |config-reloader=)"?([^"\s]+)"?$/gm)].map(
      ([, image]) => image,
    );
    assert.ok(named.length > 0);
    for (const image of named) assert.ok(images.has(String(image)), image);
    await assert.rejects(renderedText(chart, chart, "some", { ...values, misspelt: true }), /misspelt/);
  });
}

test("kube-prometheus-stack: the program's settings reach Prometheus, Alertmanager and the rules", async () => {
  const chart = "kube-prometheus-stack";
  const objects = await rendered(chart, chart, "some", MONITORING);
  const of = (kind: string) => objects.filter((object) => object.kind === kind);
  const spec = (kind: string) => of(kind)[0]?.spec ?? {};
  const { retention, retentionSize, persistentVolumeClaimRetentionPolicy, storage } = spec("Prometheus");
  assert.deepEqual([retention, retentionSize], ["90d", "8704MB"]);
  assert.deepEqual(persistentVolumeClaimRetentionPolicy, { whenDeleted: "Retain", whenScaled: "Retain" });
  assert.match(JSON.stringify(storage), /"storage":"10Gi"/);
  assert.deepEqual(spec("Alertmanager")["secrets"], ["alertmanager-slack-webhook"]);
  const configuration = of("Secret")[0]?.data?.["alertmanager.yaml"] ?? "";
  assert.match(Buffer.from(configuration, "base64").toString(), /api_url_file: .*\/slack-api-url/);
  const rules = JSON.stringify(of("PrometheusRule"));
  for (const [alert, there] of [
    ["Watchdog", true],
    ["CapiClusterNotAvailable", true],
    ["TargetDown", false],
  ] as const)
    assert.equal(rules.includes(`"alert":"${alert}"`), there, alert);
});
