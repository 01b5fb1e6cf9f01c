/**
 * Passwords and keys of one lab: made at the first start, kept in files only root reads, gone with `reset`.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { paths, stateDir } from "../site.ts";

export interface Secrets {
  adminPassword: string;
  servicePassword: string;
  /** Password of the project's user; deployments use the application credential instead. */
  userPassword: string;
  credentialSecret: string;
  octaviaPassphrase: string;
  s3AccessKey: string;
  s3SecretKey: string;
  /** Requests with this token pass the proxy untouched by faults: the lab's own health checks. */
  bypassToken: string;
}

/** The stacks' passphrase. Known to everybody: the salt in Pulumi.lab.yaml belongs to it. */
const passphrase = "lab-passphrase-known-to-everybody";

/** Writes a file readable by its owner only, whatever the umask. */
export function writePrivate(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode: 0o600 });
  chmodSync(path, 0o600);
}

const random = (bytes = 18): string => randomBytes(bytes).toString("hex");

/** The lab's secrets, made if there are none. */
export function loadSecrets(): Secrets {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  if (!existsSync(paths.secrets)) {
    const made: Secrets = {
      adminPassword: random(),
      servicePassword: random(),
      userPassword: random(),
      credentialSecret: random(32),
      octaviaPassphrase: random(16),
      s3AccessKey: `LAB${random(8).toUpperCase()}`,
      s3SecretKey: random(20),
      bypassToken: random(),
    };
    writePrivate(paths.secrets, `${JSON.stringify(made, null, 2)}\n`);
  }
  if (!existsSync(paths.passphrase)) writePrivate(paths.passphrase, `${passphrase}\n`);
  return JSON.parse(readFileSync(paths.secrets, "utf8")) as Secrets;
}

/** Keystone's Fernet keys: 0 is staged, 1 is primary (keystone-manage fernet_setup writes the same). */
export function writeFernetKeys(): void {
  for (const kind of ["fernet", "credential"]) {
    for (const index of ["0", "1"]) {
      const path = join(paths.data, "keystone", kind, index);
      if (!existsSync(path)) writePrivate(path, randomBytes(32).toString("base64url") + "=");
    }
  }
}
