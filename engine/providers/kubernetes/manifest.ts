/**
 * What a release's rendered manifest holds. Upstream analogue: convertYAMLManifestToJSON of manifest_json.go.
 */
import { parseAllDocuments } from "yaml";
import type { Value } from "../../values.ts";
import { namespaceOf, nameOf, textAt } from "./object.ts";

/** Names by `Kind.group/apiVersion`, as upstream: `{"Deployment.apps/apps/v1": ["web"], "Service/v1": ["web"]}`. */
export function resourceNamesOf(manifest: string): { [key: string]: Value } {
  const names = new Map<string, Set<string>>();
  for (const document of parseAllDocuments(manifest, { logLevel: "silent" })) {
    const object: unknown = document.toJS();
    const [kind, apiVersion] = [textAt(object, "kind"), textAt(object, "apiVersion")];
    if (kind === "" || apiVersion === "") continue;
    const group = apiVersion.includes("/") ? `.${apiVersion.split("/")[0] ?? ""}` : "";
    const key = `${kind}${group}/${apiVersion}`;
    const namespace = namespaceOf(object);
    const name = namespace === "" ? nameOf(object) : `${namespace}/${nameOf(object)}`;
    names.set(key, (names.get(key) ?? new Set()).add(name));
  }
  return Object.fromEntries([...names].sort().map(([key, set]) => [key, [...set].sort()]));
}
