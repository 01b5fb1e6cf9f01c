/**
 * A stack's offline plan: everything it would create on an empty site, without credentials, cloud, CLI, root or state.
 * Upstream analogue: `pulumi preview --json` of a stack that is not deployed.
 */
import { join } from "node:path";
import { readStackFile } from "../config/stackFile.ts";
import { Redactor } from "../lib/redact.ts";
import { orFirstFailure, ProgramError } from "./failure.ts";
import { PROJECT_NAME, runProgram } from "./program.ts";
import { type Answers, type Recorder, type Registration, startRecorder } from "./recorder.ts";
import { packageOf } from "./urn.ts";
import { readable, secretTexts } from "./values.ts";

/** A resource of a plan. */
export interface PlannedResource {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** URN; empty for the stack. */
  readonly parent: string;
  readonly op: "create";
  /** What only the cloud can decide is `[unknown]`, and a secret `[secret]`. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** URNs, sorted. */
  readonly dependsOn: readonly string[];
  /** The resource option; only where it is set. */
  readonly protect?: true;
}

export interface Plan {
  readonly stack: string;
  readonly counts: { readonly create: number };
  /** In the order of their URNs. */
  readonly resources: readonly PlannedResource[];
}

/** Packages whose resources and functions the program uses. */
const PACKAGES = ["command", "kubernetes", "openstack"];

/** Nothing exists yet and nobody is asked: of a resource its inputs are known, of a function nothing. */
const OFFLINE: Answers = {
  resource(type) {
    known(type);
    return undefined;
  },
  invoke(token) {
    known(token);
    return undefined;
  },
};

/**
 * Plans a stack. `secure:` values are placeholders: nothing is decrypted.
 *
 * @param folder the project's, with Pulumi.STACK.yaml and index.ts
 * @throws ProgramError when the configuration or the program is wrong; Error when there is no such stack
 */
export async function planStack(folder: string, stack: string): Promise<Plan> {
  const { all } = readStackFile(folder, stack);
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  const config = Object.fromEntries(Object.entries(all).map(([key, value]) => [key, text(value)]));
  let recorder: Recorder | undefined;
  const run = async () => {
    const site = { project: PROJECT_NAME, stack, preview: true, config };
    recorder = await startRecorder({ ...site, answers: OFFLINE });
    await runProgram(join(folder, "index.ts"), recorder);
  };
  try {
    await offline(folder, () => orFirstFailure(run, folder));
  } catch (error) {
    throw new ProgramError(withoutSecrets((error as Error).message, recorder?.resources ?? []));
  }
  const resources = (recorder?.resources ?? [])
    .toSorted((one, other) => (one.urn < other.urn ? -1 : 1))
    .map(planned);
  return { stack, counts: { create: resources.length }, resources };
}

/** Nothing is decrypted, but somebody may have a secret in the stack's file in plain. */
function withoutSecrets(message: string, resources: readonly Registration[]): string {
  const redactor = new Redactor();
  redactor.add(...resources.flatMap(({ inputs }) => secretTexts(inputs)));
  return redactor.clean(message);
}

function planned({ urn, type, name, parent, inputs, dependsOn, protect }: Registration): PlannedResource {
  return {
    ...{ urn, type, name, parent, op: "create" },
    inputs: readable(inputs) as Record<string, unknown>,
    dependsOn,
    ...(protect ? { protect } : {}),
  };
}

/** Runs in the project's folder, with placeholders for credentials; what the program prints goes to standard error. */
async function offline(folder: string, run: () => Promise<void>): Promise<void> {
  const before = { folder: process.cwd(), offline: process.env["CAPI_MGMT_OFFLINE"] };
  const { log, info, debug } = console;
  Object.assign(console, { log: console.error, info: console.error, debug: console.error });
  process.chdir(folder);
  process.env["CAPI_MGMT_OFFLINE"] = "1";
  try {
    await run();
  } finally {
    process.chdir(before.folder);
    if (before.offline === undefined) delete process.env["CAPI_MGMT_OFFLINE"];
    else process.env["CAPI_MGMT_OFFLINE"] = before.offline;
    Object.assign(console, { log, info, debug });
  }
}

function known(token: string): void {
  if (PACKAGES.includes(packageOf(token))) return;
  throw new Error(`a plan knows the packages ${PACKAGES.join(", ")} only, not that of ${token}`);
}
