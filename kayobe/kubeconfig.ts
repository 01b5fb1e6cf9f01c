/**
 * What magnum-capi-helm can use of a kubeconfig: everything inline, and a token or a client certificate
 * (magnum_capi_helm/kubernetes.py: it knows no exec plugins, no insecure connections and no other files' paths, which
 * would not be in Magnum's container).
 */
import { parse } from "yaml";
import { CommandError } from "../lib/command-error.ts";

/** What a connection needs. The token, certificate and key are secret. */
export interface Access {
  readonly server: string;
  /** PEM. */
  readonly caCert: string;
  readonly token?: string;
  readonly certificate?: { readonly cert: string; readonly key: string };
}

type Part = Readonly<Record<string, unknown>>;

/** @throws CommandError with what the driver could not use; never with a secret */
export function magnumAccess(kubeconfig: string): Access {
  const document = asPart(readYaml(kubeconfig));
  const context = named(document, "contexts", document["current-context"])["context"];
  const { cluster: clusterName, user: userName } = asPart(context);
  const cluster = asPart(named(document, "clusters", clusterName)["cluster"]);
  const user = asPart(named(document, "users", userName)["user"]);

  const server = cluster["server"];
  if (typeof server !== "string" || !URL.canParse(server) || new URL(server).protocol !== "https:") {
    refuse("its cluster's server is not an https URL");
  }
  if (typeof cluster["certificate-authority-data"] !== "string") {
    refuse("its cluster has no inline certificate-authority-data");
  }
  const caCert = decoded(cluster["certificate-authority-data"]);
  const cert = user["client-certificate-data"];
  const key = user["client-key-data"];
  const { token } = user;
  if (typeof cert === "string" && typeof key === "string") {
    return { server, caCert, certificate: { cert: decoded(cert), key: decoded(key) } };
  }
  if (typeof token === "string" && token !== "") return { server, caCert, token };
  return refuse(`its user has neither an inline client certificate nor a token${otherWays(user)}`);
}

function otherWays(user: Part): string {
  const ways = Object.keys(user).filter((key) => user[key] !== undefined);
  return ways.length === 0 ? "" : ` (it has ${ways.join(", ")})`;
}

function readYaml(text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch {
    // YAML's own message would quote the text.
    return refuse("it is not YAML");
  }
}

function named(document: Part, list: string, name: unknown): Part {
  const entries = document[list];
  const found: unknown = Array.isArray(entries)
    ? entries.find((entry: unknown) => typeof name === "string" && asPart(entry)["name"] === name)
    : undefined;
  return found === undefined ? refuse(`its current context is not complete: ${list}`) : asPart(found);
}

function asPart(value: unknown): Part {
  return typeof value === "object" && value !== null ? (value as Part) : {};
}

function decoded(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}

function refuse(reason: string): never {
  throw new CommandError(`the kubeconfig cannot be used by magnum-capi-helm: ${reason}`);
}
