/**
 * Every name that is derived from the stack's name. Upstream analogue: azimuth-config, where the environment's name
 * gives the seed's, the cluster's and the kubeconfig file's.
 */

export interface SiteNames {
  /** Name of the HA cluster, of its Helm release and of its OpenStack objects. */
  readonly cluster: string;
  /** Name of the seed and prefix of its OpenStack objects. */
  readonly seed: string;
  /** File in the seed's home that holds the HA cluster's kubeconfig. */
  readonly kubeconfigFile: string;
}

/** Namespace of the HA cluster's objects on k3s, as azimuth-ops has it, so that its runbooks fit. */
export const CLUSTER_NAMESPACE = "default";

/** Longest suffix that the chart puts behind the cluster's name: `-control-plane-<8 hex>` of a machine template. */
const LONGEST_SUFFIX = "-control-plane-00000000".length;

/** Names of Kubernetes objects that double as label values end after 63 characters. */
const LONGEST_NAME = 63;

/** The names of stack `prod`: cluster `capi-mgmt-prod`, seed `capi-mgmt-prod-seed`. */
export function siteNames(stack: string): SiteNames {
  const cluster = `capi-mgmt-${stack}`;
  return { cluster, seed: `${cluster}-seed`, kubeconfigFile: `kubeconfig-${cluster}.yaml` };
}

/** What is wrong with a stack's name, or undefined: it becomes part of Kubernetes names and host names. */
export function stackNameProblem(stack: string): string | undefined {
  const longest = LONGEST_NAME - LONGEST_SUFFIX - "capi-mgmt-".length;
  if (/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(stack) && stack.length <= longest) return undefined;
  return `stack name ${JSON.stringify(stack)}: use lower-case letters, digits and dashes, at most ${longest}`;
}
