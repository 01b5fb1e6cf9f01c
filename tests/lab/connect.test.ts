/**
 * bin/connect, bin/alerts and bin/support-bundle against the lab's site: OpenSSH, API servers, kubectl's port-forward through a
 * kubelet, Prometheus and Alertmanager; curl and kubectl use the ways, and the bundle is unpacked and scanned.
 *
 * Deploys stack `lab` if it is not there, and leaves it as it was. Does not prove the way to a Grafana that is there: no registry
 * carries it.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Ran, command, enterDeployedLab, labEnvironment, output, project } from "../support/lab.ts";
import { outputSecrets, siteSecrets } from "../support/labSecrets.ts";
import { assertClean } from "../support/secretScan.ts";

const root = process.getuid?.() === 0;

describe("ways to a site through its seed", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "connect-test-"));
  const open: ChildProcess[] = [];
  const bundle = join(scratch, "bundle.tar.gz");
  let bundled: Ran | undefined;
  const bin = (name: string, ...args: string[]) =>
    command(join(project, "bin", name), args, { timeout: 600_000 });
  const outputs = () =>
    JSON.parse(
      output(process.execPath, ["--no-warnings", "lab/cli.ts", "output", "--json", "--show-secrets"]),
    ) as Record<string, string>;

  before(() => {
    enterDeployedLab();
  });
  after(() => {
    for (const child of open) child.kill("SIGKILL");
    rmSync(scratch, { recursive: true, force: true });
  });

  /** Starts bin/connect and waits until the way is open. */
  async function connect(...args: string[]) {
    const child = spawn(join(project, "bin/connect"), ["lab", ...args], { env: labEnvironment() });
    open.push(child);
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].setEncoding("utf8").on("data", (chunk: string) => (said[stream] += chunk));
    const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
    for (const end = Date.now() + 60_000; !said.stderr.includes("Ctrl-C ends it"); await sleep(100)) {
      assert.ok(Date.now() < end && child.exitCode === null, `${said.stdout}${said.stderr}`);
    }
    return { said, interrupt: () => (child.kill("SIGINT"), closed) };
  }

  for (const [target, node] of [
    ["k3s", /^capi-mgmt-lab-seed/m],
    ["cluster", /^capi-mgmt-lab-control-plane/m],
  ] as const) {
    test(`kubectl and curl use the way to ${target}; Ctrl-C takes the kubeconfig along`, async () => {
      const way = await connect(target);
      const file = /^export KUBECONFIG=(\S+)$/m.exec(way.said.stdout)?.[1] ?? "";
      const text = readFileSync(file, "utf8");
      assert.match(output("kubectl", ["--kubeconfig", file, "get", "nodes"]), node);
      const url = /server: (\S+)/.exec(text)?.[1] ?? "";
      assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
      assert.match(output("curl", ["--silent", "--insecure", `${url}/version`]), /gitVersion|Unauthorized/);
      assert.equal(await way.interrupt(), 0);
      assert.ok(!existsSync(file));
      assert.notEqual(command("curl", ["--silent", "--insecure", `${url}/version`]).status, 0);
    });
  }

  test("no SSH key is left behind in the temporary folder", () => {
    assert.deepEqual(
      readdirSync(tmpdir()).filter((name) => name.startsWith("capi-mgmt-seed-")),
      [],
    );
  });

  test("a service that is not there is told by its name", () => {
    const done = bin("connect", "lab", "grafana");
    assert.equal(done.status, 1);
    assert.match(
      done.stderr,
      /bin\/connect: the seed \([\d.]+\): .*(kube-prometheus-stack-grafana|port-?forward)/,
    );
  });

  test("Prometheus answers curl, and what runs on the cluster is among its targets", async () => {
    const way = await connect("prometheus");
    const url = way.said.stdout.trim();
    const answer = output("curl", ["--silent", "--fail", `${url}/api/v1/query?query=up`]);
    const { data } = JSON.parse(answer) as { data: { result: { metric: { job: string } }[] } };
    const jobs = new Set(data.result.map(({ metric }) => metric.job));
    for (const job of ["apiserver", "kubelet", "node-exporter"])
      assert.ok(jobs.has(job), [...jobs].join(", "));
    assert.equal(await way.interrupt(), 0);
  });

  test("a firing alert is listed: curl and bin/alerts by the same way", async () => {
    const way = await connect("alertmanager");
    const url = way.said.stdout.trim();
    const alert = {
      labels: { alertname: "CAPIClusterNotReady", severity: "critical", namespace: "default" },
      annotations: { summary: "of the test" },
    };
    const post = (more: object = {}) =>
      output("curl", [
        ...["--silent", "--fail", "--header", "Content-Type: application/json"],
        ...["--data", JSON.stringify([{ ...alert, ...more }]), `${url}/api/v2/alerts`],
      ]);
    /** Alerts that bin/alerts lists: its exit code, and what is the test's. */
    const listed = () => {
      const done = bin("alerts", "lab", "--json");
      assert.ok(done.status === 0 || done.status === 2, done.stderr);
      const { alerts } = JSON.parse(done.stdout) as { alerts: { name: string; summary: string }[] };
      assert.equal(done.status, alerts.length === 0 ? 0 : 2);
      assert.ok(!alerts.some(({ name }) => name === "Watchdog"));
      return alerts.filter(({ summary }) => summary === "of the test").map(({ name }) => name);
    };
    // Prometheus' own Watchdog has arrived, or it would fail.
    assert.deepEqual(listed(), []);
    post();
    assert.deepEqual(listed(), ["CAPIClusterNotReady"]);
    assert.match(bin("alerts", "lab").stdout, /^critical +CAPIClusterNotReady /m);
    bundled = bin("support-bundle", "lab", "--out", bundle);
    post({ endsAt: new Date().toISOString() });
    assert.deepEqual(listed(), []);
    assert.equal(await way.interrupt(), 0);
  });

  test("the support bundle has the site's objects and logs, and none of its secrets", () => {
    assert.equal(bundled?.status, 0, `${bundled?.stdout}${bundled?.stderr}`);
    const names = output("tar", ["-xzvf", bundle, "-C", scratch]).trim().split("\n");
    const parts = new Map(
      names
        .filter((name) => !name.endsWith("/"))
        .map((name) => [name.replace(/^[^/]*\//, ""), readFileSync(join(scratch, name), "utf8")]),
    );
    const all = [...parts.values()].join("\n");
    assertClean(all, { ...siteSecrets(), ...outputSecrets(outputs()) }, "the bundle");
    assert.match(parts.get("k3s/cluster-api.yaml") ?? "", /kind: KubeadmControlPlane\b/);
    assert.match(parts.get("k3s/logs.txt") ?? "", /--- capo-system\/capo-controller-manager-/);
    assert.match(parts.get("cluster/nodes.txt") ?? "", /^capi-mgmt-lab-control-plane/m);
    assert.match(parts.get("cluster/helm.yaml") ?? "", /kube-prometheus-stack/);
    assert.match(parts.get("seed/k3s.log") ?? "", /\n.+\n/);
    assert.match(parts.get("resources.json") ?? "", /HaCluster/);
    assert.match(parts.get("configuration.json") ?? "", /"path": "cluster\.kubernetesVersion"/);
    assert.match(parts.get("alerts.json") ?? "", /CAPIClusterNotReady/);
  });
});
