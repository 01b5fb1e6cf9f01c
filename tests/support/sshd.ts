/**
 * OpenSSH servers with keys of their own, for the command provider's tests and as a site's bastion: Debian's, from the tree that the
 * lab's seed boots on, since a machine that runs the lab has no server of its own. Needs root.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2 from "ssh2";
import { ensurePart } from "../../lab/prepare/cache.ts";
import { seedBasePart } from "../../lab/prepare/seedBase.ts";

export interface Sshd {
  port: number;
  /** The folder for a test's files. */
  folder: string;
  /** What the resources' `connection` needs to reach this server, and the setting `seed.ssh.bastion`. */
  connection: { host: string; port: number; user: string; privateKey: string; hostKey: string };
  /** Another key than the server's, as a pinned host key. */
  otherHostKey: string;
  log(): string;
  /** `host:port` of each connection that it was asked to pass on. */
  passedOn(): string[];
  stop(): Promise<void>;
}

/** The seed's tree as it is but for the test's folder: nothing is written into it. */
const IN_SEED_TREE = `set -e
mount --rbind /dev "$1/dev"
mount --rbind /proc "$1/proc"
mount --rbind "$2" "$1/tmp"
mount -t tmpfs tmpfs "$1/run"
mkdir -m 0755 "$1/run/sshd"
tree=$1; shift 2
exec chroot "$tree" "$@"`;

interface Options {
  /** Address that it listens on. Default: loopback. */
  readonly host?: string;
  /** Default: one that is free. */
  readonly port?: number;
  /** Network namespace that it is in. Default: this process's. */
  readonly netns?: string;
  /** Default: VERBOSE. With DEBUG1 `passedOn` has something to read, and each command's stderr a few lines more. */
  readonly logLevel?: "VERBOSE" | "DEBUG1";
}

/** Starts a server that accepts the variables TEST_* from clients. */
export async function startSshd({
  host = "127.0.0.1",
  port,
  netns,
  logLevel = "VERBOSE",
}: Options = {}): Promise<Sshd> {
  const tree = join(await ensurePart(seedBasePart(), () => undefined), "rootfs");
  const folder = mkdtempSync(join(tmpdir(), "sshd-"));
  const [hostKey, userKey, otherKey] = [key(), key(), key()];
  const chosen = port ?? (await freePort());
  const config = join(folder, "config");
  const logFile = join(folder, "log");
  writeFileSync(join(folder, "host"), hostKey.private, { mode: 0o600 });
  writeFileSync(join(folder, "authorized_keys"), `${userKey.public}\n`, { mode: 0o600 });
  writeFileSync(
    config,
    [
      `Port ${chosen}`,
      `ListenAddress ${host}`,
      `HostKey ${folder}/host`,
      `AuthorizedKeysFile ${folder}/authorized_keys`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin yes",
      "AcceptEnv TEST_*",
      `LogLevel ${logLevel}`,
      "Subsystem sftp internal-sftp",
    ].join("\n"),
  );
  const written = openSync(logFile, "w");
  const log = () => readFileSync(logFile, "utf8");
  const command = ["/usr/sbin/sshd", "-D", "-f", config, "-e"];
  const inTree = ["unshare", "--mount", "sh", "-c", IN_SEED_TREE, "sh", tree, tmpdir(), ...command];
  const [program = "", ...words] =
    netns === undefined ? inTree : ["nsenter", `--net=/run/netns/${netns}`, ...inTree];
  const server = spawn(program, words, { stdio: ["ignore", written, written] });
  closeSync(written);
  await untilListening(host, chosen, server, log);
  return {
    port: chosen,
    folder,
    connection: {
      host,
      port: chosen,
      user: "root",
      privateKey: userKey.private,
      hostKey: hostKey.public,
    },
    otherHostKey: otherKey.public,
    log,
    passedOn: () =>
      [...log().matchAll(/server_request_direct_tcpip: .* target (\S+) port (\d+)/g)].map(
        ([, to, on]) => `${to}:${on}`,
      ),
    stop: async () => {
      const gone = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGTERM");
      if (server.exitCode === null) await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A port nothing listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

/** ssh2 1.17.0 makes an ed25519 key that it cannot read itself about three times in a thousand: then another. */
function key(): { private: string; public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519");
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}

async function untilListening(
  host: string,
  port: number,
  server: ChildProcess,
  log: () => string,
): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (server.exitCode !== null) throw new Error(`sshd ended: ${log()}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, host);
      socket.once("connect", () => (socket.destroy(), resolve(true)));
      socket.once("error", () => resolve(false));
    });
    if (open) return;
    await sleep(50);
  }
  throw new Error(`sshd does not listen: ${log()}`);
}
