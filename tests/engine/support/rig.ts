/**
 * Drives the engine's decisions without a program process: goals go in the way the monitor passes them on, state comes out
 * of the files. What this leaves out, the SDK and the wire, program.test.ts covers.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBucket } from "../../../engine/bucket.ts";
import { Callbacks } from "../../../engine/callbacks.ts";
import { deleteStates, leftovers } from "../../../engine/deletion.ts";
import { DeploymentCodec } from "../../../engine/deployment-file.ts";
import { Checkpoint } from "../../../engine/checkpoint.ts";
import { destroy } from "../../../engine/destroy.ts";
import { Display } from "../../../engine/display.ts";
import type { Goal } from "../../../engine/goal.ts";
import { Crypter } from "../../../engine/passphrase.ts";
import type { PropertyMap } from "../../../engine/property.ts";
import { ProviderRegistry } from "../../../engine/provider-registry.ts";
import { Redactor } from "../../../engine/redact.ts";
import { refresh } from "../../../engine/refresh.ts";
import { readExternal, register, type Registered } from "../../../engine/registration.ts";
import { Run } from "../../../engine/run.ts";
import { StackStore } from "../../../engine/stack-store.ts";
import type { Snapshot } from "../../../engine/state.ts";
import { Cloud } from "./cloud.ts";

/** One salt for all tests: deriving a key takes a million rounds. */
const crypter = Crypter.create("correct horse", undefined);

export interface Result {
  run: Run;
  display: Display;
  /** `create a`, `same b` … in the order the steps ended. */
  steps: string[];
  failures: string[];
}

export interface Options extends Partial<Omit<Goal, "type" | "name" | "inputs">> {
  /** What it depends on, by property or (under "") as a whole. */
  needs?: Record<string, Registered>;
}

/** What a test's program does. */
export class Program {
  readonly run: Run;
  readonly provider: Registered;

  constructor(run: Run, provider: Registered) {
    this.run = run;
    this.provider = provider;
  }

  thing(name: string, inputs: PropertyMap = {}, options: Options = {}): Promise<Registered> {
    return register(this.run, this.#goal("test:index:Thing", name, inputs, options));
  }

  group(name: string, options: Options = {}): Promise<Registered> {
    return register(this.run, {
      ...this.#goal("test:index:Group", name, {}, options),
      custom: false,
      provider: "",
    });
  }

  get(name: string, id: string, options: Options = {}): Promise<Registered> {
    return readExternal(this.run, this.#goal("test:index:Thing", name, {}, options), id);
  }

  #goal(type: string, name: string, inputs: PropertyMap, { needs = {}, ...options }: Options): Goal {
    const dependencies = Object.values(needs).map(({ urn }) => urn);
    return {
      ...EMPTY_GOAL,
      type,
      name,
      inputs,
      provider: referenceOf(this.provider),
      dependencies,
      propertyDependencies: Object.fromEntries(
        Object.keys(inputs).map((key) => [key, needs[key] === undefined ? [] : [needs[key].urn]]),
      ),
      ...options,
    };
  }
}

export const EMPTY_GOAL: Goal = {
  type: "",
  name: "",
  custom: true,
  parent: "",
  inputs: {},
  provider: "",
  providers: {},
  version: "",
  dependencies: [],
  propertyDependencies: {},
  protect: undefined,
  retainOnDelete: undefined,
  deletedWith: "",
  replaceWith: [],
  deleteBeforeReplace: undefined,
  ignoreChanges: [],
  replaceOnChanges: [],
  replacementTrigger: null,
  additionalSecretOutputs: [],
  aliases: [],
  timeouts: {},
  importId: "",
  hooks: {},
};

export function referenceOf({ urn, state }: Registered): string {
  return `${urn}::${state.id}`;
}

export class Rig {
  readonly cloud = new Cloud();
  readonly folder: string;
  /** Configuration of the provider the next program uses. */
  config: PropertyMap = {};

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<Rig> {
    return new Rig(await mkdtemp(join(tmpdir(), "engine-rig-")));
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  up(program: (program: Program) => Promise<unknown>): Promise<Result> {
    return this.#deploy(program, false);
  }

  preview(program: (program: Program) => Promise<unknown>): Promise<Result> {
    return this.#deploy(program, true);
  }

  async refresh(): Promise<Result> {
    return this.#run(false, refresh);
  }

  async destroy(excludeProtected = false): Promise<Result> {
    return this.#run(false, (run) => destroy(run, excludeProtected));
  }

  async snapshot(): Promise<Snapshot> {
    const file = await (await this.store()).load();
    return file === undefined
      ? { resources: [], operations: [] }
      : new DeploymentCodec(await crypter).read(file);
  }

  /** `name` of every resource in the state with what is special about it. */
  async names(): Promise<string[]> {
    const { resources } = await this.snapshot();
    return resources
      .filter(({ type }) => !type.startsWith("pulumi:"))
      .map(
        (state) =>
          (state.urn.split("::").at(-1) ?? "") +
          (state.delete ? " (delete)" : "") +
          (state.pendingReplacement ? " (pending replacement)" : "") +
          (state.external ? " (external)" : ""),
      );
  }

  async store(): Promise<StackStore> {
    return new StackStore(await openBucket(`file://${this.folder}`, {}), "project", "dev");
  }

  #deploy(program: (program: Program) => Promise<unknown>, preview: boolean): Promise<Result> {
    return this.#run(preview, async (run) => {
      const goal = { ...EMPTY_GOAL, type: "pulumi:providers:test", name: "p", inputs: this.config };
      await program(new Program(run, await register(run, goal)));
      if (!run.failed) await deleteStates(run, leftovers(run));
    });
  }

  async #run(preview: boolean, work: (run: Run) => Promise<unknown>): Promise<Result> {
    const store = await this.store();
    const codec = new DeploymentCodec(await crypter);
    const file = await store.load();
    const base = file === undefined ? { resources: [], operations: [] } : codec.read(file);
    const checkpoint = new Checkpoint(base, "project/dev", codec, preview ? undefined : store);
    const display = new Display({
      out: { write: () => undefined },
      redactor: new Redactor(),
      preview,
      quiet: true,
      title: "",
    });
    const registry = new ProviderRegistry({ factories: { test: this.cloud.factory }, offline: false });
    const run = new Run({
      stack: "dev",
      project: "project",
      preview,
      config: {},
      checkpoint,
      registry,
      callbacks: new Callbacks(preview, (urn, text) => display.message("warning", urn, text)),
      observer: display,
    });
    await work(run);
    await run.settled();
    await checkpoint.finish();
    const steps = display.timed
      .filter(({ step }) => !step.urn.includes("::pulumi:providers:"))
      .map(
        ({ step, failed }) =>
          `${failed ? "failed " : ""}${step.operation} ${step.urn.split("::").at(-1) ?? ""}`,
      );
    return { run, display, steps, failures: display.failures.map(({ message }) => message) };
  }
}
