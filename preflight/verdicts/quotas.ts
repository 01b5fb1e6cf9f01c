/**
 * Quota for the operation at hand: what is to be there, and room to roll only when machines are about to roll.
 */
import type { Config } from "../../config/schema.ts";
import { type Check, fail, pass, unknown, warn } from "../check.ts";
import type { Fact, Facts, Quota } from "../facts.ts";
import { needs, QUOTA_NAMES, type FlavorSize } from "../needs.ts";

export function quotas(config: Config, facts: Facts): Check[] {
  const { quotas: found } = facts;
  if (found === undefined) return [];
  const size = (fact: Fact<FlavorSize | undefined>) => ("value" in fact ? fact.value : undefined);
  const { seed, controlPlane, workers } = facts.flavors;
  const sizes = {
    ...{ seed: size(seed), controlPlane: size(controlPlane), workers: size(workers) },
    groups: Object.fromEntries(
      Object.entries(facts.groupFlavors ?? {}).map(([name, flavor]) => [name, size(flavor)]),
    ),
  };
  const standing = needs(config, sizes, false);
  const rolling = needs(config, sizes, true);
  const rolls = willRoll(config, facts);
  return QUOTA_NAMES.filter((name) => rolling[name] > 0).map((name) => {
    const fact = found[name];
    const id = `quota.${name}`;
    if ("error" in fact) return unknown(id, `${rolling[name]}`, fact.error, "openstack quota show --usage");
    return quota(id, rolls ? rolling[name] : standing[name], rolling[name], fact.value);
  });
}

/**
 * Whether machines that run are of another flavor or image than they are to be: then Cluster API replaces them. What
 * else changes them (disks, registry mirrors) is not seen from outside; Cluster API then waits for room.
 */
function willRoll(config: Config, { namesakes, images }: Facts): boolean {
  if ("error" in namesakes) return false;
  const image =
    "value" in images.cluster && images.cluster.value.length <= 1 ? images.cluster.value : undefined;
  return namesakes.value.servers.some(({ role, group, flavor, imageId }) => {
    if (role === "seed") return false;
    const otherImage = image !== undefined && imageId !== undefined && image[0]?.id !== imageId;
    const ofGroup = group === undefined ? undefined : config.cluster.workerGroups[group]?.flavor;
    return flavor !== (ofGroup ?? config.cluster[role].flavor) || otherImage;
  });
}

/** @param needed for this operation, @param rolling for the next upgrade */
function quota(id: string, needed: number, rolling: number, { limit, used, own }: Quota): Check {
  if (limit < 0) return pass(id, `${rolling}`, "unlimited");
  // What this stack already uses is part of its need, and not somebody else's.
  const free = limit - (used - own);
  const have = `${free} of ${limit}${own > 0 ? ` (${own} in use by this site)` : ""}`;
  if (free < needed) {
    return fail(id, `${needed}`, have, `raise the quota by ${needed - free}, or free as many`);
  }
  return free >= rolling
    ? pass(id, `${rolling}`, have)
    : warn(
        id,
        `${needed}, and ${rolling} while machines roll`,
        have,
        `raise the quota by ${rolling - free} before the next upgrade, or free as many`,
      );
}
