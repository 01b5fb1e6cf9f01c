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
    [STATE.inputs]: inputs,
    [STATE.apiVersion]: inputs["apiVersion"] ?? outputs["apiVersion"] ?? "",
    [STATE.fieldManager]: fieldManager,
  };
}

/**
 * The outputs that hold secrets: the copy of the inputs always (any of them may have been a secret), a Secret's data.
 */
export function secretOutputsOf(live: KubeObject): string[] {
  return isSecret(live) ? ["data", "stringData", STATE.inputs] : [STATE.inputs];
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
