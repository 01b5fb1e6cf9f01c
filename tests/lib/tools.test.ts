/**
 * kubectl and helm on the seed, downloaded by the real script from a stand-in for curl. That the releases are laid out
 * so upstream is shown by the release checks.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { toolsScript } from "../../lib/k3s.ts";
import { CURL, downloads, serve } from "../support/served.ts";
import { runShell, temporaryFolder } from "../support/shell.ts";

const KUBECTL = "https://dl.k8s.io/release/v1.34.8/bin/linux";
const HELM = "https://get.helm.sh/helm-v4.2.3-linux";
const PROGRAM = (name: string) => `#!/bin/sh\necho ${name}\n`;

/** A release of both for a machine, as upstream lays it out, and a seed to install it on. */
function release(context: TestContext, machine = "x86_64", arch = "amd64") {
  const folder = temporaryFolder(context);
  const unpacked = join(folder, "helm", `linux-${arch}`);
  mkdirSync(unpacked, { recursive: true });
  writeFileSync(join(unpacked, "helm"), PROGRAM("helm"));
  const archive = execFileSync("tar", ["-cz", "-C", join(folder, "helm"), `linux-${arch}`]);
  const sums = {
    kubectl: serve(folder, `${KUBECTL}/${arch}/kubectl`, PROGRAM("kubectl")),
    helm: serve(folder, `${HELM}-${arch}.tar.gz`, archive),
  };
  serve(folder, `${KUBECTL}/${arch}/kubectl.sha256`, sums.kubectl);
  serve(folder, `${HELM}-${arch}.tar.gz.sha256sum`, `${sums.helm}  helm-v4.2.3-linux-${arch}.tar.gz\n`);
  const install = (pinned: { kubectl?: string; helm?: string } = {}) =>
    runShell(folder, {
      files: ["tools"],
      variables: {
        ...{ KUBECTL_VERSION: "v1.34.8", KUBECTL_BASE: KUBECTL, KUBECTL_SHA256: pinned.kubectl ?? "" },
        ...{ HELM_VERSION: "v4.2.3", HELM_BASE: HELM, HELM_SHA256: pinned.helm ?? "" },
      },
      programs: { curl: CURL, uname: `echo ${machine}` },
      instead: ["/usr/local/"],
      run: "on_create",
    });
  const installed = (name: string) => join(folder, "usr/local/bin", name);
  return { folder, sums, install, installed };
}

for (const [machine, arch] of [
  ["x86_64", "amd64"],
  ["aarch64", "arm64"],
] as const) {
  test(`kubectl and helm are downloaded for ${machine}, compared with the release's sums, and can be run by everybody`, (context) => {
    const { install, installed } = release(context, machine, arch);
    const { code, stdout, stderr, calls } = install();
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "kubectl v1.34.8, helm v4.2.3\n");
    assert.deepEqual(downloads(calls), [
      `${KUBECTL}/${arch}/kubectl.sha256`,
      `${KUBECTL}/${arch}/kubectl`,
      `${HELM}-${arch}.tar.gz.sha256sum`,
      `${HELM}-${arch}.tar.gz`,
    ]);
    for (const name of ["kubectl", "helm"]) {
      assert.equal(execFileSync(installed(name), { encoding: "utf8" }), `${name}\n`);
      assert.equal(statSync(installed(name)).mode & 0o777, 0o755, name);
    }
  });
}

test("with pinned sums nothing but the tools is downloaded, and a second time nothing at all", (context) => {
  const { sums, install } = release(context);
  assert.deepEqual(downloads(install(sums).calls), [`${KUBECTL}/amd64/kubectl`, `${HELM}-amd64.tar.gz`]);
  const again = install(sums);
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual(downloads(again.calls), []);
});

test("a tool that somebody exchanged is put right", (context) => {
  const { sums, install, installed } = release(context);
  install(sums);
  for (const name of ["kubectl", "helm"]) writeFileSync(installed(name), PROGRAM("another"));
  const { code, stderr } = install(sums);
  assert.equal(code, 0, stderr);
  for (const name of ["kubectl", "helm"])
    assert.equal(readFileSync(installed(name), "utf8"), PROGRAM(name), name);
});

const other = "0".repeat(64);
for (const [name, url] of [
  ["kubectl", `${KUBECTL}/amd64/kubectl`],
  ["helm", `${HELM}-amd64.tar.gz`],
] as const) {
  test(`a ${name} that differs from its pinned sum is refused and not installed`, (context) => {
    const { sums, install, installed } = release(context);
    const { code, stderr } = install({ ...sums, [name]: other });
    assert.equal(code, 70);
    assert.match(stderr, new RegExp(`^error: ${url}: SHA-256 is ${sums[name]}, expected ${other}$`, "m"));
    assert.throws(() => statSync(installed(name)), { code: "ENOENT" });
  });
}

test("a machine type without releases is refused by its name", (context) => {
  const { code, stderr } = release(context, "riscv64").install();
  assert.equal(code, 70);
  assert.match(stderr, /^error: no releases for machine type riscv64$/m);
});

test("the tools come from the mirror where one is set", () => {
  const text = toolsScript({
    kubectl: { version: "v1.34.8" },
    helm: { version: "v4.2.3", sha256: other },
    mirrorUrl: "https://mirror.example.org/base",
    mirrorCaCert: "PEM",
  });
  assert.match(
    text,
    /^KUBECTL_BASE='https:\/\/mirror\.example\.org\/base\/dl\.k8s\.io\/release\/v1\.34\.8\/bin\/linux'$/m,
  );
  assert.match(
    text,
    /^HELM_BASE='https:\/\/mirror\.example\.org\/base\/get\.helm\.sh\/helm-v4\.2\.3-linux'$/m,
  );
  assert.match(text, /^MIRROR_CA='PEM'$/m);
  assert.match(text, new RegExp(`^HELM_SHA256='${other}'$`, "m"));
});
