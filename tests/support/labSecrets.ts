/**
 * The secret values of the lab's site and of a stack deployed onto it, to look for where they must not be.
 */
import { readFileSync } from "node:fs";
import { loadSecrets } from "../../lab/services/secrets.ts";
import { paths } from "../../lab/site.ts";
import { output } from "./lab.ts";
import type { Secrets } from "./secretScan.ts";

/** What an operator of the lab holds: credentials, passphrase, keys of the state store. */
export function siteSecrets(): Secrets {
  const { credentialSecret, s3SecretKey, adminPassword, userPassword } = loadSecrets();
  return {
    "application credential": credentialSecret,
    "secret key of the state store": s3SecretKey,
    "admin's password": adminPassword,
    "user's password": userPassword,
    passphrase: readFileSync(paths.passphrase, "utf8").trim(),
  };
}

/** The secret outputs of a deployed stack, as `output --json --show-secrets` prints them. */
export function outputSecrets(outputs: Readonly<Record<string, unknown>>): Secrets {
  const text = (name: string) => String(outputs[name]);
  return {
    "Magnum's token": /token: (\S+)/.exec(text("magnumKubeconfig"))?.[1] ?? "",
    "the HA cluster's client key": /client-key-data: (\S+)/.exec(text("haKubeconfig"))?.[1] ?? "",
    "k3s's client key": /client-key-data: (\S+)/.exec(text("k3sKubeconfig"))?.[1] ?? "",
    // One line of it: a log may break or indent the others.
    "seed's SSH key": text("seedSshPrivateKey").split("\n")[3] ?? "",
  };
}

/**
 * Sets a value of stack `lab` in a copy of the project, encrypted, as an operator does. After `enterLab`.
 *
 * @param path as `pulumi config set --path` takes it
 */
export function setSecret(folder: string, path: string, value: string): void {
  const set = [
    "config",
    "set",
    "--secret",
    "--path",
    path,
    "--stack",
    "lab",
    "--non-interactive",
    "--cwd",
    folder,
  ];
  // by stdin: arguments stand in the process list
  output("pulumi", set, { input: value });
}
