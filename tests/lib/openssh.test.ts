import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import ssh2 from "ssh2";
import { userData } from "../../lib/cloud-init.ts";
import { deriveConnectionKey, deriveHostKey, opensshPrivateKey } from "../../lib/openssh.ts";
import { parse } from "yaml";
import { temporaryFolder } from "../support/shell.ts";

const { privateKey: LOGIN_KEY } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

test("a host key is the same each time, and another for another machine or login key", () => {
  const key = deriveHostKey(LOGIN_KEY, "capi-mgmt-prod-seed");
  assert.deepEqual(deriveHostKey(LOGIN_KEY, "capi-mgmt-prod-seed"), key);
  // Where a key passes through a file or a terminal its line ends change.
  assert.deepEqual(deriveHostKey(`${LOGIN_KEY.replaceAll("\n", "\r\n")}\n`, "capi-mgmt-prod-seed"), key);
  assert.notEqual(
    deriveHostKey(LOGIN_KEY, "capi-mgmt-dev-seed").publicKey.split(" ")[1],
    key.publicKey.split(" ")[1],
  );
  assert.notEqual(deriveHostKey("other", "capi-mgmt-prod-seed").privateKey, key.privateKey);
});

test("a known derivation does not change: it would lock every operator out", () => {
  const { publicKey } = deriveHostKey("not a real key", "capi-mgmt-test-seed");
  assert.equal(
    publicKey,
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBjZsOapW2pkQRcfic6mLws1MwhadZckQDc+W79Xn9L4 capi-mgmt-test-seed",
  );
  assert.equal(
    deriveConnectionKey("not a real key", "capi-mgmt-test-seed").publicKey,
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJIOPkMf0PzIMwpcynTQXWgw/2OGPvPQQ4E5Qup3jTP capi-mgmt-test-seed",
  );
});

test("ssh2 and ssh-keygen read both halves, and they belong together", (context) => {
  const folder = temporaryFolder(context);
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,40}$/), (name) => {
      const { privateKey, publicKey } = deriveHostKey(LOGIN_KEY, name);
      const parsed = ssh2.utils.parseKey(privateKey);
      assert.ok(!(parsed instanceof Error));
      assert.equal(parsed.type, "ssh-ed25519");
      assert.equal(`ssh-ed25519 ${parsed.getPublicSSH().toString("base64")} ${name}`, publicKey);
      const signature = parsed.sign("text");
      const other = ssh2.utils.parseKey(publicKey);
      assert.ok(!(signature instanceof Error) && !(other instanceof Error));
      assert.equal(other.verify("text", signature), true);
    }),
    { numRuns: 20 },
  );
  const { privateKey, publicKey } = deriveHostKey(LOGIN_KEY, "seed");
  writeFileSync(join(folder, "key"), privateKey, { mode: 0o600 });
  const keygen = spawnSync("ssh-keygen", ["-y", "-f", join(folder, "key")], { encoding: "utf8" });
  if (keygen.error !== undefined) return context.diagnostic("no ssh-keygen on this machine");
  assert.equal(keygen.stdout.trim(), publicKey);
});

test("the connection's key is a PKCS #8 file, a third of an OpenSSH file, and the half that the machine authorises", () => {
  const { privateKey, publicKey } = deriveConnectionKey(LOGIN_KEY, "seed");
  assert.match(privateKey, /^-----BEGIN PRIVATE KEY-----\n/);
  assert.ok(privateKey.length < 130, `${privateKey.length} characters`);
  const parsed = ssh2.utils.parseKey(opensshPrivateKey(createPrivateKey(privateKey), "seed"));
  assert.ok(!(parsed instanceof Error));
  assert.equal(`ssh-ed25519 ${parsed.getPublicSSH().toString("base64")} seed`, publicKey);
});

test("user data gives the machine this one host key and nothing that changes from run to run", () => {
  const hostKey = deriveHostKey(LOGIN_KEY, "seed");
  const authorizedKey = deriveConnectionKey(LOGIN_KEY, "seed").publicKey;
  const text = userData({ hostKey, authorizedKey });
  assert.match(text, /^#cloud-config\n/);
  assert.equal(text, userData({ hostKey: deriveHostKey(LOGIN_KEY, "seed"), authorizedKey }));
  const document = parse(text) as Record<string, unknown>;
  assert.deepEqual(document["ssh_keys"], {
    ed25519_private: hostKey.privateKey,
    ed25519_public: hostKey.publicKey,
  });
  assert.equal(document["ssh_deletekeys"], true);
  assert.deepEqual(document["ssh_authorized_keys"], [authorizedKey]);
  // Nobody logs in with a password or as root, and no upgrade restarts services behind our back.
  assert.deepEqual(
    ["ssh_pwauth", "disable_root", "package_update", "package_upgrade"].map((key) => document[key]),
    [false, true, false, false],
  );
});
