/**
 * A project's and a stack's own files: Pulumi.yaml and Pulumi.<stack>.yaml, and the configuration the program gets of them.
 * Upstream analogue: sdk/go/common/workspace/project.go and sdk/go/common/resource/config.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { Crypter } from "./passphrase.ts";
import { isPropertyMap } from "./property.ts";

export interface Project {
  name: string;
  directory: string;
  /** The file or folder to run, relative to `directory`; "." leaves it to package.json's `main`. */
  main: string;
  /** Defaults for configuration keys. */
  config: Record<string, unknown>;
}

/** What Pulumi.<stack>.yaml holds. */
export interface StackSettings {
  encryptionSalt: string | undefined;
  config: Record<string, unknown>;
}

/** Configuration as the program is given it. */
export interface ProgramConfig {
  /** Full key (`project:name`) to text; objects and lists as JSON. */
  values: Record<string, string>;
  secretKeys: string[];
  /** The decrypted `secure:` values themselves, which nothing printed may contain. */
  secrets: string[];
}

/** Stands for each `secure:` value where no passphrase is at hand. */
export const PLACEHOLDER_SECRET = "placeholder-secret";

/** Throws when there is no Pulumi.yaml or it names no project. */
export async function loadProject(directory: string): Promise<Project> {
  const file = join(directory, "Pulumi.yaml");
  const content = record(parse(await readText(file)), file);
  const name = content["name"];
  if (typeof name !== "string" || name === "") throw new Error(`${file} has no name`);
  const main = content["main"];
  return {
    name,
    directory,
    main: typeof main === "string" ? main : ".",
    config: record(content["config"] ?? {}, file),
  };
}

/** A stack without a file has no configuration. */
export async function loadStackSettings(directory: string, stack: string): Promise<StackSettings> {
  const file = join(directory, `Pulumi.${stack}.yaml`);
  let text: string;
  try {
    text = await readText(file);
  } catch {
    return { encryptionSalt: undefined, config: {} };
  }
  const content = record(parse(text) ?? {}, file);
  const provider = content["secretsprovider"];
  if (provider !== undefined && provider !== "passphrase") {
    throw new Error(
      `${file}: the embedded engine knows the passphrase secrets provider only, not ${JSON.stringify(provider)}`,
    );
  }
  const salt = content["encryptionsalt"];
  return {
    encryptionSalt: typeof salt === "string" ? salt : undefined,
    config: record(content["config"] ?? {}, file),
  };
}

/** Whether decrypting is needed at all. */
export function hasSecureValues(settings: StackSettings): boolean {
  return JSON.stringify(settings.config).includes('"secure":');
}

/** The program's configuration; without `crypter` each secret is a placeholder. */
export function programConfig(project: Project, settings: StackSettings, crypter?: Crypter): ProgramConfig {
  const result: ProgramConfig = { values: {}, secretKeys: [], secrets: [] };
  const set = (key: string, value: unknown): void => {
    const full = key.includes(":") ? key : `${project.name}:${key}`;
    const before = result.secrets.length;
    const plain = decrypted(value, crypter, result.secrets);
    result.values[full] = typeof plain === "string" ? plain : JSON.stringify(plain);
    if (result.secrets.length > before) result.secretKeys.push(full);
  };
  for (const [key, entry] of Object.entries(project.config)) {
    const value =
      isPropertyMap(entry) && ("value" in entry || "default" in entry)
        ? (entry["value"] ?? entry["default"])
        : entry;
    if (value !== undefined && !(isPropertyMap(entry) && "type" in entry && !("default" in entry)))
      set(key, value);
  }
  for (const [key, value] of Object.entries(settings.config)) set(key, value);
  return result;
}

function decrypted(value: unknown, crypter: Crypter | undefined, secrets: string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => decrypted(item, crypter, secrets));
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (entries.length === 1 && only?.[0] === "secure" && typeof only[1] === "string") {
    const plain = crypter === undefined ? PLACEHOLDER_SECRET : crypter.decrypt(only[1]);
    secrets.push(plain);
    return plain;
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, decrypted(item, crypter, secrets)]));
}

function record(value: unknown, file: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`${file} is not a map`);
  return value as Record<string, unknown>;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new Error(`cannot read ${file}`, { cause: error });
  }
}
