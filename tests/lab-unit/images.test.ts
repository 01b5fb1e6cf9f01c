/** The lab's images: names that manifests have, the same bytes each time, and the layouts their readers expect. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { publish } from "../../lab/kubernetes/imageStore.ts";
import {
  controllerImages,
  kubernetesImages,
  nodeImages,
  pauseImage,
  repository,
} from "../../lab/kubernetes/images.ts";
import { mirrored } from "../../lab/kubernetes/mirror.ts";
import { BlobStore, keepImage } from "../../lab/kubernetes/oci.ts";
import { groups, nodeVersion } from "../../lab/kubernetes/programs.ts";
import { run } from "../../lab/run.ts";

const dir = mkdtempSync(join(tmpdir(), "capi-mgmt-images-"));
after(() => {
  rmSync(dir, { recursive: true });
});
const images = [...kubernetesImages(nodeVersion), ...nodeImages, ...controllerImages];
const references = images.flatMap(({ reference, aliases = [] }) => [reference, ...aliases]);

test("one registry can serve them all: no two have one name below their hosts", () => {
  const names = references.map((reference) => Object.values(repository(reference)).join(":"));
  assert.equal(new Set(names).size, names.length);
  for (const reference of ["kubelet", "registry.k8s.io/kubelet", "registry.k8s.io/kubelet@sha256:12"])
    assert.throws(() => repository(reference), /not <registry>\/<name>:<tag>/);
});

test("the releases that the manifests name have their images", () => {
  for (const reference of [
    `registry.k8s.io/cluster-api/cluster-api-controller:${mirrored.clusterApi}`,
    `registry.k8s.io/cluster-api/kubeadm-bootstrap-controller:${mirrored.clusterApi}`,
    `registry.k8s.io/cluster-api/kubeadm-control-plane-controller:${mirrored.clusterApi}`,
    `registry.k8s.io/capi-openstack/capi-openstack-controller:${mirrored.capo}`,
    `quay.io/orc/openstack-resource-controller:${mirrored.orc}`,
    `quay.io/jetstack/cert-manager-webhook:${mirrored.certManager}`,
    // `kubeadm config images list --kubernetes-version v1.36.3`
    "registry.k8s.io/kube-proxy:v1.36.3",
    "registry.k8s.io/coredns/coredns:v1.14.2",
    "registry.k8s.io/etcd:3.6.8-0",
    pauseImage,
  ])
    assert.ok(references.includes(reference), reference);
});

test("a program that no group builds is one that prepare has besides", () => {
  const built = groups(nodeVersion).flatMap(({ programs }) => Object.keys(programs));
  const others = images
    .flatMap(({ programs }) => Object.values(programs))
    .filter((name) => !built.includes(name));
  assert.deepEqual(others.sort(), ["helm"]);
});

const program = join(dir, "program");
writeFileSync(program, "#!/bin/sh\n");
chmodSync(program, 0o700);
const entries = {
  "usr/bin/program": { file: program },
  "etc/passwd": { text: "root:x:0:0::/:\n" },
  "usr/sbin/tool": { link: "../bin/program" },
  tmp: { folder: 0o1777 },
} as const;

test("a layer is a tar with folders above its entries, whoever built it and when", async () => {
  const store = new BlobStore(join(dir, "layers"));
  const layer = store.layer(entries);
  assert.equal(statSync(store.file(layer.digest)).size, layer.size);
  assert.equal(layer.size % 512, 0);
  const reversed = Object.fromEntries(Object.entries(entries).reverse());
  assert.deepEqual(new BlobStore(join(dir, "again")).layer(reversed), layer);
  const { stdout } = await run("tar", ["--numeric-owner", "--utc", "-tvf", store.file(layer.digest)]);
  assert.deepEqual(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.replace(/ +/g, " ")),
    [
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 etc/",
      "-rw-r--r-- 0/0 15 1970-01-01 00:00 etc/passwd",
      "drwxrwxrwt 0/0 0 1970-01-01 00:00 tmp/",
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 usr/",
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 usr/bin/",
      "-rwxr-xr-x 0/0 10 1970-01-01 00:00 usr/bin/program",
      "drwxr-xr-x 0/0 0 1970-01-01 00:00 usr/sbin/",
      "lrwxrwxrwx 0/0 0 1970-01-01 00:00 usr/sbin/tool -> ../bin/program",
    ],
  );
});

test("a path longer than a tar's field is refused, not cut", () => {
  const path = `usr/${"x".repeat(100)}`;
  assert.throws(
    () => new BlobStore(join(dir, "long")).layer({ [path]: { text: "" } }),
    /more than 100 bytes/,
  );
});

test("the registry finds manifest, configuration and layers by the links of its storage", () => {
  const store = new BlobStore(join(dir, "store"));
  const { manifest, blobs } = keepImage(store, [store.layer(entries)], { entrypoint: ["/usr/bin/program"] });
  const root = join(dir, "registry");
  publish(root, store, "registry.k8s.io/team/thing:v1", manifest, blobs);
  const top = join(root, "docker/registry/v2");
  const read = (path: string) => readFileSync(join(top, path), "utf8");
  const tag = read("repositories/team/thing/_manifests/tags/v1/current/link");
  assert.equal(tag, manifest.digest);
  const hex = tag.replace("sha256:", "");
  const content = JSON.parse(read(`blobs/sha256/${hex.slice(0, 2)}/${hex}/data`)) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  for (const { digest } of [content.config, ...content.layers]) {
    const name = digest.replace("sha256:", "");
    assert.equal(read(`repositories/team/thing/_layers/sha256/${name}/link`), digest);
    assert.ok(existsSync(join(top, `blobs/sha256/${name.slice(0, 2)}/${name}/data`)));
  }
});
