/**
 * A real OpenSSH server on loopback for the command provider's tests, with keys of its own, as whoever runs the tests.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2 from "ssh2";

const SSHD = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].find(existsSync);
/** Why the tests that need a server are skipped, or false. */
export const noSshd =
  SSHD === undefined ? "no sshd on this machine (Debian: apt-get install openssh-server)" : false;

export interface Sshd {
  port: number;
  /** The folder for a test's files. */
  folder: string;
  /** What the resources' `connection` needs to reach this server. */
  connection: Record<string, string | number>;
  /** Another key than the server's, as a pinned host key. */
  otherHostKey: string;
  log(): string;
  stop(): Promise<void>;
}

/** Starts a server that accepts the variables TEST_* from clients. With `port`, on that port. */
export async function startSshd(port?: number): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), "sshd-"));
  const [hostKey, userKey, otherKey] = [key(), key(), key()];
  const chosen = port ?? (await freePort());
  writeFileSync(join(folder, "host"), hostKey.private, { mode: 0o600 });
  writeFileSync(join(folder, "authorized_keys"), `${userKey.public}\n`, { mode: 0o600 });
  writeFileSync(
    join(folder, "config"),
    [
      `Port ${chosen}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${folder}/host`,
      `AuthorizedKeysFile ${folder}/authorized_keys`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin yes",
      "AcceptEnv TEST_*",
      "LogLevel VERBOSE",
      "Subsystem sftp internal-sftp",
    ].join("\n"),
  );
  // As root the server wants its chroot folder, which Debian's unit makes.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  execFileSync(SSHD ?? "", ["-t", "-f", join(folder, "config")]);
  const logFile = join(folder, "log");
  writeFileSync(logFile, "");
  const server = spawn(SSHD ?? "", ["-D", "-f", join(folder, "config"), "-E", logFile], { stdio: "ignore" });
  await untilListening(chosen, server, () => readFileSync(logFile, "utf8"));
  return {
    port: chosen,
    folder,
    connection: {
      host: "127.0.0.1",
      port: chosen,
      user: userInfo().username,
      privateKey: userKey.private,
      hostKey: hostKey.public,
    },
    otherHostKey: otherKey.public,
    log: () => readFileSync(logFile, "utf8"),
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

async function untilListening(port: number, server: ChildProcess, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (server.exitCode !== null) throw new Error(`sshd ended: ${log()}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => (socket.destroy(), resolve(true)));
      socket.once("error", () => resolve(false));
    });
    if (open) return;
    await sleep(50);
  }
  throw new Error(`sshd does not listen: ${log()}`);
}
