/**
 * Container images without a container engine: a layer is a tar of files of this machine, an image is JSON that names layers.
 * The same files give the same bytes. Upstream analogue: `docker buildx build` of a scratch image, and the OCI image format.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** What a layer holds at a path: a file of this machine, a text, a symbolic link's target, or a folder with a mode. */
export type Entry = { file: string } | { text: string } | { link: string } | { folder: number };

/** Content in the store, as manifests and indexes name it. */
export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

/** Folder with one file a blob, named by its SHA-256. */
export class BlobStore {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
    mkdirSync(root, { recursive: true });
  }

  /** Where a blob's content is. */
  file(digest: string): string {
    return join(this.root, digest.replace("sha256:", ""));
  }

  /** Keeps an object as JSON. */
  json(mediaType: string, value: unknown): Descriptor {
    return this.write(mediaType, (add) => {
      add(Buffer.from(JSON.stringify(value)));
    });
  }

  /** Keeps a layer: a tar that is not compressed, see images.ts. Folders above an entry are made. */
  layer(entries: Readonly<Record<string, Entry>>): Descriptor {
    const all: Record<string, Entry> = { ...entries };
    for (const path of Object.keys(entries))
      for (let above = dirname(path); above !== "."; above = dirname(above)) all[above] ??= { folder: 0o755 };
    return this.write("application/vnd.oci.image.layer.v1.tar", (add) => {
      for (const path of Object.keys(all).sort()) addEntry(path, all[path] as Entry, add);
      add(Buffer.alloc(2 * BLOCK));
    });
  }

  private write(mediaType: string, fill: (add: (data: Uint8Array) => void) => void): Descriptor {
    const unfinished = join(this.root, `unfinished.${process.pid}`);
    const hash = createHash("sha256");
    let size = 0;
    const file = openSync(unfinished, "w", 0o644);
    try {
      fill((data) => {
        hash.update(data);
        size += data.length;
        for (let done = 0; done < data.length;) done += writeSync(file, data, done);
      });
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw error;
    } finally {
      closeSync(file);
    }
    const digest = `sha256:${hash.digest("hex")}`;
    renameSync(unfinished, this.file(digest));
    return { mediaType, digest, size };
  }
}

const BLOCK = 512;

/** One entry of a tar: its header and content, owned by root, dated 1970. */
function addEntry(path: string, entry: Entry, add: (data: Uint8Array) => void): void {
  if ("folder" in entry) add(header(`${path}/`, "5", entry.folder, 0));
  else if ("link" in entry) add(header(path, "2", 0o777, 0, entry.link));
  else if ("text" in entry) {
    const data = Buffer.from(entry.text);
    add(header(path, "0", 0o644, data.length));
    add(data);
    add(Buffer.alloc(-data.length & (BLOCK - 1)));
  } else addFile(path, entry.file, add);
}

function addFile(path: string, source: string, add: (data: Uint8Array) => void): void {
  const { size, mode } = statSync(source);
  add(header(path, "0", mode & 0o111 ? 0o755 : 0o644, size));
  const file = openSync(source, "r");
  const buffer = Buffer.alloc(1 << 20);
  try {
    let left = size;
    while (left > 0) {
      const read = readSync(file, buffer, 0, Math.min(buffer.length, left), null);
      if (read === 0) throw new Error(`${source} became shorter while it was read`);
      add(buffer.subarray(0, read));
      left -= read;
    }
  } finally {
    closeSync(file);
  }
  add(Buffer.alloc(-size & (BLOCK - 1)));
}

/** A header of POSIX.1-1988's tar (ustar). Paths of at most 100 bytes: images here need no longer ones. */
function header(path: string, kind: string, mode: number, size: number, link = ""): Buffer {
  if (Buffer.byteLength(path) > 100 || Buffer.byteLength(link) > 100)
    throw new Error(`${path}: more than 100 bytes`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, length: number) =>
    block.write(value.toString(8).padStart(length - 1, "0"), offset);
  block.write(path, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8); // user
  octal(0, 116, 8); // group
  octal(size, 124, 12);
  octal(0, 136, 12); // time
  block.fill(" ", 148, 156); // the checksum counts as blanks
  block.write(kind, 156);
  block.write(link, 157);
  block.write("ustar\u000000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** How an image's container starts. */
export interface ImageConfig {
  entrypoint: readonly string[];
  user?: string;
}

/**
 * What a program in a container finds set. Go's collector lets the heap grow to three times what lives, not to twice: of an API server's
 * processor time it took a half (docs/lab-kubernetes.md). Machines have the same in lab/node/machine.
 */
export const imageEnvironment = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "GOGC=200",
] as const;

const created = "1970-01-01T00:00:00Z";

/** Keeps an image's configuration and manifest. @returns the manifest's descriptor, and every blob the image needs. */
export function keepImage(
  store: BlobStore,
  layers: readonly Descriptor[],
  { entrypoint, user = "0:0" }: ImageConfig,
): { manifest: Descriptor; blobs: Descriptor[] } {
  const config = store.json("application/vnd.oci.image.config.v1+json", {
    created,
    architecture: "amd64",
    os: "linux",
    config: {
      Entrypoint: entrypoint,
      Env: imageEnvironment,
      WorkingDir: "/",
      User: user,
    },
    // diff_ids name the layers uncompressed, which they are
    rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
    history: layers.map(() => ({ created })),
  });
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = store.json(mediaType, { schemaVersion: 2, mediaType, config, layers });
  return { manifest, blobs: [config, ...layers] };
}

/** A folder that is an OCI image layout, from images in a store: what `ctr images import` takes as a tar. */
export function writeLayout(root: string, manifests: readonly (Descriptor & { name: string })[]): void {
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(root, "index.json"),
    JSON.stringify({
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: manifests.map(({ name, ...descriptor }) => ({
        ...descriptor,
        annotations: {
          "io.containerd.image.name": name,
          "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
        },
      })),
    }),
  );
}
