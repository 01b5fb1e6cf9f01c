/**
 * The rules as a CrossGuard pack for the real CLI: `pulumi preview --policy-pack policy`. One policy a rule, with the
 * stack's own severity and exemptions, so that the CLI, `bin/policy` and the tests say the same.
 *
 * The stack's configuration is read from its file beside the program, as everywhere else: nothing secret comes here.
 */
import { join } from "node:path";
import {
  type Policies,
  PolicyPack,
  type PolicyResource as Registered,
  type ResourceValidationPolicy,
  type StackValidationPolicy,
} from "@pulumi/policy";
import { inspectStack } from "../config/program.ts";
import type { PolicyResource } from "./rule.ts";
import { rules } from "./rules.ts";
import { judgeStack } from "./stack.ts";

const folder = join(import.meta.dirname, "..");
const stack = process.env["PULUMI_NODEJS_STACK"];
if (stack === undefined) throw new Error("PULUMI_NODEJS_STACK is not set: use pulumi 3.200 or later");

/** What the program asks for, by URN: a stack's validation is shown only what came of it, without a chart's version. */
const inputsOf = new Map<string, Record<string, unknown>>();
const collector: ResourceValidationPolicy = {
  name: "inputs",
  description: "Reports nothing: keeps what the program asks for, for the other policies.",
  validateResource: ({ urn, props }) => void inputsOf.set(urn, props),
};
const policies: Policies = [
  collector,
  ...rules.map(({ name, description }) => policyOf(name, description)),
  policyOf("exemption", "Every exemption names a rule and ends within a year."),
];
// A wrong configuration is reported by the program, in full; the pack must only not judge by it.
const enforcementLevel = inspectStack(folder, stack).config?.policy.severity ?? "mandatory";
new PolicyPack("capi-mgmt", { enforcementLevel, policies });

function policyOf(name: string, description: string): StackValidationPolicy {
  return {
    name,
    description,
    validateStack: ({ resources }, report) => {
      for (const finding of judgeStack(folder, stack as string, resources.map(known)).findings) {
        if (finding.rule !== name || finding.severity === "exempted") continue;
        const note = finding.note === undefined ? "" : ` (${finding.note})`;
        report(`${finding.subject}: ${finding.message}${note}`, urnOf(resources, finding.subject));
      }
    },
  };
}

/** The resource a finding is about, if it is about one. */
function urnOf(resources: readonly Registered[], subject: string): string | undefined {
  return resources.find(({ name }) => name === subject)?.urn;
}

/** In a preview, reading a value that only the cloud knows throws: the rules take it as text they have no opinion on. */
function known({ urn, type, name, props, opts }: Registered): PolicyResource {
  const inputs = new Proxy(inputsOf.get(urn) ?? (props as Record<string, unknown>), {
    get: (values, key, receiver) => {
      try {
        return Reflect.get(values, key, receiver) as unknown;
      } catch {
        return "[unknown]";
      }
    },
  });
  return { urn, type, name, inputs, protect: opts.protect };
}
