/**
 * The secret values of a stack's configuration and credentials.
 */
import { configSchema } from "../config/schema.ts";
import { schemaAt } from "../config/schemaTree.ts";
import { leaves } from "../config/tree.ts";
import { loadForProgram } from "../config/program.ts";
import { decryptedConfig } from "../state/stackConfig.ts";

/**
 * Decrypts the configuration as a deployment would. Empty where that is not possible: a machine that cannot decrypt
 * does not hold them, and what of them is deployed is in the clusters' secrets too.
 */
export async function secretsOfConfiguration(folder: string, stack: string): Promise<string[]> {
  try {
    const values = await decryptedConfig(folder, stack);
    const { config, credentials } = loadForProgram({ stack, values, folder });
    const found = leaves(config).filter(({ path }) => schemaAt(configSchema, path)?.meta.secret === true);
    return [
      credentials.applicationCredentialSecret,
      ...found.map(({ value }) => value).filter((value) => typeof value === "string"),
    ];
  } catch {
    return [];
  }
}
