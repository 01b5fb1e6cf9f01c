/**
 * Loads the planner with code that Node compiled in an earlier run: the SDKs are some 800 modules, half of a plan's time.
 */
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import type * as planner from "./plan.ts";

/** The planner. Not imported statically, so that help and wrong usage are answered at once. */
export function loadPlanner(): Promise<typeof planner> {
  // Keyed by content and version; where it cannot be written Node goes without.
  enableCompileCache(
    join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "capi-mgmt", "node-compile"),
  );
  return import("./plan.ts");
}
