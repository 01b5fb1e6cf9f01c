/**
 * A stack's settings for the programs in bin/ that can do without.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { inspectStack } from "../config/program.ts";
import type { Config } from "../config/schema.ts";
import { stackFileName } from "../config/stackFile.ts";
import { PROJECT } from "./kit.ts";

/** A stack's settings, nothing decrypted; undefined where its file is not in this checkout or has problems. */
export function stackSettings(stack: string): Config | undefined {
  if (!existsSync(join(PROJECT, stackFileName(stack)))) return undefined;
  return inspectStack(PROJECT, stack).config;
}
