/**
 * The whole program under Pulumi's mocks, watched as the pipeline's jobs watch it: what ci/inputs.ts sees of each resource.
 * Each run has a state of its own, as each run of a job has. Does not prove that the engine sees the same.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import * as state from "@pulumi/pulumi/runtime/state.js";
import { parse } from "yaml";
import { InputWatcher } from "../../ci/inputs.ts";
import { PLANTED, record, type Recording } from "./mocks.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Values of a stack's file by section; changed by tests. */
export type Sections = Record<string, Record<string, unknown>>;

export interface Watched {
  readonly inputs: InputWatcher;
  /** URNs of what the program asked for, sorted. */
  readonly urns: readonly string[];
  readonly recording: Recording;
}

/** The Automation API runs each program so; the SDK declares no type for it. */
const { withLocalStorage } = state as unknown as {
  withLocalStorage: <T>(run: () => Promise<T>) => Promise<T>;
};

let runs = 0;

/** Runs the program of a stack, with planted secrets and with `change` made to its file's values. */
export function watchProgram(
  stack: string,
  change: (sections: Sections) => void = () => undefined,
  preview = false,
): Promise<Watched> {
  const file = readFileSync(join(ROOT, `Pulumi.${stack}.yaml`), "utf8");
  const { config } = parse(file) as { config: Sections };
  config["capi-mgmt:openstack"] = {
    ...config["capi-mgmt:openstack"],
    authUrl: "https://cloud.example.org:5000/v3",
    applicationCredentialId: "0123456789abcdef0123456789abcdef",
    applicationCredentialSecret: PLANTED.applicationCredential,
  };
  change(config);
  const values = Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, JSON.stringify(value)]),
  );
  process.env["CAPI_MGMT_OFFLINE"] = "0";
  process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";
  return withLocalStorage(async () => {
    const recording = await record({ stack, preview, config: values });
    const inputs = new InputWatcher();
    const program = inputs.watch(async () => {
      const module = (await import(`../../index.ts?watched=${(runs += 1)}`)) as {
        default: Record<string, unknown>;
      };
      return module.default;
    });
    await pulumi.runtime.runInPulumiStack(program);
    await recording.settled();
    const urns = recording.resources
      .filter(({ type }) => type !== "pulumi:pulumi:Stack")
      .map(({ urn }) => urn)
      .toSorted();
    return { inputs, urns, recording };
  });
}
