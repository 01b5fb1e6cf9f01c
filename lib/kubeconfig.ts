/**
 * Kubeconfig documents: written for Magnum, read for the address and the certificate's end. Upstream analogue: the
 * kubeconfig template of azimuth-ops role capi_cluster (service account form).
 */
import { X509Certificate } from "node:crypto";
import { parse, stringify } from "yaml";
import { InputError } from "../config/problems.ts";
import { isMap, valueAt } from "../config/tree.ts";

export interface TokenKubeconfigArgs {
  /** Name of cluster, context and user in the document. */
  readonly name: string;
  /** https://<address>:<port> */
  readonly server: string;
  /** Certificates that signed the API's certificate, PEM. */
  readonly caCert: string;
  /** Secret. */
  readonly token: string;
}

/** A kubeconfig that authenticates with a token. Everything is inline: magnum-capi-helm reads no other files. */
export function tokenKubeconfig(args: TokenKubeconfigArgs): string {
  return stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        {
          name: args.name,
          cluster: {
            server: args.server,
            "certificate-authority-data": Buffer.from(args.caCert).toString("base64"),
          },
        },
      ],
      users: [{ name: args.name, user: { token: args.token } }],
      contexts: [{ name: args.name, context: { cluster: args.name, user: args.name } }],
      "current-context": args.name,
    },
    { lineWidth: 0 },
  );
}

/** Cluster and user of a kubeconfig's current context, as they stand there; what is inline in them may be secret. */
export interface CurrentContext {
  readonly cluster: Readonly<Record<string, unknown>>;
  readonly user: Readonly<Record<string, unknown>>;
}

/**
 * The only reader of kubeconfigs.
 *
 * @throws InputError if there is no complete current context; the message holds nothing of the text
 */
export function currentContext(kubeconfig: string): CurrentContext {
  return read(kubeconfig);
}

/** The whole document, and what of it is the current context's. */
function read(kubeconfig: string): CurrentContext & { readonly document: unknown } {
  let document: unknown;
  try {
    document = parse(kubeconfig);
  } catch {
    // YAML's own message would quote the text.
    throw new InputError("the kubeconfig is not YAML");
  }
  const entry = (list: string, name: unknown, key: string) => {
    const entries = valueAt(document, [list]);
    const found: unknown = Array.isArray(entries)
      ? entries.find((item: unknown) => name !== undefined && valueAt(item, ["name"]) === name)
      : undefined;
    const value = valueAt(found, [key]);
    if (!isMap(value)) {
      throw new InputError(
        `the kubeconfig's current context names no cluster and user that it contains (nothing in ${list})`,
      );
    }
    return value;
  };
  const context = entry("contexts", valueAt(document, ["current-context"]), "context");
  return {
    document,
    cluster: entry("clusters", context["cluster"], "cluster"),
    user: entry("users", context["user"], "user"),
  };
}

/** Text that a kubeconfig holds in base64; undefined where it holds none. */
export function inline(entry: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const data = entry[key];
  return typeof data === "string" ? Buffer.from(data, "base64").toString("utf8") : undefined;
}

/** The API's address in a kubeconfig's current context, https://<address>:<port>. */
export function kubeconfigServer(kubeconfig: string): string {
  const { server } = currentContext(kubeconfig).cluster;
  if (typeof server !== "string") throw new InputError("the kubeconfig's current cluster has no server");
  return server;
}

/** The certificates that signed the API's certificate, PEM. */
export function kubeconfigCaCert(kubeconfig: string): string {
  const caCert = inline(currentContext(kubeconfig).cluster, "certificate-authority-data");
  if (caCert === undefined) {
    throw new InputError("the kubeconfig's current cluster has no certificate-authority-data");
  }
  return caCert;
}

/** When the client certificate of a kubeconfig ends (ISO 8601), or undefined where it holds none. */
export function kubeconfigExpiry(kubeconfig: string): string | undefined {
  const certificate = inline(currentContext(kubeconfig).user, "client-certificate-data");
  return certificate === undefined
    ? undefined
    : new Date(new X509Certificate(certificate).validTo).toISOString();
}

/**
 * A copy whose certificate ends within this time is read anew. What it is copied from has a newer one by then: both are
 * issued for a year, Cluster API renews its own at half of it (CAPI #3113), k3s whenever
 * it starts with under 120 days left.
 */
const RENEW_BEFORE_DAYS = 90;

/** The day (YYYY-MM-DD) a copy of a kubeconfig ends, if that is so soon that it has to be read anew; else undefined. */
export function endingSoon(kubeconfig: string, now: Date): string | undefined {
  const end = kubeconfigExpiry(kubeconfig);
  if (end === undefined) return undefined;
  const days = (Date.parse(end) - now.valueOf()) / (24 * 60 * 60 * 1000);
  return days < RENEW_BEFORE_DAYS ? end.slice(0, 10) : undefined;
}

/**
 * The same kubeconfig with more said of its current cluster.
 *
 * @throws InputError if there is no complete current context; the message holds nothing of the text
 */
function withCluster(kubeconfig: string, more: Readonly<Record<string, unknown>>): string {
  const { document, cluster } = read(kubeconfig);
  Object.assign(cluster, more);
  return stringify(document, { lineWidth: 0 });
}

/**
 * The same kubeconfig for an API that is reached by a port of this machine. The certificate is still judged by the name
 * that the kubeconfig had.
 *
 * @throws InputError if there is no complete current context; the message holds nothing of the text
 */
export function kubeconfigThrough(kubeconfig: string, port: number): string {
  const { hostname } = new URL(kubeconfigServer(kubeconfig));
  const { cluster } = currentContext(kubeconfig);
  return withCluster(kubeconfig, {
    server: `https://127.0.0.1:${port}`,
    "tls-server-name": cluster["tls-server-name"] ?? hostname.replaceAll(/[[\]]/g, ""),
  });
}

/**
 * The same kubeconfig for a client near the API, which then sends its answers as they are: packing the description of all it knows,
 * which the Kubernetes provider reads whatever it is asked, takes it four times as long as sending it unpacked (docs/decisions/0069).
 *
 * @throws InputError as kubeconfigThrough
 */
export function kubeconfigUncompressed(kubeconfig: string): string {
  return withCluster(kubeconfig, { "disable-compression": true });
}
