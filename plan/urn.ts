/**
 * URNs and type tokens, as an engine makes and reads them. Upstream analogue: sdk/go/common/resource/urn.
 */
export const STACK_TYPE = "pulumi:pulumi:Stack";
const PROVIDER_PREFIX = "pulumi:providers:";

/**
 * The URN of a resource: its type behind those of its ancestors, the stack left out.
 *
 * @param parent URN of the parent, or empty
 */
export function createUrn(
  stack: string,
  project: string,
  parent: string,
  type: string,
  name: string,
): string {
  const parentType = parent.split("::")[2] ?? "";
  const chain = parentType === "" || parentType === STACK_TYPE ? type : `${parentType}$${type}`;
  return `urn:pulumi:${stack}::${project}::${chain}::${name}`;
}

/** The name in a URN, which may itself contain "::"; empty of an empty one. */
export function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

/** The URN in a reference to a provider, `URN::id`; empty of an empty one. */
export function withoutId(reference: string): string {
  return reference.replace(/::[^:]*$/, "");
}

/** Whether a type is a provider's own. */
export function isProviderType(type: string): boolean {
  return type.startsWith(PROVIDER_PREFIX);
}

/** The package that a type or a function's token belongs to; of a provider's type, the package it provides. */
export function packageOf(token: string): string {
  return (isProviderType(token) ? token.slice(PROVIDER_PREFIX.length) : token.split(":")[0]) ?? "";
}
