/**
 * The verdicts: configuration on one side, facts on the other. Pure.
 */
import type { Config } from "../config/schema.ts";
import type { Check } from "./check.ts";
import type { Facts } from "./facts.ts";
import { clock, credentials, keyPair, namesakes } from "./verdicts/access.ts";
import { flavors, images, loadBalancerProvider, placement } from "./verdicts/machines.ts";
import { cidrs, endpoints, existing, externalNetwork } from "./verdicts/networks.ts";
import { quotas } from "./verdicts/quotas.ts";
import { downloads, state } from "./verdicts/stores.ts";

/** Every check, in the order an operator would fix them. */
export function judge(config: Config, facts: Facts): Check[] {
  // Without a token every other answer of the cloud would be the same refusal.
  if ("error" in facts.scope) return [...credentials(config, facts), ...downloads(facts), ...state(facts)];
  return [
    ...credentials(config, facts),
    clock(facts),
    namesakes(facts),
    keyPair(facts),
    ...flavors(config, facts),
    ...images(config, facts),
    externalNetwork(config, facts),
    ...existing(config, facts),
    ...cidrs(config, facts),
    endpoints(config, facts),
    loadBalancerProvider(config, facts),
    ...placement(config, facts),
    ...quotas(config, facts),
    ...downloads(facts),
    ...state(facts),
  ];
}
