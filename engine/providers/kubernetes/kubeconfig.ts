/**
 * Reads kubeconfigs without contacting anything: what they name as server, context and namespace.
 * Upstream analogue: provider/pkg/provider/util.go (parseKubeconfigString, getActiveClusterFromConfig).
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { at, listAt, textAt } from "./object.ts";

export interface Kubeconfig {
  /** The whole file as YAML or JSON text. */
  readonly text: string;
  /** The server, CA and proxy of the active cluster, or undefined if the file names none. */
  readonly cluster: Record<string, unknown> | undefined;
  /** The namespace of the active context, empty if none. */
  readonly namespace: string;
  readonly context: string;
}

/** Which parts of a kubeconfig the provider overrides. */
interface Selection {
  context?: string | undefined;
  cluster?: string | undefined;
}

/**
 * The kubeconfig in `pathOrContent`: a path (`~` is the home folder) or the file's content.
 * Throws, without quoting the content, when it is neither.
 */
export function readKubeconfig(pathOrContent: string, selection: Selection = {}): Kubeconfig {
  const path = pathOrContent.startsWith("~/") ? join(homedir(), pathOrContent.slice(2)) : pathOrContent;
  // A content is never a sensible path, and its length may exceed what the system takes as one.
  const isPath = !path.includes("\n") && path.length < 4096 && existsSync(path);
  const text = isPath ? readFileSync(path, "utf8") : pathOrContent;
  let document: unknown;
  try {
    document = parse(text);
  } catch {
    document = undefined;
  }
  if (typeof document !== "object" || document === null) {
    const what = pathOrContent.includes("\n") ? "its content is no YAML map" : "it names no file";
    throw new Error(`kubeconfig: ${what}`);
  }
  const context = selection.context ?? textAt(document, "current-context");
  const entry = named(document, "contexts", context);
  const cluster = named(document, "clusters", selection.cluster ?? textAt(entry, "context", "cluster"));
  return {
    text,
    context,
    namespace: textAt(entry, "context", "namespace"),
    cluster: at(cluster, "cluster") as Record<string, unknown> | undefined,
  };
}

function named(document: unknown, list: string, name: string): unknown {
  return name === "" ? undefined : listAt(document, list).find((entry) => textAt(entry, "name") === name);
}
