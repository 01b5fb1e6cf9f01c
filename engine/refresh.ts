/**
 * Reads every resource of the state as it is now and takes over what changed outside.
 * Upstream analogue: RefreshStep in pkg/resource/deploy/step.go and FilterRefreshDeletes in pkg/engine.
 */
import { marked } from "./execute.ts";
import { remarkMap, revealMap, sameProperty } from "./property.ts";
import type { Run } from "./run.ts";
import type { ResourceState } from "./state.ts";
import type { Step } from "./step.ts";
import { isProviderType } from "./urn.ts";

/** Refreshes all resources at once: reading changes nothing, so no order is needed. */
export async function refresh(run: Run): Promise<void> {
  const gone = new Set<ResourceState>();
  await Promise.all(
    run.base.map(async (state) => {
      if (run.stopping || !state.custom || isProviderType(state.type) || state.pendingReplacement) return;
      await run.track(refreshOne(run, state, gone));
    }),
  );
  forgetReferences(run, gone);
  run.checkpoint.settle();
  run.checkpoint.saveSoon();
}

async function refreshOne(run: Run, state: ResourceState, gone: Set<ResourceState>): Promise<void> {
  const started = run.observer.now();
  const before = { ...state };
  const step: Step = { operation: "refresh", urn: state.urn, old: before, new: state, replaces: [] };
  run.observer.begin(step);
  try {
    const { provider } = await run.provider(state.provider);
    const result = await provider.read({
      urn: state.urn,
      type: state.type,
      id: state.id,
      inputs: revealMap(state.inputs),
      outputs: revealMap(state.outputs),
      signal: run.signal,
    });
    if (result === null) {
      gone.add(state);
      run.checkpoint.done(state);
      run.finish({ ...step, operation: "delete", new: undefined }, started);
      return;
    }
    // What is secret in the state stays so, whatever the provider says.
    const outputs = remarkMap(marked(state, result.outputs, result.secretOutputs), state.outputs);
    const inputs = remarkMap(result.inputs, state.inputs);
    const same =
      sameProperty(state.outputs, outputs) && sameProperty(state.inputs, inputs) && result.id === state.id;
    if (!same) {
      state.id = result.id;
      state.outputs = outputs;
      state.inputs = inputs;
      state.modified = new Date().toISOString();
    }
    run.finish(same ? { ...step, operation: "same" } : step, started);
  } catch (error) {
    run.fail(step, started, error, "the state describes it as it was before");
  }
}

/** Nothing may depend on what is no longer in the state. */
function forgetReferences(run: Run, gone: ReadonlySet<ResourceState>): void {
  if (gone.size === 0) return;
  const left = new Set(run.base.filter((state) => !gone.has(state)).map((state) => state.urn));
  const exists = (urn: string): boolean => left.has(urn);
  for (const state of run.base) {
    state.dependencies = state.dependencies.filter(exists);
    for (const [name, urns] of Object.entries(state.propertyDependencies)) {
      state.propertyDependencies[name] = urns.filter(exists);
    }
    state.replaceWith = state.replaceWith.filter(exists);
    if (state.deletedWith !== "" && !exists(state.deletedWith)) state.deletedWith = "";
    if (state.parent !== "" && !exists(state.parent)) state.parent = "";
  }
}
