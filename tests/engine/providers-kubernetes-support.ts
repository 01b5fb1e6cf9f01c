/**
 * Calls the kubernetes provider as the engine does, for its tests: one resource at a time, with the bookkeeping of the
 * state left to the test.
 */
import { factory } from "../../engine/providers/kubernetes/index.ts";
import type {
  CheckResult,
  CreateResult,
  DiffResult,
  Properties,
  Provider,
  ReadResult,
  UpdateResult,
  Value,
} from "../../engine/provider.ts";

/** A resource as the state has it after an operation. */
export interface Recorded {
  urn: string;
  type: string;
  id: string;
  inputs: Properties;
  outputs: Properties;
}

export class Driver {
  readonly provider: Provider = factory();
  /** What the provider told the operator, oldest first. */
  readonly log: string[] = [];
  #counter = 0;

  static async of(configuration: Properties): Promise<Driver> {
    const driver = new Driver();
    await driver.provider.configure(configuration);
    return driver;
  }

  check(
    type: string,
    name: string,
    news: Properties,
    olds?: Properties,
    preview = false,
  ): Promise<CheckResult> {
    return this.provider.check({
      ...{ urn: urnOf(type, name), type, name, news, preview },
      ...(olds === undefined ? {} : { olds }),
      autonaming: (prefix = name) => `${prefix}-${(++this.#counter).toString(16).padStart(7, "0")}`,
    });
  }

  /** Checks and creates. Throws if the check fails; a partial result is in the second place. */
  async create(
    type: string,
    name: string,
    news: Properties,
    options: { preview?: boolean; timeoutSeconds?: number; signal?: AbortSignal } = {},
  ): Promise<[Recorded, CreateResult]> {
    const preview = options.preview ?? false;
    const { inputs, failures } = await this.check(type, name, news, undefined, preview);
    if (failures.length > 0) throw new Error(JSON.stringify(failures));
    const urn = urnOf(type, name);
    const result = await this.provider.create({
      ...{ urn, type, inputs, preview, log: this.#tell },
      signal: options.signal ?? new AbortController().signal,
      ...(options.timeoutSeconds === undefined ? {} : { timeoutSeconds: options.timeoutSeconds }),
    });
    return [{ urn, type, id: result.id, inputs, outputs: result.outputs }, result];
  }

  async diff(
    old: Recorded,
    news: Properties,
    ignoreChanges: string[] = [],
  ): Promise<[DiffResult, Properties]> {
    const { inputs, failures } = await this.check(old.type, nameOf(old.urn), news, old.inputs);
    if (failures.length > 0) throw new Error(JSON.stringify(failures));
    const result = await this.provider.diff({
      ...{ urn: old.urn, type: old.type, id: old.id, ignoreChanges },
      ...{ oldInputs: old.inputs, oldOutputs: old.outputs, newInputs: inputs },
    });
    return [result, inputs];
  }

  async update(
    old: Recorded,
    newInputs: Properties,
    options: { preview?: boolean; timeoutSeconds?: number } = {},
  ): Promise<[Recorded, UpdateResult]> {
    const result = await this.provider.update({
      ...{ urn: old.urn, type: old.type, id: old.id, newInputs, log: this.#tell },
      ...{ oldInputs: old.inputs, oldOutputs: old.outputs, signal: new AbortController().signal },
      preview: options.preview ?? false,
      ...(options.timeoutSeconds === undefined ? {} : { timeoutSeconds: options.timeoutSeconds }),
    });
    return [{ ...old, inputs: newInputs, outputs: result.outputs }, result];
  }

  read(recorded: Recorded): Promise<ReadResult | null> {
    return this.provider.read({ ...recorded, signal: new AbortController().signal });
  }

  delete(recorded: Recorded, timeoutSeconds?: number): Promise<void> {
    return this.provider.delete({
      ...{ ...recorded, signal: new AbortController().signal, log: this.#tell },
      ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    });
  }

  close(): Promise<void> {
    return this.provider.close?.() ?? Promise.resolve();
  }

  readonly #tell = (message: string): void => void this.log.push(message);
}

export function urnOf(type: string, name: string): string {
  return `urn:pulumi:test::capi-mgmt::${type}::${name}`;
}

function nameOf(urn: string): string {
  return urn.split("::")[3] ?? "";
}

/** The value at a path of properties, for assertions. */
export function pluck(value: unknown, ...path: (string | number)[]): Value | undefined {
  return path.reduce<unknown>(
    (current, key) => (current as Record<string | number, unknown> | undefined)?.[key],
    value,
  ) as Value | undefined;
}

/** The error that `work` ends with. */
export async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it should have failed");
}
