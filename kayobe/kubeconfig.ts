/**
 * What magnum-capi-helm can use of a kubeconfig: everything inline, and a token or a client certificate
 * (magnum_capi_helm/kubernetes.py: it knows no exec plugins, no insecure connections and no other files' paths, which
 * would not be in Magnum's container).
 */
import { CommandError } from "../lib/command-error.ts";
import { type CurrentContext, currentContext, inline } from "../lib/kubeconfig.ts";

/** What a connection needs. The token, certificate and key are secret. */
export interface Access {
  readonly server: string;
  /** PEM. */
  readonly caCert: string;
  readonly token?: string;
  readonly certificate?: { readonly cert: string; readonly key: string };
}

/** @throws CommandError with what the driver could not use; never with a secret */
export function magnumAccess(kubeconfig: string): Access {
  const { cluster, user } = contextOf(kubeconfig);
  const { server } = cluster;
  if (typeof server !== "string" || !URL.canParse(server) || new URL(server).protocol !== "https:") {
    refuse("its cluster's server is not an https URL");
  }
  const caCert = inline(cluster, "certificate-authority-data");
  if (caCert === undefined) return refuse("its cluster has no inline certificate-authority-data");
  const cert = inline(user, "client-certificate-data");
  const key = inline(user, "client-key-data");
  const { token } = user;
  if (cert !== undefined && key !== undefined) return { server, caCert, certificate: { cert, key } };
  if (typeof token === "string" && token !== "") return { server, caCert, token };
  const ways = Object.keys(user).filter((way) => user[way] !== undefined);
  const others = ways.length === 0 ? "" : ` (it has ${ways.join(", ")})`;
  return refuse(`its user has neither an inline client certificate nor a token${others}`);
}

function contextOf(kubeconfig: string): CurrentContext {
  try {
    return currentContext(kubeconfig);
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function refuse(reason: string): never {
  throw new CommandError(`the kubeconfig cannot be used by magnum-capi-helm: ${reason}`);
}
