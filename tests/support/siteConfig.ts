/**
 * A site's configuration for tests: legal, follows every policy rule, and changed where a test says so.
 */
import assert from "node:assert/strict";
import { readLayers } from "../../config/layers.ts";
import { loadConfig } from "../../config/load.ts";
import { formatProblems } from "../../config/problems.ts";
import type { Config } from "../../config/schema.ts";

export type Values = Record<string, unknown>;

/** Addresses of the site's seed network. */
export const SITE_NETWORK = "192.168.100.0/24";

const checksum = "a".repeat(64);
const SITE: Values = {
  layers: ["production"],
  openstack: { authUrl: "https://keystone.example:5000/v3" },
  seed: {
    flavor: "m1.large",
    image: { id: "0f1e2d3c-4b5a-4968-8776-655443322110" },
    network: { externalNetworkId: "5617d17e-fdc1-4aa1-a14b-b9b5136c65af", cidr: SITE_NETWORK },
    access: { allowedCidrs: { ssh: ["192.0.2.0/24"], api: ["192.0.2.0/24"] } },
  },
  k3s: { sha256: checksum },
  tools: { kubectl: { sha256: checksum }, helm: { sha256: checksum } },
  clusterApi: { orc: { sha256: checksum }, core: { sha256: checksum }, openstack: { sha256: checksum } },
  cluster: {
    image: { id: "0f1e2d3c-4b5a-4968-8776-655443322111" },
    controlPlane: { flavor: "m1.large" },
    workers: { flavor: "m1.large" },
    apiServer: { allowedCidrs: ["192.0.2.0/24"] },
  },
  monitoring: { enabled: false },
};

function isMap(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `change` over `base`; undefined takes a value away. */
function merged(base: Values, change: Values): Values {
  const result = { ...base };
  for (const [key, value] of Object.entries(change)) {
    const old = result[key];
    result[key] = isMap(old) && isMap(value) ? merged(old, value) : value;
    if (value === undefined) delete result[key];
  }
  return result;
}

/** The site with a change; the test fails with every problem if the result is not legal. */
export function configOf(change: Values): Config {
  const stack = { name: "Pulumi.test.yaml", values: merged(SITE, change) };
  const { config, problems } = loadConfig({ ...readLayers(), stack });
  assert.ok(config, formatProblems("Pulumi.test.yaml", problems));
  return config;
}
