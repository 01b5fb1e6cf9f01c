/**
 * The file an image is made from: a local one, or a download kept in a cache folder.
 * Upstream analogue: resourceImagesImageV2File in images_image_v2.go, except that a download only gets its name when complete.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { extname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import type { Log, Properties } from "../../../provider.ts";
import { some, textOf } from "./kind.ts";

/** The path of the image's content. Throws with the URL's host and status when it cannot be had. */
export async function imageFile(wanted: Properties, signal: AbortSignal, log: Log): Promise<string> {
  const local = some(wanted["localFilePath"]);
  if (local) return local;
  const url = textOf(wanted["imageSourceUrl"]);
  const decompress = wanted["decompress"] === true;
  const folder = some(wanted["imageCachePath"]) ?? join(homedir(), ".terraform", "image_cache");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = createHash("md5").update(`${url}${decompress}`).digest("hex");
  const file = join(folder, `${name}.img`);
  if ((await stat(file).catch(() => undefined))?.size) return file;

  log(`downloading ${withoutSecrets(url)}`);
  const answer = await request(url, wanted, signal);
  if (!answer.ok || !answer.body) {
    throw new Error(`${withoutSecrets(url)} answered ${answer.status} ${answer.statusText}`);
  }
  const partial = `${file}.${process.pid}.partial`;
  try {
    const source = Readable.fromWeb(answer.body);
    const target = createWriteStream(partial, { mode: 0o600 });
    if (decompress) await pipeline(source, decompressor(answer.headers), target, { signal });
    else await pipeline(source, target, { signal });
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw new Error(`downloading ${withoutSecrets(url)} failed: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return file;
}

export async function md5Of(file: string): Promise<string> {
  const hash = createHash("md5");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** GETs the URL; a user and password in it travel as a header, since fetch refuses them and would quote them in its error. */
async function request(url: string, wanted: Properties, signal: AbortSignal): Promise<Response> {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (!target) throw new Error("imageSourceUrl is not a URL");
  const user = some(wanted["imageSourceUsername"]) ?? decodeURIComponent(target.username);
  const password = some(wanted["imageSourcePassword"]) ?? decodeURIComponent(target.password);
  target.username = target.password = "";
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  try {
    return await fetch(target, {
      headers: user && password ? { authorization: `Basic ${basic}` } : {},
      signal,
    });
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = cause instanceof Error && cause.message ? cause.message : message;
    throw new Error(`${withoutSecrets(url)} cannot be had: ${reason}`, { cause: error });
  }
}

/** By the content type, else by the file name the server proposes, as upstream finds it. */
function decompressor(headers: Headers): NodeJS.ReadWriteStream {
  const named = /filename="?([^";]+)/.exec(headers.get("content-disposition") ?? "")?.[1] ?? "";
  const formats = [headers.get("content-type") ?? "", extname(named).slice(1)];
  for (const format of formats) {
    if (/^(application\/)?(x-)?(gz|gzip)$/.test(format)) return createGunzip();
    if (/^(application\/)?(x-)?(zst|zstd)$/.test(format)) return createZstdDecompress();
  }
  throw new Error(
    `the image's compression is not supported by the embedded engine (content type ${formats[0] || "none"}): gzip and zstd are`,
  );
}

/** A URL for messages: without user, password and query, any of which may be a secret. */
function withoutSecrets(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return "the image's URL";
  }
}
