/**
 * The connection to one OpenStack cloud: token, catalog, requests with bounded retries.
 * Upstream analogue: gophercloud's ProviderClient and ServiceClient as terraform-provider-openstack sets them up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { EnvHttpProxyAgent, request as send } from "undici";
import type { Connection } from "./connection.ts";
import { CloudError, ConnectionError, wordsOf } from "./errors.ts";
import { attemptsFor, causeCode, isCertificateProblem, mayRepeat, wasNeverSent } from "./retry.ts";

export type Service =
  "compute" | "network" | "image" | "volume" | "identity" | "load-balancer" | "container-infra";
type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD";
/** A JSON object from the cloud. */
export type Json = Record<string, unknown>;

export interface RequestOptions {
  query?: Record<string, string | undefined>;
  body?: unknown;
  /** Raw bytes instead of JSON. */
  stream?: { content: NodeJS.ReadableStream; type: string; length?: number };
  /** Content type of a JSON body, when the service wants another than application/json. */
  contentType?: string;
  /** The API microversion; without it the service's oldest, which is what upstream uses unless a feature needs more. */
  microversion?: string;
  signal?: AbortSignal | undefined;
}

export interface Answer {
  status: number;
  body: Json;
  /** False when an earlier attempt of the same request may have been carried out. */
  first: boolean;
}

/** Service types a catalog may use for a service, in order of preference. */
const TYPES: Readonly<Record<Service, readonly string[]>> = {
  identity: ["identity"],
  compute: ["compute"],
  network: ["network"],
  image: ["image"],
  volume: ["volumev3", "block-storage", "block-store", "volume"],
  "load-balancer": ["load-balancer"],
  "container-infra": ["container-infra"],
};
const NAMES: Readonly<Record<Service, string>> = {
  identity: "Keystone",
  compute: "Nova",
  network: "Neutron",
  image: "Glance",
  volume: "Cinder",
  "load-balancer": "Octavia",
  "container-infra": "Magnum",
};
/** Pauses between tries of a request. */
const FIRST_PAUSE = 300;
const LONGEST_PAUSE = 8000;
/** A single answer may take this long; Neutron and Nova answer within seconds, an image upload streams. */
const ANSWER_TIMEOUT = 120_000;
/** A token is renewed this long before it expires. */
const RENEW_BEFORE = 60_000;

interface Token {
  id: string;
  projectId: string | undefined;
  expires: number;
  endpoints: Map<string, string>;
  regions: string[];
  scope: Scope;
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
  private readonly agent: EnvHttpProxyAgent;
  private readonly connection: Connection;
  private token: Promise<Token> | undefined;
  private readonly memory = new Map<string, Promise<string | undefined>>();
  private readonly queues = new Map<string, Promise<unknown>>();

  constructor(connection: Connection) {
    this.connection = connection;
    const tls = {
      rejectUnauthorized: connection.insecure !== true,
      ...(connection.ca ? { ca: connection.ca } : {}),
      ...(connection.certificate ? { cert: connection.certificate } : {}),
      ...(connection.key ? { key: connection.key } : {}),
    };
    // Directly, or through the proxy that HTTPS_PROXY and NO_PROXY say; the cloud's certificate is held to the same.
    this.agent = new EnvHttpProxyAgent({
      keepAliveTimeout: 30_000,
      headersTimeout: ANSWER_TIMEOUT,
      bodyTimeout: ANSWER_TIMEOUT,
      connect: { timeout: 15_000, ...tls },
      requestTls: tls,
    });
  }

  async close(): Promise<void> {
    await this.agent.close();
  }

  /** The region resources are in: the configured one, or the only one the catalog has. */
  async region(): Promise<string> {
    if (this.connection.region) return this.connection.region;
    return (await this.auth()).regions[0] ?? "";
  }

  async projectId(): Promise<string | undefined> {
    return (await this.auth()).projectId;
  }

  /** Project and roles of the credentials. */
  async scope(): Promise<Scope> {
    return (await this.auth()).scope;
  }

  /** Remembers the answer of a look-up whose result does not change during a run (a flavor's name). */
  remember(key: string, look: () => Promise<string | undefined>): Promise<string | undefined> {
    const known = this.memory.get(key);
    if (known) return known;
    const found = look();
    this.memory.set(key, found);
    found.then(
      (value) => value === undefined && this.memory.delete(key),
      () => this.memory.delete(key),
    );
    return found;
  }

  /** Runs `work` alone among those with the same key: two changes of one router at once make Neutron refuse one of them. */
  async alone<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.queues.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.queues.set(
      key,
      mine.catch(() => undefined),
    );
    return mine;
  }

  /**
   * One request. Throws CloudError for any status of 400 and above. 429 and 503, and a connection that could not be made, are
   * tried again with growing pauses (Retry-After is honoured); a request that changes nothing also after a broken connection
   * or 502/504. A 401 renews the token once.
   */
  async request(
    service: Service,
    method: Method,
    path: string,
    options: RequestOptions = {},
  ): Promise<Answer> {
    let pause = FIRST_PAUSE;
    let renewed = false;
    let first = true;
    for (let attempt = 1; ; attempt++) {
      options.signal?.throwIfAborted();
      const token = await this.auth(options.signal);
      let failure: CloudError | ConnectionError;
      let after: number | undefined;
      try {
        const { status, headers, text } = await this.exchange(service, token, method, path, options);
        if (status < 400) return { status, body: parseBody(text), first };
        const requestId =
          header(headers, "x-openstack-request-id") ?? header(headers, "x-compute-request-id");
        const words = wordsOf(text, `HTTP ${status}`);
        failure = new CloudError({
          service: NAMES[service],
          method,
          path,
          status,
          said: words.said,
          kind: words.kind,
          requestId,
        });
        if (status === 401 && !renewed && !options.stream) {
          renewed = true;
          await this.discard(token);
          continue;
        }
        after = Number(header(headers, "retry-after") ?? "") || undefined;
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
        failure = error;
      }
      if (attempt >= attemptsFor(failure) || options.stream || !mayRepeat(failure, method)) throw failure;
      if (failure instanceof ConnectionError ? failure.maybeDone : failure.status !== 429) first = false;
      await sleep(Math.min(after ? after * 1000 : pause, 30_000), undefined, { signal: options.signal });
      pause = Math.min(LONGEST_PAUSE, pause * 2);
    }
  }

  get(service: Service, path: string, options: RequestOptions = {}): Promise<Json> {
    return this.request(service, "GET", path, options).then((answer) => answer.body);
  }

  /** The object at `path`, or null on 404. */
  async find(service: Service, path: string, options: RequestOptions = {}): Promise<Json | null> {
    try {
      return await this.get(service, path, options);
    } catch (error) {
      if (error instanceof CloudError && error.status === 404) return null;
      throw error;
    }
  }

  private async exchange(
    service: Service,
    token: Token,
    method: Method,
    path: string,
    options: RequestOptions,
  ): Promise<{ status: number; headers: Headers; text: string }> {
    const url = new URL(this.endpoint(service, token) + path);
    for (const [key, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.append(key, value);
    }
    const headers: Record<string, string> = { "x-auth-token": token.id, accept: "application/json" };
    if (options.microversion) {
      const type = service === "volume" ? "volume" : service;
      headers["openstack-api-version"] = `${type} ${options.microversion}`;
      if (service === "compute") headers["x-openstack-nova-api-version"] = options.microversion;
    }
    let body: string | NodeJS.ReadableStream | null = null;
    if (options.stream) {
      headers["content-type"] = options.stream.type;
      if (options.stream.length !== undefined) headers["content-length"] = String(options.stream.length);
      body = options.stream.content;
    } else if (options.body !== undefined) {
      headers["content-type"] = options.contentType ?? "application/json";
      body = JSON.stringify(options.body);
    }
    return this.wire(NAMES[service], url, method, headers, body, options.signal);
  }

  private async wire(
    name: string,
    url: URL,
    method: Method,
    headers: Record<string, string>,
    body: string | NodeJS.ReadableStream | null,
    signal: AbortSignal | undefined,
  ): Promise<{ status: number; headers: Headers; text: string }> {
    try {
      const answer = await send(url, {
        method,
        headers,
        body: body as string | null,
        dispatcher: this.agent,
        ...(signal ? { signal } : {}),
      });
      return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
    } catch (error) {
      if (signal?.aborted) throw error;
      const code = (error as { code?: string }).code ?? "";
      const reason = (error as Error).message || code || "no answer";
      throw new ConnectionError(
        `${name} at ${url.host} did not answer ${method} ${url.pathname}: ${reason}`,
        !wasNeverSent(code),
        error,
      );
    }
  }

  /** A valid token, from Keystone when there is none; callers at the same time share one request. */
  private auth(signal?: AbortSignal): Promise<Token> {
    const current = this.token;
    if (!current) return this.login(signal);
    return current.then((token) =>
      Date.now() < token.expires - RENEW_BEFORE ? token : this.login(signal, current),
    );
  }

  private login(signal: AbortSignal | undefined, stale?: Promise<Token>): Promise<Token> {
    if (this.token && this.token !== stale) return this.token;
    const token = this.authenticate(signal);
    this.token = token;
    token.catch(() => {
      if (this.token === token) this.token = undefined;
    });
    return token;
  }

  /** Forgets a token that was refused, unless another request has renewed it meanwhile. */
  private async discard(refused: Token): Promise<void> {
    const current = this.token;
    if ((await current?.catch(() => undefined))?.id === refused.id && this.token === current) {
      this.token = undefined;
    }
  }

  private async authenticate(signal: AbortSignal | undefined): Promise<Token> {
    const { scope, ...identity } = this.connection.identity;
    const body = JSON.stringify({ auth: { identity, ...(scope ? { scope } : {}) } });
    const base = this.connection.authUrl.endsWith("/v3")
      ? this.connection.authUrl
      : `${this.connection.authUrl}/v3`;
    let pause = FIRST_PAUSE;
    for (let attempt = 1; ; attempt++) {
      let failure: CloudError | ConnectionError;
      try {
        const headers = { "content-type": "application/json", accept: "application/json" };
        const url = new URL(`${base}/auth/tokens`);
        const answer = await this.wire("Keystone", url, "POST", headers, body, signal);
        if (answer.status < 300) return this.parseToken(answer);
        failure = new CloudError({
          service: "Keystone",
          method: "POST",
          path: "/auth/tokens",
          status: answer.status,
          said: wordsOf(answer.text, `HTTP ${answer.status}`).said,
          requestId: header(answer.headers, "x-openstack-request-id"),
        });
        if (![429, 502, 503, 504].includes(answer.status)) throw failure;
      } catch (error) {
        if (!(error instanceof ConnectionError) || isCertificateProblem(causeCode(error))) throw error;
        failure = error;
      }
      if (attempt >= attemptsFor(failure)) throw failure;
      await sleep(pause, undefined, { signal });
      pause = Math.min(LONGEST_PAUSE, pause * 2);
    }
  }

  private parseToken(answer: { headers: Headers; text: string }): Token {
    const id = header(answer.headers, "x-subject-token");
    const token = parseBody(answer.text)["token"] as Json | undefined;
    if (!id || !token) throw new Error("Keystone's answer holds no token: is the authentication URL right?");
    const endpoints = new Map<string, string>();
    const regions = new Set<string>();
    for (const service of (token["catalog"] ?? []) as Json[]) {
      for (const endpoint of (service["endpoints"] ?? []) as Json[]) {
        if (endpoint["interface"] !== this.connection.interface) continue;
        const named = endpoint["region_id"] ?? endpoint["region"];
        const region = typeof named === "string" ? named : "";
        regions.add(region);
        if (this.connection.region && region !== this.connection.region) continue;
        const type = String(service["type"]);
        if (!endpoints.has(type)) endpoints.set(type, String(endpoint["url"]));
      }
    }
    const project = token["project"] as Json | undefined;
    return {
      id,
      projectId: project ? String(project["id"]) : undefined,
      expires: Date.parse(String(token["expires_at"])) || Date.now() + 3_600_000,
      endpoints,
      regions: [...regions].sort(),
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
    const types = TYPES[service];
    const found =
      types.map((type) => this.connection.endpoints?.[type]).find((url) => url) ??
      types.map((type) => token.endpoints.get(type)).find((url) => url);
    if (!found) {
      const where = this.connection.region ? ` in region ${this.connection.region}` : "";
      throw new Error(
        `the service catalog has no ${this.connection.interface} endpoint of type ${types.join(" or ")}${where}`,
      );
    }
    const base = found.replace(/\/+$/, "");
    if (service === "network") return /\/v2\.0$/.test(base) ? base : `${base}/v2.0`;
    if (service === "image") return /\/v2$/.test(base) ? base : `${base}/v2`;
    if (service === "load-balancer") return /\/v2(\.0)?$/.test(base) ? base : `${base}/v2`;
    if (service === "volume") return /\/v3(\/|$)/.test(base) ? base : `${base}/v3`;
    return base;
  }
}

type Headers = Record<string, string | string[] | undefined>;

function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function parseBody(text: string): Json {
  if (!text.trim()) return {};
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? (parsed as Json) : {};
  } catch {
    return {};
  }
}
