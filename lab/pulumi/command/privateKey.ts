/**
 * Private keys as upstream's SSH library takes them (golang.org/x/crypto/ssh, ParsePrivateKey), in a format that ssh2 reads.
 */
import { createPrivateKey } from "node:crypto";
import { opensshPrivateKey } from "../../../lib/openssh.ts";

/**
 * The same key without PKCS #8, which ssh2 does not know: RSA keys as PKCS #1, elliptic curves as SEC 1, Ed25519 as an
 * OpenSSH file. Any other text is returned as it is, for ssh2 to judge.
 */
export function withoutPkcs8(text: string): string {
  if (!text.includes("-----BEGIN PRIVATE KEY-----")) return text;
  const key = createPrivateKey(text);
  switch (key.asymmetricKeyType) {
    case "rsa":
      return String(key.export({ format: "pem", type: "pkcs1" }));
    case "ec":
      return String(key.export({ format: "pem", type: "sec1" }));
    case "ed25519":
      return opensshPrivateKey(key, "");
    default:
      return text;
  }
}
