/**
 * The seed's user data. Upstream analogue: the cloud-init of azimuth-ops role infra.
 *
 * It is kept to what must be there before the first SSH connection, because Nova cannot change user data: a change
 * of it replaces the seed. Everything else is done over SSH.
 */
import { stringify } from "yaml";
import type { DerivedKey } from "./openssh.ts";

export interface UserDataArgs {
  /** The machine's only SSH host key. */
  readonly hostKey: DerivedKey;
  /** Public key that may log in as the image's user, beside the key pair's. */
  readonly authorizedKey: string;
}

/** A #cloud-config document. It holds a private key: secret. */
export function userData(args: UserDataArgs): string {
  const document = {
    // Only one host key may remain: a client that pins it must not be offered another algorithm first.
    ssh_deletekeys: true,
    ssh_genkeytypes: ["ed25519"],
    ssh_keys: { ed25519_private: args.hostKey.privateKey, ed25519_public: args.hostKey.publicKey },
    ssh_authorized_keys: [args.authorizedKey],
    ssh_pwauth: false,
    disable_root: true,
    // Package mirrors need not be reachable, and unattended changes at boot would differ from seed to seed.
    package_update: false,
    package_upgrade: false,
  };
  return `#cloud-config\n${stringify(document, { lineWidth: 0 })}`;
}
