/**
 * Charts as a Release names them: local folders and archives, repositories, OCI references; and their values.
 * Upstream analogue: getChart, resolveChartName and getValues of helm_release.go.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parse } from "yaml";
import { Asset, UNKNOWN, isMap, type Properties, type Value } from "../../values.ts";
import { textAt } from "./object.ts";

/** The absolute path of a local chart, or undefined if `chart` is to be looked up in a repository. */
export function localChart(inputs: Properties): string | undefined {
  const chart = textAt(inputs, "chart");
  if (textAt(inputs, "repositoryOpts", "repo") !== "" || chart.startsWith("oci://")) return undefined;
  if (existsSync(chart) && (!statSync(chart).isDirectory() || existsSync(join(chart, "Chart.yaml")))) {
    return resolve(chart);
  }
  return undefined;
}

/** A SHA-256 over a local chart's files and their paths, so that a change within the chart is seen as one. */
export function checksumOf(path: string): string {
  const hash = createHash("sha256");
  const visit = (file: string): void => {
    if (statSync(file).isDirectory()) {
      for (const name of readdirSync(file).sort()) visit(join(file, name));
    } else {
      const content = readFileSync(file);
      hash.update(`${relative(path, file)}\0${content.length}\0`).update(content);
    }
  };
  visit(path);
  return hash.digest("hex");
}

/**
 * The release's values: the files of `valueYamlFiles` in order, then `values`; maps merge, all else replaces.
 * UNKNOWN if a part of them is.
 */
export function valuesOf(inputs: Properties): Value {
  let merged: { [key: string]: Value } = {};
  const files = inputs["valueYamlFiles"];
  for (const file of Array.isArray(files) ? files : []) {
    if (!(file instanceof Asset))
      throw new Error("valueYamlFiles: each entry must be a FileAsset or StringAsset");
    const content: unknown = parse(file.content().toString("utf8"));
    if (content === null || content === undefined) continue;
    if (!isMap(content)) throw new Error(`valueYamlFiles: ${file.path ?? "the text"} is no YAML map`);
    merged = mergeMaps(merged, content);
  }
  const values = inputs["values"];
  if (values === UNKNOWN || files === UNKNOWN) return UNKNOWN;
  return isMap(values) ? mergeMaps(merged, values) : merged;
}

function mergeMaps(base: { [key: string]: Value }, over: { [key: string]: Value }): { [key: string]: Value } {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = result[key];
    result[key] = isMap(old) && isMap(value) ? mergeMaps(old, value) : value;
  }
  return result;
}
