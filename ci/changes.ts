/**
 * What a preview says will change, in one shape for both engines, and its fingerprint.
 *
 * Reads Pulumi's own `pulumi preview --json` (its PreviewDigest: `steps`, `changeSummary`) and what the embedded engine
 * prints (`resources`, each with its `op` and the paths that differ). Nothing in a Change can hold a secret: only names of properties are kept.
 */
import { createHash } from "node:crypto";

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
}

interface PreviewStep {
  op: string;
  urn: string;
  /** The embedded engine's. */
  changes?: Record<string, unknown>;
  detailedDiff?: Record<string, unknown> | null;
  diffReasons?: string[] | null;
  replaceReasons?: string[] | null;
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
  refresh: "same",
  read: "read",
  "read-replacement": "replace",
  "discard-replaced": "replace",
};

/**
 * Reads the output of `pulumi preview --json`, or of the embedded engine's `preview --json`.
 *
 * @returns one Change per resource in the order of the steps.
 * @throws Error when the text is not a preview, or names an operation this module does not know: a change that
 *   cannot be classified must not be approved by accident.
 */
export function parsePreview(text: string): Change[] {
  let digest: { steps?: PreviewStep[]; resources?: PreviewStep[] };
  try {
    digest = JSON.parse(text) as typeof digest;
  } catch (error) {
    throw new Error(`not a preview: the text is not JSON (${(error as Error).message})`);
  }
  const steps = digest.steps ?? digest.resources;
  if (!Array.isArray(steps))
    throw new Error("not a preview: no list `steps` or `resources` (legal: the output of `preview --json`)");
  const changes = new Map<string, Change>();
  for (const step of steps) {
    const operation = OPERATION_OF_STEP[step.op];
    if (operation === undefined) {
      throw new Error(
        `${step.urn}: unknown operation "${step.op}" (legal: ${Object.keys(OPERATION_OF_STEP).join(", ")})`,
      );
    }
    const names = new Set([
      ...Object.keys(step.detailedDiff ?? {}),
      ...Object.keys(step.changes ?? {}),
      ...(step.diffReasons ?? []),
      ...(step.replaceReasons ?? []),
    ]);
    for (const property of changes.get(step.urn)?.properties ?? []) names.add(property);
    const [type = "", name = ""] = splitUrn(step.urn);
    const properties = operation === "update" || operation === "replace" ? [...names].sort() : [];
    changes.set(step.urn, { urn: step.urn, type, name, operation, properties });
  }
  return [...changes.values()];
}

/** Type (the last of a `parent$child` chain) and name in a URN. */
function splitUrn(urn: string): [type: string, name: string] {
  const [, , typeChain = "", ...name] = urn.split("::");
  return [typeChain.slice(typeChain.lastIndexOf("$") + 1), name.join("::")];
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
 * same properties, whatever the order. An `up` compares its fresh preview with the one that was approved by it.
 */
export function fingerprint(changes: readonly Change[]): string {
  const lines = effectiveChanges(changes).map((change) =>
    JSON.stringify([change.urn, change.operation, change.properties]),
  );
  return createHash("sha256").update(lines.sort().join("\n")).digest("hex");
}
