/**
 * `prepare`: everything a bare machine lacks, each part once.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { buildGroup, buildPrograms } from "../kubernetes/build.ts";
import { type ImageSources, addToRegistry, imageFiles, imagesPart } from "../kubernetes/imageStore.ts";
import { controllerImages, kubernetesImages, monitoringImages, nodeImages } from "../kubernetes/images.ts";
import { type MirrorTools, buildMirror, mirrorKey } from "../kubernetes/mirror.ts";
import { nodeVersion, older } from "../kubernetes/programs.ts";
import type { Progress } from "../progress.ts";
import { cacheDir, paths, stateDir } from "../site.ts";
import type { Artifacts } from "./artifacts.ts";
import { type Part, ensurePart, requireSpace } from "./cache.ts";
import { buildTool } from "./goTools.ts";
import { ensurePackages } from "./packages.ts";
import { type NodeRelease, nodeBasePart } from "./nodeBase.ts";
import { databasePart, pythonPart } from "./parts.ts";
import { preparePulumi } from "./pulumi.ts";
import { seedBasePart } from "./seedBase.ts";

/**
 * Prepares everything; steps wait only for what they need.
 * @param verify compare what the cache holds with what was recorded when it was built.
 */
export async function prepare(progress: Progress, verify = false): Promise<Artifacts> {
  requireSpace([stateDir, cacheDir]);
  await progress.step("packages", ensurePackages);
  const part = (name: string, made: Part | Promise<Part>) =>
    progress.step(name, async (note) => ensurePart(await made, note, verify));
  const tool = (name: Parameters<typeof buildTool>[0]) =>
    progress.step(name, (note) => buildTool(name, note, verify));
  // Two queues of the same length, one for each processor that the smallest machine has: linking takes only one. In each, what
  // comes first compiles for what comes later; what the second's last ones share with the first's is done by then.
  const programs = progress.step("programs", (note) => buildPrograms(note, verify));
  const python = part("python environment", pythonPart()).then((dir) => join(dir, "venv"));
  const database = python.then((dir) => part("database", databasePart(dir)));
  const seedBase = database.then(() => part("seed base", seedBasePart())).then((dir) => join(dir, "rootfs"));
  const versitygw = seedBase.then(() => tool("versitygw")).then((dir) => join(dir, "versitygw"));
  const alertmanager = versitygw.then(() => tool("alertmanager"));
  const olderPrograms = alertmanager.then(() =>
    progress.step("older programs", (note) => buildGroup(older, note, verify)),
  );
  const helm = olderPrograms.then(() => tool("helm")).then((dir) => join(dir, "helm"));
  const prometheus = helm.then(() => tool("prometheus"));
  const pulumi = prometheus.then(() => progress.step("pulumi", (note) => preparePulumi(note, verify)));
  const mirror = Promise.all([programs, helm]).then(([{ folder }, helmPath]) =>
    progress.step("release mirror", (note) =>
      prepareMirror(
        { k3s: join(folder, "k3s"), helm: helmPath, crictl: join(folder, "crictl") },
        note,
        verify,
      ),
    ),
  );
  const nodeBase = Promise.all([programs, seedBase, prometheus, helm, alertmanager]).then(
    async ([{ groups }, tree, prometheusDir, helmPath, alertmanagerDir]) => {
      const made = { programs: [...groups, prometheusDir, dirname(helmPath), alertmanagerDir], tree };
      const releases = await progress.step("images", (note) => prepareImages(made, note, verify));
      return part("node base", nodeBasePart(releases));
    },
  );
  const work = [
    python,
    seedBase,
    nodeBase,
    database,
    versitygw,
    helm,
    alertmanager,
    programs,
    pulumi,
    mirror,
  ];
  await settle(work);
  return {
    python: await python,
    seedBase: await seedBase,
    nodeBase: join(await nodeBase, "layers"),
    database: join(await database, "mysql"),
    versitygw: await versitygw,
    helm: await helm,
    alertmanager: join(await alertmanager, "alertmanager"),
    programs: (await programs).folder,
    k3s: join((await programs).folder, "k3s"),
    pulumi: await pulumi,
  };
}

/** Further Kubernetes versions that nodes can have, as the other side of an upgrade: `v1.36.4`, several by commas. */
const furtherVersions = (process.env["CAPI_LAB_KUBERNETES"] ?? "").split(",").filter((version) => version);

/** The images of every version: the registry's storage in the lab's folder, and what each version's nodes are made of. */
async function prepareImages(
  made: ImageSources,
  note: (text: string) => void,
  verify: boolean,
): Promise<NodeRelease[]> {
  const releases: NodeRelease[] = [];
  const folders: string[] = [];
  for (const version of new Set([nodeVersion, ...furtherVersions])) {
    const programs =
      version === nodeVersion ? made.programs : (await buildPrograms(note, verify, version)).groups;
    const images = [
      ...kubernetesImages(version),
      ...nodeImages,
      ...(version === nodeVersion ? [...controllerImages, ...monitoringImages] : []),
    ];
    const part = imagesPart(`images-${version}`, images, { ...made, programs });
    const dir = await ensurePart(part, note, verify);
    folders.push(join(dir, imageFiles.registry));
    releases.push({ version, programs, archive: join(dir, imageFiles.preloaded) });
  }
  await layOutRegistry(folders);
  return releases;
}

/** What the registry's storage was laid out from, one folder a line. */
const layout = join(paths.registry, "sources");

/** The registry's storage of these; as it is, with what was added since, if it is of these. */
async function layOutRegistry(folders: readonly string[]): Promise<void> {
  const sources = `${folders.join("\n")}\n`;
  if (existsSync(layout) && readFileSync(layout, "utf8") === sources) return;
  rmSync(paths.registry, { recursive: true, force: true });
  mkdirSync(paths.registry, { recursive: true, mode: 0o700 });
  for (const folder of folders) await addToRegistry(folder);
  writeFileSync(layout, sources);
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

/** Waits for every part, so that one failure does not abandon the others' work half done; then throws what failed. */
async function settle(work: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason as unknown] : [],
  );
  const unique = [...new Set(failures)];
  if (unique.length === 1) throw unique[0];
  if (unique.length > 1) throw new Error(unique.map((failure) => (failure as Error).message).join("\n\n"));
}
