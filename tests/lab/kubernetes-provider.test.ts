/**
 * The kubernetes provider against a real API server and the real helm.
 *
 * By itself it starts the lab's k3s, and takes helm and cert-manager's chart from the lab. KUBECONFIG names another cluster
 * (whose Pods become ready, and where it may make and delete namespaces of its own), with CAPI_MGMT_HELM or helm on the
 * PATH, and CAPI_MGMT_TEST_CHART for the chart. It does not prove anything about containers: the lab's k3s runs none.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse, stringify } from "yaml";
import { UNKNOWN, type Properties } from "../../engine/provider.ts";
import { siteArtifacts } from "../../lab/services/site.ts";
import { paths } from "../../lab/site.ts";
import { Driver, failure, pluck, type Recorded } from "../engine/providers-kubernetes-support.ts";
import { type StartedServer, startServer, stopServer } from "../support/k3sServer.ts";
import { enterLab } from "../support/lab.ts";

let kubeconfig = process.env["KUBECONFIG"] ?? "";
let realChart = process.env["CAPI_MGMT_TEST_CHART"] ?? "";
const skip = kubeconfig === "" && process.getuid?.() !== 0 ? "the lab needs root" : false;
const namespace = `provider-test-${process.pid}`;

const NAMESPACE = "kubernetes:core/v1:Namespace";
const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const SECRET = "kubernetes:core/v1:Secret";
const RELEASE = "kubernetes:helm.sh/v3:Release";
const DEPLOYMENT = "kubernetes:apps/v1:Deployment";

/** Runs helm from outside the provider. */
function helm(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.env["CAPI_MGMT_HELM"] ?? "helm", args, { encoding: "utf8" });
}

function deployment(
  name: string,
  changes: { image?: string; metadata?: Properties; selector?: string } = {},
): Properties {
  const labels = { app: changes.selector ?? name };
  return {
    metadata: { name, namespace, ...changes.metadata },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "main", image: changes.image ?? "registry.test/app:1" }] },
      },
    },
  };
}

describe("kubernetes provider on a real API server", { skip, concurrency: false }, () => {
  let driver: Driver;
  let home: Recorded;
  const folder = mkdtempSync(join(tmpdir(), "kubernetes-provider-test-"));

  const scratch = mkdtempSync(join(tmpdir(), "kubernetes-provider-cluster-"));
  let server: StartedServer | undefined;

  before(async () => {
    process.env["TMPDIR"] = folder; // where the provider makes its private folders
    if (kubeconfig === "") await ownCluster();
    driver = await Driver.of({ kubeconfig });
    [home] = await driver.create(NAMESPACE, "home", { metadata: { name: namespace } });
  });
  after(async () => {
    await driver.delete(home, 120);
    assert.equal(await driver.read(home), null, "the namespace is gone");
    await driver.close();
    await stopServer(server?.child, "SIGKILL");
    for (const made of [folder, scratch]) rmSync(made, { recursive: true, force: true });
  });

  /** The lab's k3s on the loopback, and what else the lab has that is needed here. */
  async function ownCluster(): Promise<void> {
    enterLab();
    const { k3s, helm: binary } = siteArtifacts();
    kubeconfig = join(scratch, "k3s.yaml");
    server = await startServer(join(scratch, "log"), [
      ...[k3s, "server", "--data-dir", join(scratch, "data"), "--write-kubeconfig", kubeconfig],
      ...["--bind-address", "127.0.0.1", "--https-listen-port", "26744", "--node-name", "node-1"],
    ]);
    const charts = join(paths.mirror, "charts.jetstack.io");
    realChart = join(charts, readdirSync(charts).find((name) => name.endsWith(".tgz")) ?? "");
    Object.assign(process.env, { KUBECONFIG: kubeconfig, CAPI_MGMT_HELM: binary });
  }

  test("creates, reads, sees drift, updates and deletes an object it named itself", async () => {
    const inputs = { metadata: { namespace }, data: { key: "one" } };
    let [config] = await driver.create(CONFIG_MAP, "settings", inputs);
    assert.equal(config.id, `${namespace}/settings-0000001`);
    assert.equal(pluck(config.outputs, "metadata", "annotations", "pulumi.com/autonamed"), "true");
    assert.match(
      JSON.stringify(pluck(config.outputs, "__fieldManager")),
      /^"pulumi-kubernetes-[0-9a-f]{8}"$/,
    );

    const [same] = await driver.diff(config, inputs);
    assert.deepEqual([same.changes, same.replaces], [false, []]);

    const labelled = { ...inputs, metadata: { namespace, labels: { tier: "a" } } };
    const [change, checked] = await driver.diff(config, labelled);
    assert.deepEqual(change.detailed, { "metadata.labels": "add" });
    [config] = await driver.update(config, checked);
    assert.equal(pluck(config.outputs, "metadata", "labels", "tier"), "a");

    // The second update exercises the ownership that the first one took over from the creation.
    const [again, unlabelled] = await driver.diff(config, inputs);
    assert.deepEqual(again.detailed, { "metadata.labels": "delete" });
    [config] = await driver.update(config, unlabelled);
    assert.equal(pluck(config.outputs, "metadata", "labels"), undefined);

    const clean = await driver.read(config);
    assert.deepEqual(clean?.inputs, config.inputs, "nothing has drifted");

    const other = await Driver.of({ kubeconfig, enablePatchForce: "true", enableConfigMapMutable: "true" });
    await other.update({ ...config, urn: `${config.urn}-other` }, { ...config.inputs, data: { key: "two" } });
    await other.close();
    const drift = await driver.read(config);
    assert.equal(pluck(drift?.inputs, "data", "key"), "two", "drift is in the inputs");
    const [back] = await driver.diff({ ...config, inputs: drift?.inputs ?? {} }, inputs);
    assert.deepEqual(back.detailed, { "data.key": "update-replace" });
    assert.equal(back.deleteBeforeReplace, false, "its successor gets another name");

    await driver.delete(config);
    assert.equal(await driver.read(config), null);
    await driver.delete(config);
  });

  test("refuses to take over what it did not make, unless told to", async () => {
    const inputs = { metadata: { name: "taken", namespace }, data: { owner: "first" } };
    const [first] = await driver.create(CONFIG_MAP, "first", inputs);
    const error = await failure(
      driver.create(CONFIG_MAP, "second", { ...inputs, data: { owner: "second" } }),
    );
    assert.match(
      error.message,
      /cannot create ConfigMap .*\/taken: configmaps "taken" already exists .*upsertExistingObjects/,
    );
    const upserting = await Driver.of({
      kubeconfig,
      upsertExistingObjects: "true",
      enablePatchForce: "true",
    });
    const [second] = await upserting.create(CONFIG_MAP, "second", { ...inputs, data: { owner: "second" } });
    assert.equal(pluck(second.outputs, "data", "owner"), "second");
    await upserting.close();
    await driver.delete(first);
  });

  test("says which manager owns a field that it may not change", async () => {
    const inputs = { metadata: { name: "shared", namespace }, data: { key: "ours" } };
    const [ours] = await driver.create(CONFIG_MAP, "shared", inputs);
    const forcing = await Driver.of({ kubeconfig, enablePatchForce: "true" });
    const theirs = { ...ours, outputs: { ...ours.outputs, __fieldManager: "somebody-else" } };
    await forcing.update(theirs, { ...ours.inputs, data: { key: "theirs" } });
    await forcing.close();
    const error = await failure(driver.update(ours, { ...ours.inputs, data: { key: "ours again" } }));
    assert.match(error.message, /conflict with "somebody-else": .data.key/);
    assert.match(error.message, /patchForce/);
    await driver.delete(ours);
  });

  test("waits for the token of a service account, as the annotation asks", async () => {
    const account = "kubernetes:core/v1:ServiceAccount";
    await driver.create(account, "magnum", { metadata: { name: "magnum", namespace } });
    const inputs = {
      metadata: {
        ...{ name: "magnum-token", namespace },
        annotations: {
          "kubernetes.io/service-account.name": "magnum",
          "pulumi.com/waitFor": "jsonpath={.data.token}",
        },
      },
      type: "kubernetes.io/service-account-token",
    };
    const [preview] = await driver.create(SECRET, "token", inputs, { preview: true });
    assert.equal(preview.id, "");
    assert.equal(preview.outputs["data"], UNKNOWN, "a preview cannot know the token");
    const [token, result] = await driver.create(SECRET, "token", inputs);
    assert.ok(JSON.stringify(pluck(token.outputs, "data", "token")).length > 100);
    assert.deepEqual(result.secretOutputs, ["data", "stringData"]);
    await driver.delete(token);
  });

  test("a key that leaves a Secret's stringData leaves the Secret", async () => {
    const mutable = await Driver.of({ kubeconfig, enableSecretMutable: "true" });
    const inputs = {
      metadata: { name: "credentials", namespace },
      stringData: { user: "u-secret", password: "p-secret" },
    };
    const [secret] = await mutable.create(SECRET, "credentials", inputs);
    assert.equal(pluck(secret.outputs, "data", "password"), Buffer.from("p-secret").toString("base64"));
    const [change, checked] = await mutable.diff(secret, { ...inputs, stringData: { user: "u-secret" } });
    assert.deepEqual(change.detailed, { "data.password": "delete" });
    const [updated] = await mutable.update(secret, checked);
    assert.deepEqual(Object.keys(pluck(updated.outputs, "data") as object), ["user"]);
    const bad = { metadata: { name: "Not A Name", namespace }, stringData: { password: "hunter2-hunter2" } };
    const error = await failure(mutable.create(SECRET, "bad", bad));
    assert.doesNotMatch(error.message, /hunter2/);
    await mutable.delete(updated);
    await mutable.close();
  });

  test("awaits a Deployment's rollout, again on a change, and replaces it for another selector", async () => {
    const [web] = await driver.create(DEPLOYMENT, "web", deployment("web"));
    assert.equal(pluck(web.outputs, "status", "availableReplicas"), 2);
    const [change, checked] = await driver.diff(web, deployment("web", { image: "registry.test/app:2" }));
    assert.deepEqual(change.detailed, { "spec.template.spec.containers[0].image": "update" });
    const [rolled] = await driver.update(web, checked);
    assert.equal(pluck(rolled.outputs, "status", "updatedReplicas"), 2);
    const [other] = await driver.diff(
      rolled,
      deployment("web", { image: "registry.test/app:2", selector: "else" }),
    );
    assert.ok(other.replaces.includes("spec.selector.matchLabels.app"));
    assert.equal(other.deleteBeforeReplace, true);
    await driver.delete(rolled);
  });

  test("a Deployment that does not come up is recorded, with the reason in its Pods' events", async () => {
    const inputs = deployment("stuck", { metadata: { annotations: { "pulumi.com/timeoutSeconds": "3" } } });
    const spec = inputs["spec"] as { template: { spec: Properties } };
    spec.template.spec["nodeSelector"] = { "no-such": "node" };
    const [stuck, result] = await driver.create(DEPLOYMENT, "stuck", inputs);
    assert.equal(stuck.id, `${namespace}/stuck`);
    assert.match(
      result.partial?.reason ?? "",
      /Deployment .*\/stuck is not ready after 3 s: 0 of 2 replicas available/,
    );
    assert.match(result.partial?.reason ?? "", /conditions: .*Available=False/);
    assert.match(result.partial?.reason ?? "", /Pod stuck-.*: Pending\n.*PodScheduled=False \(Unschedulable/);
    assert.match(result.partial?.reason ?? "", /Warning FailedScheduling/);
    await driver.delete(stuck);
  });

  test("a Job is awaited to its end, and one that fails is told at once", async () => {
    const job = (name: string, spec: Properties): Properties => ({
      metadata: { name, namespace },
      spec: {
        ...{ backoffLimit: 0, activeDeadlineSeconds: 60 },
        template: {
          spec: {
            restartPolicy: "Never",
            containers: [{ name: "main", image: "registry.test/job:1" }],
            ...spec,
          },
        },
      },
    });
    const [done, ok] = await driver.create("kubernetes:batch/v1:Job", "done", job("done", {}));
    assert.equal(ok.partial, undefined);
    assert.equal(pluck(done.outputs, "status", "succeeded"), 1);
    const stuck = job("stuck", { nodeSelector: { none: "such" } });
    Object.assign(stuck["spec"] as Properties, { activeDeadlineSeconds: 1 });
    const [failed, result] = await driver.create("kubernetes:batch/v1:Job", "stuck", stuck);
    assert.match(result.partial?.reason ?? "", /Job .*stuck failed: Failed=True \(DeadlineExceeded/);
    await Promise.all([driver.delete(done), driver.delete(failed)]);
  });

  test("a definition and its custom resource, made together, with waits on its conditions", async () => {
    const group = `p${process.pid}.provider.test`;
    const definition: Properties = {
      metadata: { name: `things.${group}` },
      spec: {
        ...{
          group,
          scope: "Namespaced",
          names: { kind: "Thing", plural: "things", singular: "thing", listKind: "ThingList" },
        },
        versions: [
          {
            ...{ name: "v1", served: true, storage: true },
            schema: {
              openAPIV3Schema: {
                type: "object",
                properties: { spec: { type: "object", x_kubernetes_preserve_unknown_fields: true } },
              },
            },
          },
        ],
      },
    };
    const thing = `kubernetes:${group}/v1:Thing`;
    const inputs = {
      apiVersion: `${group}/v1`,
      kind: "Thing",
      metadata: { name: "one", namespace },
      spec: { size: 1 },
    };
    const [preview] = await driver.create(thing, "one", inputs, { preview: true });
    assert.deepEqual(
      pluck(preview.outputs, "spec"),
      { size: 1 },
      "a preview knows a kind that is yet to be defined",
    );
    const [[kind], [object]] = await Promise.all([
      driver.create("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "things", definition),
      driver.create(thing, "one", inputs),
    ]);
    const path = ["spec", "versions", 0, "schema", "openAPIV3Schema", "properties", "spec"];
    assert.equal(pluck(kind.outputs, ...path, "x_kubernetes_preserve_unknown_fields"), true);
    const never = {
      "pulumi.com/waitFor": '["jsonpath={.spec.size}=1","condition=Ready"]',
      "pulumi.com/timeoutSeconds": "1",
    };
    const waiting = { ...inputs, metadata: { name: "two", namespace, annotations: never } };
    const [second, result] = await driver.create(thing, "two", waiting);
    assert.match(
      result.partial?.reason ?? "",
      /Thing .*\/two is not ready after 1 s: condition Ready is not set yet/,
    );
    const [change, checked] = await driver.diff(kind, {
      ...definition,
      metadata: { name: `things.${group}`, labels: { a: "b" } },
    });
    assert.deepEqual(change.detailed, { "metadata.labels": "add" });
    const [changed] = await driver.update(kind, checked);
    assert.equal(pluck(changed.outputs, "metadata", "labels", "a"), "b");
    await driver.delete(object);
    await driver.delete(changed);
    assert.equal(await driver.read(second), null, "a custom resource goes with its definition");
    await driver.delete(second);
  });

  test("a preview asks the server: defaults filled in, mistakes found, nothing left behind", async () => {
    const [preview] = await driver.create(DEPLOYMENT, "dry", deployment("dry"), { preview: true });
    assert.equal(pluck(preview.outputs, "spec", "progressDeadlineSeconds"), 600);
    assert.equal(pluck(preview.outputs, "metadata", "uid"), UNKNOWN);
    const wrong = deployment("dry", { selector: "x" });
    const spec = wrong["spec"] as { selector: Properties };
    spec.selector = { matchLabels: { app: "other" } };
    const error = await failure(driver.create(DEPLOYMENT, "dry", wrong, { preview: true }));
    assert.match(error.message, /`selector` does not match template `labels`/);
    assert.equal(
      await driver.read({ urn: "", type: DEPLOYMENT, id: `${namespace}/dry`, inputs: {}, outputs: {} }),
      null,
    );
    const elsewhere = { metadata: { name: "x", namespace: "not-made-yet" }, data: {} };
    const [early] = await driver.create(CONFIG_MAP, "x", elsewhere, { preview: true });
    assert.equal(pluck(early.outputs, "metadata", "namespace"), "not-made-yet");
  });

  test("a deletion that a finalizer holds up says so", async () => {
    const inputs = { metadata: { name: "held", namespace, finalizers: ["provider.test/hold"] } };
    const [held] = await driver.create(CONFIG_MAP, "held", inputs);
    const error = await failure(driver.delete(held, 1));
    assert.match(error.message, /held is still there after 1 s: held by provider.test\/hold/);
    await driver.update(held, { ...held.inputs, metadata: { name: "held", namespace, finalizers: [] } });
    await driver.delete(held);
  });

  describe("Helm releases", () => {
    const chart = join(folder, "sample");
    const id = `${namespace}/sample`;
    const inputs: Properties = {
      name: "sample",
      namespace,
      chart,
      values: { replicas: 1, password: "s3cret-value" },
    };
    let release: Recorded;

    function writeChart(version: string): void {
      mkdirSync(join(chart, "templates"), { recursive: true });
      const metadata = { apiVersion: "v2", name: "sample", version, appVersion: "9.9", type: "application" };
      writeFileSync(join(chart, "Chart.yaml"), stringify(metadata));
      const labels = "app: sample, app.kubernetes.io/instance: {{ .Release.Name }}";
      writeFileSync(
        join(chart, "templates", "all.yaml"),
        `apiVersion: apps/v1
kind: Deployment
metadata: { name: "{{ .Release.Name }}" }
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: sample } }
  template:
    metadata: { labels: { ${labels} } }
    spec:
      {{- with .Values.nodeSelector }}
      nodeSelector: {{ toYaml . | nindent 8 }}
      {{- end }}
      containers: [{ name: main, image: "registry.test/sample:1" }]
---
apiVersion: v1
kind: Secret
metadata: { name: "{{ .Release.Name }}" }
stringData: { password: {{ .Values.password | quote }} }
`,
      );
    }

    test("installs, sees no change, upgrades", async () => {
      writeChart("1.0.0");
      const [preview] = await driver.create(RELEASE, "sample", inputs, { preview: true });
      assert.equal(preview.outputs["status"], UNKNOWN);
      let result;
      [release, result] = await driver.create(RELEASE, "sample", inputs);
      assert.equal(release.id, id);
      assert.deepEqual(release.outputs["status"], {
        ...{
          appVersion: "9.9",
          chart: "sample",
          name: "sample",
          namespace,
          revision: 1,
          status: "deployed",
          version: "1.0.0",
        },
      });
      assert.deepEqual(release.outputs["resourceNames"], {
        "Deployment.apps/apps/v1": ["sample"],
        "Secret/v1": ["sample"],
      });
      assert.deepEqual(result.secretOutputs, ["__inputs"]);
      const [same] = await driver.diff(release, inputs);
      assert.equal(same.changes, false);
      const [change, checked] = await driver.diff(release, {
        ...inputs,
        values: { replicas: 2, password: "s3cret-value" },
      });
      assert.deepEqual(change.detailed, { "values.replicas": "update" });
      [release] = await driver.update(release, checked);
      assert.equal(pluck(release.outputs, "status", "revision"), 2);
      writeChart("1.1.0");
      const [content] = await driver.diff(release, {
        ...inputs,
        values: { replicas: 2, password: "s3cret-value" },
      });
      assert.deepEqual(content.detailed, { checksum: "update" }, "a change within a local chart is seen");
    });

    test("sees what somebody changed with helm", async () => {
      const clean = await driver.read(release);
      assert.deepEqual(clean?.inputs, release.inputs);
      const result = helm("upgrade", "sample", chart, "-n", namespace, "--set", "replicas=3,password=other");
      assert.equal(result.status, 0, result.stderr);
      const drifted = await driver.read(release);
      assert.deepEqual(drifted?.inputs["values"], { replicas: 3, password: "other" });
    });

    test("an upgrade that fails atomically is undone, and says what its Pods lacked", async () => {
      const impossible = { replicas: 2, password: "s3cret-value", nodeSelector: { none: "such" } };
      const [, checked] = await driver.diff(release, {
        ...inputs,
        atomic: true,
        timeout: 8,
        values: impossible,
      });
      const error = await failure(driver.update(release, checked));
      assert.match(
        error.message,
        /cannot update Helm release .*: UPGRADE FAILED: release sample failed, and has been rolled back/,
      );
      assert.match(error.message, /PodScheduled=False \(Unschedulable/);
      assert.doesNotMatch(error.message, /s3cret/);
    });

    test("carries on from a helm that was killed in the middle of an upgrade", async () => {
      // A release waits: this upgrade cannot come up, and is killed once helm has locked the release.
      const child = spawnSync(
        process.env["CAPI_MGMT_HELM"] ?? "helm",
        [
          "upgrade",
          "sample",
          chart,
          "-n",
          namespace,
          "--wait",
          "--timeout",
          "60s",
          "--reuse-values",
          "--set",
          "nodeSelector.none=such",
        ],
        { encoding: "utf8", timeout: 3_000, killSignal: "SIGKILL" },
      );
      assert.equal(child.signal, "SIGKILL");
      const locked = helm("status", "sample", "-n", namespace);
      assert.match(locked.stdout, /STATUS: pending-upgrade/);
      const [, checked] = await driver.diff(release, inputs);
      [release] = await driver.update(release, checked);
      assert.equal(pluck(release.outputs, "status", "status"), "deployed");
      assert.equal(pluck(release.outputs, "status", "version"), "1.1.0");
      assert.match(
        driver.log.join("\n"),
        /was left pending-upgrade by a run that was cut off: rolling back to revision/,
      );
    });

    test("uninstalls; what is gone already is no error; no file of helm's is left", async () => {
      await driver.delete(release);
      assert.match(helm("status", "sample", "-n", namespace).stderr, /release: not found/);
      assert.equal(await driver.read(release), null);
      await driver.delete(release);
      const left = readdirSync(folder).filter((name) => name.startsWith("capi-mgmt-helm-"));
      assert.deepEqual(left, []);
    });

    test("a first installation that fails is recorded, and the next run converges under the same name", async () => {
      const impossible = { replicas: 1, password: "x", nodeSelector: { none: "such" } };
      const [failed, result] = await driver.create(RELEASE, "sample", {
        ...inputs,
        timeout: 4,
        values: impossible,
      });
      assert.equal(failed.id, id);
      assert.equal(pluck(failed.outputs, "status", "status"), "failed");
      assert.match(result.partial?.reason ?? "", /context deadline exceeded[\s\S]*Unschedulable/);
      const [change, checked] = await driver.diff(failed, inputs);
      assert.equal(change.changes, true);
      const [fixed] = await driver.update(failed, checked);
      assert.equal(pluck(fixed.outputs, "status", "status"), "deployed");
      await driver.delete(fixed);
    });

    test("an installation whose helm was killed is removed and installed anew", async () => {
      const child = spawnSync(
        process.env["CAPI_MGMT_HELM"] ?? "helm",
        [
          "install",
          "sample",
          chart,
          "-n",
          namespace,
          "--wait",
          "--set",
          "replicas=1,password=x,nodeSelector.none=such",
        ],
        { encoding: "utf8", timeout: 3_000, killSignal: "SIGKILL" },
      );
      assert.equal(child.signal, "SIGKILL");
      const [again] = await driver.create(RELEASE, "sample", inputs);
      assert.equal(pluck(again.outputs, "status", "status"), "deployed");
      assert.match(driver.log.join("\n"), /was left pending-install by a run that was cut off: removing it/);
      await driver.delete(again);
    });

    test("wrong values are refused in the chart's own words, and nothing is recorded", async () => {
      writeFileSync(
        join(chart, "values.schema.json"),
        JSON.stringify({ properties: { replicas: { type: "integer" } } }),
      );
      const error = await failure(
        driver.create(RELEASE, "sample", { ...inputs, values: { replicas: "many" } }),
      );
      assert.match(error.message, /cannot create Helm release .*replicas.*(want integer|Expected: integer)/s);
      assert.match(helm("status", "sample", "-n", namespace).stderr, /release: not found/);
    });

    test("a real chart", async (context) => {
      if (realChart === "") return context.skip("no CAPI_MGMT_TEST_CHART");
      const real = {
        ...{
          name: "real",
          namespace: `${namespace}-real`,
          createNamespace: true,
          chart: realChart,
          atomic: true,
          timeout: 120,
        },
        values: { crds: { enabled: true, keep: false } },
      };
      const [installed] = await driver.create(RELEASE, "real", real);
      assert.equal(pluck(installed.outputs, "status", "status"), "deployed");
      await driver.delete(installed);
      const space = { urn: "", type: NAMESPACE, id: `${namespace}-real`, inputs: {}, outputs: {} };
      await driver.delete(space, 120);
    });
  });

  test("an API server that is away: previews go on, all else says so", async () => {
    const document = parse(readFileSync(kubeconfig, "utf8")) as {
      clusters: { cluster: { server: string } }[];
    };
    for (const entry of document.clusters) entry.cluster.server = "https://127.0.0.1:1";
    const inputs = { metadata: { name: "away", namespace }, data: { a: "b" } };
    const away = await Driver.of({ kubeconfig: stringify(document) });
    const [preview] = await away.create(CONFIG_MAP, "away", inputs, { preview: true });
    assert.deepEqual(preview.outputs["data"], { a: "b" });
    const recorded = { ...preview, id: `${namespace}/away` };
    const [same] = await away.diff(recorded, inputs);
    assert.equal(same.changes, false);
    for (const work of [
      away.read(recorded),
      away.delete(recorded),
      away.create(CONFIG_MAP, "away", inputs),
    ]) {
      const error = await failure(work);
      assert.match(
        error.message,
        /the Kubernetes API server https:\/\/127.0.0.1:1 is unreachable: connect ECONNREFUSED/,
      );
    }
    const dropping = await Driver.of({ kubeconfig: stringify(document), deleteUnreachable: "true" });
    assert.equal(await dropping.read(recorded), null);
    await dropping.delete(recorded);
    const keeping = await Driver.of({ kubeconfig: stringify(document), skipUpdateUnreachable: "true" });
    assert.deepEqual((await keeping.read(recorded))?.outputs, recorded.outputs);
  });
});
