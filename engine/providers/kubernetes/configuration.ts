/**
 * The provider instance's own inputs: their meaning, and what a change of them means for the instance's resources.
 * Upstream analogue: Configure and DiffConfig of provider/pkg/provider/provider.go.
 */
import type { DiffResult } from "../../provider.ts";
import { UNKNOWN, equal, type Properties, type Value } from "../../values.ts";
import { readKubeconfig, type Kubeconfig } from "./kubeconfig.ts";

export interface Configuration {
  /** Undefined while the kubeconfig is not known, as before the cluster's first deployment. */
  readonly kubeconfig: Kubeconfig | undefined;
  /** Why there is no kubeconfig, if it is not for being unknown yet. It only matters once the cluster is needed. */
  readonly problem: string | undefined;
  readonly context: string | undefined;
  readonly cluster: string | undefined;
  /** The namespace of objects that name none. */
  readonly namespace: string;
  readonly deleteUnreachable: boolean;
  readonly skipUpdateUnreachable: boolean;
  readonly enableSecretMutable: boolean;
  readonly enableConfigMapMutable: boolean;
  readonly enablePatchForce: boolean;
  readonly upsertExistingObjects: boolean;
  readonly suppressDeprecationWarnings: boolean;
}

/** Inputs that switch on what this provider does not do, with the values that ask for nothing. */
const REFUSED = ["renderYamlToDirectory", "alwaysRender"];

/**
 * The configuration in a provider resource's inputs. The SDK sends switches as the texts "true" and "false", and fills
 * them from PULUMI_K8S_* variables itself; refresh and destroy, which run no program, read those variables here.
 */
export function configurationOf(
  inputs: Properties,
  environment: Record<string, string | undefined> = process.env,
): Configuration {
  for (const key of REFUSED) {
    if (
      inputs[key] !== undefined &&
      inputs[key] !== null &&
      inputs[key] !== "" &&
      !flag(inputs[key], false)
    ) {
      throw new Error(`the embedded engine's kubernetes provider does not implement the option ${key}`);
    }
  }
  if (!flag(inputs["enableServerSideApply"], true)) {
    throw new Error(
      "the embedded engine's kubernetes provider only does server-side apply: enableServerSideApply=false is not implemented",
    );
  }
  const context = text(inputs["context"]);
  const cluster = text(inputs["cluster"]);
  const unknown = [inputs["kubeconfig"], inputs["context"], inputs["cluster"]].includes(UNKNOWN);
  const given = inputs["kubeconfig"];
  const source =
    typeof given === "string" && given !== ""
      ? given
      : typeof given === "object" && given !== null
        ? JSON.stringify(given)
        : (environment["KUBECONFIG"] ?? "~/.kube/config");
  let kubeconfig: Kubeconfig | undefined;
  let problem: string | undefined;
  try {
    kubeconfig = unknown ? undefined : readKubeconfig(source, { context, cluster });
  } catch (error) {
    problem = (error as Error).message;
  }
  return {
    kubeconfig,
    problem,
    context,
    cluster,
    namespace: text(inputs["namespace"]) ?? (kubeconfig?.namespace || "default"),
    deleteUnreachable:
      flag(inputs["deleteUnreachable"], false) || environment["PULUMI_K8S_DELETE_UNREACHABLE"] === "true",
    skipUpdateUnreachable:
      flag(inputs["skipUpdateUnreachable"], false) ||
      environment["PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"] === "true",
    enableSecretMutable: flag(inputs["enableSecretMutable"], false),
    enableConfigMapMutable: flag(inputs["enableConfigMapMutable"], false),
    enablePatchForce: flag(inputs["enablePatchForce"], false),
    upsertExistingObjects: flag(inputs["upsertExistingObjects"], false),
    suppressDeprecationWarnings: flag(inputs["suppressDeprecationWarnings"], false),
  };
}

/**
 * Whether a changed provider configuration means another cluster, so that all its resources are replaced.
 * `clusterIdentifier`, once set on both sides, alone decides: a rotated kubeconfig then is an update. Without it an
 * unknown kubeconfig counts as another cluster, and a known one is compared by its active cluster's entry (server, CA,
 * proxy), so that a new user token or certificate is an update. Adding or removing the identifier replaces nothing by
 * itself.
 */
export function diffConfiguration(olds: Properties, news: Properties): DiffResult {
  const changed = [...new Set([...Object.keys(olds), ...Object.keys(news)])].filter(
    (key) => !equal(olds[key], news[key]),
  );
  const result = (replaces: string[]): DiffResult => ({
    changes: changed.length > 0,
    replaces,
    deleteBeforeReplace: false,
    detailed: Object.fromEntries(
      changed.map((key) => [key, replaces.includes(key) ? ("update-replace" as const) : ("update" as const)]),
    ),
  });
  const before = text(olds["clusterIdentifier"]);
  const after = news["clusterIdentifier"] === UNKNOWN ? UNKNOWN : text(news["clusterIdentifier"]);
  const identified = before !== undefined && after !== undefined;
  if (identified) return result(before === after ? [] : ["clusterIdentifier"]);
  const deciding = ["kubeconfig", "context", "cluster"].filter((key) => changed.includes(key));
  const unknown = deciding.filter((key) => news[key] === UNKNOWN);
  if (unknown.length > 0) return result(unknown.slice(0, 1));
  const [oldCluster, newCluster] = [activeCluster(olds), activeCluster(news)];
  const moved =
    oldCluster !== undefined && newCluster !== undefined && !equal(oldCluster as Value, newCluster as Value);
  return result(moved ? deciding : []);
}

function activeCluster(inputs: Properties): Record<string, unknown> | undefined {
  return configurationOf(inputs, {}).kubeconfig?.cluster;
}

function text(value: Value | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function flag(value: Value | undefined, fallback: boolean): boolean {
  if (typeof value === "boolean") return value;
  return value === "true" ? true : value === "false" ? false : fallback;
}
