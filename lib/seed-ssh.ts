/**
 * How ssh reaches a seed: with the key and the host key of its stack. Upstream analogue: azimuth-config's bin/seed-ssh.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { siteNames } from "./names.ts";
import { deriveHostKey } from "./openssh.ts";
import { type Outputs, textOutput } from "./outputs.ts";
import { quote } from "./shell.ts";

/** Where to connect, and with what. */
export interface Target {
  readonly address: string;
  readonly user: string;
  /** Secret. */
  readonly privateKey: string;
  /** Line of a known_hosts file. */
  readonly knownHost: string;
  readonly bastion?: Bastion;
}

/** The host in between: setting seed.ssh.bastion, which the stack hands on. */
interface Bastion {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Secret. */
  readonly privateKey: string;
  /** As in a known_hosts file: type and key. */
  readonly hostKey: string;
}

/**
 * Where to connect, from a stack's outputs. The host key is not an output: it follows from the private key.
 *
 * @throws CommandError if the seed is not deployed
 */
export function seedTarget(stack: string, outputs: Outputs): Target {
  const address = textOutput(stack, outputs, "seedAddress");
  const user = textOutput(stack, outputs, "seedUser");
  const privateKey = textOutput(stack, outputs, "seedSshPrivateKey");
  const { publicKey } = deriveHostKey(privateKey, siteNames(stack).seed);
  const bastion = outputs["seedBastion"] as (Omit<Bastion, "port"> & { port?: number }) | undefined;
  return {
    ...{ address, user, privateKey: `${privateKey.trimEnd()}\n`, knownHost: `${address} ${publicKey}\n` },
    ...(bastion === undefined ? {} : { bastion: { ...bastion, port: bastion.port ?? 22 } }),
  };
}

/** A folder that only this user can read, with ssh's key and known_hosts, until `remove`. */
export function keyFolder(to: Target): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "capi-mgmt-seed-"));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 });
  write("key", to.privateKey);
  write("known_hosts", to.knownHost);
  if (to.bastion !== undefined) {
    const { host, port, privateKey, hostKey } = to.bastion;
    write("bastion_key", `${privateKey.trimEnd()}\n`);
    write("bastion_known_hosts", `${port === 22 ? host : `[${host}]:${port}`} ${hostKey}\n`);
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Options of one hop: its key and the only host key it may have. */
function hop(folder: string, prefix: string): string[] {
  const options = {
    IdentityFile: join(folder, `${prefix}key`),
    IdentitiesOnly: "yes",
    UserKnownHostsFile: join(folder, `${prefix}known_hosts`),
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: "yes",
    LogLevel: "ERROR",
  };
  return [
    ...["-F", "none"],
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
  ];
}

/** The command by which ssh reaches the seed, as a line for a shell; a percent sign of ours is no placeholder of ssh's. */
function throughBastion({ host, port, user }: Bastion, folder: string): string {
  const words = ["ssh", ...hop(folder, "bastion_"), "-o", "BatchMode=yes", "-p", String(port)];
  const own = [...words, `${user}@${host}`].map((word) => quote(word).replaceAll("%", "%%")).join(" ");
  return `${own} -W '[%h]:%p'`;
}

/** Arguments of ssh, given the folder that holds its files. */
export function sshArguments(to: Target, folder: string, command: readonly string[]): string[] {
  return [
    ...hop(folder, ""),
    ...["-o", "HostKeyAlgorithms=ssh-ed25519"],
    ...(to.bastion === undefined ? [] : ["-o", `ProxyCommand=${throughBastion(to.bastion, folder)}`]),
    `${to.user}@${to.address}`,
    // One word is a line for the shell over there; several are words, and ssh would join them unquoted.
    ...(command.length < 2 ? command : [command.map(quote).join(" ")]),
  ];
}
