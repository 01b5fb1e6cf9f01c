/**
 * Data sources and the engine's own functions.
 * Upstream analogue: ResourceMonitor.Invoke in pkg/resource/deploy/source_eval.go and builtins.go.
 */
import { hasSecret, revealMap, Secret, type PropertyMap } from "./property.ts";
import type { Run } from "./run.ts";
import { packageOf } from "./urn.ts";
import { hasUnknown } from "./values.ts";

/** The result, or undefined when it cannot be known in this preview. */
export async function invoke(
  run: Run,
  token: string,
  args: PropertyMap,
  reference: string,
): Promise<PropertyMap | undefined> {
  if (packageOf(token) === "pulumi") return builtin(run, token, args);
  const plain = revealMap(args);
  if (hasUnknown(plain)) return undefined;
  const { provider, known } = await run.provider(reference);
  if (!known) return undefined;
  const result: PropertyMap = await provider.invoke(token, plain);
  if (!hasSecret(args)) return result;
  // What a secret was used to look up may give the secret away.
  return Object.fromEntries(Object.entries(result).map(([key, value]) => [key, new Secret(value)]));
}

function builtin(run: Run, token: string, args: PropertyMap): PropertyMap {
  if (token !== "pulumi:pulumi:getResource") {
    throw new Error(`the embedded engine does not have the function ${token}`);
  }
  const urn = revealMap(args)["urn"];
  const state = typeof urn === "string" ? run.news.get(urn) : undefined;
  if (state === undefined) throw new Error(`resource ${JSON.stringify(urn)} is not part of this run so far`);
  return { urn: state.urn, id: state.id, state: state.outputs };
}
