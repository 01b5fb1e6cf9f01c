/**
 * A sample is not taken for a site: neither by bin/preflight nor by a deployment.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { placeholderCredentials } from "../../config/credentials.ts";
import { passPreflight } from "../../preflight/gate.ts";
import { loadSite } from "../../preflight/site.ts";
import { configOf } from "../support/config.ts";

const REFUSAL =
  "Pulumi.prod.yaml is a sample (capi-mgmt:sample: true), not a site: bin/new-site NAME writes a site's file";

void test("preflight refuses a sample before it asks anybody", async () => {
  await assert.rejects(loadSite(join(import.meta.dirname, "../.."), "prod", {}), { message: REFUSAL });
});

void test("a deployment refuses a sample before it asks anybody", async () => {
  const config = configOf("prod");
  const site = { config, credentials: placeholderCredentials(config.openstack) };
  await assert.rejects(passPreflight("prod", site, {}), { message: REFUSAL });
});
