/**
 * Deletes everything in the state.
 * Upstream analogue: pkg/engine/destroy.go and --exclude-protected of pkg/cmd/pulumi/operations/destroy.go.
 */
import { deleteStates, protectedMessage } from "./deletion.ts";
import type { Run } from "./run.ts";
import { dependenciesOf, type ResourceState } from "./state.ts";

/**
 * Throws before anything is touched when something is protected, unless `excludeProtected`: then that stays, with all it
 * depends on.
 */
export async function destroy(run: Run, excludeProtected: boolean): Promise<void> {
  const protectedStates = run.base.filter((state) => state.protect && !state.delete);
  if (protectedStates.length > 0 && !excludeProtected) {
    throw new Error(
      `nothing was deleted:\n${protectedStates.map(({ urn }) => protectedMessage(urn)).join("\n")}`,
    );
  }
  const hooked = run.base.filter((state) => state.hooks["BeforeDelete"] ?? state.hooks["AfterDelete"]);
  if (hooked.length > 0) {
    throw new Error(
      "nothing was deleted: these have delete hooks, which live in the program, and destroy does not run the program:\n" +
        hooked.map(({ urn }) => urn).join("\n"),
    );
  }
  const kept = neededBy(run.base, protectedStates);
  await deleteStates(
    run,
    run.base.filter((state) => !kept.has(state)),
  );
  run.checkpoint.settle();
  run.checkpoint.saveSoon();
}

/** `roots` and everything they depend on. */
function neededBy(states: readonly ResourceState[], roots: readonly ResourceState[]): Set<ResourceState> {
  const kept = new Set(roots);
  // A dependency stands before what depends on it: one way back through the list finds them all.
  for (const state of [...states].reverse()) {
    if (!kept.has(state)) continue;
    const needed = dependenciesOf(state);
    for (const candidate of states) if (needed.has(candidate.urn)) kept.add(candidate);
  }
  return kept;
}
