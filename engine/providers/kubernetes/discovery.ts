/**
 * Finds where the API server keeps objects of a kind. Upstream analogue: client-go's RESTMapper over cached discovery.
 */
import { ApiError, type Connection } from "./connection.ts";
import { isNamespaced } from "./scopes.ts";
import { at, listAt, textAt, type Kind } from "./object.ts";

/** One kind as the API server serves it. */
export interface Resource extends Kind {
  readonly plural: string;
  readonly namespaced: boolean;
}

/** The API server does not serve this kind: its CustomResourceDefinition is missing, or its API was removed. */
export class NoSuchKind extends Error {
  override readonly name = "NoSuchKind";
  constructor(kind: Kind, server: string) {
    super(
      `the API server ${server} serves no kind ${kind.kind} of ${kind.apiVersion}; ` +
        "the CustomResourceDefinition may be missing or may not serve this version",
    );
  }
}

export class Discovery {
  readonly #connection: Connection;
  /** Kinds by apiVersion; only successes are kept, since CustomResourceDefinitions may arrive at any time. */
  readonly #known = new Map<string, Promise<Resource[]>>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Throws NoSuchKind, after asking the server anew if the remembered answer lacks the kind. */
  async find(kind: Kind): Promise<Resource> {
    const remembered = await this.#known.get(kind.apiVersion)?.catch(() => undefined);
    const found = remembered?.find((entry) => entry.kind === kind.kind);
    if (found !== undefined) return found;
    const listing = this.#list(kind.apiVersion);
    this.#known.set(kind.apiVersion, listing);
    let fresh: Resource[];
    try {
      fresh = await listing;
    } catch (error) {
      this.#known.delete(kind.apiVersion);
      if (error instanceof ApiError && error.status === 404)
        throw new NoSuchKind(kind, this.#connection.server);
      throw error;
    }
    const served = fresh.find((entry) => entry.kind === kind.kind);
    if (served === undefined) throw new NoSuchKind(kind, this.#connection.server);
    return served;
  }

  /** The path of one object, or of the collection if `name` is empty. */
  path(resource: Resource, namespace: string, name = ""): string {
    const base = resource.apiVersion.includes("/")
      ? `/apis/${resource.apiVersion}`
      : `/api/${resource.apiVersion}`;
    const scope = resource.namespaced ? `/namespaces/${encodeURIComponent(namespace)}` : "";
    return `${base}${scope}/${resource.plural}${name === "" ? "" : `/${encodeURIComponent(name)}`}`;
  }

  async #list(apiVersion: string): Promise<Resource[]> {
    const answer = await this.#connection.call(
      apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`,
    );
    return listAt(answer, "resources")
      .filter((entry) => !textAt(entry, "name").includes("/"))
      .map((entry) => {
        const kind = { apiVersion, kind: textAt(entry, "kind") };
        const namespaced = at(entry, "namespaced");
        return {
          ...kind,
          plural: textAt(entry, "name"),
          namespaced: typeof namespaced === "boolean" ? namespaced : (isNamespaced(kind) ?? true),
        };
      });
  }
}
