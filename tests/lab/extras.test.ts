/**
 * What a site may ask for beyond the rest, on a deployed cluster: extras of each kind in each place, a second group of workers,
 * arguments of kubelets and API servers, OIDC and an audit log, a tool on the seed; and that all of it goes again. Looked at
 * from outside, by kubectl, OpenStack and SSH.
 *
 * Deploys stack `lab` if it is not there, and leaves it as its file says. Does not prove that somebody can log in by OIDC (the
 * issuer is nobody), nor commands before a first deployment: k3s is there.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mirrored } from "../../lab/kubernetes/mirror.ts";
import {
  command,
  enterDeployedLab,
  lab,
  onSeed,
  openstack,
  output,
  project,
  writeKubeconfig,
} from "../support/lab.ts";
import { runWith } from "../support/labStack.ts";

const root = process.getuid?.() === 0;
const CLUSTER = "capi-mgmt-lab";
const ISSUER = "https://203.0.113.1/realms/lab";
const TAINT = { key: "example.org/reserved", value: "tests", effect: "NoSchedule" };
const notes = (name: string) => `/var/tmp/extras-${name}`;

/** Commands that leave a file, and take it away. */
const leave = (name: string, commands: string) => ({
  run: `{ ${commands}; } > ${notes(name)}`,
  remove: `rm -f ${notes(name)}`,
});

const EXTRAS = {
  before: { on: "seed", commands: leave("seed", "hostname; id -un") },
  notes: {
    on: "k3s",
    manifests: "{ apiVersion: v1, kind: ConfigMap, metadata: { name: extras-notes }, data: { said: hello } }",
  },
  look: {
    on: "k3s",
    after: ["notes"],
    commands: leave("k3s", "kubectl get configmap extras-notes --output 'jsonpath={.data.said}'"),
  },
  // The kind of the second is the first's to bring, and both are in a namespace that comes last.
  widgets: {
    on: "cluster",
    manifests: `
{ apiVersion: v1, kind: Secret, metadata: { name: key, namespace: extras }, stringData: { key: not-a-secret } }
---
{ apiVersion: example.org/v1, kind: Widget, metadata: { name: one, namespace: extras }, spec: { size: 3 } }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: widgets.example.org }
spec:
  group: example.org
  scope: Namespaced
  names: { kind: Widget, plural: widgets, singular: widget, listKind: WidgetList }
  versions:
    - { name: v1, served: true, storage: true, schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } } }
---
{ apiVersion: v1, kind: Namespace, metadata: { name: extras } }
`,
  },
  watcher: {
    on: "cluster",
    after: ["widgets"],
    release: {
      chart: "reloader",
      version: "2.2.3",
      repository: "https://stakater.github.io/stakater-charts",
      namespace: "extras",
      timeout: "5m",
    },
  },
  after: {
    on: "cluster",
    after: ["watcher"],
    commands: leave("cluster", "kubectl get widgets,deployments --namespace extras --output name"),
  },
};

const CONFIG = {
  "capi-mgmt:extras": EXTRAS,
  "capi-mgmt:tools": { install: ["crictl"] },
  "capi-mgmt:cluster": {
    // The lab has room for as many machines as before.
    workers: { count: 2 },
    workerGroups: {
      pool: {
        count: 1,
        labels: { "example.org/pool": "tests" },
        taints: [TAINT],
        kubeletArgs: { "max-pods": 77 },
      },
    },
    controlPlane: { labels: { "example.org/pool": "control-plane" } },
    apiServer: {
      extraArgs: { "event-ttl": "2h" },
      oidc: { issuerUrl: ISSUER, clientId: "lab" },
      auditPolicy: { apiVersion: "audit.k8s.io/v1", kind: "Policy", rules: [{ level: "Metadata" }] },
    },
  },
};

interface Node {
  metadata: { name: string; labels: Record<string, string> };
  spec: { taints?: object[] };
}
interface Pod {
  metadata: { name: string };
  spec: { nodeName: string; containers: { command: string[] }[] };
}

describe("what a site may ask for on a deployed cluster", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "extras-test-"));
  const kubeconfig = join(scratch, "kubeconfig");

  before(() => {
    enterDeployedLab();
    writeKubeconfig("magnumKubeconfig", kubeconfig);
  });
  after(() => {
    const back = lab("up", "--stack", "lab");
    rmSync(scratch, { recursive: true, force: true });
    assert.equal(back.status, 0, back.stdout.slice(-4000));
  });

  const kubectl = (...args: string[]) => output("kubectl", ["--kubeconfig", kubeconfig, ...args]);
  const listed = <T>(...args: string[]) =>
    (JSON.parse(kubectl("get", ...args, "--output", "json")) as { items: T[] }).items;
  /** Whether there is such an object. */
  const isThere = (...args: string[]) =>
    command("kubectl", ["--kubeconfig", kubeconfig, "get", ...args]).status === 0;
  const servers = (group: string) =>
    openstack<{ Name: string; Status: string }>("server", "list").filter(({ Name }) =>
      Name.startsWith(`${CLUSTER}-${group}-`),
    );
  /** Of the nodes that are there: a removed machine's pods stay in the list until Kubernetes collects them, a minute at most. */
  const apiServers = () => {
    const names = new Set(listed<Node>("nodes").map(({ metadata }) => metadata.name));
    const pods = listed<Pod>("pods", "-n", "kube-system", "-l", "component=kube-apiserver");
    return pods.filter(({ spec }) => names.has(spec.nodeName));
  };

  async function up(config: Readonly<Record<string, unknown>>) {
    const began = Date.now();
    const done = await runWith("up", "lab", config);
    assert.equal(done.exitCode, 0, done.printed.slice(-6000));
    console.log(`up took ${((Date.now() - began) / 1000).toFixed(0)} s: ${JSON.stringify(done.counts)}`);
    return done.counts;
  }

  test("one up makes all of it, replaces nothing, and a second finds nothing to do", async () => {
    assert.equal((await up(CONFIG))["replace"], undefined);
    const again = await up(CONFIG);
    assert.deepEqual(
      Object.keys(again).filter((op) => op !== "read"),
      ["same"],
    );
  });

  test("objects are on their cluster, the release runs, and commands have seen what came before them", () => {
    assert.equal(
      onSeed("kubectl", "get", "configmap", "extras-notes", "-o", "jsonpath={.data.said}"),
      "hello",
    );
    const size = kubectl("get", "widgets", "one", "-n", "extras", "-o", "jsonpath={.spec.size}");
    assert.equal(size, "3");
    const key = kubectl("get", "secret", "key", "-n", "extras", "-o", "jsonpath={.data.key}");
    assert.equal(Buffer.from(key, "base64").toString(), "not-a-secret");
    const running = "jsonpath={.items[*].status.phase}";
    assert.equal(kubectl("get", "pods", "-n", "extras", "-o", running), "Running");
    assert.match(output("helm", ["list", "--kubeconfig", kubeconfig, "-n", "extras", "-q"]), /^watcher$/m);
    const said = (name: string) => onSeed("cat", notes(name)).trim().split("\n");
    assert.deepEqual(said("seed"), [`${CLUSTER}-seed`, "root"]);
    assert.deepEqual(said("k3s"), ["hello"]);
    assert.deepEqual(said("cluster"), ["widget.example.org/one", "deployment.apps/watcher-reloader"]);
  });

  test("the second group is a machine of its own, with its label, taint and kubelet's argument", () => {
    assert.deepEqual(
      [servers("pool"), servers("md-0")].map((group) => group.map(({ Status }) => Status)),
      [["ACTIVE"], ["ACTIVE", "ACTIVE"]],
    );
    const [node, ...others] = listed<Node>("nodes", "-l", "example.org/pool=tests");
    assert.ok(node !== undefined && others.length === 0);
    assert.equal(node.metadata.name, servers("pool")[0]?.Name);
    assert.equal(node.metadata.labels["capi.stackhpc.com/node-group"], "pool");
    assert.deepEqual(node.spec.taints, [TAINT]);
    // The running kubelet's own words.
    const config = JSON.parse(
      kubectl("get", "--raw", `/api/v1/nodes/${node.metadata.name}/proxy/configz`),
    ) as {
      kubeletconfig: { maxPods: number };
    };
    assert.equal(config.kubeletconfig.maxPods, 77);
  });

  test("every API server runs with the arguments, and writes the audit log that its policy asks for", () => {
    const pods = apiServers();
    assert.equal(pods.length, 3);
    for (const { spec } of pods) {
      const flags = spec.containers.flatMap((container) => container.command);
      for (const flag of [
        "--event-ttl=2h",
        `--oidc-issuer-url=${ISSUER}`,
        "--oidc-client-id=lab",
        "--oidc-username-prefix=oidc:",
      ])
        assert.ok(flags.includes(flag), `${spec.nodeName}: ${flag}`);
    }
    assert.equal(listed<Node>("nodes", "-l", "example.org/pool=control-plane").length, 3);
    const log = `/api/v1/nodes/${pods[0]?.spec.nodeName}/proxy/logs/kubernetes/audit/audit.log`;
    const [line = ""] = kubectl("get", "--raw", log).split("\n");
    const { kind, level, verb } = JSON.parse(line) as Record<string, string>;
    assert.deepEqual([kind, level, typeof verb], ["Event", "Metadata", "string"]);
  });

  test("the seed has the tool, of the lab's mirror, and it talks to k3s's containerd", () => {
    assert.match(onSeed("crictl", "--version"), new RegExp(`crictl version ${mirrored.criTools}`));
    const endpoint = "unix:///run/k3s/containerd/containerd.sock";
    const pods = onSeed("sudo", "/usr/local/bin/crictl", "--runtime-endpoint", endpoint, "pods", "-q");
    assert.match(pods, /^[0-9a-f]{64}$/m);
  });

  test("taken out of the configuration all of it goes: objects, release, what commands did, group, arguments, tool", async () => {
    await up({});
    assert.deepEqual(
      [
        isThere("namespace", "extras"),
        isThere("crd", "widgets.example.org"),
        command(join(project, "bin/seed-ssh"), ["lab", "--", "kubectl", "get", "configmap", "extras-notes"])
          .status === 0,
      ],
      [false, false, false],
    );
    assert.equal(onSeed("ls", "/var/tmp").includes("extras-"), false);
    assert.equal(onSeed("ls", "/usr/local/bin").split("\n").includes("crictl"), false);
    assert.deepEqual([servers("pool").length, servers("md-0").length], [0, 3]);
    assert.deepEqual(listed<Node>("nodes", "-l", "example.org/pool"), []);
    const pods = apiServers();
    assert.equal(pods.length, 3);
    const flags = pods.flatMap(({ spec }) => spec.containers.flatMap((one) => one.command));
    assert.equal(
      flags.some((flag) => /oidc|audit|event-ttl/.test(flag)),
      false,
    );
  });
});
