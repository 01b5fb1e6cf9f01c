import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { stringify } from "yaml";
import { Crypter } from "../../state/passphrase.ts";
import { decryptedConfig } from "../../state/stackConfig.ts";
import { temporaryFolder } from "../support/shell.ts";

function folderWith(context: TestContext, file: unknown): string {
  const folder = temporaryFolder(context);
  writeFileSync(join(folder, "Pulumi.prod.yaml"), stringify(file));
  return folder;
}

void test("encrypted values are opened wherever they stand, the rest is as Pulumi gives it", async (context) => {
  const crypter = await Crypter.create("password");
  const secure = (text: string) => ({ secure: crypter.encrypt(text) });
  const folder = folderWith(context, {
    encryptionsalt: crypter.salt,
    config: {
      "capi-mgmt:monitoring": { slack: { webhookUrl: secure("hush") }, list: [secure("one"), 2] },
      "capi-mgmt:token": secure("bare"),
      "pulumi:disable-default-providers": ["kubernetes"],
      short: "text",
    },
  });
  assert.deepEqual(await decryptedConfig(folder, "prod", { PULUMI_CONFIG_PASSPHRASE: "password" }), {
    "capi-mgmt:monitoring": '{"slack":{"webhookUrl":"hush"},"list":["one",2]}',
    "capi-mgmt:token": "bare",
    "pulumi:disable-default-providers": '["kubernetes"]',
    "capi-mgmt:short": "text",
  });
  await assert.rejects(decryptedConfig(folder, "prod", {}), {
    message:
      "Pulumi.prod.yaml holds encrypted values: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
  });
  await assert.rejects(
    decryptedConfig(folder, "prod", { PULUMI_CONFIG_PASSPHRASE: "p" }),
    /incorrect passphrase/,
  );
});

void test("a file without secrets needs no passphrase", async (context) => {
  const folder = folderWith(context, { config: { "capi-mgmt:seed": { flavor: "m1" } } });
  assert.deepEqual(await decryptedConfig(folder, "prod", {}), { "capi-mgmt:seed": '{"flavor":"m1"}' });
  await assert.rejects(decryptedConfig(folder, "dev", {}), /no Pulumi\.dev\.yaml \(stacks here: prod\)/);
});

void test("with a cloud KMS the pulumi CLI decrypts, and its refusal is reported", async (context) => {
  const folder = folderWith(context, {
    secretsprovider: "awskms://alias/state",
    encryptedkey: "AAAA",
    config: {},
  });
  const program = join(folder, "pulumi");
  const env = { PATH: `${folder}:/usr/bin:/bin` };
  writeFileSync(
    program,
    `#!/bin/bash\necho '{"capi-mgmt:a":{"value":"1"}}'; echo "$*" > ${folder}/arguments\n`,
  );
  chmodSync(program, 0o755);
  assert.deepEqual(await decryptedConfig(folder, "prod", env), { "capi-mgmt:a": "1" });
  writeFileSync(program, "#!/bin/bash\necho 'error: no access to the key' >&2; exit 1\n");
  await assert.rejects(decryptedConfig(folder, "prod", env), {
    message: "Pulumi.prod.yaml: its secrets provider is not a passphrase: error: no access to the key",
  });
  await assert.rejects(
    decryptedConfig(folder, "prod", { PATH: "/nonexistent" }),
    /its secrets provider is not a passphrase: \S/,
  );
});
