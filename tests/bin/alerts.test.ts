/**
 * bin/alerts with stand-ins for ssh and kubectl. That a real Alertmanager answers is shown in tests/lab/connect.test.ts.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { alertLines, firing } from "../../operate/alerts.ts";
import { calls, OUTPUTS, seedStandIn } from "../support/seedStandIn.ts";
import { temporaryFolder } from "../support/shell.ts";

const PROGRAM = join(import.meta.dirname, "../../bin/alerts");

const alert = (alertname: string, severity: string, startsAt = "2026-11-26T12:00:00Z") => ({
  labels: { alertname, severity, namespace: "capo-system" },
  annotations: { summary: `${alertname}\nis wrong` },
  startsAt,
});
const WATCHDOG = alert("Watchdog", "none");

function run(context: TestContext, answer: string, args: readonly string[], more = {}) {
  const folder = temporaryFolder(context);
  const env = seedStandIn(folder, more);
  writeFileSync(join(folder, "answer"), answer);
  writeFileSync(join(folder, "outputs"), JSON.stringify(OUTPUTS));
  const outputs = args.length === 0 ? [] : ["--outputs", join(folder, "outputs")];
  return { folder, ...spawnSync(PROGRAM, [...args, ...outputs], { env, encoding: "utf8" }) };
}

void test("the alerts that fire by design do not count: 0, and nothing is left behind", (context) => {
  const done = run(context, JSON.stringify([WATCHDOG, alert("InfoInhibitor", "none")]), ["prod"]);
  assert.deepEqual([done.status, done.stdout], [0, "no alert fires\n"], done.stderr);
  assert.deepEqual(readdirSync(join(done.folder, "tmp")), []);
  assert.equal(readFileSync(join(done.folder, "kubectl-ended"), "utf8"), "SIGTERM\n");
  const asked = readFileSync(join(done.folder, "requests"), "utf8");
  assert.match(asked, /^\/api\/v2\/alerts\?active=true&silenced=false&inhibited=false&/);
  const [kubectl] = calls(done.folder, "kubectl");
  assert.deepEqual(kubectl, [
    ...["--kubeconfig", "kubeconfig-capi-mgmt-prod.yaml", "--namespace", "monitoring-system"],
    ...["port-forward", "--address", "127.0.0.1", "service/kube-prometheus-stack-alertmanager", ":9093"],
  ]);
});

void test("a firing alert is 2, gravest first, with --json as documented", (context) => {
  const body = JSON.stringify([
    WATCHDOG,
    alert("Small", "info"),
    alert("Odd", "x"),
    alert("Big", "critical"),
  ]);
  const done = run(context, body, ["prod"]);
  assert.equal(done.status, 2, done.stderr);
  assert.match(
    done.stdout,
    /^critical  Big  since 2026-11-26T12:00:00Z\n {2}Big is wrong\n {2}namespace=capo-system\n/,
  );
  const json = run(context, body, ["prod", "--json"]);
  assert.equal(json.status, 2, json.stderr);
  const { stack, alerts } = JSON.parse(json.stdout) as { stack: string; alerts: { name: string }[] };
  assert.equal(stack, "prod");
  assert.deepEqual(
    alerts.map(({ name }) => name),
    ["Big", "Small", "Odd"],
  );
  assert.deepEqual(Object.keys(alerts[0] ?? {}), ["name", "severity", "since", "summary", "labels"]);
});

void test("no Watchdog means that nothing can be judged, unless the site has switched it off", (context) => {
  const done = run(context, "[]", ["prod"]);
  assert.equal(done.status, 1);
  assert.match(done.stderr, /^bin\/alerts: Alertmanager has no alert Watchdog, which always fires: /);
  assert.deepEqual(firing("[]", ["Watchdog"]), []);
});

void test("what is not there is told in a line with exit code 1, wrong usage is 64", (context) => {
  const missing = 'Error from server (NotFound): services "kube-prometheus-stack-alertmanager" not found';
  const failed = run(context, "[]", ["prod"], { KUBECTL_FAILS: missing });
  assert.deepEqual([failed.status, failed.stderr], [1, `bin/alerts: the seed (203.0.113.7): ${missing}\n`]);
  assert.deepEqual(readdirSync(join(failed.folder, "tmp")), []);
  const other = run(context, "<html>", ["prod"]);
  assert.deepEqual(
    [other.status, other.stderr],
    [1, "bin/alerts: what answers there is not Alertmanager's API v2\n"],
  );
  const none = run(context, "[]", []);
  assert.equal(none.status, 64);
  assert.match(none.stderr, /^bin\/alerts: give one stack\n\nUsage: /);
  assert.ok(!existsSync(join(none.folder, "ssh-calls")), "nothing was touched");
});

void test("an alert without severity, summary or labels is told just the same", () => {
  assert.equal(
    alertLines({ name: "A", severity: "", since: "now", summary: "", labels: { job: "x" } }),
    "none  A  since now",
  );
});
