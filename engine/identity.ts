/**
 * Finds the state a registration continues: under its own URN, or under one of its aliases.
 * Upstream analogue: generateAliases, inheritedChildAlias and getOldResource in pkg/resource/deploy/step_generator.go.
 */
import type { Alias, Goal } from "./goal.ts";
import type { Run } from "./run.ts";
import type { ResourceState } from "./state.ts";
import { STACK_TYPE, createUrn, nameOf, qualifiedType, typeOf } from "./urn.ts";

/** The state `urn` continues and, if it had another URN, that one. Throws when two resources claim the same state. */
export function findOld(
  run: Run,
  urn: string,
  goal: Goal,
): { old: ResourceState | undefined; alias: string } {
  const taken = run.renamed.get(urn);
  if (taken !== undefined) {
    throw new Error(`${urn} is registered, but ${taken} has already claimed that URN as its alias`);
  }
  for (const candidate of [urn, ...aliasUrns(run, goal)]) {
    const old = run.olds.get(candidate);
    if (old === undefined) continue;
    if (candidate === urn) return { old, alias: "" };
    const claimed = run.seen.has(candidate) ? candidate : run.renamed.get(candidate);
    if (claimed !== undefined)
      throw new Error(`${urn} claims ${candidate} as its alias, but ${claimed} is that resource`);
    run.renamed.set(candidate, urn);
    run.formerly.set(urn, candidate);
    return { old, alias: candidate };
  }
  return { old: undefined, alias: "" };
}

/** Every other URN the resource may have had: its own aliases, and those its parent's brings with it. */
function aliasUrns(run: Run, goal: Goal): string[] {
  const urns = new Set(goal.aliases.map((alias) => aliasUrn(run, goal, alias)));
  const parentAlias = goal.parent === "" ? undefined : run.formerly.get(goal.parent);
  if (parentAlias !== undefined) {
    const parentName = nameOf(goal.parent);
    urns.add(inherited(run, goal.type, goal.name, parentName, parentAlias));
    for (const alias of goal.aliases) {
      const own = aliasUrn(run, goal, alias);
      urns.add(inherited(run, typeOf(own), nameOf(own), parentName, parentAlias));
    }
  }
  return [...urns];
}

function aliasUrn(run: Run, goal: Goal, alias: Alias): string {
  if (alias.urn !== "") return alias.urn;
  let parent = alias.parent === "" ? goal.parent : (run.formerly.get(alias.parent) ?? alias.parent);
  if (alias.noParent || (parent !== "" && qualifiedType(parent) === STACK_TYPE)) parent = "";
  return createUrn(
    alias.stack || run.stack,
    alias.project || run.project,
    parent,
    alias.type || goal.type,
    alias.name || goal.name,
  );
}

/** A child named after its parent had a name after the parent's former one. */
function inherited(run: Run, type: string, name: string, parentName: string, parentAlias: string): string {
  const former = name.startsWith(parentName) ? nameOf(parentAlias) + name.slice(parentName.length) : name;
  return createUrn(run.stack, run.project, parentAlias, type, former);
}
