/**
 * Which resources of a state depend on which.
 * Upstream analogue: pkg/resource/graph/dependency_graph.go.
 */
import { dependenciesOf, type ResourceState } from "./state.ts";

/**
 * Everything in `states` that depends on `root`, directly or through others, in the order it was made. Being a child is no
 * dependency here. Resources in `except` are left out, and so is what hangs on them alone.
 */
export function dependentsOf(
  states: readonly ResourceState[],
  root: ResourceState,
  except: ReadonlySet<string> = new Set(),
): ResourceState[] {
  const reached = new Set([root.urn]);
  const found: ResourceState[] = [];
  for (const state of states.slice(states.indexOf(root) + 1)) {
    if (except.has(state.urn)) continue;
    const dependencies = dependenciesOf(state);
    if (!state.dependencies.includes(state.parent)) dependencies.delete(state.parent);
    if (![...dependencies].some((urn) => reached.has(urn))) continue;
    found.push(state);
    reached.add(state.urn);
  }
  return found;
}

/**
 * What must be gone before each of `states` may be deleted: the members of `states` that depend on it. States stand in the
 * order they were made, so that among several with one URN the nearest one before is meant.
 */
export function deletionOrder(states: readonly ResourceState[]): Map<ResourceState, Set<ResourceState>> {
  const blockers = new Map<ResourceState, Set<ResourceState>>(states.map((state) => [state, new Set()]));
  const childrenOf = new Map<string, ResourceState[]>();
  for (const [at, state] of states.entries()) {
    for (const urn of dependenciesOf(state)) {
      for (const dependency of states.slice(0, at).filter((candidate) => candidate.urn === urn)) {
        blockers.get(dependency)?.add(state);
        // To depend on a component is to depend on all that is in it so far.
        if (dependency.custom || urn === state.parent) continue;
        for (const child of descendants(urn, childrenOf)) blockers.get(child)?.add(state);
      }
    }
    if (state.parent !== "") childrenOf.set(state.parent, [...(childrenOf.get(state.parent) ?? []), state]);
  }
  return blockers;
}

function descendants(urn: string, childrenOf: Map<string, ResourceState[]>): ResourceState[] {
  return (childrenOf.get(urn) ?? []).flatMap((child) => [child, ...descendants(child.urn, childrenOf)]);
}
