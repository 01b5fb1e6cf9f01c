/**
 * What one configured provider instance shares between its objects and releases: its settings and, once the kubeconfig
 * is known, its cluster. Upstream analogue: the fields of kubeProvider that Configure fills.
 */
import type { Cluster } from "./cluster.ts";
import type { Configuration } from "./configuration.ts";

export interface Instance {
  readonly configuration: Configuration;
  /** Undefined while the kubeconfig is not known. */
  readonly cluster: Cluster | undefined;
}

const HINT =
  "If the cluster is gone for good, PULUMI_K8S_DELETE_UNREACHABLE=true (or deleteUnreachable on the provider) drops " +
  "its resources from the state.";

/** The instance's cluster. Throws, saying what to do, if it is not known or does not answer. */
export async function requireCluster(instance: Instance, purpose: string): Promise<Cluster> {
  const { cluster } = instance;
  if (cluster === undefined) {
    const why = instance.configuration.problem ?? "the kubeconfig is not known yet";
    throw new Error(`cannot ${purpose}: ${why}`);
  }
  const missed = await cluster.connection.unreachable();
  if (missed === undefined) return cluster;
  const hint = purpose.startsWith("create") || purpose.startsWith("update") ? "" : ` ${HINT}`;
  throw new Error(`cannot ${purpose}: ${missed.message}.${hint}`, { cause: missed });
}

/** The instance's cluster for a preview: undefined if it is not known or does not answer, which is no error there. */
export async function previewCluster(instance: Instance): Promise<Cluster | undefined> {
  if (instance.cluster === undefined) return undefined;
  return (await instance.cluster.connection.unreachable()) === undefined ? instance.cluster : undefined;
}
