/**
 * Where the Pulumi CLI is.
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { CommandError } from "../lib/command-error.ts";

/** There is no CLI that runs; the message says where it was looked for. */
export class NoPulumiError extends CommandError {}

const project = join(import.meta.dirname, "..");

/**
 * Path of the CLI: `pulumi` on PATH, else the npm package `pulumi` of this project, which fetches the CLI when it runs first.
 *
 * @throws NoPulumiError if there is neither
 */
export function findPulumi(path: string = process.env["PATH"] ?? ""): string {
  const folders = [...path.split(delimiter), join(project, "node_modules", ".bin")];
  const found = folders.map((folder) => join(folder, "pulumi")).find(isExecutable);
  if (found === undefined)
    throw new NoPulumiError("no pulumi on the PATH and none in node_modules: run npm ci in the project");
  return found;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
