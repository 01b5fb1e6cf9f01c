/**
 * Deletes resources, each as soon as everything that depends on it is gone.
 * Upstream analogue: GenerateDeletes and ScheduleDeletes in pkg/resource/deploy/step_generator.go, DeleteStep in step.go.
 * Where those delete wave by wave, this waits for a resource's own dependents only: the order is the same, sooner done.
 */
import { timeout } from "./execute.ts";
import { deletionOrder } from "./graph.ts";
import { revealMap } from "./property.ts";
import type { Run } from "./run.ts";
import type { ResourceState } from "./state.ts";
import type { Operation, Step } from "./step.ts";
import { isProviderType } from "./urn.ts";

/**
 * Deletes `states` (in the order they were made) and answers whether all went. With `ahead` they are to be made anew in
 * this run: their place in the state is kept until then.
 */
export async function deleteStates(
  run: Run,
  states: readonly ResourceState[],
  ahead = false,
): Promise<boolean> {
  const order = deletionOrder(states);
  const works = new Map<ResourceState, Promise<boolean>>();
  for (const state of states) run.deletes.add(state.urn);
  const work = async (state: ResourceState): Promise<boolean> => {
    const gone = await Promise.all(
      [...(order.get(state) ?? [])].map(async (dependent) => works.get(dependent)),
    );
    if (run.stopping || gone.includes(false)) return false;
    return run.track(deleteOne(run, state, ahead));
  };
  // Dependents stand behind what they depend on, so their work is known by the time it is asked for.
  for (const state of [...states].reverse()) works.set(state, work(state));
  return !(await Promise.all(works.values())).includes(false);
}

/** What is left of the state's resources when the program has ended: no longer registered, or replaced. */
export function leftovers(run: Run): ResourceState[] {
  return run.base.filter((state) => {
    if (run.deletedAhead.has(state)) return !run.hasOperatedOn(state.urn);
    return state.delete || !run.hasOperatedOn(state.urn);
  });
}

/** The message a protected resource's deletion is refused with. */
export function protectedMessage(urn: string): string {
  return (
    `${urn} is protected and cannot be deleted. To unprotect it, remove the protect option from it in the program ` +
    "(here: the protect section of the configuration) and run up; or destroy with --exclude-protected."
  );
}

function operationFor(state: ResourceState, ahead: boolean): Operation {
  if (state.external) return "discard";
  if (state.pendingReplacement && !ahead) return "forget";
  return ahead || state.delete ? "delete-replaced" : "delete";
}

async function deleteOne(run: Run, state: ResourceState, ahead: boolean): Promise<boolean> {
  const operation = operationFor(state, ahead);
  const step: Step = { operation, urn: state.urn, old: state, new: undefined, replaces: [] };
  const started = run.observer.now();
  run.observer.begin(step);
  try {
    if (operation === "delete" && state.protect) throw new Error(protectedMessage(state.urn));
    await run.callbacks.runHooks("BeforeDelete", { old: state, done: false });
    if (operation !== "forget" && needsProvider(run, state)) {
      const end = await callDelete(run, state);
      end();
    }
    if (ahead) {
      state.pendingReplacement = true;
      run.deletedAhead.add(state);
    } else {
      run.checkpoint.done(state);
    }
    run.checkpoint.saveSoon();
    await run.callbacks.runHooks("AfterDelete", { old: state, done: true });
  } catch (error) {
    run.fail(step, started, error, "it is kept in the state");
    return false;
  }
  run.observer.end(step, started, false);
  return true;
}

function needsProvider(run: Run, state: ResourceState): boolean {
  if (run.preview || !state.custom || isProviderType(state.type)) return false;
  if (state.external || state.retainOnDelete) return false;
  return state.deletedWith === "" || !run.deletes.has(state.deletedWith);
}

/** Answers with what ends the step in the state. */
async function callDelete(run: Run, state: ResourceState): Promise<() => void> {
  const { provider } = await run.provider(state.provider);
  const end = await run.checkpoint.begin(state, "deleting");
  try {
    await run.callbacks.withErrorHooks("delete", { old: state, done: false }, () =>
      provider.delete({
        urn: state.urn,
        type: state.type,
        id: state.id,
        inputs: revealMap(state.inputs),
        outputs: revealMap(state.outputs),
        signal: run.signal,
        log: (message, severity) => run.observer.message(severity ?? "info", state.urn, message),
        ...timeout(state.timeouts.delete),
      }),
    );
  } catch (error) {
    end();
    run.checkpoint.saveSoon();
    throw error;
  }
  return end;
}
