/**
 * Who owns which field: the name under which this provider applies, and taking over what was owned under other names.
 * Upstream analogue: fieldManagerName (provider.go) and fixCSAFieldManagers (await.go) of pulumi-kubernetes.
 */
import { createHash } from "node:crypto";
import type { Properties } from "../../values.ts";
import { STATE } from "./live.ts";
import { annotation, isAnnotated, listAt, textAt, type Json, type KubeObject } from "./object.ts";

/** The name under which objects are created; the first update moves the fields to the object's own manager. */
export const CREATOR = "pulumi-kubernetes";

/**
 * The manager's name: the annotation's, else the one in the state, else one made of the URN, so that two resources that
 * share an object do not undo each other's fields.
 */
export function managerOf(urn: string, object: KubeObject, outputs: Properties): string {
  const asked = annotation(object, "pulumi.com/patchFieldManager");
  if (asked !== "") return asked;
  const known = outputs[STATE.fieldManager];
  if (typeof known === "string" && known !== "") return known;
  return `${CREATOR}-${createHash("sha256").update(urn).digest("hex").slice(0, 8)}`;
}

/** Whether an apply overrules other managers: only when asked to, as upstream; else a conflict is an error. */
export function isForced(
  object: KubeObject,
  live: KubeObject | undefined,
  enablePatchForce: boolean,
): boolean {
  if (isAnnotated(object, "pulumi.com/patchForce") || enablePatchForce) return true;
  // Objects older than server-side apply record no managers, yet everything in them counts as another's.
  return live !== undefined && listAt(live, "metadata", "managedFields").length === 0;
}

/** Managers whose fields are ours: from creating with POST, from kubectl apply, and from older pulumi-kubernetes. */
const TAKEN_OVER: [manager: string, operation: string][] = [
  [CREATOR, "Update"],
  ["pulumi-kubernetes.exe", "Update"],
  ["pulumi-resource-kubernetes", "Update"],
  ["kubectl", "Apply"],
  ["kubectl", "Update"],
  ["kubectl-client-side-apply", "Update"],
  ["before-first-apply", "Update"],
];

/**
 * The object's managedFields with everything that is ours under `manager`, or undefined if nothing has to move.
 * Without the move the first apply would conflict with the provider's own creation.
 */
export function takeOver(live: KubeObject, manager: string): Json[] | undefined {
  const entries = listAt(live, "metadata", "managedFields") as KubeObject[];
  const isOurs = (entry: KubeObject): boolean =>
    textAt(entry, "subresource") === "" &&
    TAKEN_OVER.some(([name, operation]) => entry["manager"] === name && entry["operation"] === operation);
  const ours = entries.filter(isOurs);
  if (ours.length === 0) return undefined;
  const isTarget = (entry: KubeObject): boolean =>
    entry["manager"] === manager && entry["operation"] === "Apply" && textAt(entry, "subresource") === "";
  const target = entries.find(isTarget);
  const fields = [...(target === undefined ? [] : [target]), ...ours]
    .map((entry) => entry["fieldsV1"] ?? {})
    .reduce(union, {});
  const joined: KubeObject = {
    ...(target ?? ours[0]),
    manager,
    operation: "Apply",
    fieldsType: "FieldsV1",
    fieldsV1: fields,
  };
  return [...entries.filter((entry) => !isOurs(entry) && !isTarget(entry)), joined];
}

function union(a: Json, b: Json): Json {
  if (typeof a !== "object" || a === null || Array.isArray(a)) return b;
  if (typeof b !== "object" || b === null || Array.isArray(b)) return a;
  const result: { [key: string]: Json } = { ...a };
  for (const [key, value] of Object.entries(b)) result[key] = union(result[key] ?? {}, value);
  return result;
}
