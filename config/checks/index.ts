/**
 * All cross-field checks, in the order in which their problems are reported.
 */
import type { Check } from "./check.ts";
import * as clusterOptions from "./clusterOptions.ts";
import * as extras from "./extras.ts";
import * as logs from "./logs.ts";
import * as machines from "./machines.ts";
import * as networks from "./networks.ts";
import * as outside from "./outside.ts";
import * as templates from "./templates.ts";
import * as versions from "./versions.ts";
import * as workerGroups from "./workerGroups.ts";

export const checks: readonly Check[] = [
  networks,
  machines,
  workerGroups,
  clusterOptions,
  extras,
  logs,
  versions,
  outside,
  templates,
].flatMap((module) => Object.values<Check>(module));
