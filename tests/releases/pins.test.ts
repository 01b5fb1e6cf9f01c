/**
 * The checksums that bin/check-releases --pin writes, from a server with upstream's layout. Does not prove that upstream
 * still publishes there.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { parse } from "yaml";
import { EXIT } from "../../lib/command-error.ts";
import { findPins, withPins } from "../../releases/pins.ts";
import { runCommand } from "../kayobe/support.ts";

const DEFAULTS = readFileSync(join(import.meta.dirname, "../../config/defaults.yaml"), "utf8");
const sum = (letter: string) => letter.repeat(64);

/** defaults.yaml without any checksum. */
const BARE = DEFAULTS.replaceAll(/^ +(sha256|checksum): .*\n/gm, "");

interface Defaults {
  k3s: { version: string; sha256?: string };
  clusterApi: Record<string, { version: string; sha256?: string }>;
  tools: Record<string, { version: string; sha256?: string }>;
  seed: { image: { url: string; checksum?: string } };
  cluster: {
    image: { url: string; checksum?: string };
    kubernetesVersion: string;
    chart: { version: string };
  };
}
const values = parse(BARE) as Defaults;

/** Of the release of azimuth-images that the chart's dependencies name. */
const MANIFEST = "/github.com/azimuth-cloud/azimuth-images/releases/download/0.77.1/manifest.json";

async function upstream(
  context: TestContext,
  change: (pages: Record<string, string>) => void = () => undefined,
) {
  const file = (url: string) => url.slice(url.lastIndexOf("/") + 1);
  const seed = new URL(values.seed.image.url);
  const github = "/github.com";
  const { k3s, tools, clusterApi } = values;
  const pages: Record<string, string> = {
    [`/${seed.host}${seed.pathname.replace(file(seed.pathname), "SHA256SUMS")}`]: `${sum("0")} *other.img\n${sum("1")} *${file(seed.pathname)}\n`,
    [`${github}/k3s-io/k3s/releases/download/${k3s.version.replace("+", "%2B")}/sha256sum-amd64.txt`]: `${sum("0")}  k3s-airgap-images-amd64.tar\n${sum("2")}  k3s\n`,
    [`/dl.k8s.io/release/${tools["kubectl"]?.version}/bin/linux/amd64/kubectl.sha256`]: sum("3"),
    [`/get.helm.sh/helm-${tools["helm"]?.version}-linux-amd64.tar.gz.sha256sum`]: `${sum("4")}  helm-${tools["helm"]?.version}-linux-amd64.tar.gz\n`,
    [`${github}/derailed/k9s/releases/download/${tools["k9s"]?.version}/checksums.sha256`]: `${sum("6")}  k9s_Linux_amd64.tar.gz\n`,
    [`${github}/kubernetes-sigs/kustomize/releases/download/kustomize%2F${tools["kustomize"]?.version}/checksums.txt`]: `${sum("7")}  kustomize_${tools["kustomize"]?.version}_linux_amd64.tar.gz\n`,
    [`${github}/kubernetes-sigs/cri-tools/releases/download/${tools["crictl"]?.version}/crictl-${tools["crictl"]?.version}-linux-amd64.tar.gz.sha256`]: `${sum("8")}\n`,
    [`${github}/kubernetes-sigs/cluster-api/releases/download/${tools["clusterctl"]?.version}/clusterctl-linux-amd64`]:
      "clusterctl",
    [`${github}/k-orc/openstack-resource-controller/releases/download/${clusterApi["orc"]?.version}/install.yaml`]:
      "kind: Orc",
    [`${github}/kubernetes-sigs/cluster-api/releases/download/${clusterApi["core"]?.version}/cluster-api-components.yaml`]:
      "kind: Core",
    [`${github}/kubernetes-sigs/cluster-api-provider-openstack/releases/download/${clusterApi["openstack"]?.version}/infrastructure-components.yaml`]:
      "kind: Capo",
    [`${github}/azimuth-cloud/capi-helm-charts/releases/download/${values.cluster.chart.version}/dependencies.json`]:
      '{"azimuth-images": "0.77.1"}',
    [MANIFEST]: JSON.stringify({
      "kubernetes-1-34-jammy": {
        name: "i",
        url: values.cluster.image.url,
        checksum: `sha256:${sum("5")}`,
        kubernetes_version: "1.34.8",
      },
    }),
  };
  change(pages);
  const server = createServer((request, response) => {
    const page = pages[request.url ?? ""];
    response.writeHead(page === undefined ? 404 : 200).end(page);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("every checksum is found: in upstream's own file, in the image's manifest, or of what is served", async (t) => {
  const { pins, problems } = await findPins(BARE, await upstream(t));
  assert.deepEqual(problems, []);
  const text = withPins(BARE, pins);
  const pinned = parse(text) as Defaults;
  const of = (content: string) => createHash("sha256").update(content).digest("hex");
  assert.deepEqual(
    [
      pinned.seed.image.checksum,
      pinned.k3s.sha256,
      pinned.tools["kubectl"]?.sha256,
      pinned.tools["helm"]?.sha256,
      ...["k9s", "kustomize", "crictl", "clusterctl"].map((name) => pinned.tools[name]?.sha256),
      ...["orc", "core", "openstack"].map((name) => pinned.clusterApi[name]?.sha256),
      pinned.cluster.image.checksum,
    ],
    [
      `sha256:${sum("1")}`,
      ...["2", "3", "4", "6", "7", "8"].map(sum),
      of("clusterctl"),
      ...["kind: Orc", "kind: Core", "kind: Capo"].map(of),
      `sha256:${sum("5")}`,
    ],
  );
  // Lines are added, none is changed.
  assert.equal(
    text
      .split("\n")
      .filter((line) => !pins.some(({ value }) => line.includes(value)))
      .join("\n"),
    BARE,
  );
  assert.match(text, /^ {2}sha256: "2{64}" # sha256sum-amd64\.txt of the release$/m);
  assert.deepEqual(
    await findPins(text, "http://127.0.0.1:1"),
    { pins: [], problems: [] },
    "nothing is asked again",
  );
});

test("what cannot be had is told, and the rest is found", async (t) => {
  const mirror = await upstream(t, (pages) => {
    for (const path of Object.keys(pages)) {
      if (path.includes("azimuth-images")) delete pages[path];
      if (path.includes("sha256sum-amd64")) pages[path] = "<html>";
    }
  });
  const { pins, problems } = await findPins(BARE, mirror);
  assert.equal(pins.length, 10);
  assert.match(problems[0] ?? "", /^k3s\.sha256: .*sha256sum-amd64\.txt: no SHA-256 of k3s$/);
  assert.match(problems[1] ?? "", /^cluster\.image\.checksum: .*\/0\.77\.1\/manifest\.json: HTTP 404$/);
});

test("an image that the chart's manifest does not have is told with those that it has instead", async (t) => {
  const image = (version: string, letter: string) => ({
    name: letter,
    url: `https://images.example.org/${letter}.qcow2`,
    checksum: `sha256:${sum(letter)}`,
    kubernetes_version: version,
  });
  const mirror = await upstream(t, (pages) => {
    const { kubernetesVersion } = values.cluster;
    pages[MANIFEST] = JSON.stringify({ a: image(kubernetesVersion, "a"), b: image("v1.2.3", "b") });
  });
  const { pins, problems } = await findPins(BARE, mirror);
  assert.equal(pins.length, 11);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /does not have https:\/\/azimuth-images/);
  assert.ok(
    problems[0]?.endsWith(
      `of Kubernetes ${values.cluster.kubernetesVersion} it has instead:\n  url: https://images.example.org/a.qcow2\n  checksum: sha256:${sum("a")}`,
    ),
    problems[0],
  );
});

test("--pin is for the defaults, and --mirror for --pin", async () => {
  const [stack, alone] = await Promise.all([
    runCommand("check-releases", ["prod", "--pin"]),
    runCommand("check-releases", ["--mirror", "https://m.example.org"]),
  ]);
  assert.deepEqual([stack.code, alone.code], [EXIT.usage, EXIT.usage]);
  assert.match(stack.stderr, /--pin is for config\/defaults\.yaml, not for a stack/);
});
