/**
 * Laws of merging, and that loading answers whatever it is given. Shows nothing about meaning: load.test.ts does.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { merge } from "../../config/merge.ts";
import { formatProblems } from "../../config/problems.ts";
import { configSchema } from "../../config/schema.ts";
import { fields, secretPaths } from "../../config/schemaTree.ts";
import { formatPath, isMap, leaves, valueAt } from "../../config/tree.ts";
import { FILES, loadStack, SITE } from "./support.ts";

const scalar = fc.oneof(fc.boolean(), fc.integer(), fc.string());
const leaf = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }));
const KEYS = ["a", "b", "c", "__proto__", "constructor", "toString"];

/** Trees in which a key is a map in all of them or in none, as the schema demands. */
const shaped: fc.Arbitrary<unknown> = fc.dictionary(
  fc.constantFrom(...KEYS),
  fc.oneof(fc.record({ x: leaf }, { requiredKeys: [] })),
);
const anyTree = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: "small" },
    leaf,
    fc.constant(null),
    fc.dictionary(fc.constantFrom(...KEYS), tie("tree")),
  ),
})).tree;

function equal(one: unknown, other: unknown): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(tree: unknown): unknown {
  if (!isMap(tree)) return tree;
  return Object.keys(tree)
    .sort()
    .map((key) => [key, sorted(tree[key])]);
}

/** Without keys that have no value. */
const normal = (tree: unknown) => merge({}, tree);

test("an empty layer changes nothing", () => {
  fc.assert(fc.property(shaped, (tree) => equal(merge(tree, {}), tree) && equal(merge({}, tree), tree)));
});

test("a layer over itself is itself", () => {
  fc.assert(fc.property(anyTree, (tree) => equal(merge(normal(tree), normal(tree)), normal(tree))));
});

test("layers may be put together in any grouping", () => {
  fc.assert(
    fc.property(shaped, shaped, shaped, (one, two, three) =>
      equal(merge(merge(one, two), three), merge(one, merge(two, three))),
    ),
  );
});

test("every value of the higher layer is in the result", () => {
  fc.assert(
    fc.property(shaped, shaped, (lower, higher) => {
      const merged = merge(lower, higher);
      return leaves(higher).every(
        ({ path, value }) => path.length === 0 || isMap(value) || valueAt(merged, path) === value,
      );
    }),
  );
});

test("neither layer is changed, nor any prototype", () => {
  fc.assert(
    fc.property(anyTree, anyTree, (lower, higher) => {
      const before = JSON.stringify([lower, higher]);
      merge(lower, higher);
      return JSON.stringify([lower, higher]) === before && Object.keys(Object.prototype).length === 0;
    }),
  );
});

/** Any JSON at all, much of it under keys that the schema has. */
const anyStack = fc.oneof(
  fc.jsonValue(),
  fc.dictionary(fc.oneof(fc.constantFrom(...Object.keys(configSchema.shape)), fc.string()), fc.jsonValue()),
  fc
    .array(fc.tuple(fc.constantFrom(...fields(configSchema).map(({ path }) => path)), fc.jsonValue()), {
      maxLength: 8,
    })
    .map((entries) =>
      entries.reduce<unknown>(
        (tree, [path, value]) =>
          merge(
            tree,
            path.reduceRight((below: unknown, key) => ({ [key]: below }), value),
          ),
        SITE,
      ),
    ),
);

test("loading never throws, and answers with a configuration or with problems", () => {
  fc.assert(
    fc.property(anyStack, (values) => {
      const { config, problems } = loadStack(values);
      return (config === undefined) === problems.length > 0 && formatProblems("x", problems).length > 0;
    }),
    { numRuns: 400 },
  );
});

test("no report shows what is in a secret's place", () => {
  const planted = "PLANTED7secret";
  const broken = fc.oneof(
    fc.constant(planted),
    fc.string().map((text) => `${text}${planted}`),
    fc.constant([planted]),
    fc.constant({ value: planted }),
    fc.constant({ [planted]: 1 }).map(() => `{${planted}}`),
  );
  const places = secretPaths(configSchema).map((path) => path.split("."));
  // At the secret, in place of a map around it, and beside it under a misspelled name.
  const place = fc.constantFrom(
    ...places.flatMap((path) => [path, path.slice(0, -1), [...path.slice(0, -1), "tokn"]]),
  );
  fc.assert(
    fc.property(place, broken, (path, value) => {
      const changes = path.reduceRight((below: unknown, key) => ({ [key]: below }), value);
      const { problems } = loadStack(merge(SITE, changes));
      return !formatProblems("x", problems).includes(planted);
    }),
  );
});

test("every required field has a default, but for the four values", () => {
  const missing = fields(configSchema)
    .filter(
      ({ path, required }) =>
        required && !path.includes("[]") && valueAt(FILES.defaults.values, path) === undefined,
    )
    .map(({ path }) => formatPath(path));
  assert.deepEqual(missing, [
    "seed.flavor",
    "seed.network.externalNetworkId",
    "cluster.controlPlane.flavor",
    "cluster.workers.flavor",
  ]);
});
