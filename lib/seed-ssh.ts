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
  return { address, user, privateKey: `${privateKey.trimEnd()}\n`, knownHost: `${address} ${publicKey}\n` };
}

/** A folder that only this user can read, with ssh's key and known_hosts, until `remove`. */
export function keyFolder(to: Target): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "capi-mgmt-seed-"));
  writeFileSync(join(folder, "key"), to.privateKey, { mode: 0o600 });
  writeFileSync(join(folder, "known_hosts"), to.knownHost, { mode: 0o600 });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Arguments of ssh, given the folder that holds its files. */
export function sshArguments(to: Target, folder: string, command: readonly string[]): string[] {
  const options = {
    IdentityFile: join(folder, "key"),
    IdentitiesOnly: "yes",
    UserKnownHostsFile: join(folder, "known_hosts"),
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: "yes",
    HostKeyAlgorithms: "ssh-ed25519",
    LogLevel: "ERROR",
  };
  return [
    ...["-F", "none"],
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    `${to.user}@${to.address}`,
    // One word is a line for the shell over there; several are words, and ssh would join them unquoted.
    ...(command.length < 2 ? command : [command.map(quote).join(" ")]),
  ];
}
