/** Which changes make a new build of the lab's programs. Does not prove that the sources compile: tests/lab does. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { groupKey, rounds, sources } from "../../lab/kubernetes/build.ts";
import { groups, kubernetes, moduleVersion, nodeVersion } from "../../lab/kubernetes/programs.ts";
import { kubernetesVersion } from "../../lab/site.ts";

function tree(files: Record<string, string>): string {
  const dir = mkdtempSync(join(tmpdir(), "capi-mgmt-build-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(dir, path, ".."), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
  return dir;
}

const files = {
  "go.mod": "module x",
  "go.sum": "",
  "cmd/main.go": "package main",
  "pki/pki.go": "package pki",
};

test("what is compiled or embedded counts, tests and pages do not", () => {
  const dir = tree({
    ...files,
    "embedded/chart.yaml": "a: b",
    "pki/pki_test.go": "package pki",
    "pki/testdata/x.json": "{}",
    "build.ts": "",
    "README.md": "",
  });
  assert.deepEqual(sources(dir), ["cmd/main.go", "embedded/chart.yaml", "go.mod", "go.sum", "pki/pki.go"]);
  rmSync(dir, { recursive: true });
});

/** Key of a group with these files, without the folder's name. */
function key(content: Record<string, string>, toolchain = "go1.26.8", values: Record<string, string> = {}) {
  const dir = tree(content);
  const group = { name: "x", module: dir, programs: { main: "./cmd" }, values, sources: ["cmd", "pki"] };
  const made = groupKey(group, toolchain);
  rmSync(dir, { recursive: true });
  return made;
}

test("a build is named by modules, our sources, their places, the toolchain and the versions told", () => {
  const { "pki/pki.go": moved, ...others } = files;
  const keys = [
    key(files),
    key(files, "go1.26.9"),
    key(files, "go1.26.8", { "main.version": "v2" }),
    key({ ...files, "go.sum": "x v1 h1:" }),
    key({ ...files, "pki/pki.go": "package pki // changed" }),
    key({ ...others, "pki/renamed.go": moved }),
  ];
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(key(files), keys[0]);
  assert.equal(key({ ...files, "other/other.go": "package other" }), keys[0], "a folder it is not made from");
});

test("programs that Go would call the same are linked one after another", () => {
  const made = rounds({ etcd: "go.etcd.io/etcd/server/v3", a: "x/manager", b: "y/manager", c: "z/server" });
  assert.deepEqual(made, [
    ["etcd", "a"],
    ["b", "c"],
  ]);
});

test("the programs are the site's Kubernetes version, and have one place each", () => {
  assert.equal(nodeVersion, kubernetesVersion);
  const names = groups(nodeVersion).flatMap(({ programs }) => Object.keys(programs));
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
});

test("another patch version differs in what it tells, not in what is compiled", () => {
  const [ours, later] = [kubernetes(), kubernetes("v1.36.4")];
  assert.deepEqual(later.programs, ours.programs);
  assert.equal(later.values["k8s.io/component-base/version.gitVersion"], "v1.36.4");
  assert.equal(later.values["k8s.io/component-base/version.gitMinor"], "36");
  assert.notEqual(groupKey(later, "go1.26.8"), groupKey(ours, "go1.26.8"));
});

test("a module's version is the one it is replaced by", () => {
  const text =
    "require (\n\ta/b v1.0.0 // indirect\n\tc/d v2.0.0\n)\nreplace (\n\ta/b => a/b v1.1.0\n\tc/d => ./d\n)\n";
  const dir = tree({ "go.mod": text });
  assert.equal(moduleVersion("a/b", dir), "v1.1.0");
  assert.equal(moduleVersion("c/d", dir), "v2.0.0");
  assert.throws(() => moduleVersion("e/f", dir), /e\/f is not in/);
  rmSync(dir, { recursive: true });
});
