/**
 * Type tokens of the kubernetes package: which name an API kind, and which are refused.
 * Upstream analogue: gvkFromTypeToken and the resource list of pulumi-kubernetes.
 */
import type { Kind } from "./object.ts";

export const RELEASE = "kubernetes:helm.sh/v3:Release";

/** The modules that render or read manifests, with what to use instead. */
const REFUSED: [pattern: RegExp, instead: string][] = [
  [/^kubernetes:helm\.sh\//, "use kubernetes:helm.sh/v3:Release"],
  [/^kubernetes:yaml(\/v2)?:/, "use typed resources, or a Command that applies the manifest"],
  [/^kubernetes:kustomize(\/v2)?:/, "use a Command that applies the kustomization"],
  [/^kubernetes:index:/, "use typed resources"],
];

/**
 * The kind that a token names: `kubernetes:core/v1:Secret` is apiVersion `v1`, `kubernetes:apps/v1:Deployment` is
 * `apps/v1`, and a CustomResource carries its own, `kubernetes:cluster.x-k8s.io/v1beta1:Cluster`.
 * Throws for tokens that are no API kind and for those this provider does not implement.
 */
export function kindOf(token: string): Kind {
  const refused = REFUSED.find(([pattern]) => pattern.test(token));
  if (refused !== undefined) throw new Error(unsupported(token, refused[1]));
  const [pack, module, kind, ...more] = token.split(":");
  if (pack !== "kubernetes" || module === undefined || kind === undefined || kind === "" || more.length > 0) {
    throw new Error(`"${token}" is no type of the kubernetes provider`);
  }
  const apiVersion = apiVersionOf(module);
  // Typed *Patch resources of the SDK; a CustomResource's kind may well end so (and its group holds a dot or not at all).
  if (kind.endsWith("Patch") && isBuiltin(apiVersion)) {
    throw new Error(unsupported(token, "own the whole object, or use a Command with kubectl patch"));
  }
  if (kind.endsWith("List") && isBuiltin(apiVersion)) {
    throw new Error(unsupported(token, "declare the items of the list as resources of their own"));
  }
  return { apiVersion, kind };
}

function apiVersionOf(module: string): string {
  if (module.startsWith("core/")) return module.slice("core/".length);
  const [group = "", version] = module.split("/");
  if (version === undefined) return group;
  return `${CANONICAL_GROUPS[group] ?? group}/${version}`;
}

/** Groups whose SDK module is shorter than their API group. */
const CANONICAL_GROUPS: Record<string, string> = Object.fromEntries(
  [
    "admissionregistration",
    "apiextensions",
    "apiregistration",
    "auditregistration",
    "authentication",
    "authorization",
    "certificates",
    "coordination",
    "discovery",
    "events",
    "flowcontrol.apiserver",
    "internal.apiserver",
    "networking",
    "node",
    "rbac.authorization",
    "resource",
    "scheduling",
    "settings",
    "storage",
    "storagemigration",
  ].flatMap((name) => {
    const group = `${name}.k8s.io`;
    return [
      [name, group],
      [group, group],
    ];
  }),
);

/** Whether the apiVersion belongs to Kubernetes itself, so that the SDK has typed resources for it. */
export function isBuiltin(apiVersion: string): boolean {
  const group = apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
  return (
    ["", "apps", "autoscaling", "batch", "extensions", "policy"].includes(group) ||
    Object.values(CANONICAL_GROUPS).includes(group)
  );
}

function unsupported(token: string, instead: string): string {
  return `the embedded engine's kubernetes provider does not implement ${token}: ${instead}`;
}
