/**
 * A copy of the project that a test may change: the tracked files as they are now, and the clone's own node_modules
 * and lab.
 */
import { cpSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { output, project } from "./lab.ts";

/** Makes the copy in `folder`, which must not be there yet. */
export function copyProject(folder: string): void {
  const tracked = output("git", ["ls-files", "-z"]).split("\0");
  for (const file of tracked.filter((name) => name !== "" && existsSync(join(project, name)))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(project, file), join(folder, file));
  }
  for (const name of ["node_modules", ".lab"]) symlinkSync(join(project, name), join(folder, name));
}
