import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Crypter, passphraseOf, WrongPassphrase } from "../../state/passphrase.ts";
import { temporaryFolder } from "../support/shell.ts";

/** An encryptionsalt the CLI wrote, for the passphrase "password". */
const SALT = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ==";

void test("what the Pulumi CLI made can be read, a wrong passphrase is known as such", async () => {
  const crypter = await Crypter.create("password", SALT);
  const sealed = crypter.encrypt("grüße");
  assert.match(sealed, /^v1:[A-Za-z0-9+/]{16}:[A-Za-z0-9+/=]+$/);
  assert.notEqual(sealed, crypter.encrypt("grüße"));
  assert.equal(crypter.decrypt(sealed), "grüße");
  await assert.rejects(Crypter.create("other", SALT), WrongPassphrase);
});

void test("a value that was changed or is none is refused without its text", async () => {
  const crypter = await Crypter.create("password", SALT);
  const sealed = crypter.encrypt("planted");
  for (const wrong of [`${sealed.slice(0, -4)}AAA=`, "planted", "v1:x", "v1:AAAA:AAAA"]) {
    assert.throws(
      () => crypter.decrypt(wrong),
      /^(InputError|Error): an encrypted value (is malformed|was made with)/,
    );
  }
});

void test("a new salt opens with its passphrase again", async () => {
  const made = await Crypter.create("password");
  const again = await Crypter.create("password", made.salt);
  assert.equal(again.decrypt(made.encrypt("a")), "a");
});

void test("the passphrase is taken as the CLI takes it", (context) => {
  const file = join(temporaryFolder(context), "passphrase");
  writeFileSync(file, "  from file\n\n");
  const look = (given: string | undefined, named: string | undefined) =>
    passphraseOf({ PULUMI_CONFIG_PASSPHRASE: given, PULUMI_CONFIG_PASSPHRASE_FILE: named });
  assert.equal(look(undefined, file), "from file");
  assert.equal(look(" given ", file), " given ");
  assert.equal(look("", file), "");
  assert.equal(look(undefined, undefined), undefined);
  assert.equal(look(undefined, ""), undefined);
  assert.throws(() => look(undefined, `${file}.not`), /PULUMI_CONFIG_PASSPHRASE_FILE: ENOENT/);
});
