/**
 * The kubernetes provider's decisions that need no cluster: tokens, configuration, names, differences, readiness.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UNKNOWN, type Properties } from "../../engine/provider.ts";
import { configurationOf, diffConfiguration } from "../../engine/providers/kubernetes/configuration.ts";
import { formatPath, parsePath } from "../../engine/providers/kubernetes/differences.ts";
import { replacingFields } from "../../engine/providers/kubernetes/immutable.ts";
import { parseJsonPath } from "../../engine/providers/kubernetes/json-path.ts";
import { driftedInputs } from "../../engine/providers/kubernetes/live.ts";
import { isForced, takeOver } from "../../engine/providers/kubernetes/managers.ts";
import { resourceNamesOf } from "../../engine/providers/kubernetes/manifest.ts";
import { toObject, toProperties, type KubeObject } from "../../engine/providers/kubernetes/object.ts";
import { ruleFor, type Surroundings } from "../../engine/providers/kubernetes/readiness.ts";
import { sensitiveValues, withoutValues } from "../../engine/providers/kubernetes/redact.ts";
import { kindOf } from "../../engine/providers/kubernetes/tokens.ts";
import { waitForRule } from "../../engine/providers/kubernetes/wait-for.ts";
import { Driver, pluck, type Recorded, urnOf } from "./providers-kubernetes-support.ts";

const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";

function kubeconfig(server: string, token = "t0ken-value", namespace?: string): string {
  return JSON.stringify({
    "current-context": "c",
    clusters: [{ name: "k", cluster: { server } }],
    users: [{ name: "u", user: { token } }],
    contexts: [{ name: "c", context: { cluster: "k", user: "u", namespace } }],
  });
}

describe("type tokens", () => {
  const kinds: [token: string, apiVersion: string, kind: string][] = [
    ["kubernetes:core/v1:Secret", "v1", "Secret"],
    ["kubernetes:v1:Secret", "v1", "Secret"],
    ["kubernetes:apps/v1:Deployment", "apps/v1", "Deployment"],
    ["kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "rbac.authorization.k8s.io/v1", "RoleBinding"],
    [
      "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
      "apiextensions.k8s.io/v1",
      "CustomResourceDefinition",
    ],
    ["kubernetes:cluster.x-k8s.io/v1beta1:Cluster", "cluster.x-k8s.io/v1beta1", "Cluster"],
    // A custom resource may be called anything.
    ["kubernetes:example.test/v1:SecurityPatch", "example.test/v1", "SecurityPatch"],
    ["kubernetes:example.test/v1:AllowList", "example.test/v1", "AllowList"],
  ];
  for (const [token, apiVersion, kind] of kinds) {
    test(token, () => assert.deepEqual(kindOf(token), { apiVersion, kind }));
  }
  const refused = [
    "kubernetes:core/v1:ConfigMapPatch",
    "kubernetes:core/v1:ConfigMapList",
    "kubernetes:helm.sh/v3:Chart",
    "kubernetes:helm.sh/v4:Chart",
    "kubernetes:yaml:ConfigFile",
    "kubernetes:yaml/v2:ConfigGroup",
    "kubernetes:kustomize/v2:Directory",
  ];
  for (const token of refused) {
    test(`${token} is refused by name`, () => {
      assert.throws(() => kindOf(token), {
        message: new RegExp(`does not implement ${token.replaceAll(".", "\\.")}: `),
      });
    });
  }
  test("functions are refused by name", async () => {
    const driver = await Driver.of({ kubeconfig: kubeconfig("https://a:6443") });
    await assert.rejects(
      driver.provider.invoke("kubernetes:helm:template", {}),
      /the function kubernetes:helm:template$/,
    );
  });
});

describe("provider configuration", () => {
  test("switches arrive as texts; the namespace is the context's unless given", () => {
    const inputs = {
      kubeconfig: kubeconfig("https://a:6443/", "t", "apps"),
      deleteUnreachable: "true",
      enablePatchForce: "false",
    };
    const configuration = configurationOf(inputs, {});
    assert.equal(configuration.namespace, "apps");
    assert.deepEqual([configuration.deleteUnreachable, configuration.enablePatchForce], [true, false]);
    assert.equal(configurationOf({ ...inputs, namespace: "other" }, {}).namespace, "other");
    assert.equal(
      configurationOf({}, { PULUMI_K8S_SKIP_UPDATE_UNREACHABLE: "true" }).skipUpdateUnreachable,
      true,
    );
  });
  test("what is not implemented is refused by name", () => {
    assert.throws(
      () => configurationOf({ enableServerSideApply: "false" }),
      /enableServerSideApply=false is not implemented/,
    );
    assert.throws(
      () => configurationOf({ renderYamlToDirectory: "out" }),
      /the option renderYamlToDirectory/,
    );
  });
  test("a kubeconfig that is none is only told of when needed, and not quoted", async () => {
    const driver = await Driver.of({ kubeconfig: "password: [hunter2\n" });
    const inputs = { metadata: { name: "a", namespace: "b" } };
    const [preview] = await driver.create(CONFIG_MAP, "a", inputs, { preview: true });
    assert.equal(preview.id, "");
    await assert.rejects(driver.create(CONFIG_MAP, "a", inputs), (error: Error) => {
      assert.equal(error.message, "cannot create ConfigMap b/a: kubeconfig: its content is no YAML map");
      return true;
    });
  });

  const [a, b] = [kubeconfig("https://a:6443"), kubeconfig("https://b:6443")];
  const rotated = kubeconfig("https://a:6443", "another");
  const cases: [what: string, olds: Properties, news: Properties, replaces: string[]][] = [
    ["nothing changed", { kubeconfig: a }, { kubeconfig: a }, []],
    ["a rotated token is an update", { kubeconfig: a }, { kubeconfig: rotated }, []],
    ["another server is another cluster", { kubeconfig: a }, { kubeconfig: b }, ["kubeconfig"]],
    [
      "an unknown kubeconfig may be another cluster",
      { kubeconfig: a },
      { kubeconfig: UNKNOWN },
      ["kubeconfig"],
    ],
    [
      "an identifier outweighs the server",
      { kubeconfig: a, clusterIdentifier: "x" },
      { kubeconfig: b, clusterIdentifier: "x" },
      [],
    ],
    [
      "and an unknown kubeconfig",
      { kubeconfig: a, clusterIdentifier: "x" },
      { kubeconfig: UNKNOWN, clusterIdentifier: "x" },
      [],
    ],
    [
      "another identifier is another cluster",
      { kubeconfig: a, clusterIdentifier: "x" },
      { kubeconfig: a, clusterIdentifier: "y" },
      ["clusterIdentifier"],
    ],
    [
      "adding an identifier replaces nothing",
      { kubeconfig: a },
      { kubeconfig: a, clusterIdentifier: "x" },
      [],
    ],
    ["nor does taking it away", { kubeconfig: a, clusterIdentifier: "x" }, { kubeconfig: a }, []],
    ["a switch is an update", { kubeconfig: a }, { kubeconfig: a, deleteUnreachable: "true" }, []],
  ];
  for (const [what, olds, news, replaces] of cases) {
    test(what, () => {
      const result = diffConfiguration(olds, news);
      assert.deepEqual(result.replaces, replaces);
      assert.equal(
        result.changes,
        JSON.stringify(olds) !== JSON.stringify(news) || news["kubeconfig"] === UNKNOWN,
      );
    });
  }
});

describe("checking an object", () => {
  test("fills in kind, name and namespace, and keeps the name", async () => {
    const driver = await Driver.of({ kubeconfig: kubeconfig("https://a:6443"), namespace: "apps" });
    const { inputs } = await driver.check(CONFIG_MAP, "settings", { data: { a: "1" }, immutable: null });
    assert.deepEqual(inputs, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        ...{ name: "settings-0000001", namespace: "apps" },
        annotations: { "pulumi.com/autonamed": "true" },
      },
      data: { a: "1" },
    });
    const again = await driver.check(CONFIG_MAP, "settings", { data: { a: "2" } }, inputs);
    assert.equal(pluck(again.inputs, "metadata", "name"), "settings-0000001");
  });
  test("leaves what has no namespace without one, and custom resources to the cluster", async () => {
    const driver = await Driver.of({ kubeconfig: UNKNOWN });
    const role = await driver.check("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", "r", {
      metadata: { name: "r" },
    });
    assert.equal(pluck(role.inputs, "metadata", "namespace"), undefined);
    const thing = await driver.check("kubernetes:example.test/v1:Thing", "t", { metadata: { name: "t" } });
    assert.equal(pluck(thing.inputs, "metadata", "namespace"), undefined);
    const unknown = await driver.check(CONFIG_MAP, "c", { metadata: { name: UNKNOWN } }, undefined, true);
    assert.equal(pluck(unknown.inputs, "metadata", "name"), UNKNOWN);
  });
  test("names what contradicts the type, and generateName", async () => {
    const driver = await Driver.of({ kubeconfig: UNKNOWN });
    const { failures } = await driver.check(CONFIG_MAP, "c", {
      kind: "Secret",
      metadata: { generateName: "c-" },
    });
    assert.deepEqual(
      failures.map(({ property }) => property),
      ["kind", "metadata.generateName"],
    );
  });
});

describe("comparing an object", () => {
  async function compare(
    type: string,
    old: Properties,
    news: Properties,
    configuration: Properties = {},
    ignore: string[] = [],
  ) {
    const driver = await Driver.of({ kubeconfig: UNKNOWN, ...configuration });
    const { inputs } = await driver.check(type, "x", old);
    const recorded: Recorded = { urn: urnOf(type, "x"), type, id: "default/x", inputs, outputs: inputs };
    const [result] = await driver.diff(recorded, news, ignore);
    return result;
  }
  const named = { name: "x", namespace: "default" };
  const service = { metadata: named, spec: { clusterIP: "10.0.0.1", ports: [{ port: 1 }] } };
  const cases: [
    what: string,
    type: string,
    old: Properties,
    news: Properties,
    detailed: Record<string, string>,
    first: boolean,
  ][] = [
    [
      "a label",
      CONFIG_MAP,
      { metadata: named },
      { metadata: { ...named, labels: { a: "b" } } },
      { "metadata.labels": "add" },
      false,
    ],
    [
      "an annotation's dots",
      CONFIG_MAP,
      { metadata: { ...named, annotations: { "a.b/c": "1" } } },
      { metadata: { ...named, annotations: { "a.b/c": "2" } } },
      { 'metadata.annotations["a.b/c"]': "update" },
      false,
    ],
    [
      "a ConfigMap's data",
      CONFIG_MAP,
      { metadata: named, data: { a: "1" } },
      { metadata: named, data: { a: "2" } },
      { "data.a": "update-replace" },
      true,
    ],
    [
      "the same under a name of Pulumi's",
      CONFIG_MAP,
      { data: { a: "1" } },
      { data: { a: "2" } },
      { "data.a": "update-replace" },
      false,
    ],
    [
      "another name",
      CONFIG_MAP,
      { metadata: named },
      { metadata: { ...named, name: "y" } },
      { "metadata.name": "update-replace" },
      false,
    ],
    [
      "another namespace",
      CONFIG_MAP,
      { metadata: named },
      { metadata: { ...named, namespace: "y" } },
      { "metadata.namespace": "update-replace" },
      false,
    ],
    ["a namespace spelled out", CONFIG_MAP, { metadata: { name: "x" } }, { metadata: named }, {}, false],
    [
      "a Secret's type",
      "kubernetes:core/v1:Secret",
      { metadata: named, type: "a" },
      { metadata: named, type: "b" },
      { type: "update-replace" },
      true,
    ],
    [
      "a Secret's other spelling",
      "kubernetes:core/v1:Secret",
      { metadata: named, stringData: { a: "x" } },
      { metadata: named, data: { a: "eA==" } },
      {},
      false,
    ],
    [
      "a Service's address",
      "kubernetes:core/v1:Service",
      service,
      { metadata: named, spec: { ...service.spec, clusterIP: "10.0.0.2" } },
      { "spec.clusterIP": "update-replace" },
      true,
    ],
    [
      "a Service's port",
      "kubernetes:core/v1:Service",
      service,
      { metadata: named, spec: { ...service.spec, ports: [{ port: 2 }] } },
      { "spec.ports[0].port": "update" },
      false,
    ],
    [
      "a binding's role",
      "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
      { metadata: { name: "x" }, roleRef: { name: "a" } },
      { metadata: { name: "x" }, roleRef: { name: "b" } },
      { "roleRef.name": "update-replace" },
      true,
    ],
    [
      "a Pod's image",
      "kubernetes:core/v1:Pod",
      { metadata: named, spec: { containers: [{ name: "a", image: "1" }] } },
      { metadata: named, spec: { containers: [{ name: "a", image: "2" }] } },
      { "spec.containers[0].image": "update-replace" },
      true,
    ],
    [
      "a Job's template",
      "kubernetes:batch/v1:Job",
      { metadata: named, spec: { template: { spec: { a: 1 } } } },
      { metadata: named, spec: { template: { spec: { a: 2 } } } },
      { "spec.template.spec.a": "update-replace" },
      true,
    ],
    [
      "a StatefulSet's service",
      "kubernetes:apps/v1:StatefulSet",
      { metadata: named, spec: { serviceName: "a" } },
      { metadata: named, spec: { serviceName: "b" } },
      { "spec.serviceName": "update-replace" },
      true,
    ],
    [
      "a whole spec that comes",
      "kubernetes:apps/v1:Deployment",
      { metadata: named },
      { metadata: named, spec: { selector: {} } },
      { spec: "add-replace" },
      true,
    ],
    [
      "a storage class's parameters",
      "kubernetes:storage.k8s.io/v1:StorageClass",
      { metadata: { name: "x" }, parameters: { a: "1" } },
      { metadata: { name: "x" }, parameters: {} },
      { "parameters.a": "delete-replace" },
      true,
    ],
    [
      "a value to come",
      CONFIG_MAP,
      { metadata: { ...named, labels: { a: "1" } } },
      { metadata: { ...named, labels: { a: UNKNOWN } } },
      { "metadata.labels.a": "update" },
      false,
    ],
  ];
  for (const [what, type, old, news, detailed, first] of cases) {
    test(what, async () => {
      const result = await compare(type, old, news);
      assert.deepEqual(result.detailed, detailed);
      assert.equal(result.changes, Object.keys(detailed).length > 0);
      assert.equal(result.deleteBeforeReplace, first);
      assert.deepEqual(
        result.replaces,
        Object.keys(detailed).filter((path) => detailed[path]?.endsWith("-replace")),
      );
    });
  }
  test("the provider can make ConfigMaps and Secrets mutable, but not those that say immutable", async () => {
    const [old, news] = [
      { metadata: named, data: { a: "1" } },
      { metadata: named, data: { a: "2" } },
    ];
    const mutable = { enableConfigMapMutable: "true" };
    assert.deepEqual((await compare(CONFIG_MAP, old, news, mutable)).replaces, []);
    const frozen = await compare(
      CONFIG_MAP,
      { ...old, immutable: true },
      { ...news, immutable: true },
      mutable,
    );
    assert.deepEqual(frozen.replaces, ["data.a"]);
  });
  test("ignored changes do not count, below the ignored path too", async () => {
    const [old, news] = [
      { metadata: named, data: { a: "1" } },
      { metadata: named, data: { a: "2" } },
    ];
    assert.equal((await compare(CONFIG_MAP, old, news, {}, ["data"])).changes, false);
    assert.equal((await compare(CONFIG_MAP, old, news, {}, ["data.b"])).changes, true);
  });
  test("property paths survive a round trip", () => {
    const path = ["metadata", "annotations", 'a."b"/c', 0, "x"];
    assert.deepEqual(parsePath(formatPath(path)), path);
    assert.deepEqual(parsePath("spec.containers[*].image"), ["spec", "containers", "*", "image"]);
  });
  test("a kind without a table entry is replaced for its identity only", () => {
    const fields = replacingFields(
      { apiVersion: "a.test/v1", kind: "Secret" },
      { enableSecretMutable: false, enableConfigMapMutable: false },
    );
    assert.deepEqual(fields, ["kind", "metadata.name", "metadata.namespace"]);
  });
});

describe("drift", () => {
  test("is what changed since the last deployment, not how the server spells or completes things", () => {
    const inputs = { spec: { cpu: "1000m", list: ["a"], map: { ours: 1 } } };
    const before = { spec: { cpu: "1", list: ["a"], map: { ours: 1, theirs: 2 }, defaulted: true } };
    assert.deepEqual(driftedInputs(inputs, before, before), inputs);
    const live = { spec: { cpu: "2", list: ["a", "b"], map: { theirs: 3 }, defaulted: false } };
    assert.deepEqual(driftedInputs(inputs, before, live), { spec: { cpu: "2", list: ["a", "b"], map: {} } });
  });
});

describe("field managers", () => {
  const entry = (manager: string, operation: string, fields: string[], subresource?: string): KubeObject => ({
    ...{ manager, operation, fieldsType: "FieldsV1", apiVersion: "v1" },
    fieldsV1: { "f:data": Object.fromEntries(fields.map((field) => [`f:${field}`, {}])) },
    ...(subresource === undefined ? {} : { subresource }),
  });
  test("what the provider's creation owned moves to the object's manager, and nothing else does", () => {
    const status = entry("pulumi-kubernetes", "Update", ["s"], "status");
    const other = entry("somebody", "Update", ["o"]);
    const live = {
      metadata: {
        managedFields: [
          entry("pulumi-kubernetes", "Update", ["a"]),
          status,
          other,
          entry("mine", "Apply", ["b"]),
        ],
      },
    };
    const moved = takeOver(live, "mine");
    assert.deepEqual(moved?.slice(0, 2), [status, other]);
    assert.deepEqual(moved?.[2], entry("mine", "Apply", ["b", "a"]));
    assert.equal(takeOver({ metadata: { managedFields: moved ?? [] } }, "mine"), undefined);
  });
  test("force is by annotation, by switch, or for objects that record no managers", () => {
    const managed = { metadata: { managedFields: [entry("a", "Apply", [])] } };
    assert.equal(isForced({}, managed, false), false);
    assert.equal(isForced({}, managed, true), true);
    assert.equal(
      isForced({ metadata: { annotations: { "pulumi.com/patchForce": "true" } } }, managed, false),
      true,
    );
    assert.equal(isForced({}, { metadata: {} }, false), true);
  });
});

describe("readiness", () => {
  const around = (slices: KubeObject[] = [], elapsed = 0, storage?: KubeObject): Surroundings => ({
    ...{ updating: false, elapsed },
    get: () => Promise.resolve(storage),
    list: () => Promise.resolve(slices),
  });
  const slice = (...ready: boolean[]): KubeObject => ({
    endpoints: ready.map((value) => ({ conditions: { ready: value } })),
  });
  const deployment = (status: KubeObject, spec: KubeObject = { replicas: 2 }): KubeObject => ({
    ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { generation: 2 }, spec },
    status: { observedGeneration: 2, ...status },
  });
  const pod = (status: KubeObject): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    spec: { restartPolicy: "Never" },
    status,
  });
  const job = (type: string): KubeObject => ({
    ...{
      apiVersion: "batch/v1",
      kind: "Job",
      status: { conditions: [{ type, status: "True", reason: "R" }] },
    },
  });
  const stateful = (status: KubeObject): KubeObject => ({
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    spec: { replicas: 2 },
    status,
  });
  const service = (spec: KubeObject, status: KubeObject = {}): KubeObject => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "s" },
    spec,
    status,
  });
  const claim: KubeObject = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    spec: { storageClassName: "c" },
    status: { phase: "Pending" },
  };
  const definition = (type: string, status: string): KubeObject => ({
    ...{ apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" },
    status: { conditions: [{ type, status }] },
  });
  const selecting = { selector: { a: "b" }, clusterIP: "10.0.0.1" };
  const cases: [what: string, object: KubeObject, around: Surroundings, expected: string][] = [
    [
      "Deployment not seen yet",
      deployment({ observedGeneration: 1, availableReplicas: 2, updatedReplicas: 2 }),
      around(),
      "the controller has yet to see it",
    ],
    [
      "Deployment rolling",
      deployment({ replicas: 3, updatedReplicas: 1, availableReplicas: 2 }),
      around(),
      "2 of 2 replicas available, 1 up to date",
    ],
    [
      "Deployment with old replicas",
      deployment({ replicas: 3, updatedReplicas: 2, availableReplicas: 3 }),
      around(),
      "1 old replicas are yet to go",
    ],
    [
      "Deployment unavailable",
      deployment({ replicas: 2, updatedReplicas: 2, availableReplicas: 1 }),
      around(),
      "1 of 2 replicas available, 2 up to date",
    ],
    [
      "Deployment done",
      deployment({ replicas: 2, updatedReplicas: 2, availableReplicas: 2 }),
      around(),
      "ready",
    ],
    ["Deployment paused", deployment({}, { paused: true }), around(), "ready"],
    ["Deployment of none", deployment({}, { replicas: 0 }), around(), "ready"],
    ["StatefulSet starting", stateful({ readyReplicas: 1 }), around(), "1 of 2 replicas ready"],
    [
      "StatefulSet rolling",
      stateful({ readyReplicas: 2, updatedReplicas: 1, currentRevision: "a", updateRevision: "b" }),
      around(),
      "1 of 2 replicas up to date",
    ],
    [
      "StatefulSet done",
      stateful({ readyReplicas: 2, currentRevision: "b", updateRevision: "b" }),
      around(),
      "ready",
    ],
    [
      "DaemonSet",
      {
        apiVersion: "apps/v1",
        kind: "DaemonSet",
        metadata: { generation: 1 },
        status: {
          observedGeneration: 1,
          desiredNumberScheduled: 2,
          updatedNumberScheduled: 2,
          numberAvailable: 1,
        },
      },
      around(),
      "1 of 2 nodes available",
    ],
    ["Job complete", job("Complete"), around(), "ready"],
    ["Job failed", job("Failed"), around(), "failed: Failed=True (R)"],
    [
      "Pod ready",
      pod({ phase: "Running", conditions: [{ type: "Ready", status: "True" }] }),
      around(),
      "ready",
    ],
    ["Pod done", pod({ phase: "Succeeded" }), around(), "ready"],
    ["Pod failed", pod({ phase: "Failed" }), around(), "failed: the Pod failed"],
    ["Service of Pods to come", service(selecting), around([slice()], 1_000), "it selects no Pods"],
    ["Service of no Pods, after a while", service(selecting), around([slice()], 11_000), "ready"],
    [
      "Service of unready Pods",
      service(selecting),
      around([slice(true, false)], 11_000),
      "1 of its 2 Pods are not ready",
    ],
    ["Service of ready Pods", service(selecting), around([slice(true)]), "ready"],
    ["Service without selector", service({ clusterIP: "10.0.0.1" }), around(), "ready"],
    ["Service headless", service({ ...selecting, clusterIP: "None" }), around(), "ready"],
    [
      "Service without its load balancer",
      service({ type: "LoadBalancer" }),
      around(),
      "no address was allocated for its load balancer",
    ],
    [
      "Service with its load balancer",
      service({ type: "LoadBalancer" }, { loadBalancer: { ingress: [{ ip: "1.2.3.4" }] } }),
      around(),
      "ready",
    ],
    ["claim to be bound", claim, around(), "phase Pending, storage class c"],
    [
      "claim that waits for its consumer",
      claim,
      around([], 0, { volumeBindingMode: "WaitForFirstConsumer" }),
      "ready",
    ],
    ["definition established", definition("Established", "True"), around(), "ready"],
    [
      "definition with a name taken",
      definition("NamesAccepted", "False"),
      around(),
      "failed: NamesAccepted=False",
    ],
    ["Namespace", { apiVersion: "v1", kind: "Namespace", status: { phase: "Active" } }, around(), "ready"],
    [
      "token to come",
      {
        apiVersion: "v1",
        kind: "Secret",
        type: "kubernetes.io/service-account-token",
        metadata: { annotations: { "kubernetes.io/service-account.name": "m" } },
      },
      around(),
      "no token was issued; does ServiceAccount m exist?",
    ],
    ["other Secret", { apiVersion: "v1", kind: "Secret", type: "Opaque" }, around(), "ready"],
    [
      "Ingress",
      { apiVersion: "networking.k8s.io/v1", kind: "Ingress" },
      around(),
      "no ingress controller has given it an address",
    ],
  ];
  for (const [what, object, surroundings, expected] of cases) {
    test(what, async () => {
      const rule = ruleFor(object)?.rule;
      assert.ok(rule !== undefined);
      const { ready, failed, message } = await rule(object, surroundings);
      assert.equal(ready ? "ready" : `${failed === true ? "failed: " : ""}${message}`, expected);
    });
  }
  test("a ServiceAccount and a custom resource are ready once they exist", () => {
    assert.equal(ruleFor({ apiVersion: "v1", kind: "ServiceAccount" }), undefined);
    assert.equal(ruleFor({ apiVersion: "cluster.x-k8s.io/v1beta1", kind: "Cluster" }), undefined);
  });

  const live: KubeObject = {
    metadata: { generation: 3 },
    data: { token: "abc" },
    status: {
      observedGeneration: 3,
      phase: "Provisioned",
      replicas: 2,
      conditions: [
        { type: "Ready", status: "True" },
        { type: "Available", status: "False", reason: "Waiting", message: "for machines" },
        { type: "Old", status: "True", observedGeneration: 2 },
      ],
    },
  };
  const waits: [annotation: string, expected: string][] = [
    ["jsonpath={.data.token}", "ready"],
    ["jsonpath={.data.other}", "{.data.other} is not there yet"],
    ["jsonpath={.status.phase}=Provisioned", "ready"],
    ["jsonpath={ .status.phase }=Deleting", '{.status.phase} is "Provisioned", waiting for Deleting'],
    ["jsonpath={.status.replicas}=2", "ready"],
    ['jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', "ready"],
    ["jsonpath={.status.conditions}", "ready"],
    ["jsonpath={.status.conditions}=x", "failed: {.status.conditions} is no plain value and never equals x"],
    ["condition=Ready", "ready"],
    ["condition=ready", "ready"],
    ["condition=Available=False", "ready"],
    ["condition=Available", "Available=False (Waiting: for machines), waiting for True"],
    ["condition=Old", "condition Old is of an earlier generation"],
    ["condition=Missing", "condition Missing is not set yet"],
    ['["condition=Ready","jsonpath={.status.phase}=Provisioned"]', "ready"],
    ['["condition=Ready","condition=Missing"]', "condition Missing is not set yet"],
  ];
  for (const [annotation, expected] of waits) {
    test(`pulumi.com/waitFor: ${annotation}`, async () => {
      const rule = waitForRule({ metadata: { annotations: { "pulumi.com/waitFor": annotation } } });
      assert.ok(rule !== undefined);
      const { ready, failed, message } = await rule(live, around());
      assert.equal(ready ? "ready" : `${failed === true ? "failed: " : ""}${message}`, expected);
    });
  }
  const malformed = [
    "Ready",
    "jsonpath=.data",
    "jsonpath='{.data}'",
    "jsonpath={.data}=",
    "condition=",
    "[]",
    "jsonpath={.a[0:2]}",
  ];
  for (const annotation of malformed) {
    test(`pulumi.com/waitFor: ${annotation} is refused`, () => {
      assert.throws(
        () => waitForRule({ metadata: { annotations: { "pulumi.com/waitFor": annotation } } }),
        /pulumi\.com\/waitFor: /,
      );
    });
  }
  test("an object that its controller has not seen since the change is not ready by its old status", async () => {
    const rule = waitForRule({
      metadata: { annotations: { "pulumi.com/waitFor": "jsonpath={.status.phase}=Provisioned" } },
    });
    const changed = { ...live, metadata: { generation: 4 } };
    assert.equal((await rule?.(changed, around()))?.ready, false);
  });
});

describe("JSONPath", () => {
  const root = { a: { "b.c": 1, list: [{ n: 1 }, { n: 2, x: "y" }] } };
  const cases: [path: string, found: unknown[]][] = [
    [".a.list[0].n", [1]],
    [".a.list[-1].n", [2]],
    [".a.list[*].n", [1, 2]],
    ["$.a['b.c']", [1]],
    [".a.b\\.c", [1]],
    ["..n", [1, 2]],
    [".a.list[?(@.n>1)].x", ["y"]],
    [".a.list[?(@.x)].n", [2]],
    [".a.none", []],
    [".constructor", []],
  ];
  for (const [path, found] of cases) test(path, () => assert.deepEqual(parseJsonPath(path)(root), found));
});

describe("objects and the SDK's spelling of them", () => {
  test("x-kubernetes keys", () => {
    const inputs = {
      x_kubernetes_preserve_unknown_fields: true,
      my_key: [{ x_kubernetes_list_type: "map" }],
      gone: null,
    };
    const object = {
      "x-kubernetes-preserve-unknown-fields": true,
      my_key: [{ "x-kubernetes-list-type": "map" }],
    };
    assert.deepEqual(toObject(inputs), object);
    assert.deepEqual(toProperties(object), {
      x_kubernetes_preserve_unknown_fields: true,
      my_key: [{ x_kubernetes_list_type: "map" }],
    });
    assert.throws(() => toObject({ spec: { replicas: UNKNOWN } }), /spec\.replicas is not known yet/);
  });
  test("a manifest's resources by kind", () => {
    const manifest = `apiVersion: v1
kind: Service
metadata: { name: b, namespace: n }
---
# nothing
---
apiVersion: v1
kind: Service
metadata: { name: a }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: d }
`;
    assert.deepEqual(resourceNamesOf(manifest), {
      "Deployment.apps/apps/v1": ["d"],
      "Service/v1": ["a", "n/b"],
    });
  });
});

describe("redaction", () => {
  test("values below keys that sound secret, and each of their lines", () => {
    const values = {
      image: "registry",
      auth: { adminPassword: "hunter2" },
      clouds: { openstack: ["line one\nline two"] },
    };
    const secrets = sensitiveValues(values);
    assert.deepEqual(secrets, ["hunter2", "line one\nline two"]);
    assert.equal(withoutValues("registry: hunter2, 'line two'", secrets), "registry: [secret], '[secret]'");
  });
});
