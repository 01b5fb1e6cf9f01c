/**
 * URNs, types and provider references.
 * Upstream analogue: sdk/go/common/resource/urn and sdk/go/common/providers/reference.go.
 */
export const STACK_TYPE = "pulumi:pulumi:Stack";
const PROVIDER_PREFIX = "pulumi:providers:";

/** The type chain of a URN: `parentType$type`, without the root stack. */
export function qualifiedType(urn: string): string {
  return urn.split("::")[2] ?? "";
}

export function typeOf(urn: string): string {
  return qualifiedType(urn).split("$").at(-1) ?? "";
}

/** The name, which may itself contain "::". */
export function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

/** The URN of a resource below `parent` ("" or the stack's URN: directly below the stack). */
export function createUrn(
  stack: string,
  project: string,
  parent: string,
  type: string,
  name: string,
): string {
  const parentType = parent === "" ? "" : qualifiedType(parent);
  const chain = parentType === "" || parentType === STACK_TYPE ? type : `${parentType}$${type}`;
  return `urn:pulumi:${stack}::${project}::${chain}::${name}`;
}

export function isProviderType(type: string): boolean {
  return type.startsWith(PROVIDER_PREFIX);
}

/** The package a provider resource's type stands for. */
export function providerPackage(type: string): string {
  return type.slice(PROVIDER_PREFIX.length);
}

export function providerType(packageName: string): string {
  return PROVIDER_PREFIX + packageName;
}

/** Whether the engine made the provider by itself. Of sdk/go/common/providers (IsDefaultProvider): told by its name. */
export function isDefaultProvider(urn: string): boolean {
  return isProviderType(typeOf(urn)) && /^default(_|$)/.test(nameOf(urn));
}

/** The package a resource's type belongs to. */
export function packageOf(type: string): string {
  return type.split(":")[0] ?? "";
}

/** A provider reference, `URN::id`, taken apart. Throws when it is not one. */
export function parseReference(reference: string): { urn: string; id: string } {
  const at = reference.lastIndexOf("::");
  if (at < 0 || !reference.startsWith("urn:pulumi:"))
    throw new Error(`not a provider reference: ${reference}`);
  return { urn: reference.slice(0, at), id: reference.slice(at + 2) };
}
