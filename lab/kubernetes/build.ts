/**
 * Builds the lab's programs from Go modules: static, CGO off, each group of programs a part of the cache, and one folder of
 * hard links that has them all by name.
 * Upstream analogue: the binaries in the releases of Kubernetes, containerd, k3s and the controllers.
 */
import { createHash } from "node:crypto";
import {
  cpSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join, relative } from "node:path";
import { type Part, ensurePart } from "../prepare/cache.ts";
import { goBuilder, goFlags, goVersion } from "../prepare/goBuild.ts";
import { type ProgramGroup, groups, nodeVersion, own, sourceDir } from "./programs.ts";

export { buildMirror } from "./mirror.ts";

type Note = (message: string) => void;

/** Files a folder's programs are made from, relative to it, sorted: the Go sources and what they embed, without tests. */
export function sources(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .filter((path) => !/(_test\.go|\.ts|\.md)$/.test(path) && !/(^|\/)testdata\//.test(path))
    .sort();
}

/** Everything a group's programs depend on, as a text: toolchain, how they are built, modules and our own sources. */
export function groupKey(group: ProgramGroup, toolchain: string): string {
  const hash = createHash("sha256");
  const folders = group.sources.flatMap((folder) =>
    sources(join(group.module, folder)).map((path) => join(folder, path)),
  );
  for (const path of ["go.mod", "go.sum", ...folders]) {
    const content = readFileSync(join(group.module, path));
    hash.update(`${path} ${content.length}\n`).update(content);
  }
  const carried = group.carried && [group.carried.programs, groupKey(group.carried.from, toolchain)];
  const flags = [goFlags, group.tags];
  return JSON.stringify([toolchain, flags, group.programs, group.values, hash.digest("hex"), carried]);
}

/**
 * Go names a program after its package's folder: several `manager` and `kubeadm` cannot be linked into one folder at once.
 * @returns names of programs, in rounds without such a clash.
 */
export function rounds(programs: ProgramGroup["programs"]): string[][] {
  const result: string[][] = [];
  const used = new Map<string, number>();
  for (const [name, path] of Object.entries(programs)) {
    const round = used.get(goName(path)) ?? 0;
    used.set(goName(path), round + 1);
    (result[round] ??= []).push(name);
  }
  return result;
}

/** What `go build` calls the program of a package: the last element that is no major version. */
const goName = (path: string): string => basename(path.replace(/\/v\d+$/, ""));

function groupPart(group: ProgramGroup, toolchain: string): Part {
  return {
    name: group.name,
    key: groupKey(group, toolchain),
    files: Object.keys(group.programs),
    async build(dir, note) {
      const out = join(dir, "build");
      const copy = join(dir, "source");
      if (group.generate) {
        note("generating");
        cpSync(group.module, copy, { recursive: true });
        await group.generate(copy);
      }
      const cwd = group.generate ? copy : group.module;
      const overlay = group.carried && (await layOver(group.carried, group.module, dir, note));
      const options = [
        ...(overlay === undefined ? [] : ["-overlay", overlay]),
        ...(group.tags === undefined ? [] : ["-tags", group.tags]),
      ];
      const build = goBuilder(cwd, group.values, note);
      for (const names of rounds(group.programs)) {
        mkdirSync(out, { recursive: true });
        await build(
          out,
          names.map((name) => group.programs[name] as string),
          options,
        );
        for (const name of names)
          renameSync(join(out, goName(group.programs[name] as string)), join(dir, name));
        rmSync(out, { recursive: true });
      }
      rmSync(copy, { recursive: true, force: true });
      if (overlay) rmSync(overlay);
    },
  };
}

/** Lays programs of another group into the folder whose files a program embeds. Returns the file that tells Go of it. */
async function layOver(
  { folder, from, programs }: NonNullable<ProgramGroup["carried"]>,
  module: string,
  dir: string,
  note: Note,
): Promise<string> {
  const others = await buildGroup(from, note);
  const replace = programs.map((name) => [join(module, folder, name), join(others, name)]);
  const overlay = join(dir, "overlay.json");
  writeFileSync(overlay, JSON.stringify({ Replace: Object.fromEntries(replace) as unknown }));
  return overlay;
}

/** A group's programs. */
export async function buildGroup(group: ProgramGroup, note: Note, verify = false): Promise<string> {
  const toolchain = await goVersion(sourceDir, "The lab's programs are");
  return ensurePart(groupPart(group, toolchain), note, verify);
}

/** The lab's k3s alone, which is kubectl too when it is called that. */
export async function buildKubernetes(note: Note, verify = false): Promise<{ k3s: string }> {
  return { k3s: join(await buildGroup(own, note, verify), "k3s") };
}

/** What was built. */
export interface Programs {
  /** Every program by name. */
  folder: string;
  /** The groups' folders: what is made of a few programs only does not change when another group's do. */
  groups: string[];
}

/**
 * Every program.
 * @param version of Kubernetes. Another patch version than go.mod's takes half a minute, the compiled code is the same.
 */
export async function buildPrograms(note: Note, verify = false, version = nodeVersion): Promise<Programs> {
  const folders: string[] = [];
  // One after another: what they share is compiled once. Another that builds one of them is waited for.
  for (const group of groups(version)) folders.push(await buildGroup(group, note, verify));
  const files = groups(version).flatMap(({ programs }, index) =>
    Object.keys(programs).map((name): [string, string] => [name, folders[index] as string]),
  );
  const part: Part = {
    name: `programs-${version}`,
    key: JSON.stringify(files),
    tree: "bin", // contents are compared in the groups
    fresh: true,
    build(dir) {
      mkdirSync(join(dir, "bin"));
      for (const [name, folder] of files) linkSync(join(folder, name), join(dir, "bin", name));
      return Promise.resolve();
    },
  };
  return { folder: join(await ensurePart(part, note, verify), "bin"), groups: folders };
}
