/**
 * Loads the planner when it is needed, so that help and wrong usage are answered at once.
 */
import "../lib/lazy-sdk.ts";
import type * as planner from "./plan.ts";

/** The planner. */
export function loadPlanner(): Promise<typeof planner> {
  return import("./plan.ts");
}
