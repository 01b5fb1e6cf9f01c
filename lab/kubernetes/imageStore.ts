/**
 * Makes the images, in two shapes that share blobs by hard links: the storage folder of a registry (Debian's docker-registry
 * reads it), and an archive of the preloaded ones that is an OCI image layout.
 */
import { existsSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Part, recordedHash } from "../prepare/cache.ts";
import { run } from "../run.ts";
import { paths } from "../site.ts";
import { BlobStore, type Descriptor, type Entry, imageEnvironment, keepImage, writeLayout } from "./oci.ts";
import { type Image, repository } from "./images.ts";

/** What the images are made of. */
export interface ImageSources {
  /** Parts of the cache with programs by name; the first that has one counts. */
  programs: readonly string[];
  /** Debian tree with iptables and nft. */
  tree: string;
}

/** In the part: the registry's storage, and the archive of the preloaded images. */
export const imageFiles = { registry: "registry", preloaded: "preloaded.tar" } as const;

/** Images as a part of the cache. */
export function imagesPart(name: string, images: readonly Image[], sources: ImageSources): Part {
  const programs = [...new Set(images.flatMap((image) => Object.values(image.programs)))].sort();
  const contents = programs.map((file) => recordedHash(program(sources.programs, file)));
  return {
    name,
    key: JSON.stringify([images, contents, sources.tree, imageEnvironment, 1]),
    tree: imageFiles.registry,
    fresh: true,
    build: (dir, note) => makeImages(dir, images, sources, note),
  };
}

/**
 * Adds a storage folder to the lab's registry, which reads it at each question. By hard links where cache and lab are one file system:
 * the images are half a gigabyte.
 */
export async function addToRegistry(folder: string): Promise<void> {
  const copy = (how: string) => run("cp", ["-rfT", how, folder, paths.registry]);
  await copy("--link").catch(() => copy("--reflink=auto"));
}

async function makeImages(
  dir: string,
  images: readonly Image[],
  sources: ImageSources,
  note: (text: string) => void,
): Promise<void> {
  const store = new BlobStore(join(dir, "blobs"));
  const bases = { iptables: await iptables(sources.tree), certificates: certificates() };
  const layers = new Map<string, Descriptor>();
  const layer = (entries: Readonly<Record<string, Entry>>): Descriptor => {
    const key = JSON.stringify(entries);
    const made = layers.get(key) ?? store.layer(entries);
    layers.set(key, made);
    return made;
  };
  const kept = images.map((image, index) => {
    note(`${index + 1} of ${images.length}: ${image.reference}`);
    const programs = Object.entries(image.programs).map(([path, name]): [string, Entry] => [
      path.slice(1),
      { file: program(sources.programs, name) },
    ]);
    const contents = [bases[image.base ?? "certificates"], Object.fromEntries(programs)];
    return { image, ...keepImage(store, (image.base ? contents : contents.slice(1)).map(layer), image) };
  });
  for (const { image, manifest, blobs } of kept)
    for (const reference of [image.reference, ...(image.aliases ?? [])])
      publish(join(dir, imageFiles.registry), store, reference, manifest, blobs);
  note("archive of the preloaded ones");
  const preloaded = kept.filter(({ image }) => image.preloaded);
  const layout = join(dir, "layout");
  writeLayout(
    layout,
    preloaded.map(({ image, manifest }) => ({ name: image.reference, ...manifest })),
  );
  for (const { digest } of preloaded.flatMap(({ manifest, blobs }) => [manifest, ...blobs]))
    link(store.file(digest), join(layout, "blobs", "sha256", digest.replace("sha256:", "")));
  const same = [
    "--sort=name",
    "--mtime=@0",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--hard-dereference",
  ];
  await run("tar", ["-cf", join(dir, imageFiles.preloaded), ...same, "-C", layout, "."]);
  for (const folder of [layout, store.root]) rmSync(folder, { recursive: true });
}

function program(folders: readonly string[], name: string): string {
  const file = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (file === undefined) throw new Error(`no program ${name} in ${folders.join(", ")}`);
  return file;
}

/** Puts an image into a registry's storage: blobs, and links that say which repository has which. */
export function publish(
  root: string,
  store: BlobStore,
  reference: string,
  manifest: Descriptor,
  blobs: readonly Descriptor[],
): void {
  const { name, tag } = repository(reference);
  const top = join(root, "docker", "registry", "v2");
  const hex = (digest: string) => digest.replace("sha256:", "");
  for (const { digest } of [manifest, ...blobs])
    link(store.file(digest), join(top, "blobs", "sha256", hex(digest).slice(0, 2), hex(digest), "data"));
  const refer = (digest: string, ...folder: string[]) => {
    const file = join(top, "repositories", name, ...folder, "link");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, digest);
  };
  for (const { digest } of blobs) refer(digest, "_layers", "sha256", hex(digest));
  refer(manifest.digest, "_manifests", "revisions", "sha256", hex(manifest.digest));
  refer(manifest.digest, "_manifests", "tags", tag, "current");
  refer(manifest.digest, "_manifests", "tags", tag, "index", "sha256", hex(manifest.digest));
}

function link(from: string, to: string): void {
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  linkSync(from, to);
}

/** What a program without a system expects: users, a folder for temporary files, and whom to trust. */
const certificates = (): Readonly<Record<string, Entry>> => ({
  ...skeleton,
  "etc/ssl/certs/ca-certificates.crt": { file: "/etc/ssl/certs/ca-certificates.crt" },
});

const skeleton: Readonly<Record<string, Entry>> = {
  "etc/passwd": {
    text: "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
  },
  "etc/group": { text: "root:x:0:\nnonroot:x:65532:\n" },
  tmp: { folder: 0o1777 },
  run: { folder: 0o755 },
};

/** iptables on nf_tables, and nft, as Debian ships them, with every library that the loader names. */
async function iptables(tree: string): Promise<Readonly<Record<string, Entry>>> {
  const extensions = "/usr/lib/x86_64-linux-gnu/xtables";
  const plugins = readdirSync(join(tree, extensions)).map((name) => `${extensions}/${name}`);
  const programs = ["/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", ...plugins.sort()];
  const { stdout } = await run("chroot", [tree, "ldd", ...programs]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] as string);
  const paths = [...new Set([...programs, ...libraries])].sort();
  const real = (await run("chroot", [tree, "realpath", ...paths])).stdout.trim().split("\n");
  const files = paths.map((path, index): [string, Entry] => [
    path.slice(1),
    { file: join(tree, real[index] as string) },
  ]);
  const names = ["iptables", "ip6tables"].flatMap((tool) =>
    ["", "-save", "-restore"].flatMap((action) => [`${tool}${action}`, `${tool}-nft${action}`]),
  );
  const links = names.map((name): [string, Entry] => [`usr/sbin/${name}`, { link: "xtables-nft-multi" }]);
  return { ...skeleton, ...Object.fromEntries([...files, ...links]) };
}
