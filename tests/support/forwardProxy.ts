/**
 * A forward proxy (tinyproxy) in the lab's network, on the services' address: it alone knows the host names `*.outside.example`,
 * which are that address too. What comes by such a name came through it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { addresses, namespace } from "../../lab/site.ts";

const PORT = 3128;
/** What `capi-mgmt:proxy` names. */
export const proxyUrl = `http://${addresses.services}:${PORT}`;
/** Hosts that only the proxy can resolve. */
export const outside = { mirror: "mirror.outside.example", registry: "registry.outside.example" } as const;

export interface Passed {
  /** Address that asked, as the proxy sees it: a floating IP or a router. */
  readonly from: string;
  readonly url: string;
}

export class ForwardProxy {
  readonly #child: ChildProcess;
  readonly #log: string;

  /** @param folder for its settings and its log */
  constructor(folder: string) {
    const [hosts, settings] = [join(folder, "hosts"), join(folder, "tinyproxy.conf")];
    this.#log = join(folder, "tinyproxy.log");
    writeFileSync(hosts, `127.0.0.1 localhost\n${addresses.services} ${Object.values(outside).join(" ")}\n`);
    const lines = [`Port ${PORT}`, `Listen ${addresses.services}`, `LogFile "${this.#log}"`];
    writeFileSync(settings, [...lines, "LogLevel Connect", "MaxClients 200", "Timeout 120", ""].join("\n"));
    // Its own mounts: no other process sees these hosts.
    const script = `mount --bind '${hosts}' /etc/hosts && exec tinyproxy -d -c '${settings}'`;
    const words = [`--net=/run/netns/${namespace}`, "unshare", "--mount", "sh", "-c", script];
    this.#child = spawn("nsenter", words, { stdio: "ignore" });
  }

  /** What has passed so far. */
  passed(): Passed[] {
    const text = existsSync(this.#log) ? readFileSync(this.#log, "utf8") : "";
    const from = new Map<string, string>();
    return text.split("\n").flatMap((line) => {
      const connect = /Connect \(file descriptor (\d+)\): .*?([\d.]+)(?: \[[\d.]+\])?$/.exec(line);
      if (connect?.[1] !== undefined && connect[2] !== undefined) from.set(connect[1], connect[2]);
      const request = /Request \(file descriptor (\d+)\): \S+ (\S+)/.exec(line);
      return request?.[1] === undefined ? [] : [{ from: from.get(request[1]) ?? "", url: request[2] ?? "" }];
    });
  }

  async end(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    await Promise.race([ended, sleep(5000)]);
  }
}
