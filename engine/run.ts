/**
 * What one run of the engine knows while it goes on: the state it began with, what became of each URN, its helpers.
 * Upstream analogue: pkg/resource/deploy/deployment.go and the tables of step_generator.go.
 */
import { randomBytes } from "node:crypto";
import type { Callbacks } from "./callbacks.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { Goal } from "./goal.ts";
import type { PropertyMap } from "./property.ts";
import type { Instance, ProviderRegistry } from "./provider-registry.ts";
import type { ResourceState } from "./state.ts";
import type { Observer, Operation, Step } from "./step.ts";

export interface RunOptions {
  stack: string;
  project: string;
  /** Nothing is changed, neither in the cloud nor in the state. */
  preview: boolean;
  /** Configuration by full key. */
  config: Readonly<Record<string, string>>;
  checkpoint: Checkpoint;
  registry: ProviderRegistry;
  callbacks: Callbacks;
  observer: Observer;
}

export class Run {
  readonly stack: string;
  readonly project: string;
  readonly preview: boolean;
  readonly config: Readonly<Record<string, string>>;
  readonly checkpoint: Checkpoint;
  readonly registry: ProviderRegistry;
  readonly callbacks: Callbacks;
  readonly observer: Observer;

  /** The state at the beginning, in the order resources were made. */
  readonly base: readonly ResourceState[];
  /** Of these, the one that counts for each URN. */
  readonly olds: ReadonlyMap<string, ResourceState>;
  /** Every URN the program has registered or read. */
  readonly seen = new Set<string>();
  /** What was done to each URN so far. */
  readonly operations = new Map<string, Operation>();
  /** URNs being deleted in this run, and those being replaced. */
  readonly deletes = new Set<string>();
  readonly replaces = new Set<string>();
  /** States deleted ahead of a replacement. */
  readonly deletedAhead = new Set<ResourceState>();
  /** Former URN to present one, and back. */
  readonly renamed = new Map<string, string>();
  readonly formerly = new Map<string, string>();
  readonly goals = new Map<string, Goal>();
  readonly news = new Map<string, ResourceState>();

  /** The stack's outputs as the program gave them. */
  stackOutputs: PropertyMap | undefined;
  failed = false;
  /** Resolves at the first interrupt. */
  readonly interrupted: Promise<void>;

  #stopping = false;
  #interrupt: () => void = () => undefined;
  readonly #abort = new AbortController();
  readonly #names = new Map<string, string>();
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: RunOptions) {
    this.stack = options.stack;
    this.project = options.project;
    this.preview = options.preview;
    this.config = options.config;
    this.checkpoint = options.checkpoint;
    this.registry = options.registry;
    this.callbacks = options.callbacks;
    this.observer = options.observer;
    this.interrupted = new Promise((resolve) => (this.#interrupt = resolve));
    this.base = options.checkpoint.snapshot.resources;
    this.olds = new Map(this.base.filter((state) => !state.delete).map((state) => [state.urn, state]));
  }

  /** Aborted by the second interrupt, for providers to give up. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** After an interrupt what is under way ends and nothing more begins. */
  get stopping(): boolean {
    return this.#stopping;
  }

  stop(): void {
    this.#stopping = true;
    this.#interrupt();
  }

  /** Tells providers to give up. */
  abort(): void {
    this.stop();
    this.#abort.abort(new Error("interrupted"));
  }

  /** Remembers work that an interrupt has to wait for. */
  track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    const forget = (): void => void this.#underWay.delete(work);
    work.then(forget, forget);
    return work;
  }

  /** Resolves once nothing is under way. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /** The name Pulumi would generate: seven random hex digits, the same for one URN within a run. */
  autoname(urn: string, prefix: string): string {
    let random = this.#names.get(urn);
    if (random === undefined) {
      random = randomBytes(4).toString("hex").slice(0, 7);
      this.#names.set(urn, random);
    }
    return `${prefix}-${random}`;
  }

  /** The provider instance for a resource; undefined for components and for provider resources themselves. */
  provider(reference: string): Promise<Instance> {
    return this.registry.get(reference, this.base);
  }

  /** Whether this run has done anything to the resource of a state. */
  hasOperatedOn(urn: string): boolean {
    const operation = this.operations.get(this.renamed.get(urn) ?? urn);
    return operation !== undefined;
  }

  /** Records a step as finished. */
  finish(step: Step, started: number): void {
    this.operations.set(step.urn, step.operation);
    this.observer.end(step, started, false);
  }

  /** Records a step's failure. The run goes on with what does not depend on it. */
  fail(step: Step, started: number, error: unknown, kept: string): void {
    this.failed = true;
    this.observer.end(step, started, true);
    this.observer.failure({
      urn: step.urn,
      operation: step.operation,
      message: error instanceof Error ? error.message : String(error),
      kept,
    });
  }
}
