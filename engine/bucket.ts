/**
 * Where state is kept: a folder (`file://`) or an S3 bucket (`s3://`).
 * Upstream analogue: pkg/backend/diy/bucket.go over gocloud.dev/blob.
 */
import { mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** A flat store of small files by key ("a/b/c"). */
export interface Bucket {
  /** For messages; holds no credentials. */
  readonly url: string;
  /** Undefined when there is no such key. */
  read(key: string): Promise<Buffer | undefined>;
  /** Replaces the whole content at once, durably. */
  write(key: string, content: string | Buffer): Promise<void>;
  /** Nothing happens when there is no such key. */
  delete(key: string): Promise<void>;
  /** Every key that begins with `prefix`. */
  list(prefix: string): Promise<string[]>;
}

/**
 * The bucket `url` names. `environment` gives S3's credentials (AWS_ACCESS_KEY_ID …) as the AWS SDK reads them.
 * Throws on another scheme.
 */
export async function openBucket(
  url: string,
  environment: Record<string, string | undefined>,
): Promise<Bucket> {
  if (url.startsWith("file://")) return new FolderBucket(url);
  if (url.startsWith("s3://")) {
    const { S3Bucket } = await import("./s3.ts");
    return new S3Bucket(url, environment);
  }
  throw new Error(`the embedded engine keeps state at file:// or s3:// only, not at ${url.split("?")[0]}`);
}

class FolderBucket implements Bucket {
  readonly url: string;
  readonly #root: string;

  constructor(url: string) {
    this.url = url.split("?")[0] ?? url;
    const path = this.url.slice("file://".length);
    this.#root = path.startsWith("~")
      ? join(homedir(), path.slice(1))
      : path.startsWith("/")
        ? fileURLToPath(this.url)
        : resolve(path);
  }

  async read(key: string): Promise<Buffer | undefined> {
    try {
      return await readFile(join(this.#root, key));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async write(key: string, content: string | Buffer): Promise<void> {
    const path = join(this.#root, key);
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(content);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  }

  async delete(key: string): Promise<void> {
    await rm(join(this.#root, key), { force: true });
  }

  async list(prefix: string): Promise<string[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    try {
      const entries = await readdir(join(this.#root, folder), { recursive: true, withFileTypes: true });
      return entries
        .filter((entry) => entry.isFile() && !entry.name.endsWith(".new"))
        .map((entry) => join(entry.parentPath, entry.name).slice(this.#root.length).replace(/^\//, ""))
        .filter((key) => key.startsWith(prefix));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
