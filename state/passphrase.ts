/**
 * Encryption of secrets with a passphrase, readable by the Pulumi CLI and the other way round.
 * Upstream analogue: pkg/secrets/passphrase/manager.go and sdk/go/common/resource/config/crypt.go.
 */
import { createCipheriv, createDecipheriv, pbkdf2, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { InputError } from "../config/problems.ts";

/** Of crypt.go: PBKDF2 with SHA-256, one million rounds, for an AES-256 key. */
const ROUNDS = 1_000_000;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const derive = promisify(pbkdf2);
const keys = new Map<string, Promise<Buffer>>();

/**
 * The passphrase that the environment gives, as the Pulumi CLI takes it: PULUMI_CONFIG_PASSPHRASE, even if empty, else
 * the trimmed text of the file PULUMI_CONFIG_PASSPHRASE_FILE; undefined without either.
 *
 * @throws InputError if the file cannot be read
 */
export function passphraseOf(environment: NodeJS.ProcessEnv): string | undefined {
  const { PULUMI_CONFIG_PASSPHRASE: given, PULUMI_CONFIG_PASSPHRASE_FILE: file } = environment;
  if (given !== undefined) return given;
  if (file === undefined || file === "") return undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new InputError(`PULUMI_CONFIG_PASSPHRASE_FILE: ${(error as Error).message}`);
  }
}

export class WrongPassphrase extends InputError {
  constructor() {
    super(
      "incorrect passphrase: set PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE) to the stack's own",
    );
  }
}

/** Encrypts and decrypts values of one stack. The costly key is derived once a process and salt. */
export class Crypter {
  /** What Pulumi.<stack>.yaml holds as `encryptionsalt`: `v1:SALT:v1:NONCE:CIPHERTEXT` of the word "pulumi". */
  readonly salt: string;
  readonly #key: Buffer;

  private constructor(salt: string, key: Buffer) {
    this.salt = salt;
    this.#key = key;
  }

  /** Throws WrongPassphrase when `salt` was made with another passphrase. Without `salt`, makes a new one. */
  static async create(passphrase: string, salt?: string): Promise<Crypter> {
    if (salt === undefined) {
      const bytes = randomBytes(8);
      const key = await keyOf(passphrase, bytes);
      return new Crypter(`v1:${bytes.toString("base64")}:${seal(key, "pulumi")}`, key);
    }
    const [version, encoded, ...rest] = salt.split(":");
    if (version !== "v1" || encoded === undefined)
      throw new InputError("the stack's encryptionsalt is malformed");
    const key = await keyOf(passphrase, Buffer.from(encoded, "base64"));
    const crypter = new Crypter(salt, key);
    let word: string;
    try {
      word = crypter.decrypt(rest.join(":"));
    } catch {
      throw new WrongPassphrase();
    }
    if (word !== "pulumi") throw new WrongPassphrase();
    return crypter;
  }

  encrypt(plaintext: string): string {
    return seal(this.#key, plaintext);
  }

  /** @throws InputError when `ciphertext` is malformed or was made with another key */
  decrypt(ciphertext: string): string {
    const [version, nonce, sealed] = ciphertext.split(":");
    if (version !== "v1" || nonce === undefined || sealed === undefined) {
      throw new InputError("an encrypted value is malformed");
    }
    const bytes = Buffer.from(sealed, "base64");
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.#key, Buffer.from(nonce, "base64"));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      return decipher.update(bytes.subarray(0, -TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
    } catch {
      throw new InputError("an encrypted value was made with another encryptionsalt or passphrase");
    }
  }
}

function seal(key: Buffer, plaintext: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const sealed = Buffer.concat([cipher.update(plaintext, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `v1:${nonce.toString("base64")}:${sealed.toString("base64")}`;
}

function keyOf(passphrase: string, salt: Buffer): Promise<Buffer> {
  const name = `${salt.toString("base64")}:${passphrase}`;
  let key = keys.get(name);
  if (key === undefined) {
    key = derive(passphrase, salt, ROUNDS, KEY_BYTES, "sha256");
    keys.set(name, key);
  }
  return key;
}
