/**
 * A cloud in memory and its provider, with faults to order. What a test sees of the engine, it sees here.
 */
import type { Provider, ProviderFactory } from "../../../engine/provider.ts";
import { Asset, UNKNOWN, equal, hasUnknown, type Properties } from "../../../engine/values.ts";

/** One call to the provider that changed something, e.g. `create a`. */
export type Call = string;

export interface Fault {
  /** Throws this. */
  message?: string;
  /** The resource is made, but reported as not ready. */
  partial?: string;
  /** Waits for this before going on. */
  wait?: Promise<unknown>;
  /** How often; default: always. */
  times?: number;
}

/** A property whose change needs a new resource, and one whose change needs the old one gone first. */
const IMMUTABLE = "immutable";
const EXCLUSIVE = "exclusive";

export class Cloud {
  readonly things = new Map<string, Properties>();
  readonly calls: Call[] = [];
  readonly faults = new Map<string, Fault>();
  readonly configured: Properties[] = [];
  readonly timeouts: Record<string, number | undefined> = {};
  #next = 1;

  get factory(): ProviderFactory {
    return () => this.#provider();
  }

  /** Makes `operation name` (e.g. "create a") go wrong. */
  fault(call: string, fault: Fault): void {
    this.faults.set(call, fault);
  }

  /** The calls since the last time this was asked. */
  takeCalls(): Call[] {
    return this.calls.splice(0);
  }

  #provider(): Provider {
    const nameOf = (urn: string): string => urn.split("::").at(-1) ?? "";
    let offline = false;
    return {
      name: "test",
      configure: (inputs) => {
        offline = inputs["offline"] === "true";
        this.configured.push(inputs);
        return Promise.resolve();
      },
      diffConfig: (olds, news) => ({
        changes: !equal(olds, news),
        replaces: equal(olds["region"], news["region"]) ? [] : ["region"],
        deleteBeforeReplace: false,
      }),
      check: ({ news, olds, autonaming, type, name }) => {
        if (type !== "test:index:Thing") return Promise.reject(new Error(`test has no type ${type}`));
        const inputs: Properties = { ...news };
        inputs["name"] ??= olds?.["name"] ?? autonaming();
        const failures =
          news["invalid"] === undefined ? [] : [{ property: "invalid", reason: `${name} is invalid` }];
        return Promise.resolve({ inputs, failures });
      },
      diff: ({ oldInputs, newInputs }) => {
        const keys = new Set([...Object.keys(oldInputs), ...Object.keys(newInputs)]);
        const changed = [...keys].filter((key) => !equal(oldInputs[key], newInputs[key]));
        return Promise.resolve({
          changes: changed.length > 0,
          replaces: changed.filter((key) => key === IMMUTABLE || key === EXCLUSIVE),
          deleteBeforeReplace: changed.includes(EXCLUSIVE),
        });
      },
      create: async ({ urn, inputs, preview, timeoutSeconds }) => {
        if (preview) return { id: "", outputs: { ...inputs, generated: UNKNOWN } };
        this.timeouts[nameOf(urn)] = timeoutSeconds;
        if (offline) throw new Error("the cloud is away");
        const partial = await this.#act("create", nameOf(urn));
        if (hasUnknown(inputs)) throw new Error("an unknown value reached the cloud");
        const id = `id-${this.#next++}`;
        const outputs = { ...plain(inputs), generated: `made-${id}` };
        this.things.set(id, outputs);
        return { id, outputs, ...(partial === undefined ? {} : { partial: { reason: partial } }) };
      },
      read: async ({ id, urn }) => {
        await this.#act("read", nameOf(urn));
        const thing = this.things.get(id);
        if (thing === undefined) return null;
        const inputs = Object.fromEntries(Object.entries(thing).filter(([key]) => key !== "generated"));
        return { id, inputs, outputs: thing };
      },
      update: async ({ id, urn, newInputs, preview, oldOutputs }) => {
        const outputs: Properties = { ...plain(newInputs), generated: oldOutputs["generated"] ?? null };
        if (preview) return { outputs };
        const partial = await this.#act("update", nameOf(urn));
        this.things.set(id, outputs);
        return { outputs, ...(partial === undefined ? {} : { partial: { reason: partial } }) };
      },
      delete: async ({ id, urn }) => {
        await this.#act("delete", nameOf(urn));
        this.things.delete(id);
      },
      invoke: (token, args) => Promise.resolve({ token, ...args }),
    };
  }

  async #act(operation: string, name: string): Promise<string | undefined> {
    const call = `${operation} ${name}`;
    if (operation !== "read") this.calls.push(call);
    const fault = this.faults.get(call);
    if (fault === undefined) return undefined;
    if (fault.times !== undefined) {
      fault.times -= 1;
      if (fault.times <= 0) this.faults.delete(call);
    }
    await fault.wait;
    if (fault.message !== undefined) throw new Error(fault.message);
    return fault.partial;
  }
}

function plain(properties: Properties): Properties {
  return Object.fromEntries(
    Object.entries(properties).map(([key, value]) => [
      key,
      value instanceof Asset ? (value.text ?? "") : value,
    ]),
  );
}
