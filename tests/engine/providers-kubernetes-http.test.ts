/**
 * What the kubernetes provider asks of an API server, against one of the test's own: paths, queries, bodies, retries, and
 * what it makes of refusals. It does not prove that a real API server takes these requests; tests/lab does.
 */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, beforeEach, describe, test } from "node:test";
import { UNKNOWN, type Properties } from "../../engine/provider.ts";
import { Driver, failure, pluck, type Recorded, urnOf } from "./providers-kubernetes-support.ts";

const CONFIG_MAP = "kubernetes:core/v1:ConfigMap";
const THING = "kubernetes:example.test/v1:Thing";

interface Seen {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: IncomingMessage["headers"];
  body: unknown;
}
interface Answer {
  status?: number;
  body: unknown;
  headers?: Record<string, string>;
}

const RESOURCES: Record<string, unknown> = {
  "/version": { gitVersion: "v1.36.3" },
  "/api/v1": {
    resources: [
      { name: "configmaps", kind: "ConfigMap", namespaced: true },
      { name: "secrets", kind: "Secret", namespaced: true },
      { name: "namespaces", kind: "Namespace", namespaced: false },
      { name: "namespaces/status", kind: "Namespace", namespaced: false },
      { name: "events", kind: "Event", namespaced: true },
    ],
  },
  "/apis/example.test/v1": { resources: [{ name: "things", kind: "Thing", namespaced: true }] },
};

/** An API server that answers discovery, and all else by what the test says. */
class FakeServer {
  readonly seen: Seen[] = [];
  answer: (seen: Seen, count: number) => Answer = () => status(500, "unexpected");
  /** Discovery paths that answer 404. */
  readonly hidden = new Set<string>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer(
      (request, response) =>
        void this.#serve(request).then(({ status: code, body, headers }) => {
          response.writeHead(code ?? 200, { "content-type": "application/json", ...headers });
          response.end(JSON.stringify(body));
        }),
    );
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** The requests that are no discovery. */
  get calls(): Seen[] {
    return this.seen.filter(({ path }) => !(path in RESOURCES));
  }

  async #serve(request: IncomingMessage): Promise<Answer> {
    const url = new URL(request.url ?? "/", "http://server");
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const seen: Seen = {
      method: request.method ?? "",
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
    this.seen.push(seen);
    const known = RESOURCES[url.pathname];
    if (known !== undefined)
      return this.hidden.has(url.pathname) ? status(404, "not found") : { body: known };
    if (url.pathname.endsWith("/events")) return { body: { items: [] } };
    return this.answer(seen, this.calls.length);
  }
}

function status(code: number, message: string, reason = "", details: unknown = {}): Answer {
  return { status: code, body: { kind: "Status", status: "Failure", message, reason, details } };
}

function live(spec: Properties = {}, metadata: Properties = {}): Properties {
  return {
    ...{ apiVersion: "v1", kind: "ConfigMap" },
    metadata: {
      name: "x",
      namespace: "apps",
      uid: "u-1",
      resourceVersion: "7",
      managedFields: [],
      ...metadata,
    },
    ...spec,
  };
}

describe("requests to the API server", () => {
  let server = new FakeServer();
  let driver: Driver;
  let kubeconfig: string;
  const named = { metadata: { name: "x" } };

  async function driverWith(configuration: Properties = {}): Promise<Driver> {
    return Driver.of({ kubeconfig, namespace: "apps", ...configuration });
  }

  beforeEach(async () => {
    await driver?.close();
    server.stop();
    server = new FakeServer();
    const address = await server.start();
    kubeconfig = JSON.stringify({
      "current-context": "c",
      clusters: [{ name: "k", cluster: { server: address, "insecure-skip-tls-verify": true } }],
      users: [{ name: "u", user: { token: "t0ken" } }],
      contexts: [{ name: "c", context: { cluster: "k", user: "u" } }],
    });
    driver = await driverWith();
  });
  after(async () => {
    await driver.close();
    server.stop();
  });

  test("creates with POST, so that what exists is not taken over, and keeps no bookkeeping of the server's", async () => {
    server.answer = ({ body }) => ({
      status: 201,
      body: live(body as Properties, { managedFields: [{ manager: "pulumi-kubernetes" }] }),
    });
    const [created, result] = await driver.create(CONFIG_MAP, "x", { ...named, data: { a: "1" } });
    assert.equal(server.calls.length, 1);
    const [call] = server.calls;
    assert.deepEqual(
      [call?.method, call?.path, call?.query],
      ["POST", "/api/v1/namespaces/apps/configmaps", { fieldManager: "pulumi-kubernetes" }],
    );
    assert.equal(call?.headers.authorization, "Bearer t0ken");
    assert.deepEqual(call?.body, {
      ...{ apiVersion: "v1", kind: "ConfigMap", data: { a: "1" } },
      metadata: { name: "x", namespace: "apps" },
    });
    assert.equal(created.id, "apps/x");
    assert.deepEqual(
      created.outputs["__inputs"],
      { ...created.inputs, data: { a: "" } },
      "its keys, without values that might be secret",
    );
    assert.equal(pluck(created.outputs, "metadata", "managedFields"), undefined);
    assert.deepEqual(result.secretOutputs, []);
    assert.equal(result.partial, undefined);
  });

  test("previews with the same request as a dry run, and promises nothing the server made up for it", async () => {
    server.answer = ({ body }) => ({ status: 201, body: live(body as Properties) });
    const [preview] = await driver.create(CONFIG_MAP, "x", named, { preview: true });
    assert.equal(server.calls[0]?.query["dryRun"], "All");
    assert.equal(pluck(preview.outputs, "metadata", "uid"), UNKNOWN);
    assert.equal(preview.id, "");
  });

  test("previews by its inputs what is unknown, what has no kind or namespace yet, and what may not be asked", async () => {
    const [unknown] = await driver.create(
      CONFIG_MAP,
      "x",
      { ...named, data: { a: UNKNOWN } },
      { preview: true },
    );
    assert.deepEqual(unknown.outputs, unknown.inputs);
    assert.equal(server.seen.length, 0, "an unknown value needs no server");
    const answers = [
      status(404, 'namespaces "apps" not found', "NotFound", { name: "apps", kind: "namespaces" }),
      status(403, "forbidden", "Forbidden"),
      status(409, "already exists", "AlreadyExists"),
      status(400, "admission webhook x does not support dry run", "BadRequest"),
    ];
    for (const answer of answers) {
      server.answer = () => answer;
      const [preview] = await driver.create(CONFIG_MAP, "x", named, { preview: true });
      assert.deepEqual(preview.outputs, preview.inputs);
    }
    server.hidden.add("/apis/example.test/v1");
    const [thing] = await driver.create(THING, "x", named, { preview: true });
    assert.deepEqual(thing.outputs, thing.inputs);
  });

  test("a preview reports what the server finds wrong, in its words and with its causes", async () => {
    const causes = [{ field: "data", message: "must be shorter" }];
    server.answer = () => status(422, 'ConfigMap "x" is invalid', "Invalid", { causes });
    const error = await failure(driver.create(CONFIG_MAP, "x", named, { preview: true }));
    assert.equal(
      error.message,
      'cannot create ConfigMap apps/x: ConfigMap "x" is invalid; data: must be shorter',
    );
  });

  test("updates by server-side apply under its own manager, after taking its creation's fields over", async () => {
    const ours = { manager: "pulumi-kubernetes", operation: "Update", fieldsV1: { "f:data": { "f:a": {} } } };
    server.answer = ({ method }) => ({ body: live({}, method === "GET" ? { managedFields: [ours] } : {}) });
    const { inputs } = await driver.check(CONFIG_MAP, "x", { ...named, data: { a: "1" } });
    const old: Recorded = {
      urn: urnOf(CONFIG_MAP, "x"),
      type: CONFIG_MAP,
      id: "apps/x",
      inputs,
      outputs: live(),
    };
    const [updated] = await driver.update(old, { ...inputs, data: { a: "2" } });
    const [read, move, apply] = server.calls;
    assert.equal(read?.method, "GET");
    assert.equal(move?.headers["content-type"], "application/json-patch+json");
    const manager = pluck(updated.outputs, "__fieldManager");
    assert.deepEqual(pluck(move?.body, 0, "value", 0), {
      ...ours,
      operation: "Apply",
      fieldsType: "FieldsV1",
      manager,
    });
    assert.equal(pluck(move?.body, 1, "value"), "7", "against a change in between");
    assert.deepEqual([apply?.method, apply?.path], ["PATCH", "/api/v1/namespaces/apps/configmaps/x"]);
    assert.equal(apply?.headers["content-type"], "application/apply-patch+yaml");
    assert.deepEqual(apply?.query, { fieldManager: manager, force: "false", fieldValidation: "Warn" });
    assert.deepEqual(pluck(apply?.body, "data"), { a: "2" });
    // A preview of the same changes nothing, and does not conflict with the creation it has not taken over.
    server.seen.length = 0;
    await driver.update(old, { ...inputs, data: { a: "2" } }, { preview: true });
    assert.deepEqual(
      server.calls.map(({ method }) => method),
      ["GET", "PATCH"],
    );
    assert.deepEqual([server.calls[1]?.query["dryRun"], server.calls[1]?.query["force"]], ["All", "true"]);
  });

  test("a field conflict names the way out", async () => {
    const managedFields = [{ manager: "x", operation: "Apply" }];
    server.answer = ({ method }) =>
      method === "GET"
        ? { body: live({}, { managedFields }) }
        : status(409, 'Apply failed with 1 conflict: conflict with "x": .data.a', "Conflict");
    const old: Recorded = { urn: "u", type: CONFIG_MAP, id: "apps/x", inputs: live(), outputs: live() };
    const error = await failure(driver.update(old, { ...live(), data: { a: "2" } }));
    assert.match(
      error.message,
      /^cannot update ConfigMap apps\/x: Apply failed .*\.data\.a Another field manager .*patchForce/,
    );
  });

  test("takes a Secret's texts as data, and keeps its values out of errors", async () => {
    server.answer = () =>
      status(422, "data[password]: Invalid value: aHVudGVyMg==, that is hunter2", "Invalid");
    const inputs = { ...named, stringData: { password: "hunter2" } };
    const error = await failure(driver.create("kubernetes:core/v1:Secret", "x", inputs));
    assert.match(error.message, /Invalid value: \[secret\], that is \[secret\]/);
    assert.deepEqual(pluck(server.calls[0]?.body, "data"), { password: "aHVudGVyMg==" });
    assert.equal(pluck(server.calls[0]?.body, "stringData"), undefined);
  });

  test("deletes in the foreground, or as the annotation asks, and waits until the same object is gone", async () => {
    let reads = 0;
    server.answer = ({ method }) => {
      if (method === "DELETE") return { body: {} };
      reads += 1;
      // A namesake that somebody made meanwhile is another object.
      return { body: live({}, { uid: reads < 3 ? "u-1" : "u-2" }) };
    };
    const recorded: Recorded = { urn: "u", type: CONFIG_MAP, id: "apps/x", inputs: live(), outputs: live() };
    await driver.delete(recorded);
    assert.equal(reads, 3);
    assert.equal(pluck(server.calls[0]?.body, "propagationPolicy"), "Foreground");
    reads = 0;
    server.seen.length = 0;
    const annotations = { "pulumi.com/deletionPropagationPolicy": "background" };
    await driver.delete({ ...recorded, inputs: live({}, { annotations }) });
    assert.equal(pluck(server.calls[0]?.body, "propagationPolicy"), "Background");
  });

  test("what is gone already, with its kind or without, is no error and reads as null", async () => {
    server.answer = () => status(404, "not found", "NotFound");
    const recorded: Recorded = { urn: "u", type: THING, id: "apps/x", inputs: {}, outputs: {} };
    await driver.delete(recorded);
    assert.equal(await driver.read(recorded), null);
    server.hidden.add("/apis/example.test/v1");
    const fresh = await driverWith();
    await fresh.delete(recorded);
    assert.equal(await fresh.read(recorded), null);
    await fresh.close();
  });

  test("a definition is replaced whole, at the version it was read", async () => {
    const type = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition";
    RESOURCES["/apis/apiextensions.k8s.io/v1"] = {
      resources: [{ name: "customresourcedefinitions", kind: "CustomResourceDefinition", namespaced: false }],
    };
    const definition = {
      ...{ apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" },
      metadata: { name: "things.example.test" },
    };
    const ready = { status: { conditions: [{ type: "Established", status: "True" }] } };
    server.answer = () => ({
      body: { ...definition, ...ready, metadata: { name: "things.example.test", resourceVersion: "9" } },
    });
    const old: Recorded = {
      urn: "u",
      type,
      id: "things.example.test",
      inputs: definition,
      outputs: definition,
    };
    await driver.update(old, { ...definition, spec: { scope: "Cluster" } });
    const put = server.calls.at(-1);
    assert.deepEqual(
      [put?.method, put?.path],
      ["PUT", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.test"],
    );
    assert.equal(pluck(put?.body, "metadata", "resourceVersion"), "9");
  });

  test("an import takes what was asked for as inputs, not what the server added", async () => {
    const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{}", mine: "1" };
    server.answer = () => ({ body: live({ data: { a: "1" }, status: {} }, { annotations, generation: 1 }) });
    const result = await driver.read({ urn: "u", type: CONFIG_MAP, id: "apps/x", inputs: {}, outputs: {} });
    assert.deepEqual(result?.inputs, {
      ...{ apiVersion: "v1", kind: "ConfigMap", data: { a: "1" } },
      metadata: { name: "x", namespace: "apps", annotations: { mine: "1" } },
    });
  });

  test("warnings of the server reach the operator, deprecations unless suppressed", async () => {
    const warning = '299 - "unknown field \\"spec.replica\\"", 299 - "example.test/v1 Thing is deprecated"';
    server.answer = ({ body }) => ({ body: { ...(body as object) }, headers: { warning } });
    await driver.create(THING, "x", named);
    assert.deepEqual(driver.log, ['unknown field "spec.replica"', "example.test/v1 Thing is deprecated"]);
    const quiet = await driverWith({ suppressDeprecationWarnings: "true" });
    await quiet.create(THING, "x", named);
    assert.deepEqual(quiet.log, ['unknown field "spec.replica"']);
    await quiet.close();
  });

  test("an overloaded server is asked again; a lost answer to a creation is not repeated", async () => {
    server.answer = ({ body }, count) =>
      count < 3 ? status(429, "slow down", "TooManyRequests") : { body: live(body as Properties) };
    await driver.create(CONFIG_MAP, "x", named);
    assert.equal(server.calls.length, 3);
    server.seen.length = 0;
    server.answer = () => {
      server.stop();
      return { body: {} };
    };
    const error = await failure(driver.create(CONFIG_MAP, "y", { metadata: { name: "y" } }));
    assert.match(
      error.message,
      /cannot create ConfigMap apps\/y: the Kubernetes API server .* is unreachable: /,
    );
    assert.equal(server.calls.length, 1);
  });

  test("waits as annotated; what does not come up is a partial result with its conditions and events", async () => {
    const conditions = [{ type: "Ready", status: "False", reason: "Quota", message: "exceeded" }];
    server.answer = ({ body }) => ({
      body: {
        ...(body as object),
        apiVersion: "example.test/v1",
        kind: "Thing",
        metadata: { name: "x", namespace: "apps", uid: "u-1" },
        status: { conditions },
      },
    });
    const annotations = { "pulumi.com/waitFor": "condition=Ready", "pulumi.com/timeoutSeconds": "1" };
    const inputs = { metadata: { name: "x", annotations } };
    const [, result] = await driver.create(THING, "x", inputs);
    assert.equal(
      result.partial?.reason,
      "Thing apps/x is not ready after 1 s: Ready=False (Quota: exceeded), waiting for True\n  conditions: Ready=False (Quota: exceeded)",
    );
    assert.equal(result.id, "apps/x");
    const skipping = {
      metadata: { name: "x", annotations: { ...annotations, "pulumi.com/skipAwait": "true" } },
    };
    const [, skipped] = await driver.create(THING, "x", skipping);
    assert.equal(skipped.partial, undefined);
  });

  test("an interrupted wait leaves the object recorded", async () => {
    server.answer = () => ({ body: { ...live(), apiVersion: "example.test/v1", kind: "Thing" } });
    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 300);
    const annotations = { "pulumi.com/waitFor": "condition=Ready" };
    const [created, result] = await driver.create(
      THING,
      "x",
      { metadata: { name: "x", annotations } },
      { signal: interrupt.signal },
    );
    assert.equal(created.id, "apps/x");
    assert.match(
      result.partial?.reason ?? "",
      /Thing apps\/x is not ready yet and was interrupted: condition Ready is not set yet/,
    );
  });

  test("time given by the program outweighs the annotation", async () => {
    server.answer = () => ({ body: { ...live(), apiVersion: "example.test/v1", kind: "Thing" } });
    const annotations = { "pulumi.com/waitFor": "condition=Ready", "pulumi.com/timeoutSeconds": "60" };
    const [, result] = await driver.create(
      THING,
      "x",
      { metadata: { name: "x", annotations } },
      { timeoutSeconds: 1 },
    );
    assert.match(result.partial?.reason ?? "", /after 1 s/);
  });
});
