/**
 * Talks to one Kubernetes API server: authentication from the kubeconfig, retries, errors in the server's own words.
 * Upstream analogue: client-go's rest client as pulumi-kubernetes configures it. The kubeconfig's semantics (certificates,
 * tokens, exec plugins, proxies) are @kubernetes/client-node's; requests go through undici with what that answers.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RequestOptions } from "node:https";
import { Agent, ProxyAgent, request, type Dispatcher } from "undici";
import type { Kubeconfig } from "./kubeconfig.ts";
import { at, listAt, textAt, type Json, type KubeObject } from "./object.ts";

/** An answer of the API server that is no success. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  /** The machine-readable reason of the answer, such as `NotFound` or `AlreadyExists`; empty if none. */
  readonly reason: string;
  readonly details: unknown;
  constructor(status: number, message: string, reason = "", details?: unknown) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.details = details;
  }
}

/** No connection to the API server came about. */
class Unreachable extends Error {
  override readonly name = "Unreachable";
}

export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Record<string, string | undefined>;
  body?: Json;
  /** Default: application/json. */
  contentType?: string;
  signal?: AbortSignal | undefined;
  /** How long to try again when no connection comes about, in milliseconds. Default: 20 s, a restart of an API server. */
  patience?: number;
  /** Told each warning the API server adds to its answer (deprecated API, unknown field). */
  warn?: (message: string) => void;
}

/** What a request needs besides its address. */
interface Access {
  dispatcher: Dispatcher;
  headers: Record<string, string>;
}

/** How long one connection attempt may take; a floating IP without a machine behind it answers nothing at all. */
const CONNECT_TIMEOUT = 5_000;
const ANSWER_TIMEOUT = 60_000;
const PATIENCE = 20_000;

export class Connection {
  readonly server: string;
  readonly #kubeconfig: Kubeconfig;
  readonly #cluster: string | undefined;
  #access: Promise<Access> | undefined;
  #reached = false;
  #missed: { at: number; error: Unreachable } | undefined;

  /** `cluster`: the name of another cluster entry than the context's. Throws if the kubeconfig names no server. */
  constructor(kubeconfig: Kubeconfig, cluster?: string) {
    const server = textAt(kubeconfig.cluster, "server");
    if (server === "")
      throw new Error(`kubeconfig: context "${kubeconfig.context}" names no cluster with a server`);
    this.server = server.replace(/\/+$/, "");
    this.#kubeconfig = kubeconfig;
    this.#cluster = cluster;
  }

  /** Whether the API server answers at all, and why not. An answer is remembered; a miss only for ten seconds. */
  async unreachable(): Promise<Unreachable | undefined> {
    if (this.#reached) return undefined;
    if (this.#missed !== undefined && Date.now() - this.#missed.at < 10_000) return this.#missed.error;
    try {
      await this.call("/version", { patience: 0 });
    } catch (error) {
      if (error instanceof Unreachable) {
        this.#missed = { at: Date.now(), error };
        return error;
      }
      if (!(error instanceof ApiError)) throw error;
    }
    this.#reached = true;
    return undefined;
  }

  /** The answer's JSON. Throws ApiError for answers other than 2xx and Unreachable when there is no answer. */
  async call(path: string, options: Call = {}): Promise<KubeObject> {
    const deadline = Date.now() + (options.patience ?? PATIENCE);
    for (let attempt = 0; ; attempt += 1) {
      options.signal?.throwIfAborted();
      let failure: unknown;
      try {
        return await this.#send(path, options);
      } catch (error) {
        failure = error;
      }
      // 401 once: a token from a file or plugin may have been renewed since.
      if (failure instanceof ApiError && failure.status === 401 && attempt === 0) {
        await this.close();
        continue;
      }
      const pause = Math.min(250 * 2 ** attempt, 4_000);
      if (!isPassing(failure, options) || Date.now() + pause > deadline) throw failure;
      await sleep(pause, undefined, { signal: options.signal });
    }
  }

  async close(): Promise<void> {
    const access = this.#access;
    this.#access = undefined;
    await (await access?.catch(() => undefined))?.dispatcher.destroy();
  }

  async #send(path: string, options: Call): Promise<KubeObject> {
    const access = await (this.#access ??= this.#open());
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) query.set(key, value);
    }
    const address = `${this.server}${path}${query.size > 0 ? `?${query.toString()}` : ""}`;
    let status: number;
    let text: string;
    try {
      const answer = await request(address, {
        method: options.method ?? "GET",
        dispatcher: access.dispatcher,
        headers: {
          accept: "application/json",
          "user-agent": "capi-mgmt-embedded-engine",
          ...access.headers,
          ...(options.body === undefined
            ? {}
            : { "content-type": options.contentType ?? "application/json" }),
        },
        ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
        headersTimeout: ANSWER_TIMEOUT,
        bodyTimeout: ANSWER_TIMEOUT,
      });
      status = answer.statusCode;
      text = await answer.body.text();
      for (const warning of warningsOf(answer.headers["warning"])) options.warn?.(warning);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new Unreachable(`the Kubernetes API server ${this.server} is unreachable: ${rootCause(error)}`, {
        cause: error,
      });
    }
    const body = parseJson(text);
    if (status >= 200 && status < 300 && body !== undefined) return body;
    throw errorOf(status, body, text, `${options.method ?? "GET"} ${path}`);
  }

  async #open(): Promise<Access> {
    // Loaded on first contact only: the module takes 0.4 s, which a preview without a cluster need not pay.
    const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
    const config = new KubeConfig();
    config.loadFromString(this.#kubeconfig.text);
    config.setCurrentContext(this.#kubeconfig.context);
    if (this.#cluster !== undefined) {
      const context = config.contexts.find((entry) => entry.name === this.#kubeconfig.context);
      config.contexts = [
        ...config.contexts.filter((entry) => entry !== context),
        { name: this.#kubeconfig.context, user: "", ...context, cluster: this.#cluster },
      ];
    }
    const options: RequestOptions & { rejectUnauthorized?: boolean; servername?: string } = {};
    await config.applyToHTTPSOptions(options);
    const tls = pick(options, ["ca", "cert", "key", "pfx", "passphrase", "rejectUnauthorized", "servername"]);
    const headers: Record<string, string> = {};
    for (const [key, value] of Object.entries(options.headers ?? {})) headers[key] = String(value);
    if (typeof options.auth === "string") {
      headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
    }
    const proxy = textAt(this.#kubeconfig.cluster, "proxy-url");
    if (proxy.startsWith("socks")) throw new Error(`kubeconfig: a SOCKS proxy is not supported: ${proxy}`);
    const connect = { ...tls, timeout: CONNECT_TIMEOUT };
    const dispatcher =
      proxy === ""
        ? new Agent({ connect, keepAliveTimeout: 30_000 })
        : new ProxyAgent({ uri: proxy, requestTls: connect });
    return { dispatcher, headers };
  }
}

/** Whether the same request may succeed in a moment: no connection, an overloaded server, or one that is starting. */
function isPassing(error: unknown, options: Call): boolean {
  if (error instanceof Unreachable) {
    // A POST whose answer was lost may have created the object: only one that never got through is sent again.
    return (
      options.method !== "POST" || /ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|CONNECT_TIMEOUT/.test(error.message)
    );
  }
  if (!(error instanceof ApiError)) return false;
  if ([429, 502, 503, 504].includes(error.status)) return error.reason !== "NotImplemented";
  // etcd without a leader; a namespace's controllers that have not caught up after the server's start.
  return (
    error.status === 500 && /etcdserver|leader changed|starting up|connection refused/.test(error.message)
  );
}

function errorOf(status: number, body: KubeObject | undefined, text: string, what: string): ApiError {
  const message = textAt(body, "message") || text.trim().slice(0, 300) || "no message";
  const causes = listAt(body, "details", "causes")
    .map((cause) => `${textAt(cause, "field")}: ${textAt(cause, "message")}`)
    .filter((cause) => !message.includes(cause.split(": ").slice(1).join(": ")));
  const full = [message, ...causes].join("; ");
  const named = textAt(body, "message") === "" ? `${what} answered HTTP ${status}: ${full}` : full;
  return new ApiError(status, named, textAt(body, "reason"), at(body, "details"));
}

function parseJson(text: string): KubeObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as KubeObject) : undefined;
  } catch {
    return undefined;
  }
}

/** The texts of Warning headers (RFC 7234: `299 - "text"`). */
function warningsOf(header: string | string[] | undefined): string[] {
  const lines = header === undefined ? [] : Array.isArray(header) ? header : [header];
  return lines.flatMap((line) =>
    [...line.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map((match) =>
      (match[1] ?? "").replace(/\\(.)/g, "$1"),
    ),
  );
}

function rootCause(error: unknown): string {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  if (current instanceof AggregateError && current.errors[0] instanceof Error) current = current.errors[0];
  if (!(current instanceof Error)) return String(current);
  const code = (current as NodeJS.ErrnoException).code;
  return code === undefined || current.message.includes(code)
    ? current.message
    : `${code} ${current.message}`;
}

function pick(source: object, keys: string[]): Record<string, unknown> {
  const values = source as Record<string, unknown>;
  return Object.fromEntries(keys.filter((key) => values[key] !== undefined).map((key) => [key, values[key]]));
}
