/**
 * The engine's parts by themselves: paths, values on the wire and in the file, encryption, times, differences.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Checkpoint } from "../../engine/checkpoint.ts";
import { DeploymentCodec } from "../../engine/deployment-file.ts";
import { seconds } from "../../engine/goal.ts";
import { dependentsOf } from "../../engine/graph.ts";
import { Crypter } from "../../engine/passphrase.ts";
import { containsPath, formatPath, parsePath, resetPaths } from "../../engine/paths.ts";
import { programConfig } from "../../engine/project.ts";
import {
  ResourceReference,
  Secret,
  markOutputs,
  markPath,
  remark,
  remarkMap,
  revealMap,
  type PropertyMap,
} from "../../engine/property.ts";
import { defaultProviderDenied, defaultProviderName } from "../../engine/provider-registry.ts";
import { changeLines, changesBetween } from "../../engine/show.ts";
import type { StackStore } from "../../engine/stack-store.ts";
import { newState, type ResourceState } from "../../engine/state.ts";
import { criticalPath, formatSeconds, type Timed } from "../../engine/timeline.ts";
import { createUrn, nameOf, parseReference, typeOf } from "../../engine/urn.ts";
import { Archive, Asset, UNKNOWN } from "../../engine/values.ts";
import { fromStruct, toStruct } from "../../engine/wire.ts";

const PATHS: [text: string, path: (string | number)[]][] = [
  ["a", ["a"]],
  ["a.b", ["a", "b"]],
  ["a[0].b", ["a", 0, "b"]],
  ['a["b.c"]', ["a", "b.c"]],
  ['["a"]["b\\"c"]', ["a", 'b"c']],
  ["a[*].b", ["a", "*", "b"]],
  ["*", ["*"]],
];
for (const [text, path] of PATHS) test(`path ${text}`, () => assert.deepEqual(parsePath(text), path));

test("a path that cannot be read is named; formatted paths can be read again", () => {
  assert.throws(() => parsePath("a[b"), /cannot read the property path "a\[b"/);
  for (const [, path] of PATHS) assert.deepEqual(parsePath(formatPath(path)), path);
  assert.ok(containsPath(["a", "*"], ["a", 3, "b"]));
  assert.ok(!containsPath(["a", "b"], ["a"]));
});

/** Of PropertyPath.Reset: what is on both sides is taken from the old one; what came or went below the top cannot be. */
const RESETS: {
  path: string;
  news: PropertyMap;
  olds: PropertyMap;
  result: PropertyMap;
  impossible?: string[];
}[] = [
  { path: "a", news: { a: 2 }, olds: { a: 1 }, result: { a: 1 } },
  { path: "a", news: {}, olds: { a: 1 }, result: { a: 1 } },
  { path: "a", news: { a: 2 }, olds: {}, result: {} },
  { path: "a.b", news: { a: { b: 2, c: 2 } }, olds: { a: { b: 1, c: 1 } }, result: { a: { b: 1, c: 2 } } },
  { path: "a.b", news: { a: { b: 2 } }, olds: {}, result: { a: { b: 2 } }, impossible: ["a.b"] },
  { path: "a[1]", news: { a: [1, 2] }, olds: { a: [1, 9] }, result: { a: [1, 9] } },
  { path: "a[1]", news: { a: [1, 2] }, olds: { a: [1] }, result: { a: [1, 2] }, impossible: ["a[1]"] },
  {
    path: "a[*].b",
    news: { a: [{ b: 1 }, { b: 2 }] },
    olds: { a: [{ b: 8 }, { b: 9 }] },
    result: { a: [{ b: 8 }, { b: 9 }] },
  },
  { path: "*", news: { a: 2, b: 2 }, olds: { a: 1, c: 1 }, result: { a: 1, c: 1 } },
  {
    path: "a.b",
    news: { a: new Secret({ b: 2 }) },
    olds: { a: { b: 1 } },
    result: { a: new Secret({ b: 1 }) },
  },
];
for (const { path, news, olds, result, impossible = [] } of RESETS) {
  test(`ignoreChanges ${path}: ${JSON.stringify(news)} after ${JSON.stringify(olds)}`, () => {
    assert.deepEqual(resetPaths(news, olds, [path]), { inputs: result, impossible });
  });
}

test("values survive the wire: secrets, unknowns, references, assets", () => {
  const properties: PropertyMap = {
    text: "t",
    number: 1.5,
    nothing: null,
    list: [true, UNKNOWN, { deep: new Secret(["s"]) }],
    unknownSecret: new Secret(UNKNOWN),
    reference: new ResourceReference("urn:pulumi:s::p::t::n", "id", ""),
    pending: new ResourceReference("urn:pulumi:s::p::t::n", UNKNOWN, ""),
    asset: new Asset({ text: "content" }),
    archive: new Archive({ assets: { "a.txt": new Asset({ text: "a" }) } }),
  };
  assert.deepEqual(fromStruct(toStruct(properties)), properties);
  assert.deepEqual(revealMap({ a: new Secret([new Secret(1)]), r: properties["reference"] ?? null }), {
    a: [1],
    r: "id",
  });
});

test("an output value of a component's inputs becomes what it holds", () => {
  const signature = "4dabf18193072939515e22adb298388d";
  const output = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
  const plain = toStruct({ known: "k", unknown: "u", secret: "s" });
  const fields = plain.toJavaScript() as Record<string, unknown>;
  fields["known"] = { [signature]: output, value: "k", dependencies: ["urn"] };
  fields["unknown"] = { [signature]: output };
  fields["secret"] = { [signature]: output, value: "s", secret: true };
  assert.deepEqual(fromStruct(toStruct(fields as PropertyMap)), {
    known: "k",
    unknown: UNKNOWN,
    secret: new Secret("s"),
  });
});

test("marks of secrets go back on what a provider answers", () => {
  const inputs = {
    key: new Secret("k"),
    spec: { inner: new Secret("i"), open: 1 },
    list: [new Secret("l"), "x"],
  };
  assert.deepEqual(
    remarkMap({ key: "k", spec: { inner: "i", open: 1, more: 2 }, list: ["l", "x"], id: "1" }, inputs),
    {
      key: new Secret("k"),
      spec: { inner: new Secret("i"), open: 1, more: 2 },
      list: new Secret(["l", "x"]),
      id: "1",
    },
  );
  // A secret inside a secret keeps its own mark: a provider's diff compares the marks too (pulumi-go-provider).
  const connection = new Secret({ host: "h", privateKey: new Secret("k") });
  assert.deepEqual(remark({ host: "h", privateKey: "k" }, connection), connection);
  assert.deepEqual(
    markPath({ connection: new Secret({ host: "h", privateKey: "k" }) }, ["connection", "privateKey"]),
    { connection },
  );
  assert.deepEqual(markPath({ a: 1 }, ["connection", "privateKey"]), { a: 1 });
  assert.deepEqual(markOutputs({ a: "1", token: "t", made: "m" }, { a: "1" }, ["token", "made", "absent"]), {
    a: "1",
    token: new Secret("t"),
    made: new Secret("m"),
  });
});

test("a file read and written again is the same, with every ciphertext and every field this engine does not use", async () => {
  const crypter = await Crypter.create(
    "password",
    "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ==",
  );
  const signature = "4dabf18193072939515e22adb298388d";
  const secret = {
    [signature]: "1b47061264138c4ac30d75fd1eb44270",
    ciphertext: crypter.encrypt('{"a":"b"}'),
  };
  // As the CLI writes a secret in a secret: it is encrypted once, as part of the outer one.
  const inner = { [signature]: "1b47061264138c4ac30d75fd1eb44270", ciphertext: '"k"' };
  const nested = {
    [signature]: "1b47061264138c4ac30d75fd1eb44270",
    ciphertext: crypter.encrypt(JSON.stringify({ host: "h", privateKey: inner })),
  };
  const resource = {
    urn: "urn:pulumi:dev::p::pkg:m:T::n",
    custom: true,
    id: "1",
    type: "pkg:m:T",
    inputs: {
      secret,
      nested,
      list: [{ x: 1 }],
      asset: { [signature]: "c44067f5952c0a294b673a41bacd8c17", hash: "h", text: "t" },
    },
    outputs: { secret },
    parent: "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev",
    protect: true,
    dependencies: ["urn:pulumi:dev::p::pkg:m:T::m"],
    provider: "urn:pulumi:dev::p::pulumi:providers:pkg::default::abc",
    propertyDependencies: { list: ["urn:pulumi:dev::p::pkg:m:T::m"], secret: [] },
    additionalSecretOutputs: ["secret"],
    customTimeouts: { create: 600 },
    created: "2026-01-01T00:00:00Z",
    modified: "2026-01-01T00:00:00Z",
    ignoreChanges: ["list"],
    hideDiff: ["x"],
    refreshBeforeUpdate: true,
  };
  const latest = {
    manifest: { time: "", magic: "", version: "" },
    resources: [resource],
    pending_operations: [{ resource, type: "updating" as const }],
  };
  const codec = new DeploymentCodec(crypter);
  const snapshot = codec.read({ version: 3, checkpoint: { stack: "s", latest: latest } });
  assert.deepEqual(snapshot.resources[0]?.inputs["secret"], new Secret({ a: "b" }));
  assert.deepEqual(
    snapshot.resources[0].inputs["nested"],
    new Secret({ host: "h", privateKey: new Secret("k") }),
  );
  const written = codec.write("p/dev", snapshot, new Date(0));
  assert.deepEqual(JSON.parse(JSON.stringify(written.checkpoint.latest?.resources)), [resource]);
  assert.deepEqual(
    JSON.parse(JSON.stringify(written.checkpoint.latest?.pending_operations)),
    latest.pending_operations,
  );
  assert.deepEqual(written.checkpoint.latest?.secrets_providers, {
    type: "passphrase",
    state: { salt: crypter.salt },
  });
});

test("writes that come together are one; a step is not begun before its record is written", async () => {
  const crypter = await Crypter.create(
    "password",
    "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ==",
  );
  const texts: string[] = [];
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const store = {
    save: async (text: string) => {
      if (texts.length === 0) await gate;
      texts.push(text);
    },
  } as unknown as StackStore;
  const checkpoint = new Checkpoint(
    { resources: [], operations: [] },
    "p/dev",
    new DeploymentCodec(crypter),
    store,
  );
  const first = checkpoint.begin(state("a"), "creating");
  await new Promise((resolve) => setImmediate(resolve));
  const rest = ["b", "c", "d"].map((name) => checkpoint.begin(state(name), "creating"));
  let begun = false;
  void rest[0]?.then(() => (begun = true));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(begun, false);
  release();
  await Promise.all([first, ...rest]);
  assert.equal(texts.length, 2);
  assert.equal((texts[1]?.match(/"creating"/g) ?? []).length, 4);
});

test("URNs: chains of parents' types, names with colons, references", () => {
  const group = createUrn("dev", "p", "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev", "my:index:Group", "g");
  assert.equal(group, "urn:pulumi:dev::p::my:index:Group::g");
  const child = createUrn("dev", "p", group, "pkg:m:T", "a::b");
  assert.equal(child, "urn:pulumi:dev::p::my:index:Group$pkg:m:T::a::b");
  assert.equal(nameOf(child), "a::b");
  assert.equal(typeOf(child), "pkg:m:T");
  assert.deepEqual(parseReference(`${child}::id`), { urn: child, id: "id" });
});

test("durations of customTimeouts", () => {
  assert.equal(seconds("1h30m"), 5400);
  assert.equal(seconds("1.5s"), 1.5);
  assert.equal(seconds("500ms"), 0.5);
  assert.throws(() => seconds("5 minutes"), /such as "30m"/);
});

test("default providers: their name, and when they are refused", () => {
  assert.equal(defaultProviderName("4.34.2-alpha.1"), "default_4_34_2_alpha_1");
  assert.equal(defaultProviderName(""), "default");
  const config = { "pulumi:disable-default-providers": '["kubernetes"]' };
  assert.ok(defaultProviderDenied(config, "kubernetes"));
  assert.ok(!defaultProviderDenied(config, "command"));
  assert.ok(defaultProviderDenied({ "pulumi:disable-default-providers": '["*"]' }, "command"));
  assert.throws(
    () => defaultProviderDenied({ "pulumi:disable-default-providers": "[1]" }, "x"),
    /list of package names/,
  );
});

test("configuration for the program: namespaces, objects as JSON, nested secrets, project defaults", async () => {
  const crypter = await Crypter.create(
    "password",
    "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ==",
  );
  const project = {
    name: "proj",
    directory: "",
    main: ".",
    config: { size: { default: 3 }, "other:key": "x", typed: { type: "string" } },
  };
  const settings = {
    encryptionSalt: crypter.salt,
    config: {
      "proj:seed": { flavor: "f", password: { secure: crypter.encrypt("hush") } },
      plain: true,
      "pulumi:disable-default-providers": ["*"],
    },
  };
  assert.deepEqual(programConfig(project, settings, crypter), {
    values: {
      "proj:size": "3",
      "other:key": "x",
      "proj:seed": '{"flavor":"f","password":"hush"}',
      "proj:plain": "true",
      "pulumi:disable-default-providers": '["*"]',
    },
    secretKeys: ["proj:seed"],
    secrets: ["hush"],
  });
  assert.match(programConfig(project, settings).values["proj:seed"] ?? "", /placeholder-secret/);
});

test("differences: property by property, texts by line, secrets and unknowns never shown", () => {
  const changes = changesBetween(
    { size: 1, gone: "g", spec: { list: [1, 2] }, key: new Secret("old"), text: "a\nb\nc" },
    { size: 2, came: UNKNOWN, spec: { list: [1, 3] }, key: new Secret("new"), text: "a\nx\nc" },
  );
  assert.deepEqual(
    changes.flatMap((change) => changeLines(change)),
    [
      "~ size: 1 => 2",
      '- gone: "g"',
      "~ spec.list[1]: 2 => 3",
      "~ key: [secret] => [secret]",
      "~ text:",
      "    - b",
      "    + x",
      "+ came: [unknown]",
    ],
  );
});

test("critical path: the longest chain of dependencies, not the longest time; deletes the other way round", () => {
  const entry = (name: string, needs: string[], started: number, ended: number, removal = false): Timed => {
    const resource = state(name, needs);
    const step = removal ? { old: resource, new: undefined } : { old: undefined, new: resource };
    return {
      step: { operation: removal ? "delete" : "create", urn: resource.urn, replaces: [], ...step },
      started,
      ended,
      failed: false,
    };
  };
  const path = criticalPath([
    entry("net", [], 0, 1000),
    entry("slow", [], 0, 3500),
    entry("server", ["net"], 1000, 4000),
    entry("app", ["server", "slow"], 4000, 5000),
  ]);
  assert.deepEqual(
    path.steps.map(({ step }) => nameOf(step.urn)),
    ["net", "server", "app"],
  );
  assert.equal(path.milliseconds, 5000);
  const removal = criticalPath([
    entry("app", ["server"], 0, 2000, true),
    entry("server", [], 2000, 5000, true),
  ]);
  assert.deepEqual(
    removal.steps.map(({ step }) => nameOf(step.urn)),
    ["app", "server"],
  );
  assert.equal(formatSeconds(187_400), "3m07s");
});

test("dependents: transitive, without mere children", () => {
  const root = state("root");
  const user = state("user", ["root"]);
  const second = state("second", ["user"]);
  const child = { ...state("child"), parent: root.urn };
  const other = state("other");
  assert.deepEqual(dependentsOf([root, user, child, other, second], root), [user, second]);
});

function state(name: string, needs: string[] = []): ResourceState {
  const urn = (of: string): string => `urn:pulumi:dev::p::pkg:m:T::${of}`;
  return newState({ urn: urn(name), type: "pkg:m:T", custom: true, dependencies: needs.map(urn) });
}
