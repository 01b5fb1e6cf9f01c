/**
 * A stack's configuration decrypted, as `pulumi.runtime.allConfig()` gives it inside a run, for commands that run
 * outside one. Upstream analogue: sdk/go/common/resource/config.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { parse } from "yaml";
import { InputError } from "../config/problems.ts";
import { NAMESPACE, readStackFile, stackFileName } from "../config/stackFile.ts";
import { isMap } from "../config/tree.ts";
import { findPulumi } from "./findPulumi.ts";
import { Crypter, passphraseOf } from "./passphrase.ts";

/**
 * All configuration of a stack by full key; maps and lists as JSON.
 *
 * A file without encrypted values needs no passphrase. With another secrets provider than a passphrase (a cloud KMS) the
 * pulumi CLI decrypts.
 *
 * @throws InputError with what is needed to decrypt
 */
export async function decryptedConfig(
  folder: string,
  stack: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Record<string, string>> {
  const { name, encryptedPaths } = readStackFile(folder, stack);
  const file = parse(readFileSync(join(folder, stackFileName(stack)), "utf8")) as Record<
    string,
    unknown
  > | null;
  const { secretsprovider, encryptionsalt, config } = file ?? {};
  if (secretsprovider !== undefined && secretsprovider !== "passphrase") {
    return byPulumi(folder, stack, environment);
  }
  const crypter = encryptedPaths.size === 0 ? undefined : await crypterOf(name, encryptionsalt, environment);
  return Object.fromEntries(
    Object.entries(isMap(config) ? config : {}).map(([key, value]) => {
      const plain = opened(value, crypter);
      const full = key.includes(":") ? key : `${NAMESPACE}:${key}`;
      return [full, typeof plain === "string" ? plain : JSON.stringify(plain)];
    }),
  );
}

async function crypterOf(file: string, salt: unknown, environment: NodeJS.ProcessEnv): Promise<Crypter> {
  const passphrase = passphraseOf(environment);
  if (passphrase === undefined) {
    throw new InputError(
      `${file} holds encrypted values: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE`,
    );
  }
  if (typeof salt !== "string") throw new InputError(`${file} holds encrypted values but no encryptionsalt`);
  return Crypter.create(passphrase, salt);
}

/** The value with `{secure: …}` decrypted wherever it stands. */
function opened(value: unknown, crypter: Crypter | undefined): unknown {
  if (Array.isArray(value)) return value.map((item) => opened(item, crypter));
  if (!isMap(value)) return value;
  const entries = Object.entries(value);
  const [[key, text] = []] = entries;
  if (crypter !== undefined && entries.length === 1 && key === "secure" && typeof text === "string") {
    return crypter.decrypt(text);
  }
  return Object.fromEntries(entries.map(([name, item]) => [name, opened(item, crypter)]));
}

async function byPulumi(
  folder: string,
  stack: string,
  env: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  const args = ["config", "--json", "--show-secrets", "--stack", stack];
  const options = { cwd: folder, env, extendEnv: false, reject: false } as const;
  const { stdout, stderr, failed, shortMessage } = await execa(findPulumi(env["PATH"]), args, options);
  if (failed) {
    const reason = stderr.trim() || shortMessage;
    throw new InputError(`${stackFileName(stack)}: its secrets provider is not a passphrase: ${reason}`);
  }
  const all = JSON.parse(stdout) as Record<string, { value?: string }>;
  return Object.fromEntries(Object.entries(all).map(([key, { value }]) => [key, value ?? ""]));
}
