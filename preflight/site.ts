/**
 * The configuration and credentials of a site as a deployment will see them: encrypted values decrypted with the
 * stack's passphrase, or by the pulumi CLI for other secrets providers.
 */
import { loadForProgram, type Loaded } from "../config/program.ts";
import { isSample, readStackFile, sampleRefusal } from "../config/stackFile.ts";
import { CommandError } from "../lib/command-error.ts";
import { decryptedConfig } from "../state/stackConfig.ts";

/**
 * Loads a site.
 *
 * @throws ConfigError with every problem of configuration and credentials; Error for a sample, and when encrypted values cannot be
 *   decrypted, with how to make that possible.
 */
export async function loadSite(folder: string, stack: string, environment = process.env): Promise<Loaded> {
  if (isSample(readStackFile(folder, stack))) throw new CommandError(sampleRefusal(stack));
  const values = await decryptedConfig(folder, stack, environment);
  return loadForProgram({ stack, values, environment, folder });
}
