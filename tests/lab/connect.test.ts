/**
 * bin/connect, bin/alerts and bin/support-bundle against the lab's site: the real OpenSSH, API servers and kubectl; curl
 * and kubectl use the ways, and the bundle is unpacked and scanned.
 *
 * The lab's pods have no network and its kubelet refuses port-forward (docs/lab-kubernetes.md). So behind Alertmanager's
 * service stands a real Alertmanager on the seed's loopback, and a kubectl on the seed that forwards to it where the real
 * one would go to the pod; everything else on the way is real. Deploys stack `lab` if it is not there, and leaves it as it was.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { command, enterLab, lab, labEnvironment, output, project } from "../support/lab.ts";
import { outputSecrets, siteSecrets } from "../support/labSecrets.ts";
import { assertClean } from "../support/secretScan.ts";

const root = process.getuid?.() === 0;
/** Free on the seed. */
const ALERTMANAGER_PORT = 19093;
const FORWARDER = "/usr/local/sbin/kubectl";

describe("ways to a site through its seed", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "connect-test-"));
  const open: ChildProcess[] = [];
  const bin = (name: string, ...args: string[]) =>
    command(join(project, "bin", name), args, { timeout: 600_000 });
  const onSeed = (line: string, input = "") =>
    output(join(project, "bin/seed-ssh"), ["lab", "--", line], { input });
  const outputs = () =>
    JSON.parse(
      output(process.execPath, ["--no-warnings", "lab/cli.ts", "output", "--json", "--show-secrets"]),
    ) as Record<string, string>;

  before(() => {
    enterLab();
    if (outputs()["magnumKubeconfig"] === undefined) {
      const up = lab("up");
      assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
    }
  });
  after(() => {
    for (const child of open) child.kill("SIGKILL");
    command(join(project, "bin/seed-ssh"), [
      "lab",
      "--",
      `sudo rm -f ${FORWARDER}; sudo systemctl stop test-alertmanager`,
    ]);
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

  test("a firing alert of a real Alertmanager is listed: curl and bin/alerts by the same way", async () => {
    const program = readFileSync(output("which", ["alertmanager"]).trim()).toString("base64");
    onSeed(
      "base64 -d | sudo tee /run/test-alertmanager > /dev/null && sudo chmod 755 /run/test-alertmanager",
      program,
    );
    onSeed(
      "sudo tee /run/test-alertmanager.yaml > /dev/null",
      "route: { receiver: none }\nreceivers: [{ name: none }]\n",
    );
    onSeed(
      `sudo systemd-run --unit test-alertmanager /run/test-alertmanager --config.file /run/test-alertmanager.yaml --storage.path /run/test-alertmanager.d --cluster.listen-address= --web.listen-address 127.0.0.1:${ALERTMANAGER_PORT}`,
    );
    // Earlier on the PATH than the real one, which takes every other call.
    onSeed(
      `sudo tee ${FORWARDER} > /dev/null && sudo chmod 755 ${FORWARDER}`,
      [
        "#!/bin/sh",
        `case "$*" in *port-forward*kube-prometheus-stack-alertmanager*)`,
        `  echo "Forwarding from 127.0.0.1:${ALERTMANAGER_PORT} -> 9093"; exec sleep 1000 ;;`,
        "esac",
        'exec /usr/local/bin/kubectl "$@"',
        "",
      ].join("\n"),
    );
    const way = await connect("alertmanager");
    const url = way.said.stdout.trim();
    const post = (alerts: object[]) =>
      output("curl", [
        ...[
          "--silent",
          "--fail",
          "--retry",
          "20",
          "--retry-connrefused",
          "--header",
          "Content-Type: application/json",
        ],
        ...["--data", JSON.stringify(alerts), `${url}/api/v2/alerts`],
      ]);
    const silent = bin("alerts", "lab");
    assert.equal(silent.status, 1, silent.stdout);
    assert.match(silent.stderr, /has no alert Watchdog/);
    post([{ labels: { alertname: "Watchdog", severity: "none" } }]);
    const none = bin("alerts", "lab");
    assert.deepEqual([none.status, none.stdout], [0, "no alert fires\n"], none.stderr);
    post([
      {
        labels: { alertname: "CAPIClusterNotReady", severity: "critical", namespace: "default" },
        annotations: { summary: "of the test" },
      },
    ]);
    const firing = bin("alerts", "lab", "--json");
    assert.equal(firing.status, 2, firing.stderr);
    const { alerts } = JSON.parse(firing.stdout) as { alerts: { name: string; summary: string }[] };
    assert.deepEqual(
      alerts.map(({ name, summary }) => [name, summary]),
      [["CAPIClusterNotReady", "of the test"]],
    );
    assert.equal(await way.interrupt(), 0);
    assert.doesNotMatch(onSeed("ps -e -o args"), /^sleep 1000$/m, "nothing stays on the seed");
  });

  test("the support bundle has the site's objects and logs, and none of its secrets", () => {
    const file = join(scratch, "bundle.tar.gz");
    const done = bin("support-bundle", "lab", "--out", file);
    assert.equal(done.status, 0, done.stdout + done.stderr);
    const names = output("tar", ["-xzvf", file, "-C", scratch]).trim().split("\n");
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
