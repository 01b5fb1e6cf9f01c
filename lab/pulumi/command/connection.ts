/**
 * SSH connections: dialled with retries, verified against a pinned host key, kept and shared while the provider runs.
 * Upstream analogue: provider/pkg/provider/remote/connection.go, which dials anew for every command.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2, { type Client as SshClient, type ConnectConfig } from "ssh2";
import type { Log } from "./output.ts";
import { withoutPkcs8 } from "./privateKey.ts";
import { type Properties, isMap } from "./values.ts";

/** Sessions at once on one connection: OpenSSH's MaxSessions is 10, and one is left for a look at the environment. */
const SESSIONS = 8;
/** Pauses between dials, as Pulumi's retry package makes them: 100 ms, half as long again each time, at most 5 s. */
const FIRST_PAUSE = 100;
const GROWTH = 1.5;
const LONGEST_PAUSE = 5000;
/** A peer that is silent this long, four times in a row, is gone. Upstream waits for TCP to notice. */
const KEEPALIVE = 15_000;

interface Lane {
  client: SshClient;
  sessions: number;
  open: boolean;
}

/** A connection on loan. */
export interface Loan {
  readonly client: SshClient;
  /** The host and port, for messages. */
  readonly where: string;
  release(): void;
}

/** The connections of one provider instance. */
export class Connections {
  private readonly lanes = new Map<string, Lane[]>();
  private readonly dialling = new Map<string, Promise<unknown>>();

  /** A connection to `connection.host` with room for another session. Throws after dialErrorLimit further tries. */
  async take(connection: Properties, signal: AbortSignal, log: Log): Promise<Loan> {
    const where = `${text(connection["host"])}:${port(connection)}`;
    const key = createHash("sha256").update(JSON.stringify(connection)).digest("hex");
    // One dial at a time for a host: the others then find its connection instead of making their own.
    const before = this.dialling.get(key) ?? Promise.resolve();
    const turn = before.then(() => this.lane(key, connection, where, signal, log));
    this.dialling.set(
      key,
      turn.catch(() => undefined),
    );
    const lane = await turn;
    return {
      client: lane.client,
      where,
      release: () => void lane.sessions--,
    };
  }

  /** Ends every connection. */
  close(): void {
    for (const lane of [...this.lanes.values()].flat()) lane.client.end();
    this.lanes.clear();
  }

  private async lane(
    key: string,
    connection: Properties,
    where: string,
    signal: AbortSignal,
    log: Log,
  ): Promise<Lane> {
    const lanes = (this.lanes.get(key) ?? []).filter((lane) => lane.open);
    this.lanes.set(key, lanes);
    const free = lanes.find((lane) => lane.sessions < SESSIONS);
    if (free) {
      free.sessions++;
      return free;
    }
    const client = await this.dial(connection, where, signal, log);
    const lane: Lane = { client, sessions: 1, open: true };
    client.on("close", () => {
      lane.open = false;
    });
    lanes.push(lane);
    return lane;
  }

  private async dial(
    connection: Properties,
    where: string,
    signal: AbortSignal,
    log: Log,
  ): Promise<SshClient> {
    const config = configOf(connection, where);
    const proxy = isMap(connection["proxy"]) ? connection["proxy"] : undefined;
    if (!proxy) {
      return retry(where, limitOf(connection), signal, log, () => this.connect(config, where, signal));
    }
    const via = `${text(proxy["host"])}:${port(proxy)}`;
    const proxyConfig = configOf(proxy, via);
    const bastion = await retry(`proxy ${via}`, limitOf(proxy), signal, log, () =>
      this.connect(proxyConfig, `proxy ${via}`, signal),
    );
    try {
      const through = await retry(`${where} through ${via}`, limitOf(connection), signal, log, async () => {
        const sock = await forward(bastion, text(connection["host"]), port(connection));
        return this.connect({ ...config, sock }, where, signal);
      });
      through.once("close", () => bastion.end());
      return through;
    } catch (error) {
      bastion.end();
      throw error;
    }
  }

  private connect(config: ConnectConfig, where: string, signal: AbortSignal): Promise<SshClient> {
    return new Promise((resolve, reject) => {
      const client = new ssh2.Client();
      const stop = (): void => {
        client.destroy();
        reject(new Error("interrupted"));
      };
      signal.addEventListener("abort", stop, { once: true });
      client.once("ready", () => {
        signal.removeEventListener("abort", stop);
        client.setNoDelay(true);
        resolve(client);
      });
      // Stays on for the connection's life: an error after "ready" ends in "close", which the lane watches.
      client.on("error", (error) => {
        signal.removeEventListener("abort", stop);
        client.destroy();
        reject(new Error(mismatch.get(config) ?? error.message, { cause: error }));
      });
      client.once("close", () => reject(new Error(mismatch.get(config) ?? `${where} closed the connection`)));
      if (config.password !== undefined) {
        client.on("keyboard-interactive", (_name, _instructions, _language, prompts, answer) =>
          answer(prompts.map(() => config.password ?? "")),
        );
      }
      client.connect(config);
    });
  }
}

/** What a host key check found wrong, by the configuration it was found with; ssh2 only says that it was refused. */
const mismatch = new WeakMap<ConnectConfig, string>();

function configOf(connection: Properties, where: string): ConnectConfig {
  const seconds = Number(connection["perDialTimeout"] ?? 15);
  const agent = optional(connection["agentSocketPath"]) ?? process.env["SSH_AUTH_SOCK"];
  const config: ConnectConfig = {
    host: text(connection["host"]),
    port: port(connection),
    username: optional(connection["user"]) ?? "root",
    // 0 means no limit, for upstream and for ssh2 alike.
    readyTimeout: seconds * 1000,
    keepaliveInterval: KEEPALIVE,
    keepaliveCountMax: 4,
  };
  const password = optional(connection["password"]);
  if (password !== undefined) Object.assign(config, { password, tryKeyboard: true });
  const given = optional(connection["privateKey"]);
  if (given !== undefined) {
    const passphrase = optional(connection["privateKeyPassword"]);
    const privateKey = readPrivateKey(given, where);
    const parsed = ssh2.utils.parseKey(privateKey, passphrase);
    if (parsed instanceof Error)
      throw new Error(`the private key for ${where} cannot be read: ${parsed.message}`);
    Object.assign(config, { privateKey, ...(passphrase === undefined ? {} : { passphrase }) });
  }
  if (agent && existsSync(agent)) config.agent = agent;
  const hostKey = optional(connection["hostKey"]);
  if (hostKey !== undefined) {
    const expected = parseHostKey(hostKey, where);
    const names = expected.type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [expected.type];
    config.algorithms = {
      serverHostKey: names as NonNullable<ConnectConfig["algorithms"]>["serverHostKey"] & [],
    };
    config.hostVerifier = (key: Buffer): boolean => {
      if (key.equals(expected.key)) return true;
      const found = fingerprint(key);
      mismatch.set(
        config,
        `${where} shows the host key ${found}, but ${fingerprint(expected.key)} is the pinned one: not connecting`,
      );
      return false;
    };
  }
  return config;
}

function readPrivateKey(text: string, where: string): string {
  try {
    return withoutPkcs8(text);
  } catch (error) {
    throw new Error(`the private key for ${where} cannot be read: ${(error as Error).message}`);
  }
}

/** A public key line as in authorized_keys: [options] type base64 [comment]. */
export function parseHostKey(line: string, where: string): { type: string; key: Buffer } {
  const parts = line.trim().split(/\s+/);
  const at = parts.findIndex((part) => /^(ssh|ecdsa|sk)-/.test(part));
  const type = parts[at];
  const key = Buffer.from(parts[at + 1] ?? "", "base64");
  const named = key.length > 4 ? key.subarray(4, 4 + key.readUInt32BE(0)).toString("latin1") : "";
  if (at < 0 || type === undefined || named !== type) {
    throw new Error(`the host key for ${where} is not a public key line ("ssh-ed25519 AAAA...")`);
  }
  return { type, key };
}

function fingerprint(key: Buffer): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

async function retry(
  where: string,
  limit: number,
  signal: AbortSignal,
  log: Log,
  attempt: () => Promise<SshClient>,
): Promise<SshClient> {
  let pause = FIRST_PAUSE;
  for (let dials = 1; ; dials++) {
    try {
      signal.throwIfAborted();
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      if (limit > -1 && dials > limit) {
        throw new Error(`no SSH connection to ${where} after ${dials} attempts: ${reason}`, { cause: error });
      }
      log(`dialling ${where}, attempt ${dials} of ${limit < 0 ? "any number" : limit + 1}: ${reason}`);
      await sleep(pause, undefined, { signal });
      pause = Math.min(LONGEST_PAUSE, pause * GROWTH);
    }
  }
}

function forward(bastion: SshClient, host: string, toPort: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    bastion.forwardOut("127.0.0.1", 0, host, toPort, (error, channel) => {
      if (error) reject(error);
      else resolve(channel as unknown as Socket);
    });
  });
}

function limitOf(connection: Properties): number {
  const limit = connection["dialErrorLimit"];
  return typeof limit === "number" ? limit : 10;
}

function port(connection: Properties): number {
  return typeof connection["port"] === "number" ? connection["port"] : 22;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function optional(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
