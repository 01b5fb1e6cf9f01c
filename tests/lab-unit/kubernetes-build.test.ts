/** Which changes make a new build of the lab's Kubernetes. Does not prove that the sources compile: tests/lab does. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sourceHash, sources } from "../../lab/kubernetes/build.ts";

function tree(files: Record<string, string>): string {
  const dir = mkdtempSync(join(tmpdir(), "capi-mgmt-build-"));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(dir, path, ".."), { recursive: true });
    writeFileSync(join(dir, path), content);
  }
  return dir;
}

const files = { "go.mod": "module x", "cmd/main.go": "package main", "pki/pki.go": "package pki" };

test("what is compiled or embedded counts, tests and pages do not", () => {
  const dir = tree({
    ...files,
    "embedded/chart.yaml": "a: b",
    "pki/pki_test.go": "package pki",
    "pki/testdata/x.json": "{}",
    "build.ts": "",
    "README.md": "",
  });
  assert.deepEqual(sources(dir), ["cmd/main.go", "embedded/chart.yaml", "go.mod", "pki/pki.go"]);
  rmSync(dir, { recursive: true });
});

test("a build is named by content, place of content and toolchain", () => {
  const hashes = [
    ["go1.26.8", files],
    ["go1.26.9", files],
    ["go1.26.8", { ...files, "pki/pki.go": "package pki // changed" }],
    ["go1.26.8", { "go.mod": "module x", "cmd/main.go": "package main", "pki/renamed.go": "package pki" }],
  ] as const;
  const seen = hashes.map(([toolchain, content]) => {
    const dir = tree(content);
    const hash = sourceHash(toolchain, dir);
    rmSync(dir, { recursive: true });
    return hash;
  });
  assert.equal(new Set(seen).size, seen.length);
  const again = tree(files);
  assert.equal(sourceHash("go1.26.8", again), seen[0]);
  rmSync(again, { recursive: true });
});
