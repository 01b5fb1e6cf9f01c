/**
 * Copying a file, a folder or a text to another machine by SFTP.
 * Upstream analogue: provider/pkg/provider/remote/copyController.go, whose rules for paths this follows:
 *
 * source | destination is a folder | does not exist  | is a file
 * folder | DESTINATION/FOLDER      | the same        | error
 * FOLDER/| into DESTINATION        | the same        | error
 * file   | DESTINATION/FILE        | DESTINATION     | overwritten
 */
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { posix } from "node:path";
import type { SFTPWrapper, Stats } from "ssh2";
import { Archive, Asset, type Log, type Properties } from "../../provider.ts";
import { isMap } from "../../values.ts";
import type { Connections } from "./connection.ts";

/** SFTP's "no such file". */
const NO_SUCH_FILE = 2;

export async function copyToRemote(
  connections: Connections,
  inputs: Properties,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const connection = isMap(inputs["connection"]) ? inputs["connection"] : {};
  const destination = typeof inputs["remotePath"] === "string" ? inputs["remotePath"] : "";
  const loan = await connections.take(connection, signal, log);
  try {
    const sftp = await asPromise<SFTPWrapper>((done) => loan.client.sftp(done));
    const stop = (): void => sftp.end();
    signal.addEventListener("abort", stop, { once: true });
    try {
      await copy(sftp, inputs["source"], destination);
    } finally {
      signal.removeEventListener("abort", stop);
      sftp.end();
    }
  } catch (error) {
    throw new Error(`copying to ${destination} on ${loan.where} failed: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    loan.release();
  }
}

async function copy(sftp: SFTPWrapper, source: unknown, destination: string): Promise<void> {
  const there = await stats(sftp, destination);
  if (source instanceof Asset && source.text !== undefined) {
    if (there?.isDirectory()) throw new Error("it is a folder; a text needs a file's path");
    await makeFolders(sftp, posix.dirname(destination));
    return write(sftp, destination, Buffer.from(source.text));
  }
  const path = source instanceof Asset || source instanceof Archive ? (source.path ?? "") : "";
  if (!statSync(path).isDirectory()) {
    const target = there?.isDirectory() ? posix.join(destination, basename(path)) : destination;
    if (!there) await makeFolders(sftp, posix.dirname(target));
    return asPromise((done) => sftp.fastPut(path, target, done));
  }
  await makeFolders(sftp, destination);
  const target = path.endsWith("/") ? destination : posix.join(destination, basename(path));
  await makeFolders(sftp, target);
  await copyFolder(sftp, path, target);
}

async function copyFolder(sftp: SFTPWrapper, from: string, to: string): Promise<void> {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = posix.join(to, entry.name);
    if (entry.isDirectory()) {
      await makeFolders(sftp, target);
      await copyFolder(sftp, source, target);
    } else await asPromise<void>((done) => sftp.fastPut(source, target, done));
  }
}

async function makeFolders(sftp: SFTPWrapper, path: string): Promise<void> {
  const there = await stats(sftp, path);
  if (there?.isDirectory()) return;
  if (there) throw new Error(`${path} is there and is not a folder`);
  const parent = posix.dirname(path);
  if (parent !== path) await makeFolders(sftp, parent);
  try {
    await asPromise<void>((done) => sftp.mkdir(path, done));
  } catch (error) {
    // Another copy may have made it meanwhile.
    if (!(await stats(sftp, path))?.isDirectory()) throw error;
  }
}

async function stats(sftp: SFTPWrapper, path: string): Promise<Stats | undefined> {
  try {
    return await asPromise<Stats>((done) => sftp.stat(path, done));
  } catch (error) {
    if ((error as { code?: number }).code === NO_SUCH_FILE) return undefined;
    throw error;
  }
}

function write(sftp: SFTPWrapper, path: string, content: Buffer): Promise<void> {
  return asPromise((done) => sftp.writeFile(path, content, done));
}

function asPromise<T>(
  start: (done: (error: Error | null | undefined, value?: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => {
      if (error) reject(error);
      else resolve(value as T);
    });
  });
}
