/**
 * Kubeconfig documents: written for Magnum, read for the address and the certificate's end. Upstream analogue: the
 * kubeconfig template of azimuth-ops role capi_cluster (service account form).
 */
import { X509Certificate } from "node:crypto";
import { parse, stringify } from "yaml";

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

interface KubeconfigDocument {
  clusters?: { name: string; cluster: { server?: string; "certificate-authority-data"?: string } }[];
  users?: { name: string; user: { "client-certificate-data"?: string } }[];
  contexts?: { name: string; context: { cluster: string; user: string } }[];
  "current-context"?: string;
}

function current(kubeconfig: string) {
  const document = parse(kubeconfig) as KubeconfigDocument | null;
  const context = document?.contexts?.find(({ name }) => name === document["current-context"])?.context;
  const cluster = document?.clusters?.find(({ name }) => name === context?.cluster)?.cluster;
  const user = document?.users?.find(({ name }) => name === context?.user)?.user;
  if (cluster === undefined || user === undefined) {
    throw new Error("the kubeconfig's current context names no cluster and user that it contains");
  }
  return { cluster, user };
}

/** The API's address in a kubeconfig's current context, https://<address>:<port>. */
export function kubeconfigServer(kubeconfig: string): string {
  const { server } = current(kubeconfig).cluster;
  if (server === undefined) throw new Error("the kubeconfig's current cluster has no server");
  return server;
}

/** The certificates that signed the API's certificate, PEM. */
export function kubeconfigCaCert(kubeconfig: string): string {
  const data = current(kubeconfig).cluster["certificate-authority-data"];
  if (data === undefined)
    throw new Error("the kubeconfig's current cluster has no certificate-authority-data");
  return Buffer.from(data, "base64").toString("utf8");
}

/** When the client certificate of a kubeconfig ends (ISO 8601), or undefined where it holds none. */
export function kubeconfigExpiry(kubeconfig: string): string | undefined {
  const data = current(kubeconfig).user["client-certificate-data"];
  if (data === undefined) return undefined;
  return new Date(new X509Certificate(Buffer.from(data, "base64")).validTo).toISOString();
}

/**
 * How long a copy of a kubeconfig is used before it is read anew. Cluster API and k3s issue certificates for a year
 * and replace them before half of it, or a quarter, is left (CAPI #3113); within this time a copy never ends.
 */
const PERIOD_DAYS = 60;

/** A number that changes each time copies of kubeconfigs have to be read anew. */
export function readKubeconfigOn(now: Date): number {
  return Math.floor(now.valueOf() / (PERIOD_DAYS * 24 * 60 * 60 * 1000));
}
