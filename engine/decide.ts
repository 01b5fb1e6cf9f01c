/**
 * Decides what a resource's change means: nothing, an update in place, or a replacement.
 * Upstream analogue: diff, providerChanged, applyReplaceOnChanges and shouldTriggerReplace in
 * pkg/resource/deploy/step_generator.go.
 */
import type { Goal } from "./goal.ts";
import { containsPath, parsePath, type Path } from "./paths.ts";
import { reveal, revealMap, sameProperty } from "./property.ts";
import type { DiffResult } from "./provider.ts";
import type { Run } from "./run.ts";
import type { ResourceState } from "./state.ts";
import { isProviderType, parseReference } from "./urn.ts";
import { equal, hasUnknown, type Properties } from "./values.ts";

/** The property replaceOnChanges names to have a resource replaced that did not come up. */
const INIT_ERROR = "#initerror";

const UNCHANGED: DiffResult = { changes: false, replaces: [], deleteBeforeReplace: false };

/** How `state` differs from `old`, with every reason to replace it. `state.inputs` are checked already. */
export async function difference(
  run: Run,
  old: ResourceState,
  state: ResourceState,
  goal: Goal,
): Promise<DiffResult> {
  const trigger = triggered(run, old, state);
  if (trigger) return replacement("replacementTrigger");
  if (goal.replaceWith.some((urn) => run.replaces.has(urn))) return replacement("replaceWith");
  if (goal.deletedWith !== "" && run.replaces.has(goal.deletedWith)) return replacement("deletedWith");
  if (await providerChanged(run, old, state)) return replacement("provider");
  return applyReplaceOnChanges(await plainDifference(run, old, state, goal.ignoreChanges), old, state, goal);
}

/** What the provider says of the change, or a comparison where there is none to ask. */
async function plainDifference(
  run: Run,
  old: ResourceState,
  state: ResourceState,
  ignoreChanges: string[],
): Promise<DiffResult> {
  const same = sameProperty(old.inputs, state.inputs);
  if (!state.custom) return { ...UNCHANGED, changes: !same };
  if (isProviderType(state.type)) {
    const result = await run.registry.diffConfig(state.type, old.inputs, state.inputs);
    return { ...result, changes: result.changes || !same };
  }
  return providerDifference(run, old, revealMap(state.inputs), state.provider, ignoreChanges);
}

/** The provider's view of `old` becoming `newInputs`. */
export async function providerDifference(
  run: Run,
  old: ResourceState,
  newInputs: Properties,
  reference: string,
  ignoreChanges: string[],
): Promise<DiffResult> {
  const { provider, known } = await run.provider(reference);
  if (!known) {
    run.observer.message(
      "warning",
      parseReference(reference).urn,
      "has inputs that are not known during preview: what it manages is shown as updated, which may not be what up does",
    );
    return { ...UNCHANGED, changes: true };
  }
  const result = await provider.diff({
    urn: old.urn,
    type: old.type,
    id: old.id,
    oldInputs: revealMap(old.inputs),
    oldOutputs: revealMap(old.outputs),
    newInputs,
    ignoreChanges,
  });
  return { ...result, changes: result.changes || result.replaces.length > 0 };
}

/** `result` with what `replaceOnChanges` adds to the reasons for a replacement. */
export function applyReplaceOnChanges(
  result: DiffResult,
  old: ResourceState,
  state: Pick<ResourceState, "inputs">,
  goal: Pick<Goal, "replaceOnChanges">,
): DiffResult {
  const hasInitErrors = old.initErrors.length > 0;
  if (goal.replaceOnChanges.length === 0 || (!result.changes && !hasInitErrors)) return result;
  const watched = goal.replaceOnChanges.map(parsePath);
  const changed =
    result.detailed === undefined ? changedKeys(old, state) : Object.keys(result.detailed).map(parsePath);
  const hits = changed.filter((path) => watched.some((outer) => containsPath(outer, path)));
  const replaces = new Set([...result.replaces, ...hits.map((path) => String(path[0]))]);
  if (hasInitErrors && watched.some((outer) => containsPath(outer, [INIT_ERROR]))) replaces.add(INIT_ERROR);
  return { ...result, changes: result.changes || replaces.size > 0, replaces: [...replaces] };
}

function changedKeys(old: ResourceState, state: Pick<ResourceState, "inputs">): Path[] {
  const keys = new Set([...Object.keys(old.inputs), ...Object.keys(state.inputs)]);
  return [...keys].filter((key) => !sameProperty(old.inputs[key], state.inputs[key])).map((key) => [key]);
}

function replacement(because: string): DiffResult {
  return { changes: true, replaces: [because], deleteBeforeReplace: false };
}

function triggered(run: Run, old: ResourceState, state: ResourceState): boolean {
  const before = reveal(old.replacementTrigger);
  const after = reveal(state.replacementTrigger);
  if (hasUnknown(after) && !run.preview) throw new Error("its replacementTrigger is not known");
  if (hasUnknown(before) || hasUnknown(after)) return true;
  return before !== null && after !== null && !equal(before, after);
}

/** Whether a resource moved to a provider that cannot manage what the former one made. */
async function providerChanged(run: Run, old: ResourceState, state: ResourceState): Promise<boolean> {
  if (old.provider === state.provider) return false;
  if (old.provider === "" || state.provider === "") return true;
  const before = parseReference(old.provider);
  const after = parseReference(state.provider);
  if (run.renamed.get(before.urn) === after.urn) return false;
  const oldProvider = run.base.find(
    (candidate) => candidate.urn === before.urn && candidate.id === before.id,
  );
  const newProvider = run.news.get(after.urn);
  if (oldProvider === undefined || newProvider === undefined) return true;
  const result = await run.registry.diffConfig(newProvider.type, oldProvider.inputs, newProvider.inputs);
  return result.replaces.length > 0;
}
