/** The lab's programs tell their versions, kubeadm's images are there, and Debian's registry serves what the lab wrote. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildPrograms } from "../../lab/kubernetes/build.ts";
import { publish } from "../../lab/kubernetes/imageStore.ts";
import { kubernetesImages, nodeImages } from "../../lab/kubernetes/images.ts";
import { BlobStore, keepImage } from "../../lab/kubernetes/oci.ts";
import { nodeVersion } from "../../lab/kubernetes/programs.ts";
import { ensurePackages } from "../../lab/prepare/packages.ts";
import { run, sleep } from "../../lab/run.ts";
import { registryConfig } from "../../lab/services/registry.ts";

const dir = mkdtempSync(join(tmpdir(), "capi-mgmt-registry-"));
const address = "127.0.0.1:15001";
let programs: string;
let registry: ChildProcess | undefined;

before(async () => {
  await ensurePackages(() => undefined);
  programs = (await buildPrograms(() => undefined)).folder;
});
after(() => {
  registry?.kill();
  rmSync(dir, { recursive: true, force: true });
});

const output = async (program: string, ...args: string[]) =>
  (await run(join(programs, program), args)).stdout.trim();

test("programs tell the versions of their releases", async () => {
  assert.equal(await output("kubelet", "--version"), "Kubernetes v1.36.3");
  assert.equal(await output("kubeadm", "version", "-o", "short"), nodeVersion);
  assert.match(await output("containerd", "--version"), / v2\.2\.9/);
  assert.match(await output("etcd", "--version"), /^etcd Version: 3\.6\.8$/m);
});

test("every image that kubeadm names is preloaded", async () => {
  const named = await output("kubeadm", "config", "images", "list", "--kubernetes-version", nodeVersion);
  const images = [...kubernetesImages(nodeVersion), ...nodeImages].filter(({ preloaded }) => preloaded);
  const references = images.map(({ reference }) => reference);
  assert.deepEqual(
    named.split("\n").filter((reference) => !references.includes(reference)),
    [],
  );
});

test("the registry serves manifest and blobs by a name without a host, and takes nothing", async () => {
  const store = new BlobStore(join(dir, "blobs"));
  const layer = store.layer({ "etc/motd": { text: "hello" } });
  const { manifest, blobs } = keepImage(store, [layer], { entrypoint: ["/hello"] });
  publish(join(dir, "root"), store, "registry.k8s.io/team/hello:v1", manifest, blobs);
  writeFileSync(join(dir, "registry.yml"), registryConfig(join(dir, "root"), address));
  registry = spawn("docker-registry", ["serve", join(dir, "registry.yml")], { stdio: "ignore" });
  const ask = (path: string, init: RequestInit = {}) => fetch(`http://${address}/v2/${path}`, init);
  for (let tries = 0; tries < 50; tries++) {
    if (
      await ask("").then(
        ({ ok }) => ok,
        () => false,
      )
    )
      break;
    await sleep(100);
  }
  // as containerd asks a mirror
  const answer = await ask("team/hello/manifests/v1?ns=registry.k8s.io", {
    headers: { Accept: manifest.mediaType },
  });
  assert.equal(answer.headers.get("content-type"), manifest.mediaType);
  assert.equal(answer.headers.get("docker-content-digest"), manifest.digest);
  for (const { digest, size } of blobs) {
    const content = Buffer.from(await (await ask(`team/hello/blobs/${digest}`)).arrayBuffer());
    assert.equal(content.length, size);
    assert.equal(`sha256:${createHash("sha256").update(content).digest("hex")}`, digest);
  }
  assert.equal((await ask("team/hello/blobs/uploads/", { method: "POST" })).status, 405);
  assert.equal((await ask("team/other/manifests/v1")).status, 404);
});
