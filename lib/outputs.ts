/**
 * A stack's outputs as the commands read them.
 */
import { CommandError } from "./command-error.ts";

/** By name, secrets in plain: as `pulumi stack output --json --show-secrets` prints them. */
export type Outputs = Readonly<Record<string, unknown>>;

/** One text output. Throws CommandError with what to do if the stack does not have it. */
export function textOutput(stack: string, outputs: Outputs, name: string): string {
  const value = outputs[name];
  if (typeof value === "string" && value !== "") return value;
  throw new CommandError(`stack ${stack} has no output ${name}: its deployment has not come that far`);
}

/** The deployed version of a component, from the output `versions`; undefined if the stack does not report it. */
export function deployedVersion(outputs: Outputs, component: string): string | undefined {
  const versions = outputs["versions"];
  const value: unknown =
    typeof versions === "object" && versions !== null
      ? (versions as Record<string, unknown>)[component]
      : undefined;
  return typeof value === "string" ? value : undefined;
}
