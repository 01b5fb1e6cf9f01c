/**
 * A pretended OpenStack on loopback: enough of Keystone, Neutron, Nova, Cinder and Glance for the shape of the provider's
 * requests, and switches for what goes wrong on real ones. Whether real services agree is tests/lab/openstack-provider.test.ts.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Properties } from "../../engine/provider.ts";

type Json = Record<string, unknown>;
export interface Seen {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage["headers"];
  body: Json;
}
/** Answers a request instead of the cloud: a status with a body, "lose" (carry it out, then break the connection), or nothing. */
export type Fault = (
  seen: Seen,
) => { status: number; body?: unknown; headers?: Record<string, string> } | "lose" | undefined;

/** Collections by path, the key of one object in JSON, and the status a new one gets. */
const COLLECTIONS: Record<string, { one: string; status?: string }> = {
  "/network/v2.0/networks": { one: "network", status: "ACTIVE" },
  "/network/v2.0/subnets": { one: "subnet" },
  "/network/v2.0/routers": { one: "router", status: "ACTIVE" },
  "/network/v2.0/ports": { one: "port", status: "DOWN" },
  "/network/v2.0/security-groups": { one: "security_group" },
  "/network/v2.0/security-group-rules": { one: "security_group_rule" },
  "/network/v2.0/floatingips": { one: "floatingip", status: "DOWN" },
  "/compute/servers": { one: "server", status: "ACTIVE" },
  "/volume/v3/volumes": { one: "volume", status: "available" },
  "/image/v2/images": { one: "", status: "active" },
};

export class PretendedCloud {
  readonly seen: Seen[] = [];
  readonly objects = new Map<string, Json>();
  /** Looked at before anything else. */
  fault: Fault = () => undefined;
  /** Shapes a new object. */
  shape: (path: string, object: Json) => Json = (_path, object) => object;
  tokens = 0;
  valid = "";
  private server: Server | undefined;
  private port = 0;
  private scheme = "http";

  /** Listens on `port`, by HTTPS when given a certificate. */
  async start(port = 0, tls?: { key: string; cert: string }): Promise<void> {
    const listener = (request: IncomingMessage, response: ServerResponse): void =>
      void this.answer(request, response);
    this.server = tls ? createTlsServer(tls, listener) : createServer(listener);
    this.scheme = tls ? "https" : "http";
    await new Promise<void>((resolve) => this.server?.listen(port, "127.0.0.1", resolve));
    const address = this.server.address();
    this.port = typeof address === "object" && address ? address.port : 0;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
  }

  get address(): string {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  /** Settings with which the provider finds this cloud. */
  get settings(): Properties {
    return {
      authUrl: `${this.address}/identity/v3`,
      applicationCredentialId: "id",
      applicationCredentialSecret: "the-secret",
    };
  }

  /** The requests of a method whose path ends so. */
  sent(method: string, end: string): Seen[] {
    return this.seen.filter((seen) => seen.method === method && seen.path.endsWith(end));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? "/", this.address);
    const raw = Buffer.concat(chunks);
    const seen: Seen = {
      method: request.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: /json/.test(request.headers["content-type"] ?? "") ? (JSON.parse(raw.toString()) as Json) : {},
    };
    this.seen.push(seen);
    const fault = this.fault(seen);
    if (fault && fault !== "lose") {
      response.writeHead(fault.status, { "x-openstack-request-id": "req-1", ...fault.headers });
      return void response.end(
        typeof fault.body === "string" ? fault.body : JSON.stringify(fault.body ?? {}),
      );
    }
    const { status, body, headers } = this.carryOut(seen, raw);
    if (fault === "lose") return void request.socket.destroy();
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body === undefined ? "" : JSON.stringify(body));
  }

  private carryOut(
    seen: Seen,
    raw: Buffer,
  ): { status: number; body?: unknown; headers?: Record<string, string> } {
    if (seen.path === "/identity/v3/auth/tokens") return this.login();
    if (seen.headers["x-auth-token"] !== this.valid) {
      return {
        status: 401,
        body: { error: { message: "The request you have made requires authentication." } },
      };
    }
    const [, flavor] = /^\/compute\/flavors\/([^/]+)$/.exec(seen.path) ?? [];
    if (flavor) return { status: 200, body: { flavor: { id: flavor, name: `name of ${flavor}` } } };
    const [, base = "", id = "", rest = ""] =
      /^(.*?\/(?:v2\.0|v3|v2|compute)\/[a-z-]+)(?:\/([^/]+))?(?:\/(.+))?$/.exec(seen.path) ?? [];
    const collection = COLLECTIONS[base];
    if (!collection) return { status: 404, body: { itemNotFound: { message: `nothing at ${seen.path}` } } };
    const { one } = collection;
    const wrapped = (object: Json): Json => (one ? { [one]: object } : object);
    if (!id || id === "detail") {
      if (seen.method === "POST") {
        const asked = (one ? seen.body[one] : seen.body) as Json;
        const now = new Date().toISOString();
        const made = this.shape(base, {
          id: randomUUID(),
          ...(collection.status ? { status: collection.status } : {}),
          created_at: now,
          ...(one === "server" ? { created: now } : {}),
          ...asked,
          ...(one === "server"
            ? { flavor: { id: asked["flavorRef"] }, image: { id: asked["imageRef"] } }
            : {}),
        });
        this.objects.set(`${base}/${String(made["id"])}`, made);
        return { status: 201, body: wrapped(made) };
      }
      const name = seen.query.get("name")?.replace(/^\^|\$$/g, "");
      const list = [...this.objects]
        .filter(([path, object]) => path.startsWith(`${base}/`) && (!name || object["name"] === name))
        .map(([, object]) => object);
      return { status: 200, body: { [base.split("/").at(-1)?.replaceAll("-", "_") ?? ""]: list } };
    }
    const path = `${base}/${id}`;
    const object = this.objects.get(path);
    if (!object)
      return {
        status: 404,
        body: { NeutronError: { message: `${one} ${id} could not be found.`, type: "NotFound" } },
      };
    if (rest === "tags") {
      object["tags"] = seen.body["tags"];
      return { status: 200, body: { tags: object["tags"] } };
    }
    if (rest === "file") {
      object["size"] = raw.length;
      return { status: 204 };
    }
    if (rest) return { status: seen.method === "GET" ? 200 : 202, body: {} };
    if (seen.method === "DELETE") {
      this.objects.delete(path);
      return { status: 204 };
    }
    if (seen.method === "PUT") Object.assign(object, seen.body[one]);
    if (seen.method === "PATCH") {
      for (const { path: key, value } of seen.body as unknown as { path: string; value: unknown }[])
        object[key.slice(1)] = value;
    }
    return { status: 200, body: wrapped(object) };
  }

  private login(): { status: number; body: Json; headers: Record<string, string> } {
    this.valid = `token-${++this.tokens}`;
    const service = (type: string, path: string): Json => ({
      type,
      endpoints: ["public", "internal"].map((face) => ({
        interface: face,
        region_id: "RegionOne",
        url: `${this.address}/${path}`,
      })),
    });
    const body = {
      token: {
        expires_at: new Date(Date.now() + 3_600_000).toISOString(),
        project: { id: "p" },
        catalog: [
          service("network", "network"),
          service("compute", "compute"),
          service("image", "image"),
          service("block-storage", "volume/v3"),
        ],
      },
    };
    return { status: 201, body, headers: { "x-subject-token": this.valid } };
  }
}
