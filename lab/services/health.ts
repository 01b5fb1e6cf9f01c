/**
 * How a service is seen to work: each check throws what is wrong, and is asked again until its service's time-out.
 */
import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { findProcesses, logFile } from "../processes.ts";
import { runInside } from "../run.ts";
import { type ApiName, paths } from "../site.ts";
import { Cloud, callApi } from "./cloud.ts";
import type { Secrets } from "./secrets.ts";

/** An API answers through the proxy: anything but the proxy's own 502 and a server error counts. */
export async function apiAnswers(api: ApiName, bypass: string): Promise<void> {
  const answer = await callApi(api, api === "keystone" ? "/v3" : "/", { bypass });
  if (answer.status >= 500) throw new Error(`answered ${answer.status}`);
}

/** A TCP port that the host reaches. */
export function tcpOpen(host: string, port: number): Promise<void> {
  return new Promise((done, fail) => {
    const socket = connect({ host, port, timeout: 2000 });
    socket.once("connect", () => {
      socket.destroy();
      done();
    });
    socket.once("timeout", () => {
      socket.destroy();
      fail(new Error(`${host}:${port} does not answer`));
    });
    socket.once("error", fail);
  });
}

/** A TCP port on the loopback of the lab's namespace. */
export async function tcpOpenInside(port: number): Promise<void> {
  const opened = await runInside(["bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${port}`], {
    allowFailure: true,
  });
  if (opened.code !== 0) throw new Error(`127.0.0.1:${port} does not answer`);
}

export async function httpOk(url: string): Promise<void> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(3000) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
}

/** A line of the service's log since its last start. */
export function logSays(service: string, pattern: RegExp): void {
  const startedAt = statSync(join(paths.run, `${service}.pid`)).mtimeMs;
  const log = statSync(logFile(service));
  if (log.mtimeMs < startedAt || !pattern.test(readFileSync(logFile(service), "utf8").slice(-4000))) {
    throw new Error(`its log does not say ${pattern.source} yet`);
  }
}

interface DaemonStatus {
  binary: string;
  state: string;
  updated_at: string | null;
}

let administrator: Cloud | undefined;

/** A Nova or Cinder daemon has reported itself since it was started: a report from before a restart does not count. */
export async function daemonReports(api: "nova" | "cinder", binary: string, secrets: Secrets): Promise<void> {
  administrator ??= new Cloud(secrets);
  const path = api === "nova" ? "/v2.1/os-services" : "/v3/os-services";
  let listed: { services: DaemonStatus[] };
  try {
    listed = await administrator.get<{ services: DaemonStatus[] }>(api, path);
  } catch (error) {
    administrator = undefined; // its token may be from before a reset
    throw error;
  }
  const found = listed.services.find((service) => service.binary === binary);
  if (!found) throw new Error("not registered yet");
  // whole seconds, so one is taken off
  const startedAt = statSync(join(paths.run, `${binary}.pid`)).mtimeMs - 1000;
  if (found.state !== "up") throw new Error(`its state is ${found.state}`);
  if (found.updated_at && Date.parse(`${found.updated_at.replace(/Z?$/, "")}Z`) < startedAt) {
    throw new Error("it has not reported since its start");
  }
}

/** The service's process has a connection to a port of the loopback (for a daemon that reports nowhere). */
export async function connectedTo(service: string, port: number): Promise<void> {
  const pids = new Set(
    findProcesses().flatMap((process) => (process.service === service ? [process.pid] : [])),
  );
  const { stdout } = await runInside(["ss", "-Htnp", "state", "established", `( dport = :${port} )`]);
  const connected = [...stdout.matchAll(/pid=(\d+)/g)].some((match) => pids.has(Number(match[1])));
  if (!connected) throw new Error(`no connection to port ${port} yet`);
}
