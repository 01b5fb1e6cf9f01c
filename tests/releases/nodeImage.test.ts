/**
 * The node image that a new site starts with, from a server with upstream's layout.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { readLayers } from "../../config/layers.ts";
import { newestNodeImage } from "../../releases/nodeImage.ts";

const MANIFEST = readFileSync(join(import.meta.dirname, "fixtures", "manifest.json"), "utf8");

/** A mirror that has what chart 0.27.0 was tested with. */
async function mirror(context: TestContext, manifest: string): Promise<string> {
  const pages: Record<string, string> = {
    "/github.com/azimuth-cloud/capi-helm-charts/releases/download/0.27.0/dependencies.json":
      '{"azimuth-images": "0.32.0"}',
    "/github.com/azimuth-cloud/azimuth-images/releases/download/0.32.0/manifest.json": manifest,
  };
  const server = createServer((request, response) => {
    const page = pages[request.url ?? ""];
    response.writeHead(page === undefined ? 404 : 200).end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const input = (values: object) => ({ ...readLayers(), stack: { name: "new", values } });

test("the newest image that goes with the configuration: not 1.37, which this Cluster API does not run on, nor 1.36, too new for kubectl 1.34", async (t) => {
  const url = await mirror(t, MANIFEST);
  const found = await newestNodeImage(input({ mirror: { url } }));
  assert.deepEqual(found, {
    kubernetesVersion: "v1.34.8",
    image: {
      url: "https://images.example.org/ubuntu-noble-kube-v1.34.8-260801-1130.qcow2",
      checksum: `sha256:${"a".repeat(64)}`,
    },
  });
  const newer = await newestNodeImage(
    input({ mirror: { url }, tools: { kubectl: { version: "v1.35.1" } }, k3s: { version: "v1.35.1+k3s1" } }),
  );
  assert.equal(newer.kubernetesVersion, "v1.36.3");
});

test("a manifest without a fitting image, and no manifest, are told", async (t) => {
  const { "kubernetes-1-37-noble": only } = JSON.parse(MANIFEST) as Record<string, unknown>;
  const url = await mirror(t, JSON.stringify({ only }));
  await assert.rejects(
    newestNodeImage(input({ mirror: { url } })),
    /0\.32\.0\/manifest\.json: no image goes with/,
  );
  await assert.rejects(
    newestNodeImage(input({ mirror: { url }, cluster: { chart: { version: "0.27.1" } } })),
    /0\.27\.1\/dependencies\.json: HTTP 404/,
  );
});
