/**
 * The configuration and credentials of a site as a deployment will see them: encrypted values decrypted with the
 * stack's passphrase, or by the pulumi CLI for other secrets providers.
 */
import { readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { loadForProgram, type Loaded } from "../config/program.ts";
import { isSample, readStackFile, sampleRefusal } from "../config/stackFile.ts";
import { Crypter } from "../engine/passphrase.ts";
import { hasSecureValues, loadProject, loadStackSettings, programConfig } from "../engine/project.ts";

/**
 * Loads a site.
 *
 * @throws ConfigError with every problem of configuration and credentials; Error for a sample, and when encrypted values cannot be
 *   decrypted, with how to make that possible.
 */
export async function loadSite(folder: string, stack: string, environment = process.env): Promise<Loaded> {
  if (isSample(readStackFile(folder, stack))) throw new Error(sampleRefusal(stack));
  const values = await decryptedValues(folder, stack, environment);
  return loadForProgram({ stack, values, environment, folder });
}

async function decryptedValues(
  folder: string,
  stack: string,
  environment: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  const passphrase = passphraseOf(environment);
  const project = await loadProject(folder);
  let settings;
  try {
    settings = await loadStackSettings(folder, stack);
  } catch {
    // A cloud KMS: only the real CLI can decrypt.
    return valuesFromPulumi(folder, stack, environment);
  }
  if (!hasSecureValues(settings)) return programConfig(project, settings).values;
  if (passphrase === undefined) {
    throw new Error(
      `Pulumi.${stack}.yaml holds encrypted values: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE`,
    );
  }
  return programConfig(project, settings, await Crypter.create(passphrase, settings.encryptionSalt)).values;
}

function passphraseOf(environment: NodeJS.ProcessEnv): string | undefined {
  const file = environment["PULUMI_CONFIG_PASSPHRASE_FILE"];
  if (environment["PULUMI_CONFIG_PASSPHRASE"] !== undefined) return environment["PULUMI_CONFIG_PASSPHRASE"];
  return file === undefined ? undefined : readFileSync(file, "utf8").trim();
}

function valuesFromPulumi(
  folder: string,
  stack: string,
  environment: NodeJS.ProcessEnv,
): Record<string, string> {
  const args = ["config", "--json", "--show-secrets", "--stack", stack];
  const result = spawnSync("pulumi", args, { cwd: folder, env: environment, encoding: "utf8" });
  if (result.status !== 0) {
    const reason =
      result.error === undefined
        ? result.stderr.trim()
        : `the pulumi CLI is needed (${result.error.message})`;
    throw new Error(`Pulumi.${stack}.yaml: its secrets provider is not a passphrase: ${reason}`);
  }
  const all = JSON.parse(result.stdout) as Record<string, { value?: string }>;
  return Object.fromEntries(Object.entries(all).map(([key, { value }]) => [key, value ?? ""]));
}
