/**
 * The two requirements of a management cluster: Magnum's control plane reaches its API, and it reaches the public
 * OpenStack APIs. Upstream analogue: the prerequisites of stackhpc-kayobe-config's magnum-capi document.
 */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { type Outputs, textOutput } from "../lib/outputs.ts";
import { type Access, magnumAccess } from "./kubeconfig.ts";
import { CommandError } from "../lib/command-error.ts";
import { runOnSeed } from "./seedRun.ts";

/** Milliseconds; a healthy API answers in a fraction of one second, also over a VPN. */
const TIMEOUT = 15_000;

/**
 * Checks both requirements and prints what was reached.
 *
 * @throws CommandError with every requirement that is not met
 */
export async function checkReachable(stack: string, outputs: Outputs, kubeconfig: string): Promise<void> {
  const results = await Promise.allSettled([
    apiVersion(magnumAccess(kubeconfig)),
    seedReachesOpenstack(stack, outputs),
  ]);
  const problems: string[] = [];
  for (const result of results) {
    if (result.status === "fulfilled") for (const line of result.value) console.log(line);
    else if (result.reason instanceof Error) problems.push(result.reason.message);
  }
  if (problems.length > 0) throw new CommandError(problems.join("\n"));
}

/** Connects as magnum-capi-helm does. Answers what to print; throws CommandError with the likely cause. */
export async function apiVersion(access: Access): Promise<string[]> {
  const { server } = access;
  const version = await get(access, "/version");
  // /version is open to anyone in some clusters: only a request that needs the account proves it.
  const review = await get(access, "/api/v1/namespaces?limit=1");
  if (review.status === 401) {
    throw new CommandError(
      `${server}: refuses the kubeconfig's ${access.token === undefined ? "certificate" : "token"} (HTTP 401): it was revoked or has ended; run pulumi up and export again`,
    );
  }
  if (review.status !== 200)
    throw new CommandError(`${server}: HTTP ${review.status} to the kubeconfig's account`);
  const { gitVersion } = JSON.parse(version.body) as { gitVersion?: string };
  return [`${server}: reached from this machine, Kubernetes ${gitVersion ?? "of unknown version"}`];
}

function get(access: Access, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${access.server.replace(/\/$/, "")}${path}`, {
      ca: access.caCert,
      timeout: TIMEOUT,
      agent: false,
      headers: access.token === undefined ? {} : { Authorization: `Bearer ${access.token}` },
      ...access.certificate,
    });
    sent.on("timeout", () => sent.destroy(Object.assign(new Error(), { code: "ETIMEDOUT" })));
    sent.on("error", (error: NodeJS.ErrnoException) =>
      reject(new CommandError(`${access.server}: ${reason(error)}`)),
    );
    sent.on("response", (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    sent.end();
  });
}

/** What a failed connection means here. */
function reason(error: NodeJS.ErrnoException): string {
  const code = error.code ?? "";
  if (["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"].includes(code)) {
    return `no answer from this machine (${code}): is its address in cluster.apiServer.allowedCidrs, and is there a route?`;
  }
  if (code === "ECONNREFUSED") return "connection refused: the cluster's API is down";
  if (code === "ECONNRESET") return "connection reset: the load balancer has no API server to pass it to";
  if (code === "ENOTFOUND") return "its name does not resolve on this machine";
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) {
    return `its certificate does not fit the kubeconfig (${code}): the cluster was rebuilt, or the address belongs to another`;
  }
  return error.message === "" ? code : error.message;
}

interface Endpoint {
  readonly type: string;
  readonly url: string | null;
  readonly problem?: string;
}

/** Asks from the seed, with the credentials that the cluster's controllers have. */
async function seedReachesOpenstack(stack: string, outputs: Outputs): Promise<string[]> {
  const program = readFileSync(join(import.meta.dirname, "openstack-endpoints.py"), "utf8");
  const words = ["sudo", "python3", "-", textOutput(stack, outputs, "clusterName")];
  const answer = await runOnSeed(stack, outputs, words, program);
  const result = JSON.parse(answer) as { problem?: string; endpoints?: Endpoint[] };
  if (result.problem !== undefined) throw new CommandError(`the seed: ${result.problem}`);
  const endpoints = result.endpoints ?? [];
  const wrong = endpoints.filter(({ problem }) => problem !== undefined);
  if (wrong.length > 0) {
    throw new CommandError(
      wrong
        .map(
          ({ type, url, problem }) => `OpenStack's ${type} API ${url ?? ""} from the seed: ${problem ?? ""}`,
        )
        .join("\n"),
    );
  }
  return [`OpenStack: reached from the seed: ${endpoints.map(({ type }) => type).join(", ")}`];
}
