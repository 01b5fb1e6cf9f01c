/**
 * Ansible Vault, by the operator's own ansible-vault: its format, its key derivation, its password scripts. What is
 * encrypted goes in and out by pipes; a secret in plain is never on disk and in no argument.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandoverError } from "../lib/problem.ts";

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

  /** @throws HandoverError if the password file cannot be read */
  constructor(options: VaultOptions) {
    this.passwordFile = options.passwordFile;
    this.program = options.program ?? process.env["ANSIBLE_VAULT"] ?? "ansible-vault";
    const found = statSync(this.passwordFile, { throwIfNoEntry: false });
    if (found === undefined)
      throw new HandoverError(`vault password file ${this.passwordFile}: no such file`);
    if (!found.isFile()) throw new HandoverError(`vault password file ${this.passwordFile}: not a file`);
    try {
      accessSync(this.passwordFile, constants.R_OK);
    } catch {
      throw new HandoverError(`vault password file ${this.passwordFile}: cannot be read by you`);
    }
  }

  /** Encrypts with AES256 and a new salt: the same text gives another result each time. */
  async encrypt(plain: string): Promise<string> {
    const result = await this.run("encrypt", plain, ["--encrypt-vault-id", "default"]);
    if (result.code !== 0) throw new HandoverError(`ansible-vault encrypt: ${result.reason}`);
    if (!isVault(result.output)) throw new HandoverError("ansible-vault encrypt gave something unencrypted");
    return result.output.endsWith("\n") ? result.output : `${result.output}\n`;
  }

  /** @throws WrongPassword, or HandoverError for any other failure */
  async decrypt(encrypted: string): Promise<string> {
    const result = await this.run("decrypt", encrypted, []);
    if (result.code === 0) return result.output;
    if (/decryption failed|no vault secrets/i.test(result.reason)) throw new WrongPassword(result.reason);
    throw new HandoverError(`ansible-vault decrypt: ${result.reason}`);
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

function pipe(
  program: string,
  args: readonly string[],
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number; output: string; reason: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env });
    const output: Buffer[] = [];
    let errors = "";
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
    // A program that ends before it has read everything is judged by its exit code.
    child.stdin.on("error", () => undefined);
    child.on("error", (error: NodeJS.ErrnoException) => {
      const hint =
        error.code === "ENOENT"
          ? "is not installed: activate the virtual environment that kayobe runs in, or set ANSIBLE_VAULT to the program"
          : error.message;
      reject(new HandoverError(`${program} ${hint}`));
    });
    child.on("close", (code) => {
      const reason = errors.trim().replaceAll(/^(\[ERROR\]: |ERROR! )/gm, "");
      resolve({ code: code ?? 128, output: Buffer.concat(output).toString("utf8"), reason });
    });
    child.stdin.end(input);
  });
}
