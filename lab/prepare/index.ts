/**
 * `prepare`: everything a bare machine lacks, built side by side, each part once.
 */
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { buildKubernetes } from "../kubernetes/build.ts";
import { type MirrorTools, buildMirror, mirrorKey } from "../kubernetes/mirror.ts";
import type { Progress } from "../progress.ts";
import { cacheDir, paths, stateDir } from "../site.ts";
import type { Artifacts } from "./artifacts.ts";
import { type Part, ensurePart } from "./cache.ts";
import { ensurePackages } from "./packages.ts";
import { nodeBasePart } from "./nodeBase.ts";
import { databasePart, goParts, pythonPart } from "./parts.ts";
import { preparePulumi } from "./pulumi.ts";
import { seedBasePart } from "./seedBase.ts";

/**
 * Prepares everything; steps wait only for what they need.
 * @param verify compare what the cache holds with what was recorded when it was built.
 */
export async function prepare(progress: Progress, verify = false): Promise<Artifacts> {
  await progress.step("packages", ensurePackages);
  const part = (name: string, made: Part | Promise<Part>) =>
    progress.step(name, async (note) => ensurePart(await made, note, verify));
  const python = part("python environment", pythonPart()).then((dir) => join(dir, "venv"));
  const binary = (name: keyof typeof goParts) => part(name, goParts[name]()).then((dir) => join(dir, name));
  const helm = binary("helm");
  const kubernetes = prepareKubernetes(progress, helm, verify);
  const pulumi = progress.step("pulumi", (note) => preparePulumi(note, verify));
  const [venv, seedBase, nodeBase, database, versitygw, helmPath, alertmanager, k3s, tools] = await settle([
    python,
    part("seed base", seedBasePart()),
    part("node base", nodeBasePart([])),
    python.then((dir) => part("database", databasePart(dir))),
    binary("versitygw"),
    helm,
    binary("alertmanager"),
    kubernetes,
    pulumi,
  ] as const);
  return {
    python: venv,
    seedBase: join(seedBase, "rootfs"),
    nodeBase: join(nodeBase, "layers"),
    database: join(database, "mysql"),
    versitygw,
    helm: helmPath,
    alertmanager,
    k3s,
    pulumi: tools,
  };
}

/** The mirror in the cache, and a link to it in the lab's folder, where its server looks. */
async function prepareMirror(
  tools: MirrorTools,
  note: (text: string) => void,
  verify: boolean,
): Promise<void> {
  const part = {
    name: "release-mirror",
    key: await mirrorKey(tools),
    tree: "files",
    build: (dir: string) => buildMirror(join(dir, "files"), tools, note),
  };
  const dir = await ensurePart(part, note, verify);
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  rmSync(paths.mirror, { recursive: true, force: true });
  symlinkSync(join(dir, "files"), paths.mirror);
}

/** The lab's k3s and the mirror's content. */
async function prepareKubernetes(
  progress: Progress,
  helm: Promise<string>,
  verify: boolean,
): Promise<string> {
  const { k3s } = await progress.step("k3s", (note) => buildKubernetes(cacheDir, note));
  const helmPath = await helm;
  await progress.step("release mirror", (note) => prepareMirror({ k3s, helm: helmPath }, note, verify));
  return k3s;
}

/** Like Promise.all, but waits for every part, so that one failure does not abandon the others' work half done. */
async function settle<T extends readonly unknown[]>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const results = await Promise.allSettled(work);
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as unknown] : [],
  );
  const unique = [...new Set(failures)];
  if (unique.length === 1) throw unique[0];
  if (unique.length > 1) throw new Error(unique.map((failure) => (failure as Error).message).join("\n\n"));
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}
