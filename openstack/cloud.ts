/**
 * Questions to one OpenStack cloud: token, catalog, GET requests with bounded retries.
 * Upstream analogue: gophercloud's ProviderClient and ServiceClient as terraform-provider-openstack sets them up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { request as send } from "undici";
import { WayOut } from "../lib/way-out.ts";
import type { Connection } from "./connection.ts";
import { CloudError, ConnectionError, sentenceOf } from "./errors.ts";
import { attemptsFor } from "./retry.ts";

export type Service = "compute" | "network" | "image" | "volume" | "load-balancer";
/** A JSON object from the cloud. */
export type Json = Record<string, unknown>;

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string>>;
  /** The API microversion; without it the service's oldest, which is what upstream uses unless a feature needs more. */
  readonly microversion?: string;
}

/** What a service is called, the types that a catalog may have for it, best first, and the version in its URLs. */
const SERVICES: Readonly<
  Record<Service, { name: string; types: readonly string[]; version?: { path: string; present: RegExp } }>
> = {
  compute: { name: "Nova", types: ["compute"] },
  network: { name: "Neutron", types: ["network"], version: { path: "/v2.0", present: /\/v2\.0$/ } },
  image: { name: "Glance", types: ["image"], version: { path: "/v2", present: /\/v2$/ } },
  volume: {
    name: "Cinder",
    types: ["volumev3", "block-storage", "block-store", "volume"],
    version: { path: "/v3", present: /\/v3(\/|$)/ },
  },
  "load-balancer": {
    name: "Octavia",
    types: ["load-balancer"],
    version: { path: "/v2", present: /\/v2(\.0)?$/ },
  },
};
/** Pauses between tries of a request, in milliseconds. */
const FIRST_PAUSE = 300;
const LONGEST_PAUSE = 8000;
/** Longest pause that a service may ask for by Retry-After. */
const LONGEST_ASKED = 30_000;
/** A single answer may take this long; Neutron and Nova answer within seconds. */
const ANSWER_TIMEOUT = 120_000;
/** A token is renewed this long before it expires. */
const RENEW_BEFORE = 60_000;

interface Token {
  readonly id: string;
  readonly expires: number;
  readonly endpoints: ReadonlyMap<string, string>;
  readonly scope: Scope;
}

/** What Keystone says a token is good for. */
export interface Scope {
  readonly projectId: string | undefined;
  readonly projectName: string | undefined;
  readonly roles: readonly string[];
  /** How the token was got: `application_credential`, `password`, … */
  readonly methods: readonly string[];
  /** Keystone's clock when it answered, in milliseconds since 1970, or undefined without a Date header. */
  readonly keystoneTime: number | undefined;
  /** URLs of the services, as the catalog has them for the region and interface in use. */
  readonly endpoints: readonly string[];
}

export class Cloud {
  private readonly way: WayOut;
  private readonly connection: Connection;
  private token: Promise<Token> | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
    const tls = connection.ca === undefined ? {} : { ca: connection.ca };
    // Directly, or through the proxy that HTTPS_PROXY and NO_PROXY say; the cloud's certificate is held to the same.
    this.way = new WayOut({
      keepAliveTimeout: 30_000,
      headersTimeout: ANSWER_TIMEOUT,
      bodyTimeout: ANSWER_TIMEOUT,
      connect: { timeout: 15_000, ...tls },
      requestTls: tls,
    });
  }

  async close(): Promise<void> {
    await this.way.close();
  }

  /** Project and roles of the credentials. */
  async scope(): Promise<Scope> {
    return (await this.authenticated()).scope;
  }

  /**
   * The answer to a GET. What a service may get over (retry.ts) is tried again with growing pauses, or after what its
   * Retry-After says; a token that is refused is renewed once.
   *
   * @throws CloudError for any status of 400 and above, ConnectionError without an answer
   */
  async get(service: Service, path: string, options: RequestOptions = {}): Promise<Json> {
    const token = await this.authenticated();
    try {
      return await this.ask(service, token, path, options);
    } catch (error) {
      if (!(error instanceof CloudError) || error.status !== 401) throw error;
      // Unless another request has renewed it meanwhile.
      if ((await this.token?.catch(() => undefined))?.id === token.id) this.token = undefined;
      return await this.ask(service, await this.authenticated(), path, options);
    }
  }

  private async ask(service: Service, token: Token, path: string, options: RequestOptions): Promise<Json> {
    const { name } = SERVICES[service];
    const url = new URL(this.endpoint(service, token) + path);
    for (const [key, value] of Object.entries(options.query ?? {})) url.searchParams.append(key, value);
    const headers: Record<string, string> = { "x-auth-token": token.id, accept: "application/json" };
    if (options.microversion !== undefined) {
      headers["openstack-api-version"] = `${service} ${options.microversion}`;
    }
    return parseBody((await this.exchange(name, "GET", path, url, headers)).text);
  }

  /** A valid token, from Keystone when there is none; callers at the same time share one request. */
  private async authenticated(): Promise<Token> {
    const current = this.token;
    if (current !== undefined && Date.now() < (await current).expires - RENEW_BEFORE) return current;
    if (this.token === undefined || this.token === current) {
      const token = this.authenticate();
      this.token = token;
      token.catch(() => {
        if (this.token === token) this.token = undefined;
      });
    }
    return this.token;
  }

  private async authenticate(): Promise<Token> {
    const { authUrl, identity } = this.connection;
    const url = new URL(`${authUrl.endsWith("/v3") ? authUrl : `${authUrl}/v3`}/auth/tokens`);
    const headers = { "content-type": "application/json", accept: "application/json" };
    const body = JSON.stringify({ auth: { identity } });
    return this.parseToken(await this.exchange("Keystone", "POST", "/auth/tokens", url, headers, body));
  }

  /** One request, repeated as retry.ts says. Asking for a token twice does no harm. */
  private async exchange(
    name: string,
    method: "GET" | "POST",
    path: string,
    url: URL,
    headers: Record<string, string>,
    body?: string,
  ): Promise<{ headers: Headers; text: string }> {
    let pause = FIRST_PAUSE;
    for (let attempt = 1; ; attempt++) {
      let failure: CloudError | ConnectionError;
      let asked: number | undefined;
      try {
        const dispatcher = this.way.to(url);
        const answer = await send(url, { method, headers, body: body ?? null, dispatcher });
        const text = await answer.body.text();
        const { statusCode: status } = answer;
        if (status < 400) return { headers: answer.headers, text };
        const requestId =
          header(answer.headers, "x-openstack-request-id") ?? header(answer.headers, "x-compute-request-id");
        const said = sentenceOf(text) ?? `HTTP ${status}`;
        failure = new CloudError({ service: name, method, path, status, said, requestId });
        asked = Number(header(answer.headers, "retry-after") ?? "") * 1000 || undefined;
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        const reason = message || code || "no answer";
        const text = `${name} at ${url.host} did not answer ${method} ${url.pathname}: ${reason}`;
        failure = new ConnectionError(text, error);
      }
      if (attempt >= attemptsFor(failure)) throw failure;
      await sleep(Math.min(asked ?? pause, LONGEST_ASKED));
      pause = Math.min(LONGEST_PAUSE, pause * 2);
    }
  }

  private parseToken(answer: { headers: Headers; text: string }): Token {
    const id = header(answer.headers, "x-subject-token");
    const token = parseBody(answer.text)["token"] as Json | undefined;
    if (!id || !token) throw new Error("Keystone's answer holds no token: is the authentication URL right?");
    const { interface: wanted, region } = this.connection;
    const endpoints = new Map<string, string>();
    for (const service of (token["catalog"] ?? []) as Json[]) {
      for (const endpoint of (service["endpoints"] ?? []) as Json[]) {
        if (endpoint["interface"] !== wanted) continue;
        if (region && (endpoint["region_id"] ?? endpoint["region"]) !== region) continue;
        const type = String(service["type"]);
        if (!endpoints.has(type)) endpoints.set(type, String(endpoint["url"]));
      }
    }
    const project = token["project"] as Json | undefined;
    return {
      id,
      expires: Date.parse(String(token["expires_at"])) || Date.now() + 3_600_000,
      endpoints,
      scope: {
        projectId: project ? String(project["id"]) : undefined,
        projectName: project ? String(project["name"]) : undefined,
        roles: ((token["roles"] ?? []) as Json[]).map((role) => String(role["name"])),
        methods: ((token["methods"] ?? []) as string[]).map(String),
        keystoneTime: Date.parse(header(answer.headers, "date") ?? "") || undefined,
        endpoints: [...endpoints.values()],
      },
    };
  }

  /** A service's base URL with its API version, without a trailing slash. */
  private endpoint(service: Service, token: Token): string {
    const { types, version } = SERVICES[service];
    const found = types.map((type) => token.endpoints.get(type)).find((url) => url);
    if (!found) {
      const { interface: wanted, region } = this.connection;
      const where = region ? ` in region ${region}` : "";
      throw new Error(`the service catalog has no ${wanted} endpoint of type ${types.join(" or ")}${where}`);
    }
    const base = found.replace(/\/+$/, "");
    return version === undefined || version.present.test(base) ? base : `${base}${version.path}`;
  }
}

type Headers = Record<string, string | string[] | undefined>;

function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function parseBody(text: string): Json {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? (parsed as Json) : {};
  } catch {
    return {};
  }
}
