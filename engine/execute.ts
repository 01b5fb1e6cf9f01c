/**
 * Carries out the steps that make or change a resource: provider, state, hooks, in that order of caution.
 * Upstream analogue: pkg/resource/deploy/step.go (Apply of CreateStep, UpdateStep, ReadStep, SameStep).
 */
import { randomUUID } from "node:crypto";
import type { Goal } from "./goal.ts";
import { markOutputs, remarkMap, revealMap, type PropertyMap } from "./property.ts";
import type { Run } from "./run.ts";
import { UNKNOWN_STRING } from "./signatures.ts";
import type { ResourceState } from "./state.ts";
import type { Operation } from "./step.ts";
import { isProviderType } from "./urn.ts";
import type { Properties } from "./values.ts";

/** The resource exists but did not come up: it is in the state, and the step has failed. */
export class NotReady extends Error {}

/**
 * Creates `state`. With `replaced`, that one is then marked for deletion, unless it was deleted ahead.
 * Throws when the provider does; NotReady when the resource is there but not ready.
 */
export async function create(run: Run, state: ResourceState, replaced?: ResourceState): Promise<void> {
  const { checkpoint, callbacks } = run;
  await callbacks.runHooks("BeforeCreate", { new: state, done: false });
  const end =
    state.custom && !isProviderType(state.type) ? await checkpoint.begin(state, "creating") : undefined;
  let reason: string | undefined;
  try {
    if (isProviderType(state.type)) {
      state.id = run.preview ? UNKNOWN_STRING : randomUUID();
      state.outputs = providerOutputs(state.inputs);
      await run.registry.register(`${state.urn}::${state.id}`, state.inputs);
    } else if (state.custom) {
      reason = await callbacks.withErrorHooks("create", { new: state, done: false }, () =>
        callCreate(run, state),
      );
    }
  } catch (error) {
    end?.();
    checkpoint.saveSoon();
    throw error;
  }
  state.created = state.modified = new Date().toISOString();
  end?.();
  checkpoint.settle(state.urn);
  checkpoint.add(state);
  if (replaced?.pendingReplacement === true) checkpoint.done(replaced);
  else if (replaced !== undefined) replaced.delete = true;
  checkpoint.saveSoon();
  if (reason !== undefined) {
    state.initErrors = [reason];
    throw new NotReady(reason);
  }
  if (state.custom) await callbacks.runHooks("AfterCreate", { new: state, done: true });
}

/** Updates `old` in place to `state`. Throws like create. */
export async function update(run: Run, old: ResourceState, state: ResourceState, goal: Goal): Promise<void> {
  const { checkpoint, callbacks } = run;
  state.id = old.id;
  state.created = old.created;
  carryOver(old, state);
  await callbacks.runHooks("BeforeUpdate", { old, new: state, done: false });
  const end =
    state.custom && !isProviderType(state.type) ? await checkpoint.begin(state, "updating") : undefined;
  let reason: string | undefined;
  try {
    if (isProviderType(state.type)) {
      state.outputs = providerOutputs(state.inputs);
      await run.registry.register(`${state.urn}::${state.id}`, state.inputs);
    } else if (state.custom) {
      const attempt = (): Promise<string | undefined> => callUpdate(run, old, state, goal);
      reason = await callbacks.withErrorHooks("update", { old, new: state, done: false }, attempt);
    } else {
      state.outputs = old.outputs;
    }
  } catch (error) {
    end?.();
    checkpoint.saveSoon();
    throw error;
  }
  state.modified = new Date().toISOString();
  end?.();
  checkpoint.done(old);
  checkpoint.add(state);
  checkpoint.saveSoon();
  if (reason !== undefined) {
    state.initErrors = [reason];
    throw new NotReady(reason);
  }
  if (state.custom) await callbacks.runHooks("AfterUpdate", { old, new: state, done: true });
}

/** Takes `old` over as `state`, nothing to be changed. */
export async function keep(run: Run, old: ResourceState, state: ResourceState): Promise<void> {
  state.id = old.id;
  state.outputs = isProviderType(state.type) ? providerOutputs(state.inputs) : old.outputs;
  state.created = old.created;
  state.modified = old.modified;
  carryOver(old, state);
  if (isProviderType(state.type)) await run.registry.register(`${state.urn}::${state.id}`, state.inputs);
  run.checkpoint.same(old, state);
}

/** A provider resource's outputs: its inputs, without the engine's own part (pulumi pkg/resource/deploy/providers, registry.go). */
function providerOutputs(inputs: PropertyMap): PropertyMap {
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => key !== "__internal"));
}

/** What the Pulumi CLI keeps of a resource and this engine does not use stays with it. */
function carryOver(old: ResourceState, state: ResourceState): void {
  state.extra = old.extra;
  state.sourcePosition = old.sourcePosition;
}

/**
 * Reads what exists under `state.id` into `state`; used for `.get` and for imports.
 * Throws when there is no such resource.
 */
export async function read(
  run: Run,
  state: ResourceState,
  as: Extract<Operation, "read" | "import">,
): Promise<void> {
  const { checkpoint } = run;
  const { provider, known } = await run.provider(state.provider);
  if (!known || state.id === UNKNOWN_STRING) {
    state.outputs = {};
    return;
  }
  const end = await checkpoint.begin(state, as === "read" ? "reading" : "importing");
  try {
    const inputs = revealMap(state.inputs);
    const { urn, type, id } = state;
    const result = await provider.read({ urn, type, id, inputs, outputs: inputs, signal: run.signal });
    if (result === null) throw new Error(`resource '${state.id}' does not exist`);
    state.id = result.id;
    state.outputs = marked(state, result.outputs, result.secretOutputs);
    if (as === "import") state.inputs = remarkMap(result.inputs, state.inputs);
  } finally {
    end();
    checkpoint.saveSoon();
  }
}

async function callCreate(run: Run, state: ResourceState): Promise<string | undefined> {
  const { provider, known } = await run.provider(state.provider);
  const inputs = revealMap(state.inputs);
  if (run.preview && !known) {
    state.outputs = marked(state, inputs);
    return undefined;
  }
  const result = await provider.create({
    urn: state.urn,
    type: state.type,
    inputs,
    preview: run.preview,
    signal: run.signal,
    log: (message, severity) => run.observer.message(severity ?? "info", state.urn, message),
    ...timeout(state.timeouts.create),
  });
  if (!run.preview && result.id === "") throw new Error("the provider returned no id for what it created");
  state.id = result.id;
  state.outputs = marked(state, result.outputs, result.secretOutputs);
  return result.partial?.reason;
}

async function callUpdate(
  run: Run,
  old: ResourceState,
  state: ResourceState,
  goal: Goal,
): Promise<string | undefined> {
  const { provider, known } = await run.provider(state.provider);
  const newInputs = revealMap(state.inputs);
  if (run.preview && !known) {
    state.outputs = marked(state, newInputs);
    return undefined;
  }
  const result = await provider.update({
    urn: state.urn,
    type: state.type,
    id: old.id,
    oldInputs: revealMap(old.inputs),
    oldOutputs: revealMap(old.outputs),
    newInputs,
    preview: run.preview,
    signal: run.signal,
    log: (message, severity) => run.observer.message(severity ?? "info", state.urn, message),
    ...timeout(goal.timeouts.update),
  });
  state.outputs = marked(state, result.outputs, result.secretOutputs);
  return result.partial?.reason;
}

/** What a provider answered, with the secret marks of the inputs, the provider and the program. */
export function marked(
  state: ResourceState,
  outputs: Properties,
  secretOutputs: readonly string[] = [],
): PropertyMap {
  return markOutputs(outputs, state.inputs, [...secretOutputs, ...state.additionalSecretOutputs]);
}

export function timeout(seconds: number | undefined): { timeoutSeconds?: number } {
  return seconds === undefined || seconds === 0 ? {} : { timeoutSeconds: seconds };
}
