/**
 * Ansible Vault, by the operator's own ansible-vault: its format, its key derivation, its password scripts. What is
 * encrypted goes in and out by pipes; a secret in plain is never on disk and in no argument.
 */
import { accessSync, constants, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { CommandError } from "../lib/command-error.ts";

/** True for text that says of itself that Ansible Vault wrote it. */
export function isVault(content: string): boolean {
  return /^\$ANSIBLE_VAULT;\d+\.\d+;/.test(content);
}

/** The password does not open the content. */
export class WrongPassword extends Error {}

export interface VaultOptions {
  /** File that holds the password, or a program that prints it (ansible-vault tells one from the other). */
  readonly passwordFile: string;
  /** The program. Default: $ANSIBLE_VAULT, else `ansible-vault` of the PATH. */
  readonly program?: string;
}

export class Vault {
  private readonly passwordFile: string;
  private readonly program: string;

  /** @throws CommandError if the password file cannot be read */
  constructor(options: VaultOptions) {
    this.passwordFile = options.passwordFile;
    this.program = options.program ?? process.env["ANSIBLE_VAULT"] ?? "ansible-vault";
    const found = statSync(this.passwordFile, { throwIfNoEntry: false });
    if (found === undefined) throw new CommandError(`vault password file ${this.passwordFile}: no such file`);
    if (!found.isFile()) throw new CommandError(`vault password file ${this.passwordFile}: not a file`);
    try {
      accessSync(this.passwordFile, constants.R_OK);
    } catch {
      throw new CommandError(`vault password file ${this.passwordFile}: cannot be read by you`);
    }
  }

  /** Encrypts with AES256 and a new salt: the same text gives another result each time. */
  async encrypt(plain: string): Promise<string> {
    const result = await this.run("encrypt", plain, ["--encrypt-vault-id", "default"]);
    if (result.code !== 0) throw new CommandError(`ansible-vault encrypt: ${result.reason}`);
    if (!isVault(result.output)) throw new CommandError("ansible-vault encrypt gave something unencrypted");
    return result.output.endsWith("\n") ? result.output : `${result.output}\n`;
  }

  /** @throws WrongPassword, or CommandError for any other failure */
  async decrypt(encrypted: string): Promise<string> {
    const result = await this.run("decrypt", encrypted, []);
    if (result.code === 0) return result.output;
    if (/decryption failed|no vault secrets/i.test(result.reason)) throw new WrongPassword(result.reason);
    throw new CommandError(`ansible-vault decrypt: ${result.reason}`);
  }

  private async run(action: string, input: string, more: readonly string[]) {
    // An ansible.cfg of the working folder or the home could name other passwords, and the wrong one would be used.
    const folder = mkdtempSync(join(tmpdir(), "capi-mgmt-vault-"));
    const settings = join(folder, "ansible.cfg");
    try {
      writeFileSync(settings, "[defaults]\n");
      const args = [action, "--vault-password-file", this.passwordFile, ...more, "--output", "-", "-"];
      return await pipe(this.program, args, input, environment(settings));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

function environment(settings: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("ANSIBLE_"));
  return { ...Object.fromEntries(inherited), ANSIBLE_CONFIG: settings, ANSIBLE_NOCOLOR: "1" };
}

async function pipe(program: string, args: readonly string[], input: string, env: NodeJS.ProcessEnv) {
  const options = { input, env, extendEnv: false, reject: false, stripFinalNewline: false } as const;
  const { stdout, stderr, exitCode, code, shortMessage } = await execa(program, args, options);
  if (code === "ENOENT") {
    throw new CommandError(
      `${program} is not installed: activate the virtual environment that kayobe runs in, or set ANSIBLE_VAULT to the program`,
    );
  }
  if (code !== undefined) throw new CommandError(shortMessage ?? `${program} cannot be run`);
  const reason = stderr.trim().replaceAll(/^(\[ERROR\]: |ERROR! )/gm, "");
  return { code: exitCode ?? 128, output: stdout, reason };
}
