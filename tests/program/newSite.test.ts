/**
 * The first merge request of a site that bin/new-site wrote: the program runs with it, and no mandatory rule is broken.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { newSiteFile } from "../../config/newSite.ts";
import { judgeStack } from "../../policy/stack.ts";
import { PLANTED, record } from "../support/mocks.ts";

process.env["CAPI_MGMT_OFFLINE"] = "0";
process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";

test("a freshly made site of layer production breaks no mandatory rule", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "new-site-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const text = newSiteFile({
    name: "fresh",
    layers: ["production"],
    externalNetworkId: "5617d17e-fdc1-4aa1-a14b-b9b5136c65af",
    seedFlavor: "m1.large",
    controlPlaneFlavor: "m1.large",
    workerFlavor: "m1.large",
    allowedCidrs: [],
  });
  writeFileSync(join(folder, "Pulumi.fresh.yaml"), text);
  const { config } = parse(text) as { config: Record<string, unknown> };
  config["capi-mgmt:openstack"] = {
    authUrl: "https://cloud.example.org:5000/v3",
    applicationCredentialId: "0123456789abcdef0123456789abcdef",
    applicationCredentialSecret: PLANTED.applicationCredential,
  };
  const asText = Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, JSON.stringify(value)]),
  );
  const recording = await record({ stack: "fresh", config: asText });
  await import("../../index.ts");
  await recording.settled();
  assert.ok(recording.get("cluster-image-upload").inputs["imageSourceUrl"], "the default image is uploaded");
  const { findings } = judgeStack(folder, "fresh", recording.resources);
  assert.deepEqual(
    findings.filter(({ severity }) => severity === "mandatory"),
    [],
  );
  // What is not pinned yet is told, and by whom it is.
  assert.ok(findings.every(({ message }) => message.includes("bin/check-releases --pin")));
});
