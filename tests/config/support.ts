/**
 * A smallest legal site, and ways to change it and to read the problems as text.
 */
import { readLayers } from "../../config/layers.ts";
import { loadConfig, type LoadInput, type LoadResult } from "../../config/load.ts";
import { merge } from "../../config/merge.ts";
import { formatProblem } from "../../config/problems.ts";

export const NETWORK = "5617d17e-fdc1-4aa1-a14b-b9b5136c65af";
export const OTHER_NETWORK = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/** The four required values. */
export const SITE = {
  seed: { flavor: "m1.large", network: { externalNetworkId: NETWORK } },
  cluster: { controlPlane: { flavor: "m1.large" }, workers: { flavor: "m1.large" } },
};

export const FILES = readLayers();

/** Loads exactly these stack values over the real defaults. */
export function loadStack(values: unknown, rest: Partial<LoadInput> = {}): LoadResult {
  return loadConfig({ ...FILES, stack: { name: "Pulumi.test.yaml", values }, ...rest });
}

/** Loads the smallest site with changes over it. */
export function loadSite(changes: unknown = {}, rest: Partial<LoadInput> = {}): LoadResult {
  return loadStack(merge(SITE, changes), rest);
}

/** The problems of a site as lines. */
export function problemsOf(changes: unknown, rest: Partial<LoadInput> = {}): string[] {
  return loadSite(changes, rest).problems.map(formatProblem);
}
