/** Changes and values for tests of the pipeline's jobs, without an engine. */
import { approvalKey, keyedDigest, type ProgramInputs, unknownPaths } from "../../ci/inputs.ts";
import { type Change, changesOf, type Operation } from "../../ci/changes.ts";
import type { Step } from "../../automation/stack.ts";

const key = approvalKey("credential of the tests", "prod");

/** A resource in a preview: what is done, in which properties, and the values that the program gives. */
export interface Previewed {
  readonly op: Step["op"];
  readonly paths?: readonly string[];
  readonly inputs?: unknown;
  readonly unfinished?: true;
}

export const urnOf = (name: string, type = "openstack:x/y:Z") =>
  `urn:pulumi:prod::capi-mgmt::${type}::${name}`;

/** Steps as the engine gives them: one a resource, or several for one that is replaced. */
export function stepsOf(resources: Readonly<Record<string, Previewed | readonly Previewed[]>>): Step[] {
  return Object.entries(resources).flatMap(([name, one]) =>
    [one].flat().map(({ op, paths = [], unfinished }) => ({
      ...{
        urn: urnOf(name),
        type: "openstack:x/y:Z",
        name,
        parent: "",
        op,
        custom: true,
        protect: false,
        inputs: {},
        started: 0,
      },
      changes: paths.map((path) => ({ path, kind: "update" as const, replaces: false })),
      ...(unfinished === undefined ? {} : { unfinished }),
    })),
  );
}

/** What a watched program would have shown of these resources. */
export function inputsOf(
  resources: Readonly<Record<string, Previewed | readonly Previewed[]>>,
): ProgramInputs {
  const of = (urn: string) => {
    const found = Object.entries(resources).find(([name]) => urnOf(name) === urn)?.[1];
    return [found ?? []].flat().find(({ inputs }) => inputs !== undefined)?.inputs ?? {};
  };
  return {
    unknown: (urn) => unknownPaths(of(urn)),
    digest: (urn, without) => keyedDigest(key, of(urn), without),
  };
}

/** A preview's changes with the values they were made from. */
export function previewOf(resources: Readonly<Record<string, Previewed | readonly Previewed[]>>): {
  changes: Change[];
  inputs: ProgramInputs;
} {
  const inputs = inputsOf(resources);
  return { changes: changesOf(stepsOf(resources), inputs), inputs };
}

/** A change by hand, for what only reads changes. */
export function change(name: string, operation: Operation, ...properties: string[]): Change {
  const digest = operation === "delete" ? "" : "d".repeat(64);
  return { urn: urnOf(name), type: "openstack:x/y:Z", name, operation, properties, digest, unknown: [] };
}
