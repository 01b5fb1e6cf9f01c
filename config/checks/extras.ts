/**
 * Checks of extras: what each is, where it goes, what it comes after.
 */
import { PLACEHOLDER_SECRET } from "../credentials.ts";
import { manifestObjects } from "../manifests.ts";
import type { Problem } from "../problems.ts";
import { formatPath, isMap } from "../tree.ts";
import { type Check, when } from "./check.ts";

const list = (names: readonly string[]) => (names.length === 0 ? "nothing" : names.join(", "));

/** An extra is one thing, and its objects are such. */
export const extraKinds: Check = ({ extras, cluster }) =>
  Object.entries(extras ?? {}).flatMap(([name, extra]): Problem[] => {
    if (!isMap(extra)) return [];
    const { manifests, release, commands, on } = extra;
    const given = Object.entries({ manifests, release, commands }).flatMap(([kind, value]) =>
      value === undefined ? [] : [kind],
    );
    const isKnown = typeof manifests === "string" && manifests !== PLACEHOLDER_SECRET;
    return [
      ...when(given.length !== 1, () => ({
        path: formatPath(["extras", name]),
        problem: given.length === 0 ? "says nothing to add" : "sets options that exclude each other",
        got: list(given),
        legal: "one of manifests, release, commands",
      })),
      ...when(on === "seed" && (manifests !== undefined || release !== undefined), () => ({
        path: formatPath(["extras", name, "on"]),
        problem: "has no cluster yet",
        got: '"seed"',
        legal: "k3s, or commands",
      })),
      ...when(on === "cluster" && cluster?.enabled === false, () => ({
        path: formatPath(["extras", name, "on"]),
        problem: "needs the HA cluster, which cluster.enabled leaves out",
        got: '"cluster"',
        legal: "k3s, or cluster.enabled true",
      })),
      ...(isKnown ? manifestObjects(manifests).problems : []).map((problem) => ({
        path: formatPath(["extras", name, "manifests"]),
        problem,
        legal: "YAML documents with apiVersion, kind and metadata.name, each object once",
      })),
    ];
  });

/** The order has to be one. */
export const extrasOrder: Check = ({ extras = {} }) => {
  const afterOf = (name: string): readonly string[] => {
    const after: unknown = extras[name]?.after;
    return Array.isArray(after) ? (after as string[]) : [];
  };
  const isBefore = (name: string, wanted: string, seen: Set<string>): boolean =>
    afterOf(name).some((next) => {
      if (next === wanted) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return isBefore(next, wanted, seen);
    });
  return Object.keys(extras).flatMap((name) => [
    ...afterOf(name).flatMap((other, index): Problem[] => {
      const path = formatPath(["extras", name, "after", index]);
      const same = Object.keys(extras).filter((one) => one !== name && extras[one]?.on === extras[name]?.on);
      return when(!same.includes(other), () => ({
        path,
        problem: "is not an extra in the same place",
        got: JSON.stringify(other),
        legal: list(same),
      }));
    }),
    ...when(afterOf(name).includes(name) === false && isBefore(name, name, new Set()), () => ({
      path: formatPath(["extras", name, "after"]),
      problem: "comes after itself by the others' after",
      got: list(afterOf(name)),
      legal: "an order without a circle",
    })),
  ]);
};
