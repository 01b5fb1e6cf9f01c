/**
 * What a preview says will change: one change a resource, its fingerprint, and whether it is among approved ones.
 *
 * Nothing in a Change can hold a secret: of values only a keyed digest is kept (ci/inputs.ts), of properties the names.
 */
import { createHash } from "node:crypto";
import type { Step } from "../automation/stack.ts";
import type { Path, ProgramInputs } from "./inputs.ts";

/** Pulumi's step operations, reduced to what a reviewer must tell apart. */
export const OPERATIONS = ["create", "update", "replace", "delete", "same", "read"] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface Change {
  readonly urn: string;
  /** Type token of the resource, for example `openstack:compute/instance:Instance`. */
  readonly type: string;
  readonly name: string;
  readonly operation: Operation;
  /** Paths of the properties that differ, sorted; empty for create and delete. */
  readonly properties: readonly string[];
  /** Digest of the values that the program gives the resource, without those that `unknown` names; empty for a delete. */
  readonly digest: string;
  /** Values that are not known before the deployment. */
  readonly unknown: readonly Path[];
  /** An earlier run made the resource and did not get it ready: its operation is repeated. */
  readonly unfinished?: true;
}

/** Pulumi splits one replacement into three steps (create-replacement, replace, delete-replaced): one Change is enough. */
const OPERATION_OF_STEP: Record<string, Operation | undefined> = {
  create: "create",
  import: "create",
  update: "update",
  replace: "replace",
  "create-replacement": "replace",
  "import-replacement": "replace",
  "delete-replaced": "replace",
  delete: "delete",
  discard: "delete",
  forget: "delete",
  same: "same",
  read: "read",
  "read-replacement": "replace",
  "discard-replaced": "replace",
};

/** Steps that alter nothing but the state's own record: the reading ahead of a preview, a replaced one that is gone. */
const BOOKKEEPING: ReadonlySet<string> = new Set(["refresh", "remove-pending-replace"]);
/** Steps after which the old resource is gone and nothing new is made. */
const REMOVES: ReadonlySet<string> = new Set(["delete", "discard", "forget", "delete-replaced"]);

/**
 * The changes that a preview's steps mean.
 *
 * @returns one Change per resource in the order of the steps.
 * @throws Error for an operation this module does not know, or a resource whose values it has not seen: a change that
 *   cannot be classified must not be approved by accident.
 */
export function changesOf(steps: readonly Step[], inputs: ProgramInputs): Change[] {
  const changes = new Map<string, Change>();
  for (const step of steps) {
    if (BOOKKEEPING.has(step.op)) continue;
    const operation = OPERATION_OF_STEP[step.op];
    if (operation === undefined) {
      throw new Error(
        `${step.urn}: unknown operation "${step.op}" (legal: ${Object.keys(OPERATION_OF_STEP).join(", ")})`,
      );
    }
    const before = changes.get(step.urn);
    const names = new Set([...step.changes.map(({ path }) => path), ...(before?.properties ?? [])]);
    const makes =
      (operation === "create" || operation === "update" || operation === "replace") && !REMOVES.has(step.op);
    const unknown = makes ? inputs.unknown(step.urn) : (before?.unknown ?? []);
    changes.set(step.urn, {
      urn: step.urn,
      type: step.type,
      name: step.name,
      operation,
      properties: operation === "update" || operation === "replace" ? [...names].sort() : [],
      digest: makes ? inputs.digest(step.urn, unknown) : (before?.digest ?? ""),
      unknown,
      ...(step.unfinished === true || before?.unfinished === true ? { unfinished: true as const } : {}),
    });
  }
  return [...changes.values()];
}

/** How many resources each operation touches, in the order of OPERATIONS, without the zeros. */
export function countChanges(changes: readonly Change[]): Partial<Record<Operation, number>> {
  const counts: Partial<Record<Operation, number>> = {};
  for (const operation of OPERATIONS) {
    const count = changes.filter((change) => change.operation === operation).length;
    if (count > 0) counts[operation] = count;
  }
  return counts;
}

/** The changes that alter something. */
export function effectiveChanges(changes: readonly Change[]): Change[] {
  return changes.filter((change) => change.operation !== "same" && change.operation !== "read");
}

/**
 * A fingerprint of what will change: equal fingerprints mean that the same resources undergo the same operations in the
 * same properties and get the same values, whatever the order.
 */
export function fingerprint(changes: readonly Change[]): string {
  const lines = effectiveChanges(changes).map(({ urn, operation, properties, digest, unknown }) =>
    JSON.stringify([urn, operation, properties, digest, unknown]),
  );
  return createHash("sha256").update(lines.sort().join("\n")).digest("hex");
}
