/** Private keys in the formats that upstream reads, handed to ssh2 in those that it reads. */
import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { test } from "node:test";
import ssh2 from "ssh2";
import { withoutPkcs8 } from "../../lab/pulumi/command/privateKey.ts";

const KEYS: [string, KeyObject][] = [
  ["ssh-rsa", generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey],
  ["ecdsa-sha2-nistp256", generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey],
  ["ssh-ed25519", generateKeyPairSync("ed25519").privateKey],
];

for (const [type, key] of KEYS) {
  test(`a PKCS #8 key is the same key for ssh2: ${type}`, () => {
    const pkcs8 = String(key.export({ format: "pem", type: "pkcs8" }));
    const parsed = ssh2.utils.parseKey(withoutPkcs8(pkcs8));
    assert.ok(!(parsed instanceof Error));
    assert.equal(parsed.type, type);
    const publicPem = parsed.getPublicPEM();
    assert.equal(
      publicPem.trim(),
      String(createPublicKey(key).export({ format: "pem", type: "spki" })).trim(),
    );
    if (type === "ssh-ed25519") {
      const signature = parsed.sign("text");
      assert.ok(Buffer.isBuffer(signature));
      assert.ok(verify(null, Buffer.from("text"), createPublicKey(key), signature));
    }
  });
}

test("other formats are left to ssh2, and a broken PKCS #8 file is an error", () => {
  const openssh = ssh2.utils.generateKeyPairSync("rsa", { bits: 2048 }).private;
  assert.equal(withoutPkcs8(openssh), openssh);
  assert.equal(withoutPkcs8("no key"), "no key");
  assert.throws(() => withoutPkcs8("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
});
