/**
 * Takes a registered resource from the program's goal to its state: same, create, update or replace.
 * Upstream analogue: generateResourceSteps … continueStepsFromDiff in pkg/resource/deploy/step_generator.go.
 */
import { difference } from "./decide.ts";
import { NotReady, create, keep, read, update } from "./execute.ts";
import type { Goal } from "./goal.ts";
import { findOld } from "./identity.ts";
import { resetPaths } from "./paths.ts";
import { markPath, remarkMap, revealMap, type Property, type PropertyMap } from "./property.ts";
import { deleteAhead } from "./replacement.ts";
import type { Run } from "./run.ts";
import { newState, type ResourceState } from "./state.ts";
import type { Operation, Step } from "./step.ts";
import { createUrn, isProviderType } from "./urn.ts";

/** What the program is told. `state` is there even when the step failed. */
export interface Registered {
  urn: string;
  state: ResourceState;
  failed: boolean;
}

/** Registers a resource. Never throws for what goes wrong with it: that is reported, and the answer says `failed`. */
export async function register(run: Run, goal: Goal): Promise<Registered> {
  const started = run.observer.now();
  const urn = createUrn(run.stack, run.project, goal.parent, goal.type, goal.name);
  const state = stateFor(urn, goal);
  const work = new Work(run, goal, state, started);
  let failed = false;
  try {
    claim(run, urn);
    run.goals.set(urn, goal);
    await work.perform();
  } catch (error) {
    failed = true;
    if (!(error instanceof Interrupted)) {
      run.fail(work.step, started, error, error instanceof NotReady ? NOT_READY : work.kept);
    }
  }
  return { urn, state: work.result, failed };
}

/** Reads a resource the program only refers to (`.get`). */
export async function readExternal(run: Run, goal: Goal, id: string): Promise<Registered> {
  const started = run.observer.now();
  const urn = createUrn(run.stack, run.project, goal.parent, goal.type, goal.name);
  const state = { ...stateFor(urn, goal), id, external: true };
  const step: Step = { operation: "read", urn, old: undefined, new: state, replaces: [] };
  try {
    claim(run, urn);
    const { old, alias } = findOld(run, urn, goal);
    if (alias !== "") state.aliases = [alias];
    run.observer.begin(step);
    await read(run, state, "read");
    state.created = old?.created ?? "";
    state.modified = old?.modified ?? "";
    if (old !== undefined && !old.external && old.id !== id) {
      // The program lets go of a resource it managed: that one is deleted at the end.
      old.delete = true;
      run.checkpoint.add(state);
      run.checkpoint.saveSoon();
    } else if (old === undefined) {
      run.checkpoint.add(state);
      run.checkpoint.saveSoon();
    } else {
      run.checkpoint.same(old, state);
    }
    run.news.set(urn, state);
    run.finish(step, started);
    return { urn, state, failed: false };
  } catch (error) {
    run.fail(step, started, error, "nothing was changed");
    return { urn, state, failed: true };
  }
}

const NOT_READY = "it exists and is kept in the state as not ready; the next up works on it again";

/** An interrupt came before the step began: nothing was done, and there is nothing to report. */
class Interrupted extends Error {}

function claim(run: Run, urn: string): void {
  if (run.seen.has(urn)) {
    throw new Error(`the program makes two resources with the URN ${urn}: give them different names`);
  }
  run.seen.add(urn);
}

function stateFor(urn: string, goal: Goal): ResourceState {
  return newState({
    urn,
    type: goal.type,
    custom: goal.custom,
    inputs: goal.inputs,
    protect: goal.protect ?? false,
    retainOnDelete: goal.retainOnDelete ?? false,
    parent: goal.parent,
    provider: goal.provider,
    dependencies: goal.dependencies,
    propertyDependencies: goal.propertyDependencies,
    deletedWith: goal.deletedWith,
    replaceWith: goal.replaceWith,
    additionalSecretOutputs: goal.additionalSecretOutputs,
    ignoreChanges: goal.ignoreChanges,
    replaceOnChanges: goal.replaceOnChanges,
    replacementTrigger: goal.replacementTrigger,
    timeouts: goal.timeouts,
    importId: goal.importId,
    hooks: goal.hooks,
  });
}

/** What a real provider has noted among its own inputs (`__pulumi-go-provider-version`): it stays for the Pulumi CLI. */
function ownNotes(inputs: PropertyMap): PropertyMap {
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => key.startsWith("__pulumi-")));
}

/** One registration as it goes on. */
class Work {
  readonly #run: Run;
  readonly #goal: Goal;
  readonly #started: number;
  readonly #state: ResourceState;
  #old: ResourceState | undefined;
  /** What is being done, for the report of a failure. */
  step: Step;
  kept = "nothing was changed";

  constructor(run: Run, goal: Goal, state: ResourceState, started: number) {
    this.#run = run;
    this.#goal = goal;
    this.#state = state;
    this.#started = started;
    this.step = { operation: "create", urn: state.urn, old: undefined, new: state, replaces: [] };
  }

  get result(): ResourceState {
    return this.#state;
  }

  async perform(): Promise<void> {
    const run = this.#run;
    const goal = this.#goal;
    const state = this.#state;
    const found = findOld(run, state.urn, goal);
    if (found.alias !== "") state.aliases = [found.alias];
    this.#old = found.old;
    if (this.#old !== undefined) this.step = { ...this.step, operation: "update", old: this.#old };
    if (this.#needsImport()) await this.#import();
    const old = this.#old;
    const recreating = run.deletes.has(state.urn) && old !== undefined;
    const fresh = old === undefined || old.external || recreating;
    const inputs = fresh ? goal.inputs : this.#ignoringChanges(goal.inputs, old.inputs);
    state.inputs = await this.#check(inputs, fresh ? undefined : old.inputs);
    if (isProviderType(state.type) && old !== undefined)
      state.inputs = { ...ownNotes(old.inputs), ...state.inputs };
    if (old === undefined) {
      await this.#do("create", [], () => create(run, state));
    } else if (old.external) {
      await this.#do("create", [], () => create(run, state, old));
    } else if (recreating) {
      await this.#recreate(old);
    } else {
      await this.#change(old);
    }
  }

  /** It was deleted ahead for the sake of what it depends on. */
  async #recreate(old: ResourceState): Promise<void> {
    const run = this.#run;
    run.deletes.delete(this.#state.urn);
    run.replaces.add(this.#state.urn);
    this.kept = "the former one is deleted; the next up makes the new one";
    await this.#do("replace", ["dependency"], () => create(run, this.#state, old));
  }

  async #change(old: ResourceState): Promise<void> {
    const run = this.#run;
    const state = this.#state;
    const result = await difference(run, old, state, this.#goal);
    // A check or diff takes time, in which a resource this one depends on may have had it deleted.
    if (run.deletes.has(state.urn)) return this.#recreate(old);
    if ((result.changes && result.replaces.length > 0) || old.pendingReplacement) {
      return this.#replace(old, result.replaces, result.deleteBeforeReplace);
    }
    if (result.changes || old.initErrors.length > 0) {
      this.kept = "the state describes it as it was before";
      return this.#do("update", [], () => update(run, old, state, this.#goal));
    }
    await keep(run, old, state);
    this.step = { ...this.step, operation: "same" };
    this.#finish();
  }

  async #replace(old: ResourceState, replaces: readonly string[], providerWants: boolean): Promise<void> {
    const run = this.#run;
    const goal = this.#goal;
    const state = this.#state;
    this.step = { ...this.step, operation: "replace", old, replaces };
    if (state.protect && old.protect) {
      throw new Error(
        `it would have to be replaced (because of ${replaces.join(", ") || "an earlier run"}) but is protected: ` +
          "remove its protect option in the program, or take the change back",
      );
    }
    if (goal.importId !== "") {
      throw new Error(
        "it was imported and still names the id to import, so it may not be replaced: remove `import`",
      );
    }
    run.replaces.add(state.urn);
    // Generated names and other defaults of the old one are not to be carried over to the new one.
    state.inputs = await this.#check(goal.inputs, undefined);
    if (old.pendingReplacement || (goal.deleteBeforeReplace ?? providerWants)) {
      this.kept = "the old one is kept in the state";
      await deleteAhead(run, old);
      run.deletes.delete(state.urn);
      this.kept = "the old one is deleted; the next up makes the new one";
    } else {
      this.kept = "the old one is kept, also in the state";
    }
    await this.#do("replace", replaces, () => create(run, state, old));
  }

  async #do(operation: Operation, replaces: readonly string[], action: () => Promise<void>): Promise<void> {
    this.step = { operation, urn: this.#state.urn, old: this.#old, new: this.#state, replaces };
    if (this.#run.stopping) throw new Interrupted();
    if (operation === "create") this.kept = "nothing of it is in the state";
    this.#run.observer.begin(this.step);
    try {
      await action();
    } catch (error) {
      if (error instanceof NotReady) this.#run.operations.set(this.#state.urn, operation);
      throw error;
    }
    this.#finish();
  }

  #finish(): void {
    this.#run.news.set(this.#state.urn, this.#state);
    this.#run.finish(this.step, this.#started);
  }

  #ignoringChanges(inputs: PropertyMap, old: PropertyMap): PropertyMap {
    const { inputs: result, impossible } = resetPaths(inputs, old, this.#goal.ignoreChanges);
    if (impossible.length > 0) {
      this.#run.observer.message(
        "info",
        this.#state.urn,
        `cannot ignore changes in added or removed elements of the path: ${impossible.join(", ")}`,
      );
    }
    return result;
  }

  /** The inputs as the provider completes them. Throws with every failure it finds. */
  async #check(news: PropertyMap, olds: PropertyMap | undefined): Promise<PropertyMap> {
    const { urn, type, custom, provider: reference } = this.#state;
    if (!custom || isProviderType(type)) return news;
    const { provider, known } = await this.#run.provider(reference);
    if (!known && this.#run.preview) return news;
    const { name } = this.#goal;
    const result = await provider.check({
      urn,
      type,
      name,
      news: revealMap(news),
      ...(olds === undefined ? {} : { olds: revealMap(olds) }),
      preview: this.#run.preview,
      autonaming: (prefix) => this.#run.autoname(urn, prefix ?? name),
    });
    if (result.failures.length > 0) {
      throw new Error(
        result.failures
          .map(({ property, reason }) => (property === undefined ? reason : `${property}: ${reason}`))
          .join("\n"),
      );
    }
    let inputs: Property = remarkMap(result.inputs, news);
    for (const path of result.secretInputs ?? []) inputs = markPath(inputs, path.split("."));
    return inputs as PropertyMap;
  }

  #needsImport(): boolean {
    const { importId, custom } = this.#goal;
    const old = this.#old;
    if (importId === "" || !custom) return false;
    return old === undefined || old.external || (old.importId || old.id) !== importId;
  }

  /** Takes what exists under the given id into the state; the program's goal is then a change of that. */
  async #import(): Promise<void> {
    const run = this.#run;
    const imported = { ...this.#state, id: this.#goal.importId };
    this.step = { operation: "import", urn: imported.urn, old: this.#old, new: imported, replaces: [] };
    run.observer.begin(this.step);
    await read(run, imported, "import");
    imported.created = imported.modified = new Date().toISOString();
    if (this.#old !== undefined) this.#old.delete = true;
    run.checkpoint.add(imported);
    run.checkpoint.saveSoon();
    this.#old = imported;
    run.observer.end(this.step, this.#started, false);
  }
}
