/**
 * One Kubernetes cluster: its connection and discovery together, with the few calls the provider makes.
 * Upstream analogue: clients.DynamicClientSet of pulumi-kubernetes.
 */
import { ApiError, Connection, type Call } from "./connection.ts";
import { Discovery, NoSuchKind, type Resource } from "./discovery.ts";
import type { Kubeconfig } from "./kubeconfig.ts";
import { listAt, textAt, type Json, type Kind, type KubeObject } from "./object.ts";

/** Where an object is or is to be. */
export interface Place {
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
}

export class Cluster {
  readonly connection: Connection;
  readonly #discovery: Discovery;

  constructor(kubeconfig: Kubeconfig, clusterName?: string) {
    this.connection = new Connection(kubeconfig, clusterName);
    this.#discovery = new Discovery(this.connection);
  }

  /** How the API server serves a kind. Throws NoSuchKind. */
  find(kind: Kind): Promise<Resource> {
    return this.#discovery.find(kind);
  }

  /** The object, or undefined if it, its namespace or its kind is not there. */
  async get(place: Place, signal?: AbortSignal): Promise<KubeObject | undefined> {
    try {
      return await this.connection.call(this.#path(place), { signal });
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  create(place: Place, body: Json, query: Query, options: Call = {}): Promise<KubeObject> {
    const path = this.#discovery.path(place.resource, place.namespace);
    return this.connection.call(path, { ...options, method: "POST", body, query });
  }

  apply(place: Place, body: Json, query: Query, options: Call = {}): Promise<KubeObject> {
    return this.#send(place, "PATCH", "application/apply-patch+yaml", body, query, options);
  }

  patch(place: Place, body: Json, query: Query, options: Call = {}): Promise<KubeObject> {
    return this.#send(place, "PATCH", "application/json-patch+json", body, query, options);
  }

  replace(place: Place, body: Json, query: Query, options: Call = {}): Promise<KubeObject> {
    return this.#send(place, "PUT", "application/json", body, query, options);
  }

  delete(place: Place, body: Json, options: Call = {}): Promise<KubeObject> {
    return this.#send(place, "DELETE", "application/json", body, {}, options);
  }

  /** The objects of a kind in a namespace that match a label selector (empty: all); none if the kind is not served. */
  async list(apiVersion: string, kind: string, namespace: string, labels: string): Promise<KubeObject[]> {
    try {
      const resource = await this.find({ apiVersion, kind });
      const query = { labelSelector: labels === "" ? undefined : labels, limit: "500" };
      const path = this.#discovery.path(resource, namespace);
      return listAt(await this.connection.call(path, { query }), "items") as KubeObject[];
    } catch (error) {
      if (error instanceof NoSuchKind || (error instanceof ApiError && error.status === 404)) return [];
      throw error;
    }
  }

  /** The object of a kind and name, or undefined. */
  async read(
    apiVersion: string,
    kind: string,
    name: string,
    namespace: string,
  ): Promise<KubeObject | undefined> {
    try {
      return await this.get({ resource: await this.find({ apiVersion, kind }), namespace, name });
    } catch (error) {
      if (error instanceof NoSuchKind) return undefined;
      throw error;
    }
  }

  close(): Promise<void> {
    return this.connection.close();
  }

  #path(place: Place): string {
    return this.#discovery.path(place.resource, place.namespace, place.name);
  }

  #send(
    place: Place,
    method: "PATCH" | "PUT" | "DELETE",
    contentType: string,
    body: Json,
    query: Query,
    options: Call,
  ): Promise<KubeObject> {
    return this.connection.call(this.#path(place), { ...options, method, contentType, body, query });
  }
}

type Query = NonNullable<Call["query"]>;

/** Whether the error says that the object's namespace does not exist (yet). */
export function isMissingNamespace(error: unknown): boolean {
  return (
    error instanceof ApiError &&
    error.status === 404 &&
    textAt(error.details, "kind").toLowerCase().startsWith("namespace")
  );
}
