/**
 * Values as the SDK sends them to an engine: secrets, unknown values, assets and references are marked by signatures.
 * Upstream analogue: sdk/nodejs/runtime/rpc.ts.
 */
import { runtime } from "@pulumi/pulumi";

/** Whether a value is marked as a secret. */
export function isSecret(value: unknown): boolean {
  return signatureOf(value) === runtime.specialSecretSig;
}

/** Whether a value is, or hides, something that only the cloud can decide. */
export function isUnknown(value: unknown): boolean {
  return value === runtime.unknownValue || (isSecret(value) && isUnknown(unwrapped(value)));
}

/** The value inside of a secret, or the value itself. */
export function unwrapped(value: unknown): unknown {
  return isSecret(value) ? (value as { value: unknown }).value : value;
}

/** A value for people and for JSON: `[secret]`, `[unknown]`, and the keys of maps in order. */
export function readable(value: unknown): unknown {
  if (value === runtime.unknownValue) return "[unknown]";
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== "object" || value === null) return value;
  switch (signatureOf(value)) {
    case runtime.specialSecretSig:
      return "[secret]";
    case runtime.specialAssetSig:
      return "[asset]";
    case runtime.specialArchiveSig:
      return "[archive]";
    case runtime.specialResourceSig:
      return (value as { urn: string }).urn;
  }
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, child]) => [key, readable(child)]));
}

/** The texts in the secrets of a value. */
export function secretTexts(value: unknown, secret = false): string[] {
  if (typeof value === "string") return secret ? [value] : [];
  if (typeof value !== "object" || value === null) return [];
  const inside = secret || isSecret(value);
  return Object.values(value).flatMap((child) => secretTexts(child, inside));
}

function signatureOf(value: unknown): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[runtime.specialSigKey]
    : undefined;
}
