/**
 * Previews and deploys one site with Pulumi's engine, the program in this process, and shows it while it goes on.
 */
import { join } from "node:path";
import { closingLines, Display } from "../automation/display.ts";
import {
  importProgram,
  listenForInterrupts,
  readValues,
  runStack,
  type StackResult,
} from "../automation/stack.ts";
import { type Change, changesOf } from "./changes.ts";
import { InputWatcher, type ProgramInputs } from "./inputs.ts";
import { withoutSecrets } from "./secrets.ts";

/** What a preview came to: the changes, or why there are none to see. */
export type Preview =
  { readonly changes: readonly Change[]; readonly inputs: ProgramInputs } | { readonly failure: string };

/** What the jobs do with a site; the real one is `engine`. */
export interface Engine {
  /** @param refresh reads every resource first, so that the preview is against what the cloud has now */
  preview(site: string, refresh: boolean): Promise<Preview>;
  /** @returns why it failed, without secrets; undefined when it did not */
  up(site: string, refresh: boolean): Promise<string | undefined>;
  /** The stack's outputs, secrets in clear. */
  outputs(site: string): Promise<Readonly<Record<string, unknown>>>;
}

const root = join(import.meta.dirname, "..");
/** Of what a failed run said: the end says what went wrong. */
const FAILURE_LINES = 30;

export const engine: Engine = {
  async preview(site, refresh) {
    const inputs = new InputWatcher();
    const result = await run(site, "preview", refresh, inputs);
    if (result.outcome !== "succeeded") return { failure: failureOf(result) };
    return { changes: changesOf(result.steps, inputs), inputs };
  },
  async up(site, refresh) {
    const result = await run(site, "up", refresh, new InputWatcher());
    return result.outcome === "succeeded" ? undefined : failureOf(result);
  },
  outputs: (site) => readValues({ stack: site }),
};

async function run(
  site: string,
  operation: "preview" | "up",
  refresh: boolean,
  inputs: InputWatcher,
): Promise<StackResult> {
  const write = (text: string) => process.stdout.write(withoutSecrets(text));
  const interrupts = listenForInterrupts((text) => write(`${text}\n`));
  const display = new Display({ write }, operation === "preview");
  try {
    const result = await runStack({
      ...{ operation, stack: site, refresh, interrupts, listener: display },
      // Job deploy has looked what there is to do, and compared it with what was approved.
      previewed: true,
      program: inputs.watch(importProgram(root)),
    });
    display.close(closingLines(result));
    return result;
  } finally {
    interrupts.close();
  }
}

/** What a run that did not succeed said, without secrets. */
function failureOf({ outcome, diagnostics }: StackResult): string {
  if (outcome === "interrupted") return "interrupted: what was done is in the state";
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const lines = errors.flatMap(({ urn, text }) => [...(urn === "" ? [] : [urn]), ...text.split("\n")]);
  return withoutSecrets(lines.slice(-FAILURE_LINES).join("\n"));
}
