/**
 * From layers of plain values to a Config or every problem at once. Pure: files, environment and Pulumi are read by
 * program.ts and stackFile.ts. Upstream analogue: Ansible's inventory layering in azimuth-config.
 */
import { z } from "zod";
import { checks } from "./checks/index.ts";
import type { PartialConfig } from "./checks/check.ts";
import { mergeLayers } from "./merge.ts";
import { nearestPath } from "./nearest.ts";
import { describeValue, type Problem } from "./problems.ts";
import { type Config, configSchema } from "./schema.ts";
import { alternatives, fields, legalAt, schemaAt } from "./schemaTree.ts";
import { formatPath, isMap, type Key, leaves, matchingPaths, valueAt, without } from "./tree.ts";

/** Values of one origin. */
export interface Layer {
  /** Shown to operators as where a value came from: `defaults`, `layers/production`, `Pulumi.prod.yaml`. */
  readonly name: string;
  readonly values: unknown;
}

export interface LoadInput {
  readonly defaults: Layer;
  /** Every file of config/layers by the name that `layers` uses. */
  readonly layers: ReadonlyMap<string, Layer>;
  readonly stack: Layer;
  /**
   * Paths that are encrypted in the stack file: never shown, and not judged while `encryptedAreOpaque`.
   * Default: none.
   */
  readonly encryptedPaths?: ReadonlySet<string>;
  /** True if encrypted values are placeholders because nobody decrypted them. Default: false. */
  readonly encryptedAreOpaque?: boolean;
}

export interface LoadResult {
  /** Undefined if there is any problem. */
  readonly config?: Config;
  readonly problems: Problem[];
  /** For each value of the configuration, the layer it came from. */
  readonly provenance: ReadonlyMap<string, string>;
  /** All layers put together, also if there are problems. */
  readonly values: unknown;
}

/** Name of the layer of values that follow from others. */
const DERIVED = "derived";

/**
 * Puts the layers together and judges the result.
 *
 * Never throws: whatever the layers hold, the answer is a Config or problems.
 */
export function loadConfig(input: LoadInput): LoadResult {
  const named = namedLayers(input);
  const stack = { ...input.stack, values: withoutEmpty(input.stack.values) };
  const chain = [input.defaults, ...named.layers, stack];
  const provenance = new Map<string, string>();
  let values: unknown = {};
  for (const layer of chain) values = addLayer(values, layer, provenance);
  values = addLayer(values, { name: DERIVED, values: derive(values) }, provenance);

  const isHidden = (path: readonly Key[]) => mayHoldSecret(path, input.encryptedPaths ?? new Set());
  const context: Context = { values, provenance, stackName: input.stack.name, isHidden };
  const opaque =
    input.encryptedAreOpaque === true ? (input.encryptedPaths ?? new Set<string>()) : new Set<string>();
  const single = [...fieldProblems(context), ...alternativeProblems(context)].filter(
    ({ path }) => !opaque.has(path),
  );
  const judged = without(
    values,
    new Set(single.map(({ path }) => path).filter(isRequiredPath)),
  ) as PartialConfig;
  const crossed = checks.flatMap((check) => check(judged));
  const leaked = [input.defaults, ...named.layers].flatMap(secretsInLayer);
  const problems = [
    ...named.problems,
    ...single,
    ...crossed.map((problem) => placed(context, problem)),
    ...leaked,
  ];
  return { ...(problems.length === 0 ? { config: values as Config } : {}), problems, provenance, values };
}

/**
 * Whether a field always has a value. Cross-field checks do not see wrong ones of these; of an optional field they
 * ask whether it is there, and a wrong value is.
 */
function isRequiredPath(path: string): boolean {
  return !OPTIONAL_PATHS.has(path);
}

const OPTIONAL_PATHS = new Set(
  fields(configSchema)
    .filter(({ required }) => !required)
    .map(({ path }) => formatPath(path)),
);

interface Context {
  readonly values: unknown;
  readonly provenance: ReadonlyMap<string, string>;
  readonly stackName: string;
  readonly isHidden: (path: readonly Key[]) => boolean;
}

/** The layers that the stack names, and problems with the names. */
function namedLayers(input: LoadInput): { layers: Layer[]; problems: Problem[] } {
  const names = valueAt(input.stack.values, ["layers"]) ?? valueAt(input.defaults.values, ["layers"]);
  const list: unknown[] = Array.isArray(names) ? names : [];
  const layers: Layer[] = [];
  const problems: Problem[] = [];
  list.forEach((name, index) => {
    const layer = typeof name === "string" ? input.layers.get(name) : undefined;
    if (layer !== undefined) layers.push(layer);
    else if (typeof name === "string") {
      problems.push({
        path: `layers[${index}]`,
        problem: "is not the name of a layer",
        got: describeValue(name, false),
        legal: [...input.layers.keys()].join(", "),
      });
    }
  });
  for (const layer of layers) {
    if (valueAt(layer.values, ["layers"]) === undefined) continue;
    problems.push({ path: "layers", problem: "only a stack may name layers", layer: layer.name });
  }
  return { layers, problems };
}

/** A stack without any configuration is an empty map. */
function withoutEmpty(values: unknown): unknown {
  return values === undefined || values === null ? {} : values;
}

function addLayer(lower: unknown, layer: Layer, provenance: Map<string, string>): unknown {
  const merged = mergeLayers(configSchema, lower, layer.values);
  const kept = new Set(leaves(merged).map(({ path }) => formatPath(path)));
  for (const path of provenance.keys()) if (!kept.has(path)) provenance.delete(path);
  for (const { path, value } of leaves(layer.values)) {
    if (value !== null && value !== undefined && kept.has(formatPath(path)))
      provenance.set(formatPath(path), layer.name);
  }
  return merged;
}

/** Values that follow from others if nothing is said. */
function derive(values: unknown): unknown {
  const image = valueAt(values, ["cluster", "image"]);
  const version = valueAt(values, ["cluster", "kubernetesVersion"]);
  const isChosen = image !== undefined && (!isMap(image) || Object.keys(image).length > 0);
  if (isChosen || typeof version !== "string") return {};
  // With another Kubernetes than the default's: the name that docs/new-site.md has operators give an image of theirs.
  return { cluster: { image: { name: `ubuntu-noble-kube-${version}` } } };
}

/** Whether a value at this path, or below it, could be a secret. */
function mayHoldSecret(path: readonly Key[], encrypted: ReadonlySet<string>): boolean {
  const text = formatPath(path);
  if (
    [...encrypted].some(
      (other) => other === text || text.startsWith(`${other}.`) || other.startsWith(`${text}.`),
    )
  ) {
    return true;
  }
  const keys = path.map(String);
  return fields(configSchema).some(
    ({ path: secret, meta }) =>
      meta.secret === true &&
      secret.slice(0, keys.length).every((key, index) => key === keys[index] || key === "*"),
  );
}

/** Adds the layer of the value to a problem, if that is not the stack itself. */
function placed(context: Context, problem: Problem): Problem {
  const layer = context.provenance.get(problem.path);
  return layer === undefined || layer === context.stackName ? problem : { ...problem, layer };
}

/** What is wrong with single fields. */
function fieldProblems(context: Context): Problem[] {
  const result = configSchema.safeParse(context.values);
  return result.success ? [] : result.error.issues.flatMap((issue) => issueProblems(context, issue));
}

function issueProblems(context: Context, issue: z.core.$ZodIssue): Problem[] {
  const path = issue.path as Key[];
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(context, [...path, key]));
  const value = valueAt(context.values, path);
  const legal = legalAt(configSchema, path);
  const base = { path: formatPath(path) || "configuration", ...(legal === undefined ? {} : { legal }) };
  if (issue.code === "invalid_key") {
    return [
      placed(context, {
        ...base,
        problem: "is not a legal key",
        legal: legalAt(configSchema, path.slice(0, -1)) ?? "",
      }),
    ];
  }
  if (value === undefined) {
    const description = schemaAt(configSchema, path)?.meta.description;
    const meaning = description === undefined ? {} : { legal: `${legal}: ${description.replace(/\.$/, "")}` };
    return [{ ...base, ...meaning, problem: "is required", got: "nothing" }];
  }
  const got = describeValue(value, context.isHidden(path));
  return [placed(context, { ...base, problem: verdict(issue), got })];
}

function verdict(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return "has the wrong type";
    case "too_small":
      return "is too small";
    case "too_big":
      return "is too large";
    default:
      return "is not valid";
  }
}

function unknownKey(context: Context, path: readonly Key[]): Problem {
  const parent = schemaAt(configSchema, path.slice(0, -1))?.schema;
  const siblings = parent instanceof z.ZodObject ? Object.keys(parent.shape) : [];
  const near = nearestPath(configSchema, path, siblings);
  const layer = [...context.provenance].find(([known]) => isAtOrBelow(known, formatPath(path)))?.[1];
  return {
    path: formatPath(path),
    problem: near === undefined ? "is not a known key" : `is not a known key; did you mean ${near}?`,
    ...(near === undefined && siblings.length > 0 ? { legal: siblings.join(", ") } : {}),
    ...(layer === undefined || layer === context.stackName ? {} : { layer }),
  };
}

function isAtOrBelow(path: string, ancestor: string): boolean {
  return path === ancestor || path.startsWith(`${ancestor}.`) || path.startsWith(`${ancestor}[`);
}

/** Where one layer, or layers of equal standing, chose two of several alternatives. */
function alternativeProblems(context: Context): Problem[] {
  return alternatives(configSchema).flatMap(({ path, groups }): Problem[] => {
    const map = valueAt(context.values, path);
    if (!isMap(map)) return [];
    const used = groups
      .map((group) => group.filter((key) => Object.hasOwn(map, key)))
      .filter((keys) => keys.length > 0);
    if (used.length < 2) return [];
    return [
      {
        path: formatPath(path),
        problem: "sets options that exclude each other",
        got: used.flat().join(", "),
        legal: `one of ${groups.map((group) => group[0]).join(", ")}`,
      },
    ];
  });
}

/** Secrets in a layer file, which is never encrypted. */
function secretsInLayer(layer: Layer): Problem[] {
  return fields(configSchema)
    .filter(({ meta }) => meta.secret === true)
    .flatMap(({ path }) => matchingPaths(layer.values, path))
    .map((path) => ({
      path: formatPath(path),
      problem: "is a secret and must not be in a layer",
      got: "[secret]",
      legal: `pulumi config set --secret --path 'capi-mgmt:${formatPath(path)}'`,
      layer: layer.name,
    }));
}
