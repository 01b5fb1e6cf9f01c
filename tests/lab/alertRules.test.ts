/**
 * Our alert rules under the real promtool: what fires, when, and with which words. Needs no lab but its cache, in which
 * promtool is built once. Does not prove that kube-state-metrics makes these series: the names are held in
 * tests/lib/values.test.ts.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { stringify } from "yaml";
import { buildTool } from "../../lab/prepare/goTools.ts";
import { alertRules } from "../../lib/alert-rules.ts";

const DAY_SECONDS = 24 * 60 * 60;
const CONDITION = "kube_customresource_capi_condition";
const EXPIRY = "kube_customresource_capi_machine_certificate_expiry";

interface Series {
  readonly series: string;
  /** promtool's notation: one value a minute. */
  readonly values: string;
}

interface Expected {
  readonly alert: string;
  /** Minutes after the start. */
  readonly at: number;
  /** Names of what fires; an empty list says that nothing does. */
  readonly fires: readonly Record<string, string>[];
}

describe("alert rules", () => {
  const folder = mkdtempSync(join(tmpdir(), "alert-rules-"));
  let promtool = "";

  before(async () => {
    promtool = join(await buildTool("prometheus", () => undefined), "promtool");
    writeFileSync(join(folder, "rules.yaml"), stringify(alertRules(30)["capi-mgmt"]));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs one unit test of promtool; the test fails with promtool's own words. */
  function judge(input: readonly Series[], expected: readonly Expected[]): void {
    const file = join(folder, "test.yaml");
    const cases = expected.map(({ alert, at, fires }) => ({
      eval_time: `${at}m`,
      alertname: alert,
      exp_alerts: fires.map((exp_labels) => ({ exp_labels })),
    }));
    const content = {
      rule_files: ["rules.yaml"],
      evaluation_interval: "1m",
      fuzzy_compare: true,
      tests: [{ interval: "1m", input_series: input, alert_rule_test: withAnnotations(cases) }],
    };
    writeFileSync(file, stringify(content));
    const { status, stdout, stderr } = spawnSync(promtool, ["test", "rules", file], { encoding: "utf8" });
    assert.equal(status, 0, stdout + stderr);
  }

  test("promtool finds nothing wrong with the rules", () => {
    const { status, stdout, stderr } = spawnSync(promtool, ["check", "rules", join(folder, "rules.yaml")], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /SUCCESS: 7 rules found/);
  });

  const machine = { namespace: "default", name: "m-0", cluster_name: "c" };
  const condition = (reason: string, pod = "ksm-1") =>
    `${CONDITION}{customresource_kind="Machine",type="Ready",namespace="default",name="m-0",cluster_name="c",reason="${reason}",pod="${pod}",instance="${pod}:8080"}`;
  const labels = { ...machine, customresource_kind: "Machine", type: "Ready", severity: "warning" };

  test("a reason that changes does not begin the waiting anew", () => {
    judge(
      [
        // Each reason is a series of its own, which ends when the next one begins.
        { series: condition("NodeNotReady"), values: "0x20 stale" },
        { series: condition("NodeDeleted"), values: "_x20 0x20 stale" },
        { series: condition("Failed"), values: "_x41 0x20" },
      ],
      [
        { alert: "CapiMachineNotReady", at: 44, fires: [] },
        { alert: "CapiMachineNotReady", at: 46, fires: [labels] },
      ],
    );
  });

  test("nor does another Pod of kube-state-metrics", () => {
    judge(
      [
        { series: condition("NodeNotReady"), values: "0x20 stale" },
        { series: condition("NodeNotReady", "ksm-2"), values: "_x20 0x40" },
      ],
      [{ alert: "CapiMachineNotReady", at: 46, fires: [labels] }],
    );
  });

  test("a condition that was true in between does", () => {
    judge(
      [{ series: condition("NodeNotReady"), values: "0x20 1 0x60" }],
      [
        { alert: "CapiMachineNotReady", at: 46, fires: [] },
        { alert: "CapiMachineNotReady", at: 67, fires: [labels] },
      ],
    );
  });

  test("a machine's certificate is told of 30 days before it ends, and loudly 10 days before", () => {
    for (const [alert, days, severity] of [
      ["CapiMachineCertificateExpires", 30, "warning"],
      ["CapiMachineCertificateExpiresSoon", 10, "critical"],
    ] as const) {
      // An hour after the start it has exactly so many days left; then the rule waits a quarter of an hour.
      const end = days * DAY_SECONDS + 3600;
      judge(
        [{ series: `${EXPIRY}{namespace="default",name="m-0",cluster_name="c"}`, values: `${end}x120` }],
        [
          { alert, at: 74, fires: [] },
          { alert, at: 77, fires: [{ ...machine, severity }] },
        ],
      );
    }
  });

  /** promtool compares annotations too: those of the rule, with the machine's names in them. */
  function withAnnotations(
    cases: readonly { alertname: string; exp_alerts: { exp_labels: Record<string, string> }[] }[],
  ) {
    const groups = (
      alertRules(30)["capi-mgmt"] as {
        groups: { rules: { alert: string; annotations: Record<string, string> }[] }[];
      }
    ).groups;
    return cases.map((one) => {
      const rule = groups.flatMap(({ rules }) => rules).find(({ alert }) => alert === one.alertname);
      assert.ok(rule, one.alertname);
      return {
        ...one,
        exp_alerts: one.exp_alerts.map(({ exp_labels }) => ({
          exp_labels,
          exp_annotations: Object.fromEntries(
            Object.entries(rule.annotations).map(([name, text]) => [
              name,
              text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => exp_labels[label] ?? ""),
            ]),
          ),
        })),
      };
    });
  }
});
