/**
 * Ansible Vault's format 1.1 (AES256) for tests that may install nothing: the same arguments, exit codes and first
 * words of errors as ansible-core 2.19's ansible-vault, as far as our commands use it. The lab's test uses the real one.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  pbkdf2Sync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "vault-password-file": { type: "string" },
    "encrypt-vault-id": { type: "string" },
    output: { type: "string" },
  },
});

function fail(message: string): never {
  console.error(`[ERROR]: ${message}`);
  process.exit(1);
}

const [action, input] = positionals;
if (values.output !== "-" || input !== "-") fail("only pipes are used");
const password = readFileSync(values["vault-password-file"] ?? "", "utf8").trim();
if (password === "") fail("Invalid vault password was provided from file");

function keys(salt: Buffer) {
  const derived = pbkdf2Sync(password, salt, 10_000, 80, "sha256");
  return { cipher: derived.subarray(0, 32), mac: derived.subarray(32, 64), iv: derived.subarray(64) };
}

const text = readFileSync(0);
if (action === "encrypt") {
  const salt = randomBytes(32);
  const { cipher, mac, iv } = keys(salt);
  const padding = 16 - (text.length % 16);
  const encryption = createCipheriv("aes-256-ctr", cipher, iv);
  const content = Buffer.concat([encryption.update(text), encryption.update(Buffer.alloc(padding, padding))]);
  const hmac = createHmac("sha256", mac).update(content).digest("hex");
  const body = Buffer.from([salt.toString("hex"), hmac, content.toString("hex")].join("\n")).toString("hex");
  process.stdout.write(["$ANSIBLE_VAULT;1.1;AES256", ...(body.match(/.{1,80}/g) ?? []), ""].join("\n"));
} else {
  const [header, ...lines] = text.toString("utf8").trimEnd().split("\n");
  if (header !== "$ANSIBLE_VAULT;1.1;AES256") fail("input is not vault encrypted data");
  const [salt = "", hmac = "", content = ""] = Buffer.from(lines.join(""), "hex")
    .toString("utf8")
    .split("\n");
  const { cipher, mac, iv } = keys(Buffer.from(salt, "hex"));
  const found = createHmac("sha256", mac).update(Buffer.from(content, "hex")).digest();
  const told = Buffer.from(hmac, "hex");
  if (told.length !== found.length || !timingSafeEqual(told, found)) {
    fail("Decryption failed (no vault secrets were found that could decrypt).");
  }
  const plain = createDecipheriv("aes-256-ctr", cipher, iv).update(Buffer.from(content, "hex"));
  process.stdout.write(plain.subarray(0, plain.length - (plain.at(-1) ?? 0)));
}
