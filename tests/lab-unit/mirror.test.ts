/**
 * The release mirror holds what the lab's stack asks for, at the addresses the program computes. Does not prove that it
 * can be built, or that its content works: preparing the lab and deploying onto it do.
 */
import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { dependenciesUrl, manifestUrl } from "../../releases/upstream.ts";
import { emptyDisk } from "../../lab/kubernetes/emptyDisk.ts";
import {
  binaries,
  documents,
  listFiles,
  manifests,
  mirrored,
  repositories,
  upstreamCharts,
} from "../../lab/kubernetes/mirror.ts";
import { moduleVersion } from "../../lab/kubernetes/programs.ts";
import { mirrorFile } from "../../lab/services/mirrorPath.ts";
import { TOOL_SOURCES } from "../../lib/more-tools.ts";
import { mirrored as onMirror, releases } from "../../lib/mirror.ts";

type Tree = { [key: string]: Tree | string };
const read = (path: string) => parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")) as Tree;

/** The lab's setting at a path: from its layer, else the default. */
function setting(...path: string[]): string {
  for (const tree of [read("config/layers/lab.yaml"), read("config/defaults.yaml")]) {
    let node: Tree | string | undefined = tree;
    for (const key of path) node = typeof node === "object" ? node[key] : undefined;
    if (typeof node === "string") return node;
  }
  throw new Error(`no setting ${path.join(".")}`);
}

/** Where the mirror's server looks for an upstream address that the program asks for. */
function file(upstream: string): string {
  const url = new URL(onMirror(upstream, "http://203.0.113.10:8080"));
  const path = mirrorFile("/mirror", url.pathname);
  assert.ok(path, upstream);
  return path.slice("/mirror/".length);
}

/** The charts that the addons' values name. */
function addonCharts(node: unknown): { repo: string; name: string; version: string }[] {
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) =>
    key === "chart" ? [value as { repo: string; name: string; version: string }] : addonCharts(value),
  );
}

test("binaries are where the program downloads them", () => {
  const k3s = releases.k3s(setting("k3s", "version"));
  assert.equal(file(k3s.binary.amd64), binaries.k3s);
  assert.equal(file(k3s.checksums.amd64), binaries.k3sSums);
  assert.equal(
    file(`${releases.kubectl(setting("tools", "kubectl", "version"))}/amd64/kubectl`),
    binaries.kubectl,
  );
  assert.equal(file(`${releases.helm(setting("tools", "helm", "version"))}-amd64.tar.gz`), binaries.helm);
  const crictl = TOOL_SOURCES.crictl(setting("tools", "crictl", "version"));
  for (const [address, suffix] of [
    [crictl.url, ""],
    [crictl.sums ?? "", ".sha256"],
  ] as const)
    assert.equal(file(address.replaceAll("ARCH", "amd64")), `${binaries.crictl}${suffix}`);
  assert.equal(mirrored.criTools, moduleVersion("sigs.k8s.io/cri-tools"));
});

test("manifests are where the program downloads them", () => {
  assert.deepEqual(
    manifests.map((manifest) => manifest.file),
    [
      file(releases.clusterApi(setting("clusterApi", "core", "version"))),
      file(releases.capo(setting("clusterApi", "openstack", "version"))),
      file(releases.orc(setting("clusterApi", "orc", "version"))),
    ],
  );
});

test("each chart is in its repository, in the version the lab asks for", () => {
  const wanted: [string, string[]][] = [
    ["cert-manager", ["clusterApi", "certManager"]],
    ["cluster-api-addon-provider", ["clusterApi", "addonProvider"]],
    ["cluster-api-janitor-openstack", ["clusterApi", "janitor"]],
    ["openstack-cluster", ["cluster", "chart"]],
    ["kube-prometheus-stack", ["monitoring"]],
    ["velero", ["backups"]],
  ];
  for (const [chart, path] of wanted) {
    assert.ok(repositories[file(setting(...path, "repository"))]?.includes(chart), chart);
    const version =
      chart === "cert-manager"
        ? mirrored.certManager
        : (read(`lab/charts/${chart}/Chart.yaml`)["version"] as string);
    assert.equal(version, setting(...path, "version"), chart);
  }
  const addons = addonCharts(read("lab/charts/openstack-cluster/values.yaml")["addons"]).filter(
    ({ name }) => name !== "cilium",
  );
  for (const { repo, name, version } of addons) {
    assert.ok(repositories[file(repo.replace(/\/$/, ""))]?.includes(name), name);
    assert.equal(
      upstreamCharts[name]?.version ?? read(`lab/charts/${name}/Chart.yaml`)["version"],
      version,
      name,
    );
  }
  assert.equal(Object.values(repositories).flat().length, wanted.length + addons.length);
});

test("what upstream released together is where bin/check-releases asks for it, and is what the lab deploys", () => {
  assert.equal(
    file(dependenciesUrl(setting("cluster", "chart", "version"), undefined)),
    documents.dependencies(setting("cluster", "chart", "version")),
  );
  assert.equal(file(manifestUrl(mirrored.azimuthImages, undefined)), documents.images);
});

test("an empty disk is one for QEMU: one gigabyte, no backing file, every cluster counted once", () => {
  const disk = emptyDisk();
  assert.deepEqual(
    [disk.toString("latin1", 0, 4), disk.readUInt32BE(4), disk.readBigUInt64BE(8), disk.readBigUInt64BE(24)],
    ["QFI\xfb", 2, 0n, 2n ** 30n],
  );
  const block = Number(disk.readBigUInt64BE(Number(disk.readBigUInt64BE(48))));
  const counts = Array.from({ length: 5 }, (_, cluster) => disk.readUInt16BE(block + cluster * 2));
  assert.deepEqual(counts, [1, 1, 1, 1, 0]);
});

test("a mirrored manifest's images carry the release's version", () => {
  for (const { folder } of manifests) {
    const { images } = read(`lab/manifests/${folder}/kustomization.yaml`) as unknown as {
      images: { newTag: string }[];
    };
    const release = { "cluster-api": mirrored.clusterApi, capo: mirrored.capo, orc: mirrored.orc }[folder];
    for (const image of images) assert.equal(image.newTag, release, folder);
  }
});

test("files are listed by their path below the folder, in order", () => {
  const dir = mkdtempSync(join(tmpdir(), "mirror-test-"));
  try {
    mkdirSync(join(dir, "b"));
    writeFileSync(join(dir, "b", "c"), "");
    writeFileSync(join(dir, "a"), "");
    assert.deepEqual(listFiles(dir), ["a", "b/c"]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
