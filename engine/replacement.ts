/**
 * What must be deleted, and made anew later in the run, before a resource that cannot stand beside its replacement.
 * Upstream analogue: calculateDependentReplacements and findDependentCascadeReplacements in
 * pkg/resource/deploy/step_generator.go.
 */
import { applyReplaceOnChanges, providerDifference } from "./decide.ts";
import { deleteStates, protectedMessage } from "./deletion.ts";
import { dependentsOf } from "./graph.ts";
import { revealMap, type PropertyMap } from "./property.ts";
import type { Run } from "./run.ts";
import type { ResourceState } from "./state.ts";
import { isProviderType, parseReference } from "./urn.ts";
import { UNKNOWN } from "./values.ts";

/**
 * Deletes `old`, and before it each dependent that would have to be replaced as well. Throws when one is protected or
 * cannot be deleted.
 */
export async function deleteAhead(run: Run, old: ResourceState): Promise<void> {
  const dependents = await dependentReplacements(run, old);
  const condemned = run.base.filter((state) => dependents.has(state) && !run.deletedAhead.has(state));
  for (const state of condemned) {
    if (!state.protect || state.delete) continue;
    throw new Error(`it cannot be replaced, because ${protectedMessage(state.urn)}`);
  }
  const states = old.pendingReplacement
    ? condemned
    : run.base.filter((state) => state === old || condemned.includes(state));
  const gone = await deleteStates(
    run,
    states.filter((state) => !state.pendingReplacement),
    true,
  );
  if (!gone)
    throw new Error("it cannot be replaced, because what depends on it or it itself could not be deleted");
}

/** The dependents of `root` that a new id or other unknown outputs of it would have replaced. */
async function dependentReplacements(run: Run, root: ResourceState): Promise<Set<ResourceState>> {
  const replaced = new Set([root.urn]);
  const found = new Set<ResourceState>();
  // What has been registered already cannot depend on what is only being registered: the state knows an old dependency.
  for (const state of dependentsOf(run.base, root, new Set(run.operations.keys()))) {
    if (!(await mustBeReplaced(run, state, replaced))) continue;
    found.add(state);
    replaced.add(state.urn);
  }
  for (const state of run.base) {
    if (state.deletedWith === root.urn || state.replaceWith.includes(root.urn)) found.add(state);
  }
  return found;
}

async function mustBeReplaced(
  run: Run,
  state: ResourceState,
  replaced: ReadonlySet<string>,
): Promise<boolean> {
  if (!state.custom || state.external) return false;
  if (state.provider !== "" && replaced.has(parseReference(state.provider).urn)) return true;
  if (state.deletedWith !== "" && replaced.has(state.deletedWith)) return true;
  const affected = Object.entries(state.propertyDependencies)
    .filter(([name, urns]) => name in state.inputs && urns.some((urn) => replaced.has(urn)))
    .map(([name]) => name);
  if (affected.length === 0) return false;
  const inputs: PropertyMap = { ...state.inputs };
  for (const name of affected) inputs[name] = UNKNOWN;
  const result = isProviderType(state.type)
    ? await run.registry.diffConfig(state.type, state.inputs, inputs)
    : await providerDifference(run, state, revealMap(inputs), state.provider, state.ignoreChanges);
  return applyReplaceOnChanges(result, state, { inputs }, state).replaces.length > 0;
}
