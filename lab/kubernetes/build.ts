/**
 * Builds the lab's Kubernetes: one static Go binary that is k3s and, called by that name, kubectl.
 * Upstream analogue: the files of a k3s release.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { sha256 } from "../prepare/cache.ts";
import { run } from "../run.ts";

export { buildMirror } from "./mirror.ts";

/** The k3s release the binary stands in for; its Kubernetes version is the one go.mod requires. */
export const k3sRelease = "v1.36.3+k3s1";

/** Told instead of a commit and a date, so that the same sources give the same binary. */
const commit = "lab0000000000000000000000000000000000000";
const buildDate = "2026-01-01T00:00:00Z";

/** Kubernetes reads its version from these packages; without it the API says v0.0.0 and charts refuse it. */
const versionPackages = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"];

const sourceDir = import.meta.dirname;

/** Arguments of the linker: no symbol table (134 instead of 190 MB), and the version. */
function linkerFlags(): string {
  const [major, minor] = k3sRelease.slice(1).split(".") as [string, string];
  const values = versionPackages.flatMap((name) => [
    `${name}.gitVersion=${k3sRelease}`,
    `${name}.gitMajor=${major}`,
    `${name}.gitMinor=${minor}`,
    `${name}.gitCommit=${commit}`,
    `${name}.gitTreeState=clean`,
    `${name}.buildDate=${buildDate}`,
  ]);
  values.push(`capi-mgmt/lab/kubernetes/version.Release=${k3sRelease}`);
  return ["-s", "-w", ...values.flatMap((value) => ["-X", value])].join(" ");
}

/** Files the binary is made from, relative to this folder, sorted: the Go sources and what they embed, without tests. */
export function sources(dir: string = sourceDir): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .filter((path) => !/(_test\.go|\.ts|\.md)$/.test(path) && !/(^|\/)testdata\//.test(path))
    .sort();
}

/** Hash of everything the binary depends on: its sources, the toolchain and how it is built. */
export function sourceHash(toolchain: string, dir: string = sourceDir): string {
  const hash = createHash("sha256").update(`${toolchain}\n${linkerFlags()}\n`);
  for (const path of sources(dir)) {
    const content = readFileSync(join(dir, path));
    hash.update(`${path} ${content.length}\n`).update(content);
  }
  return hash.digest("hex");
}

/**
 * Gives the binary, building it unless the cache has it with the content that was recorded when it was built.
 * @param cacheDir folder of cached parts; the binary is `<cacheDir>/kubernetes-<hash of the sources>/k3s`.
 * @param progress called with what it does at the moment.
 * @returns the path of the binary. A copy or link of it named `kubectl` is kubectl.
 * @throws Error with the compiler's last lines, or that Go is missing.
 */
export async function buildKubernetes(
  cacheDir: string,
  progress: (message: string) => void,
): Promise<{ k3s: string }> {
  const go = await run("go", ["env", "GOVERSION"], { cwd: sourceDir }).catch((error: unknown) => {
    throw new Error("The lab's Kubernetes is built with Go, and `go` does not run", { cause: error });
  });
  const dir = join(cacheDir, `kubernetes-${sourceHash(go.stdout.trim()).slice(0, 12)}`);
  const k3s = join(dir, "k3s");
  const record = join(dir, "k3s.sha256");
  if (existsSync(k3s) && existsSync(record)) {
    progress("checking");
    if ((await sha256(k3s)) === readFileSync(record, "utf8").trim()) {
      const now = new Date();
      utimesSync(record, now, now); // in use, see removeUnused
      return { k3s };
    }
  }
  mkdirSync(dir, { recursive: true });
  // A name of its own until it is whole: an interrupted build leaves nothing that looks finished, and two builds do not meet.
  const unfinished = join(dir, `k3s.${process.pid}`);
  try {
    await compile(unfinished, progress);
    const digest = await sha256(unfinished);
    renameSync(unfinished, k3s);
    writeFileSync(record, `${digest}\n`);
  } finally {
    rmSync(unfinished, { force: true });
  }
  removeUnused(cacheDir);
  return { k3s };
}

/** How long a build that nobody asked for stays in the cache, in days. Other clones may still use it. */
const keptDays = 7;

/** Removes old builds: each is 140 MB, and every change of the sources makes another. */
function removeUnused(cacheDir: string): void {
  const oldest = Date.now() - keptDays * 24 * 60 * 60 * 1000;
  for (const name of readdirSync(cacheDir)) {
    const record = join(cacheDir, name, "k3s.sha256");
    if (!name.startsWith("kubernetes-") || !existsSync(record)) continue;
    if (statSync(record).mtimeMs < oldest) rmSync(join(cacheDir, name), { recursive: true, force: true });
  }
}

/** Runs the compiler. It names each package it has finished, cached ones not, which is the only progress there is. */
async function compile(output: string, progress: (message: string) => void): Promise<void> {
  let fetched = 0;
  let compiled = 0;
  let shown = 0;
  progress("compiling");
  await run("go", ["build", "-v", "-buildvcs=false", "-ldflags", linkerFlags(), "-o", output, "./cmd/k3s"], {
    cwd: sourceDir,
    env: { CGO_ENABLED: "0" }, // static, with the SQLite driver that is written in Go
    onLine: (line) => {
      if (line.startsWith("go: downloading ")) fetched += 1;
      else compiled += 1;
      if (Date.now() - shown < 1000) return;
      shown = Date.now();
      progress(compiled > 0 ? `compiling, ${compiled} packages done` : `fetching, ${fetched} modules done`);
    },
  });
}
