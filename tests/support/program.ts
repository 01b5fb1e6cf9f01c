/**
 * Runs the whole program under the mocks, as a stack's own file configures it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { runProgram } from "../../plan/program.ts";
import { PLANTED, record, type Recording } from "./mocks.ts";

const ROOT = join(import.meta.dirname, "../..");

export type Sections = Record<string, Record<string, unknown>>;

export interface RunArgs {
  /** True: only inputs are known, as in a preview of something new. Default: false. */
  readonly preview?: boolean;
  /** Changes the configuration before it is used. */
  readonly change?: (config: Sections) => void;
}

/** Configuration of a stack's file, with planted secrets. */
function configOf(stack: string, change?: (config: Sections) => void): Record<string, string> {
  const { config } = parse(readFileSync(join(ROOT, `Pulumi.${stack}.yaml`), "utf8")) as { config: Sections };
  config["capi-mgmt:openstack"] = {
    ...config["capi-mgmt:openstack"],
    authUrl: "https://cloud.example.org:5000/v3",
    applicationCredentialId: "0123456789abcdef0123456789abcdef",
    applicationCredentialSecret: PLANTED.applicationCredential,
  };
  config["capi-mgmt:monitoring"] = {
    ...config["capi-mgmt:monitoring"],
    slack: { webhookUrl: `https://hooks.example.org/${PLANTED.slack}` },
  };
  change?.(config);
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, JSON.stringify(value)]));
}

/**
 * Runs index.ts. What it refuses is thrown.
 *
 * @param started is given the recording before the program begins
 */
export async function runSite(
  stack: string,
  { preview = false, change }: RunArgs = {},
  started?: (recording: Recording) => void,
): Promise<Recording> {
  const recording = await record({ stack, preview, config: configOf(stack, change) });
  started?.(recording);
  await runProgram(join(ROOT, "index.ts"), recording);
  return recording;
}
