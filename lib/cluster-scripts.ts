/**
 * The scripts around the HA cluster that run on the seed. Upstream analogue: azimuth-ops role capi_cluster.
 */
import { secondsOf } from "../config/units.ts";
import { script } from "./shell.ts";

/** capi_janitor/openstack/operator.py, FINALIZER (cluster-api-janitor-openstack 0.15.0). */
const JANITOR_FINALIZER = "janitor.capi.stackhpc.com";

export interface ClusterArgs {
  /** Name of the Cluster object. */
  readonly cluster: string;
  /** Its namespace on k3s. */
  readonly namespace: string;
}

/**
 * When new, waits until the cluster's API and workers serve; changed, until it is complete. Prints the Cluster's uid, so
 * that another cluster of the same name shows.
 */
export function clusterReadyScript(
  args: ClusterArgs & {
    /** How long to wait, as a duration. */
    readonly timeout: string;
    /** When the control plane is rolled, for a chart without the setting. 0: never. Undefined: the chart sets it. */
    readonly certificatesExpiryDays: number | undefined;
  },
): string {
  const days = args.certificatesExpiryDays;
  return script(["cluster-ready"], {
    // null takes it away.
    CERTIFICATES_EXPIRY_DAYS: days === 0 ? "null" : days,
    CLUSTER: args.cluster,
    NAMESPACE: args.namespace,
    READY_SECONDS: secondsOf(args.timeout),
  });
}

/** Waits until the cluster is complete: every machine there, up to date and healthy. */
export function clusterCompleteScript(args: ClusterArgs & { readonly timeout: string }): string {
  return script(["cluster-complete"], {
    CLUSTER: args.cluster,
    NAMESPACE: args.namespace,
    READY_SECONDS: secondsOf(args.timeout),
  });
}

/** On delete, waits until the cluster is gone. */
export function clusterTeardownScript(args: ClusterArgs & { readonly timeout: string }): string {
  return script(["cluster-teardown"], {
    CLUSTER: args.cluster,
    NAMESPACE: args.namespace,
    DELETE_SECONDS: secondsOf(args.timeout),
  });
}

/** Prints the cluster's kubeconfig. */
export function clusterKubeconfigScript(args: ClusterArgs): string {
  return script(["cluster-kubeconfig"], {
    CLUSTER: args.cluster,
    NAMESPACE: args.namespace,
  });
}

/** Writes the cluster's kubeconfig into the home of the seed's user, mode 0600, and prints the file's path. */
export function seedAccessScript(
  args: ClusterArgs & { readonly user: string; readonly fileName: string },
): string {
  return script(["seed-access"], {
    CLUSTER: args.cluster,
    NAMESPACE: args.namespace,
    SEED_USER: args.user,
    FILE_NAME: args.fileName,
  });
}

/** Fails with the likely cause if the seed does not reach the cloud's identity endpoint. */
export function cloudReachableScript(args: {
  readonly authUrl: string;
  /** PEM. */
  readonly caCert: string | undefined;
  /** How long to try, as a duration. */
  readonly timeout: string;
}): string {
  return script(["cloud-reachable"], {
    AUTH_URL: args.authUrl,
    CLOUD_CA: args.caCert,
    REACH_SECONDS: secondsOf(args.timeout),
  });
}

/** Fails with the likely cause if Magnum's kubeconfig, put together on the seed, does not work there. */
export function accessVerifiedScript(
  args: ClusterArgs & {
    /** The secret with the token; without it the kubeconfig is the cluster's own. */
    readonly token: { readonly namespace: string; readonly secret: string } | undefined;
    /** Whether the cluster is k3s on the seed, which is then asked by loopback. Default: the HA cluster. */
    readonly onK3s?: boolean;
    /** How long to try, as a duration. */
    readonly timeout: string;
  },
): string {
  return script(args.onK3s === true ? ["access-verified", "k3s-access"] : ["access-verified"], {
    CLUSTER: args.cluster,
    NAMESPACE: args.namespace,
    TOKEN_NAMESPACE: args.token?.namespace,
    TOKEN_SECRET: args.token?.secret,
    WORK_SECONDS: secondsOf(args.timeout),
  });
}

/** On delete, refuses while Magnum's cluster manages other clusters than the site's own. */
export function magnumClustersScript(
  args: ClusterArgs & {
    /** Path of the kubeconfig of Magnum's cluster on the seed. Default: k3s on the seed itself. */
    readonly kubeconfigFile?: string | undefined;
  },
): string {
  const { cluster, namespace, kubeconfigFile } = args;
  return script(["magnum-clusters"], {
    CLUSTER: cluster,
    NAMESPACE: namespace,
    KUBECONFIG_FILE: kubeconfigFile,
    WHERE: kubeconfigFile === undefined ? "k3s" : "the HA cluster",
  });
}

/** On delete, takes the janitor's finalizer off every cluster, once the janitor has stopped. */
export function janitorFinalizersScript(args: {
  /** Path of the cluster's kubeconfig on the seed. Default: k3s on the seed itself. */
  readonly kubeconfigFile?: string | undefined;
  /** The janitor's namespace. */
  readonly namespace: string;
  /** How long it may take to stop, as a duration. */
  readonly timeout: string;
}): string {
  return script(["janitor-finalizers"], {
    KUBECONFIG_FILE: args.kubeconfigFile,
    JANITOR_NAMESPACE: args.namespace,
    FINALIZER: JANITOR_FINALIZER,
    STOP_SECONDS: secondsOf(args.timeout),
  });
}
