/**
 * Loading: what four values amount to, the layers over each other, where values come from.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FILES, loadSite, loadStack, NETWORK, problemsOf, SITE } from "./support.ts";
import { formatProblem } from "../../config/problems.ts";

test("four values make a site", () => {
  const { config, problems } = loadStack(SITE);
  assert.deepEqual(problems, []);
  assert.equal(config?.cluster.controlPlane.count, 3);
  assert.equal(config?.cluster.workers.count, 3);
  assert.equal(config?.seed.network.externalNetworkId, NETWORK);
  assert.equal(config?.seed.dataVolume.sizeGb, 100);
  assert.equal(config?.k3s.version, "v1.34.8+k3s1");
  assert.equal(config?.magnum.kubeconfig.kind, "token");
  assert.equal(config?.protect.dataVolume, true);
});

test("an empty stack lacks exactly the four values", () => {
  const lines = loadStack(null).problems.map(formatProblem);
  assert.deepEqual(
    lines.map((line) => line.split(":")[0]),
    [
      "seed.flavor",
      "seed.network.externalNetworkId",
      "cluster.controlPlane.flavor",
      "cluster.workers.flavor",
    ],
  );
  assert.equal(
    lines[0],
    "seed.flavor: is required (got nothing; legal text on one line: Flavor of the seed, by name or id: " +
      "at least 2 vCPU, 8 GB RAM, and 20 GB disk unless rootVolume is enabled)",
  );
});

test("each layer that comes with the project is legal over a smallest site", () => {
  for (const name of FILES.layers.keys()) assert.deepEqual(problemsOf({ layers: [name] }), [], name);
});

test("the lab's layer needs only the external network", () => {
  const { problems } = loadStack({ layers: ["lab"], seed: { network: { externalNetworkId: NETWORK } } });
  assert.deepEqual(problems, []);
});

test("layers go over the defaults in the stack's order, the stack over all", () => {
  const layers = new Map([
    [
      "one",
      { name: "layers/one", values: { cluster: { workers: { count: 5 }, controlPlane: { count: 5 } } } },
    ],
    ["two", { name: "layers/two", values: { cluster: { workers: { count: 7 } } } }],
  ]);
  const { config, provenance } = loadSite(
    { layers: ["one", "two"], cluster: { chart: { version: "0.26.0" } } },
    { layers },
  );
  assert.equal(config?.cluster.workers.count, 7);
  assert.equal(config?.cluster.controlPlane.count, 5);
  assert.equal(provenance.get("cluster.workers.count"), "layers/two");
  assert.equal(provenance.get("cluster.controlPlane.count"), "layers/one");
  assert.equal(provenance.get("cluster.chart.version"), "Pulumi.test.yaml");
  assert.equal(provenance.get("cluster.chart.repository"), "defaults");
  assert.equal(loadSite({ layers: ["two", "one"] }, { layers }).config?.cluster.workers.count, 5);
});

test("every value has a layer", () => {
  const { values, provenance } = loadSite();
  const seen = JSON.stringify(values).length;
  assert.ok(seen > 1000);
  assert.equal(provenance.get("cluster.image.url"), "defaults");
  const other = loadSite({ cluster: { kubernetesVersion: "v1.35.2" } });
  assert.equal(other.provenance.get("cluster.image.name"), "derived");
  assert.equal(provenance.get("seed.image.url"), "defaults");
  assert.equal(provenance.get("seed.flavor"), "Pulumi.test.yaml");
});

test("a key without a value leaves the value below", () => {
  const { config } = loadSite({ cluster: { workers: { count: null }, etcd: null } });
  assert.equal(config?.cluster.workers.count, 3);
  assert.equal(config?.cluster.etcd.heartbeatIntervalMs, 500);
});

test("choosing an alternative drops the default's", () => {
  const { config, provenance } = loadSite({ seed: { image: { id: NETWORK } } });
  assert.deepEqual(config?.seed.image, { id: NETWORK });
  assert.equal(provenance.has("seed.image.url"), false);
});

test("another version drops the default's checksum, the same version keeps it", () => {
  const sha256 = loadSite().config?.tools.kubectl.sha256;
  assert.match(sha256 ?? "", /^[0-9a-f]{64}$/);
  assert.equal(
    loadSite({ tools: { kubectl: { version: "v1.34.9" } } }).config?.tools.kubectl.sha256,
    undefined,
  );
  assert.equal(loadSite({ tools: { kubectl: { version: "v1.34.8" } } }).config?.tools.kubectl.sha256, sha256);
  const own = "a".repeat(64);
  const both = loadSite({ tools: { kubectl: { version: "v1.34.9", sha256: own } } });
  assert.equal(both.config?.tools.kubectl.sha256, own);
});

test("the default's image is the default Kubernetes version's, by URL; another version has a name unless an image is chosen", () => {
  assert.match(loadSite().config?.cluster.image.url ?? "", /^https:.*-kube-v1\.34\.8-/);
  assert.equal(
    loadSite({ cluster: { kubernetesVersion: "v1.35.2" } }).config?.cluster.image.name,
    "ubuntu-noble-kube-v1.35.2",
  );
  assert.deepEqual(loadSite({ cluster: { image: { name: "mine" } } }).config?.cluster.image, {
    name: "mine",
  });
});

test("maps of any keys merge too", () => {
  const { config } = loadSite({ k3s: { sysctls: { "vm.max_map_count": 262144 } } });
  assert.equal(config?.k3s.sysctls["vm.max_map_count"], 262144);
  assert.equal(config?.k3s.sysctls["fs.inotify.max_user_instances"], 1024);
});
