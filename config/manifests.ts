/**
 * Kubernetes objects in a text of YAML documents. Upstream analogue: `kubectl apply -f`.
 */
import { parseAllDocuments } from "yaml";
import { isMap } from "./tree.ts";

/** An object as it will be asked for. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** The objects in order, and what is wrong with the text, without its content: it may be a secret. */
export function manifestObjects(text: string): { objects: KubernetesObject[]; problems: string[] } {
  const objects: KubernetesObject[] = [];
  const problems: string[] = [];
  const seen = new Set<string>();
  let documents;
  try {
    documents = [...parseAllDocuments(text)];
  } catch {
    return { objects, problems: ["is not YAML"] };
  }
  documents.forEach((document, index) => {
    const where = `document ${index + 1}`;
    if (document.errors.length > 0) return problems.push(`${where} is not YAML`);
    const value = document.toJS() as unknown;
    // A file often ends, or begins, with a separator.
    if (value === null) return undefined;
    const missing = missingIn(value);
    if (missing !== undefined) return problems.push(`${where} lacks ${missing}`);
    const object = value as KubernetesObject;
    if (object.kind.endsWith("List")) return problems.push(`${where} is a list: one document an object`);
    const name = objectName(object);
    if (seen.has(name)) return problems.push(`${where} is the second ${name}`);
    seen.add(name);
    return objects.push(object);
  });
  if (objects.length === 0 && problems.length === 0) problems.push("has no object");
  return { objects, problems };
}

/** What tells an object from every other of a text, and stays the same when its content changes. */
export function objectName({ kind, metadata: { namespace, name } }: KubernetesObject): string {
  return [kind.toLowerCase(), ...(namespace === undefined ? [] : [namespace]), name].join("-");
}

function missingIn(value: unknown): string | undefined {
  if (!isMap(value)) return "apiVersion";
  const isText = (one: unknown) => typeof one === "string" && one !== "";
  if (!isText(value["apiVersion"])) return "apiVersion";
  if (!isText(value["kind"])) return "kind";
  const { metadata } = value;
  return isMap(metadata) && isText(metadata["name"]) ? undefined : "metadata.name";
}
