/**
 * Replacing a file in one step: who reads it sees the old content or the new, also after a crash.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Writes a file beside the old one, flushes it to disk and puts it in the old one's place. A symbolic link stays
 * one: what it points to is replaced. A failure leaves the old file as it was and nothing beside it.
 *
 * @param content what the file shall hold; it is on disk under another name for a moment, so never a secret in plain
 * @param mode permissions, whatever the umask is
 */
export function writeAtomically(file: string, content: string, mode: number): void {
  const target = resolved(file);
  const folder = dirname(target);
  const beside = join(folder, `.${basename(target)}.${randomBytes(6).toString("hex")}`);
  const descriptor = openSync(beside, "wx", mode);
  try {
    try {
      writeSync(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(beside, target);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  // The name is on disk only when its folder is.
  const parent = openSync(folder, "r");
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}

function resolved(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
