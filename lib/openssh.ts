/**
 * OpenSSH key material derived from the login key: the seed's host key, and the key that the program itself logs in
 * with. Upstream analogue: none; azimuth-ops accepts any host key and logs in with the key pair's own.
 *
 * The host key is derived from the key pair's private key instead of being drawn: it is then the same in every run
 * and on every runner without being kept anywhere, and whoever holds the login key can compute what to expect
 * (bin/seed-ssh does). Who knows the login key is root on the seed and could read the host key there, so nothing is
 * given away. See docs/decisions.
 */
import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from "node:crypto";

export interface DerivedKey {
  /** Private key file. Secret. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA… <name>`, as known_hosts and Pulumi's `connection.hostKey` take it. */
  readonly publicKey: string;
}

const KEY_TYPE = "ssh-ed25519";
const SEED_BYTES = 32;

/** PKCS #8 header of an Ed25519 private key (RFC 8410), in front of its 32 bytes. */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

/** An SSH wire string: length in four bytes, then the bytes (RFC 4251, section 5). */
function wireString(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/**
 * The host key of machine `name`, an Ed25519 key derived with HKDF-SHA256 (RFC 5869), as an OpenSSH file: what every
 * sshd reads.
 *
 * @param loginKey private key of the machine's key pair; line ends and spaces around it do not matter
 * @param name the machine, so that two machines with one key pair have different host keys
 */
export function deriveHostKey(loginKey: string, name: string): DerivedKey {
  const key = deriveKey(loginKey, name, "capi-mgmt ssh host key");
  return { privateKey: opensshPrivateKey(key, name), publicKey: publicKeyLine(key, name) };
}

/**
 * The key that the program logs in to machine `name` with, derived likewise. Every Command keeps its connection twice
 * in the state: Nova's RSA key there would be a fifth of it, and this one as an OpenSSH file three times what it is in
 * PKCS #8, which pulumi-command reads too.
 */
export function deriveConnectionKey(loginKey: string, name: string): DerivedKey {
  const key = deriveKey(loginKey, name, "capi-mgmt ssh connection key");
  return {
    privateKey: String(key.export({ format: "pem", type: "pkcs8" })),
    publicKey: publicKeyLine(key, name),
  };
}

function deriveKey(loginKey: string, name: string, purpose: string): KeyObject {
  const material = loginKey.replaceAll("\r\n", "\n").trim();
  const seed = Buffer.from(hkdfSync("sha256", material, name, purpose, SEED_BYTES));
  return createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: "der", type: "pkcs8" });
}

/** The last bytes of an Ed25519 key's DER form are the key itself, private or public. */
function rawBytes(key: KeyObject): Buffer {
  const type = key.type === "private" ? "pkcs8" : "spki";
  return (key.export({ format: "der", type } as { format: "der"; type: "spki" }) as Buffer).subarray(
    -SEED_BYTES,
  );
}

function publicBlob(key: KeyObject): Buffer {
  return Buffer.concat([wireString(KEY_TYPE), wireString(rawBytes(createPublicKey(key)))]);
}

function publicKeyLine(key: KeyObject, name: string): string {
  return `${KEY_TYPE} ${publicBlob(key).toString("base64")} ${name}`;
}

/** An Ed25519 private key in the file format openssh-key-v1 (OpenSSH's PROTOCOL.key), unencrypted. */
export function opensshPrivateKey(key: KeyObject, comment: string): string {
  const [seed, publicBytes] = [rawBytes(key), rawBytes(createPublicKey(key))];
  // The check number is random upstream; it guards encrypted files only. A constant keeps the output the same.
  const check = Buffer.from("63617069", "hex");
  let secret = Buffer.concat([
    check,
    check,
    wireString(KEY_TYPE),
    wireString(publicBytes),
    wireString(Buffer.concat([seed, publicBytes])),
    wireString(comment),
  ]);
  const blockSize = 8;
  const padding = (blockSize - (secret.length % blockSize)) % blockSize;
  secret = Buffer.concat([secret, Buffer.from(Array.from({ length: padding }, (_, index) => index + 1))]);
  const one = Buffer.from([0, 0, 0, 1]);
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    wireString("none"),
    wireString("none"),
    wireString(""),
    one,
    wireString(publicBlob(key)),
    wireString(secret),
  ]);
  const lines = file.toString("base64").match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
