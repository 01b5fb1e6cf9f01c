/**
 * The operator's own values over the program's. Upstream analogue: `combine(…_release_overrides, recursive=True)` of
 * azimuth-ops, which replaces the role's values without a word; here that takes an `override`.
 */
import { describeValue, type Problem } from "../config/problems.ts";
import type { Config } from "../config/schema.ts";
import { EXTRA_VALUES_RELEASES } from "../config/sections/extraValues.ts";
import { formatPath, type Key } from "../config/tree.ts";

export type ReleaseName = keyof Config["extraValues"];

/** What one release gets, of the configuration of a site. */
export interface ExtraValues {
  /** From the root of the chart's values. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Whether what stands at a path of `values` is encrypted in the stack file. */
  readonly isSecret: (path: readonly Key[]) => boolean;
}

/** @param encryptedPaths paths of the configuration that the stack file holds encrypted */
export function extraValuesOf(
  config: Pick<Config, "extraValues">,
  encryptedPaths: ReadonlySet<string>,
  release: ReleaseName,
): ExtraValues {
  const isSecret = (path: readonly Key[]) => {
    return isEncrypted(formatPath(["extraValues", release, "values", ...path]), encryptedPaths);
  };
  return { values: config.extraValues[release]?.values ?? {}, isSecret };
}

/** Whether a value, or something in it or around it, is encrypted in the stack file. */
export function isEncrypted(path: string, encryptedPaths: ReadonlySet<string>): boolean {
  return [...encryptedPaths].some((other) => isAtOrBelow(path, other) || isAtOrBelow(other, path));
}

/** What each release of a site gets; the same arguments. */
export function siteExtraValues(
  config: Pick<Config, "extraValues">,
  encryptedPaths: ReadonlySet<string>,
): Record<ReleaseName, ExtraValues> {
  const entries = EXTRA_VALUES_RELEASES.map(
    (release) => [release, extraValuesOf(config, encryptedPaths, release)] as const,
  );
  return Object.fromEntries(entries) as Record<ReleaseName, ExtraValues>;
}

/**
 * Extra values over the program's: maps merge, lists and single values replace.
 *
 * @param mark is given what comes from the extra values and is encrypted, and returns what stands for it
 */
export function withExtraValues(
  values: Readonly<Record<string, unknown>>,
  extra: ExtraValues,
  mark: (value: unknown) => unknown,
): Record<string, unknown> {
  const over = (ours: unknown, theirs: unknown, at: readonly Key[]): unknown => {
    if (!isPlainMap(theirs)) return extra.isSecret(at) ? mark(theirs) : theirs;
    const merged: Record<string, unknown> = isPlainMap(ours) ? { ...ours } : {};
    for (const [key, value] of Object.entries(theirs))
      merged[key] = over(ownValue(merged, key), value, [...at, key]);
    return merged;
  };
  return over(values, extra.values, []) as Record<string, unknown>;
}

/**
 * Where a site's extra values are against the program's own without an `override`, and overrides of nothing.
 *
 * @param values what the program sets, by release
 * @param encryptedPaths paths of the configuration that are never shown
 */
export function extraValuesProblems(
  { extraValues }: Pick<Config, "extraValues">,
  values: Readonly<Record<ReleaseName, object>>,
  encryptedPaths: ReadonlySet<string>,
): Problem[] {
  return (Object.keys(values) as ReleaseName[]).flatMap((release): Problem[] => {
    const extra = extraValuesOf({ extraValues }, encryptedPaths, release);
    const override = extraValues[release]?.override ?? {};
    const found = conflicts(values[release], extra.values, []);
    const refused = found
      .filter(({ path }) => !Object.hasOwn(override, formatPath(path)))
      .map(({ path, ours, theirs }): Problem => {
        const key = formatPath(path);
        const sets = describeValue(ours, path[0] === "registryAuth");
        return {
          path: formatPath(["extraValues", release, "values", ...path]),
          problem: `is against what the program sets, which is ${sets}`,
          got: describeValue(theirs, path[0] === "registryAuth" || extra.isSecret(path)),
          legal: `the setting that makes it, or extraValues.${release}.override with ${JSON.stringify(key)}: true`,
        };
      });
    const used = new Set(found.map(({ path }) => formatPath(path)));
    const idle = Object.keys(override)
      .filter((path) => !used.has(path))
      .map((path) => ({
        path: formatPath(["extraValues", release, "override", path]),
        problem: "overrides nothing",
        legal:
          used.size === 0
            ? "only paths where extraValues replaces a value of the program's; there is none"
            : [...used].join(", "),
      }));
    return [...refused, ...idle];
  });
}

interface Conflict {
  readonly path: readonly Key[];
  readonly ours: unknown;
  readonly theirs: unknown;
}

function conflicts(ours: unknown, theirs: unknown, path: readonly Key[]): Conflict[] {
  if (!isPlainMap(ours) || !isPlainMap(theirs)) return [{ path, ours, theirs }];
  return Object.entries(theirs)
    .filter(([key]) => ownValue(ours, key) !== undefined)
    .flatMap(([key, value]) => conflicts(ours[key], value, [...path, key]));
}

/** A map of plain values; what is known only while the program runs is none, though it is an object. */
function isPlainMap(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  );
}

function ownValue(map: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}

function isAtOrBelow(path: string, ancestor: string): boolean {
  return path === ancestor || path.startsWith(`${ancestor}.`) || path.startsWith(`${ancestor}[`);
}
