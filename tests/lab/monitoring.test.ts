/**
 * The script beside kube-prometheus-stack's release against a real API server with its controllers, real helm and the
 * chart of the lab's mirror: CRDs follow, claims grow, and a StatefulSet that is made anew takes no data. The lab's
 * Kubernetes binary runs alone, on loopback. Does not prove that prometheus-operator makes the StatefulSet anew, nor that
 * Cinder grows the volume.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildKubernetes } from "../../lab/kubernetes/build.ts";
import { buildTool } from "../../lab/prepare/goTools.ts";
import { run, sleep } from "../../lab/run.ts";
import { projectDir } from "../../lab/site.ts";
import { functions } from "../../lib/shell.ts";
import { startServer, stopServer } from "../support/k3sServer.ts";

const PORT = 26745;
const LABEL = "operator.prometheus.io/name=kube-prometheus-stack-prometheus";
const CRD = (version: string) => `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: prometheuses.monitoring.coreos.com
  annotations: { operator.prometheus.io/version: "${version}" }
spec:
  group: monitoring.coreos.com
  names: { kind: Prometheus, plural: prometheuses, singular: prometheus, listKind: PrometheusList }
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: { openAPIV3Schema: { type: object, properties: { spec: { type: object, x-kubernetes-preserve-unknown-fields: true } } } }
`;

const set = (size: string, whenDeleted: string) => `apiVersion: apps/v1
kind: StatefulSet
metadata: { name: prometheus-p, namespace: monitoring-system }
spec:
  serviceName: p
  selector: { matchLabels: { operator.prometheus.io/name: kube-prometheus-stack-prometheus } }
  persistentVolumeClaimRetentionPolicy: { whenDeleted: ${whenDeleted} }
  template:
    metadata: { labels: { operator.prometheus.io/name: kube-prometheus-stack-prometheus } }
    spec: { containers: [{ name: main, image: none.example.org/none }] }
  volumeClaimTemplates:
    - metadata: { name: db }
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: growing
        resources: { requests: { storage: ${size} } }
`;

describe("monitoring's volumes and CRDs", () => {
  const dir = mkdtempSync(join(tmpdir(), "capi-mgmt-monitoring-"));
  let server: ChildProcess | undefined;
  let charts: Server | undefined;
  let helm = "";
  let repository = "";
  const kubectl = async (...args: string[]) =>
    (await run(join(dir, "kubectl"), ["--kubeconfig", join(dir, "kubeconfig"), ...args])).stdout.trim();
  const apply = (text: string) =>
    run(join(dir, "kubectl"), ["--kubeconfig", join(dir, "kubeconfig"), "create", "--filename", "-"], {
      input: text,
    });
  const claim = (path: string) =>
    kubectl(
      "get",
      "pvc",
      "db-prometheus-p-0",
      "--namespace",
      "monitoring-system",
      "--output",
      `jsonpath={${path}}`,
    );

  before(async () => {
    const { k3s } = await buildKubernetes(() => undefined);
    symlinkSync(k3s, join(dir, "kubectl"));
    helm = join(await buildTool("helm", () => undefined), "helm");
    symlinkSync(helm, join(dir, "helm"));
    const chart = join(dir, "chart");
    cpSync(join(projectDir, "lab/charts/kube-prometheus-stack"), chart, { recursive: true });
    mkdirSync(join(chart, "charts/crds/crds"), { recursive: true });
    writeFileSync(join(chart, "charts/crds/crds/prometheuses.yaml"), CRD("0.93.1"));
    const served = join(dir, "served");
    await run(helm, ["package", chart, "--destination", served]);
    await run(helm, ["repo", "index", served]);
    charts = createServer((request, response) => {
      const file = join(served, request.url ?? "");
      response.writeHead(existsSync(file) ? 200 : 404).end(existsSync(file) ? readFileSync(file) : "");
    });
    await new Promise<void>((resolve) => charts?.listen(0, "127.0.0.1", resolve));
    repository = `http://127.0.0.1:${(charts.address() as AddressInfo).port}`;
    const started = await startServer(join(dir, "server.log"), [
      ...[
        k3s,
        "server",
        "--disable-agent",
        "--data-dir",
        join(dir, "data"),
        "--write-kubeconfig",
        join(dir, "kubeconfig"),
      ],
      ...["--bind-address", "127.0.0.1", "--https-listen-port", String(PORT), "--node-name", "seed-1"],
    ]);
    server = started.child;
    await kubectl("create", "namespace", "monitoring-system");
    await apply(`apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: { name: growing }
provisioner: none.example.org
allowVolumeExpansion: true
---
apiVersion: v1
kind: PersistentVolume
metadata: { name: pv-1 }
spec:
  capacity: { storage: 10Gi }
  accessModes: [ReadWriteOnce]
  storageClassName: growing
  persistentVolumeReclaimPolicy: Retain
  hostPath: { path: /nowhere }
---
${CRD("0.1.0")}`);
    await kubectl("wait", "--for=condition=Established", "crd/prometheuses.monitoring.coreos.com");
    await apply(`apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: { name: kube-prometheus-stack-prometheus, namespace: monitoring-system }
spec: { persistentVolumeClaimRetentionPolicy: { whenDeleted: Delete } }
`);
    await apply(set("10Gi", "Delete"));
    await until(
      async () =>
        (await claim(".status.phase")) === "Bound" &&
        (await claim(".metadata.ownerReferences[0].kind")) !== "",
    );
  });
  after(async () => {
    await stopServer(server, "SIGTERM");
    charts?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  async function until(condition: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + 60_000;
    while (!(await condition().catch(() => false))) {
      assert.ok(Date.now() < end, "not within a minute");
      await sleep(300);
    }
  }

  const script = (size: string, action: string) => {
    const version = /^version: (.*)$/m.exec(readFileSync(join(dir, "chart/Chart.yaml"), "utf8"))?.[1] ?? "";
    const text = functions(["monitoring"], {
      KUBECONFIG_FILE: join(dir, "kubeconfig"),
      MONITORING_NAMESPACE: "monitoring-system",
      CHART_REPOSITORY: repository,
      CHART_VERSION: version,
      VOLUME_SECONDS: 60,
      VOLUME_LABELS: [LABEL],
      VOLUME_SIZES: [size],
      VOLUME_SETTINGS: ["monitoring.prometheus.size"],
      VOLUME_OWNERS: ["prometheuses.monitoring.coreos.com/kube-prometheus-stack-prometheus"],
      MIRROR_CA: "",
    });
    const env = { PATH: `${dir}:${process.env["PATH"]}`, HOME: dir };
    return run("bash", ["-s"], { input: `${text}\n${action}\n`, env, allowFailure: true });
  };

  test("a larger size: the CRD is the chart's, the claim has grown, and it no longer goes with its StatefulSet", async () => {
    const { code, stderr } = await script("20Gi", "on_create");
    assert.equal(code, 0, stderr);
    const version = await kubectl(
      ...["get", "crd", "prometheuses.monitoring.coreos.com", "--output"],
      String.raw`jsonpath={.metadata.annotations.operator\.prometheus\.io/version}`,
    );
    assert.equal(version, "0.93.1");
    assert.equal(await claim(".spec.resources.requests.storage"), "20Gi");
    assert.equal(await claim(".metadata.ownerReferences[0].kind"), "");
  });

  test("the data stays while the StatefulSet is made anew, as prometheus-operator does it", async () => {
    const volume = await claim(".spec.volumeName");
    await kubectl(
      "delete",
      "statefulset",
      "prometheus-p",
      "--namespace",
      "monitoring-system",
      "--cascade=foreground",
    );
    await sleep(3000);
    assert.equal(await claim(".metadata.deletionTimestamp"), "");
    await apply(set("20Gi", "Retain"));
    assert.equal(await claim(".spec.volumeName"), volume);
    assert.equal((await script("20Gi", "on_create")).code, 0, "again, with nothing to do");
  });

  test("a smaller size is refused and changes nothing", async () => {
    const { code, stderr } = await script("15Gi", "on_create");
    assert.equal(code, 70);
    assert.match(stderr, /monitoring\.prometheus\.size is 15Gi, but volume db-prometheus-p-0 has 20Gi/);
    assert.equal(await claim(".spec.resources.requests.storage"), "20Gi");
  });

  test("in the end the claim is deleted, and the volume's end is awaited", async () => {
    await kubectl(
      "delete",
      "statefulset",
      "prometheus-p",
      "--namespace",
      "monitoring-system",
      "--cascade=foreground",
    );
    const deleting = script("20Gi", "on_delete");
    await until(
      async () => (await kubectl("get", "pv", "pv-1", "--output", "jsonpath={.status.phase}")) === "Released",
    );
    // In the place of Cinder.
    await kubectl("delete", "pv", "pv-1");
    const { code, stderr } = await deleting;
    assert.equal(code, 0, stderr);
    assert.equal(await kubectl("get", "pvc", "--namespace", "monitoring-system", "--output", "name"), "");
  });
});
