/**
 * What was approved, as a note carries it, and whether a change is among it.
 *
 * A deployment that failed half way leaves a rest: fewer resources, and some of the approved unknowns are known by now.
 * Each change is therefore looked up on its own: it is approved if that resource was to undergo that operation, or one
 * that goes further, in these properties, with the same values wherever they were known.
 */
import { gunzipSync, gzipSync } from "node:zlib";
import { z } from "zod";
import { type Change, effectiveChanges, OPERATIONS } from "./changes.ts";
import type { ProgramInputs } from "./inputs.ts";

const record = z.array(
  z.object({
    urn: z.string(),
    operation: z.enum(OPERATIONS),
    properties: z.array(z.string()),
    digest: z.string(),
    unknown: z.array(z.array(z.union([z.string(), z.number()]))),
  }),
);

/** A change that somebody looked at. */
export type ApprovedChange = z.infer<typeof record>[number];

const RECORD = /^<!-- capi-mgmt changes ([A-Za-z0-9+/=]+) -->$/m;

/** The changes as a line of a note that readers do not see. */
export function recordLine(changes: readonly Change[]): string {
  const kept = effectiveChanges(changes).map(({ urn, operation, properties, digest, unknown }) => ({
    ...{ urn, operation, properties, digest, unknown },
  }));
  return `<!-- capi-mgmt changes ${gzipSync(JSON.stringify(kept)).toString("base64")} -->`;
}

/** The changes that a note records; none for a text without a record. */
export function recordedChanges(note: string): ApprovedChange[] {
  const encoded = RECORD.exec(note)?.[1];
  if (encoded === undefined) return [];
  return record.parse(JSON.parse(gunzipSync(Buffer.from(encoded, "base64")).toString()));
}

/** What is left of an approved operation when a run ended in the midst of it. */
const REST: Readonly<Record<string, readonly string[]>> = {
  create: ["create"],
  update: ["update"],
  delete: ["delete"],
  // The old one is gone and the new one not there yet; or what was not known turned out to need no replacement.
  replace: ["replace", "create", "update"],
};

/** The changes that are not among the approved ones. */
export function notApproved(
  changes: readonly Change[],
  approved: readonly ApprovedChange[],
  inputs: ProgramInputs,
): Change[] {
  return effectiveChanges(changes).filter(
    (change) => !approved.some((candidate) => covers(candidate, change, inputs)),
  );
}

function covers(approved: ApprovedChange, change: Change, inputs: ProgramInputs): boolean {
  if (approved.urn !== change.urn) return false;
  // Only the removal of what an approved replacement left behind.
  if (approved.operation === "replace" && change.operation === "replace" && change.digest === "") return true;
  // What an approved run made and did not get ready is brought to the same values.
  const repeated = change.unfinished === true && change.operation === "update";
  if (!repeated && REST[approved.operation]?.includes(change.operation) !== true) return false;
  const listed = (property: string) => approved.properties.some((known) => isWithin(property, known));
  const mayDiffer = repeated || change.operation === "create" || change.properties.every(listed);
  const digest = change.digest === "" ? "" : inputs.digest(change.urn, approved.unknown);
  return mayDiffer && digest === approved.digest;
}

/** Whether a property is another one or within it: `values` was not known, so that `values.a[0]` could not be listed. */
function isWithin(property: string, other: string): boolean {
  return property === other || property.startsWith(`${other}.`) || property.startsWith(`${other}[`);
}
