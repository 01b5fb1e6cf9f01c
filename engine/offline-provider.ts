/**
 * The provider of an offline plan: contacts nothing, takes every input as it is and knows no output.
 * Upstream analogue: what a preview does with a provider whose configuration is unknown.
 */
import type { CheckRequest, DiffRequest, Provider } from "./provider.ts";
import { equal, type Properties } from "./values.ts";

export function offlineProvider(packageName: string): Provider {
  const refuse = (): never => {
    throw new Error("an offline plan changes nothing");
  };
  return {
    name: packageName,
    configure: () => Promise.resolve(),
    check: (request: CheckRequest) => Promise.resolve({ inputs: request.news, failures: [] }),
    diff: (request: DiffRequest) =>
      Promise.resolve({
        changes: !equal(request.oldInputs, request.newInputs),
        replaces: [],
        deleteBeforeReplace: false,
      }),
    create: (request) => Promise.resolve({ id: "", outputs: request.inputs }),
    read: refuse,
    update: refuse,
    delete: refuse,
    invoke: (): Promise<Properties> => refuse(),
  };
}
