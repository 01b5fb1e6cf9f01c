/**
 * A small client of the lab's OpenStack APIs, as the administrator, through the public endpoints and the lab's CA.
 * Its requests carry the bypass token, so that faults meant for the program do not hit the lab's own checks.
 */
import { readFileSync } from "node:fs";
import { Agent, request } from "undici";
import { type ApiName, paths, publicUrl, region } from "../site.ts";
import type { Secrets } from "./secrets.ts";

/** Header by which the proxy lets a request pass untouched. */
export const bypassHeader = "x-capi-lab-bypass";

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

let agent: Agent | undefined;
let agentCa: string | undefined;

/** The connection pool that trusts the lab's CA; made anew when the CA changed (after a reset). */
function labAgent(): Agent {
  const ca = readFileSync(paths.ca, "utf8");
  if (!agent || agentCa !== ca) {
    agent = new Agent({ connect: { ca, timeout: 5000 }, headersTimeout: 60_000, bodyTimeout: 60_000 });
    agentCa = ca;
  }
  return agent;
}

/** Sends one request to an API; any status is an answer. */
export async function callApi(
  api: ApiName,
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer; bypass: string },
): Promise<Answer> {
  const answer = await request(`${publicUrl(api)}${path}`, {
    method: (options.method ?? "GET") as "GET",
    headers: { ...options.headers, [bypassHeader]: options.bypass },
    body: options.body,
    dispatcher: labAgent(),
  });
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() };
}

/** An API answered with another status than 2xx. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What the administrator needs: JSON in, JSON out, errors with the API's own words. */
export class Cloud {
  private readonly secrets: Secrets;
  private token: string | undefined;

  constructor(secrets: Secrets) {
    this.secrets = secrets;
  }

  /** @throws ApiError with method, path, status and the API's message if the status is not 2xx. */
  async call<T>(
    api: ApiName,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<T> {
    this.token ??= await this.login();
    const answer = await callApi(api, path, {
      method,
      headers: {
        "x-auth-token": this.token,
        ...(body === undefined || headers["content-type"] ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : Buffer.isBuffer(body) ? body : JSON.stringify(body),
      bypass: this.secrets.bypassToken,
    });
    if (answer.status < 200 || answer.status > 299) {
      const words = answer.body.slice(0, 400);
      throw new ApiError(answer.status, `${api}: ${method} ${path} answered ${answer.status}: ${words}`);
    }
    return (answer.body ? JSON.parse(answer.body) : undefined) as T;
  }

  get<T>(api: ApiName, path: string): Promise<T> {
    return this.call<T>(api, "GET", path);
  }

  post<T>(api: ApiName, path: string, body: unknown): Promise<T> {
    return this.call<T>(api, "POST", path, body);
  }

  private async login(): Promise<string> {
    const domain = { id: "default" };
    const identity = {
      methods: ["password"],
      password: { user: { name: "admin", domain, password: this.secrets.adminPassword } },
    };
    const answer = await callApi("keystone", "/v3/auth/tokens", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ auth: { identity, scope: { project: { name: "admin", domain } } } }),
      bypass: this.secrets.bypassToken,
    });
    const token = answer.headers["x-subject-token"];
    if (answer.status !== 201 || typeof token !== "string") {
      throw new Error(
        `keystone: the administrator cannot log in: ${answer.status} ${answer.body.slice(0, 300)}`,
      );
    }
    return token;
  }
}

interface CloudEntry {
  auth: Record<string, string>;
  authType?: string;
}

/**
 * clouds.yaml with an entry `openstack` (the project's application credential) and `admin`.
 * project_id stands beside the credential, as azimuth-config's does: consumers that make resources by project read it.
 */
export function cloudsYaml(entries: Record<string, CloudEntry>): string {
  const quote = (text: string) => JSON.stringify(text);
  const clouds = Object.entries(entries).map(([name, entry]) => {
    const auth = Object.entries(entry.auth).map(([key, value]) => `      ${key}: ${quote(value)}`);
    return [
      `  ${name}:`,
      ...(entry.authType ? [`    auth_type: ${entry.authType}`] : []),
      "    auth:",
      ...auth,
      `    region_name: ${region}`,
      "    interface: public",
      '    identity_api_version: "3"',
      `    cacert: ${quote(paths.ca)}`,
    ].join("\n");
  });
  return `clouds:\n${clouds.join("\n")}\n`;
}
