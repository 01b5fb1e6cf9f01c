/**
 * From live objects to what the state keeps: outputs, and inputs that show drift.
 * Upstream analogue: checkpointObject and pruneLiveState of provider.go.
 */
import { isMap, equal, type Properties, type Value } from "../../values.ts";
import { isSecret, omit, toProperties, type KubeObject } from "./object.ts";

/** Keys of the state that are no part of the object, named as upstream so that either engine reads the other's state. */
export const STATE = {
  inputs: "__inputs",
  apiVersion: "__initialApiVersion",
  fieldManager: "__fieldManager",
} as const;

/** The outputs of a live object, without the bookkeeping of field managers, which is long and changes by itself. */
export function outputsOf(live: KubeObject, inputs: Properties, fieldManager: string): Properties {
  const outputs = toProperties(live);
  const metadata = outputs["metadata"];
  if (isMap(metadata)) {
    outputs["metadata"] = omit(metadata, "managedFields");
  }
  return {
    ...outputs,
    [STATE.inputs]: shapeOf(inputs),
    [STATE.apiVersion]: inputs["apiVersion"] ?? outputs["apiVersion"] ?? "",
    [STATE.fieldManager]: fieldManager,
  };
}

/** The outputs that hold secrets: a Secret's data. */
export function secretOutputsOf(live: KubeObject): string[] {
  return isSecret(live) ? ["data", "stringData"] : [];
}

/**
 * The inputs with every value emptied but those that identify the object and steer the provider. Upstream keeps a copy of
 * the inputs in the outputs, of which it only uses which keys there are; a full copy would repeat secrets where the engine
 * knows no mark for them.
 */
export function shapeOf(inputs: Properties): Properties {
  const shape = emptied(inputs) as Properties;
  for (const key of ["apiVersion", "kind"]) if (inputs[key] !== undefined) shape[key] = inputs[key];
  const [metadata, copy] = [inputs["metadata"], shape["metadata"]];
  if (!isMap(metadata) || !isMap(copy)) return shape;
  for (const key of ["name", "namespace"]) if (metadata[key] !== undefined) copy[key] = metadata[key];
  const [annotations, copies] = [metadata["annotations"], copy["annotations"]];
  if (isMap(annotations) && isMap(copies)) {
    for (const [key, value] of Object.entries(annotations))
      if (key.startsWith("pulumi.com/")) copies[key] = value;
  }
  return shape;
}

/** What tells one item of a list from another: upstream's three-way merge looks an item up by these. */
const IDENTIFYING = new Set(
  "name namespace kind apiGroup apiVersion key type port containerPort protocol mountPath ip topologyKey".split(
    " ",
  ),
);

function emptied(value: Value): Value {
  if (typeof value === "string") return "";
  if (typeof value === "number") return 0;
  if (typeof value === "boolean") return false;
  if (Array.isArray(value)) {
    return value.map((item) =>
      isMap(item)
        ? Object.fromEntries(
            Object.entries(item).map(([key, part]) => [
              key,
              IDENTIFYING.has(key) && !isMap(part) ? part : emptied(part),
            ]),
          )
        : emptied(item),
    );
  }
  return isMap(value)
    ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, emptied(item)]))
    : null;
}

/**
 * The inputs with what has drifted: a value whose live counterpart is no longer what the last deployment saw there.
 * Comparing live with live keeps a server's own spelling (`1000m` stored as `1`) and defaults from showing as drift.
 */
export function driftedInputs(inputs: Properties, before: Properties, live: Properties): Properties {
  return merge(inputs, before, live) as Properties;
}

function merge(input: Value, before: Value | undefined, live: Value | undefined): Value {
  if (live === undefined) return before === undefined ? input : null;
  if (before !== undefined && equal(before, live)) return input;
  if (isMap(input) && isMap(live)) {
    const result: { [key: string]: Value } = {};
    for (const [key, value] of Object.entries(input)) {
      const merged = merge(value, isMap(before) ? before[key] : undefined, live[key]);
      if (merged !== null || value === null) result[key] = merged;
    }
    return result;
  }
  if (Array.isArray(input) && Array.isArray(live)) {
    const old = Array.isArray(before) ? before : [];
    // Items are told apart by their place, as upstream; a list of another length is taken over whole.
    if (live.length !== old.length) return live;
    return input.map((item, index) => merge(item, old[index], live[index]));
  }
  return before === undefined && equal(input, live) ? input : live;
}
