/**
 * The state as a run goes on: what is done, what is new, what is under way; written after each step.
 * Upstream analogue: pkg/backend/snapshot.go (SnapshotManager).
 */
import type { DeploymentCodec } from "./deployment-file.ts";
import type { StackStore } from "./stack-store.ts";
import type { Operation, OperationType, ResourceState, Snapshot } from "./state.ts";

/**
 * Keeps new states ahead of the ones not reached yet, so that every resource stands behind what it depends on. Changes that
 * come while a write is under way share the next one.
 */
export class Checkpoint {
  readonly #base: Snapshot;
  readonly #news: ResourceState[] = [];
  readonly #done = new Set<ResourceState>();
  readonly #pending = new Set<Operation>();
  readonly #write: ((text: string) => Promise<void>) | undefined;
  readonly #stack: string;
  readonly #codec: DeploymentCodec | undefined;
  #kept: Operation[];
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #failure: Error | undefined;
  /** The file as last written, but for its time. */
  #last = "";
  #text = "";

  /** Without `store` (a preview) nothing is ever written. */
  constructor(base: Snapshot, stack: string, codec?: DeploymentCodec, store?: StackStore) {
    this.#base = base;
    // Only a create that was cut off may have left something unmanaged; the rest is read anew by refresh.
    this.#kept = base.operations.filter((operation) => operation.type === "creating");
    this.#stack = stack;
    this.#codec = codec;
    this.#write = store === undefined ? undefined : (text) => store.save(text);
    if (codec !== undefined) this.#last = JSON.stringify(codec.write(stack, base, new Date(0)));
  }

  /** Steps of earlier runs that began to create something and were cut off. */
  get interruptedCreates(): readonly Operation[] {
    return this.#kept;
  }

  /** Forgets them: a refresh, or a create of the same resource, has settled the matter. */
  settle(urn?: string): void {
    this.#kept = urn === undefined ? [] : this.#kept.filter((operation) => operation.resource.urn !== urn);
  }

  /** Records that a step begins; resolves once that is written. Call the result when it ended. */
  async begin(resource: ResourceState, type: OperationType): Promise<() => void> {
    const operation = { resource, type };
    this.#pending.add(operation);
    await this.save();
    return () => {
      this.#pending.delete(operation);
    };
  }

  /** `state` takes the place of `old`; written only if that makes a difference. */
  same(old: ResourceState, state: ResourceState): void {
    this.done(old);
    this.add(state);
    if (this.#codec?.differs(old, state) === true) this.saveSoon();
  }

  /** A state that is there already was changed; `old` is what the file has of it. */
  changed(state: ResourceState, old: ResourceState | undefined): void {
    if (old === undefined || this.#codec?.differs(old, state) !== false) this.saveSoon();
  }

  /** `old` is no longer part of the state. */
  done(old: ResourceState): void {
    this.#done.add(old);
  }

  add(state: ResourceState): void {
    this.#news.push(state);
  }

  get snapshot(): Snapshot {
    const resources = [...this.#news, ...this.#base.resources].filter((state) => !this.#done.has(state));
    return { resources, operations: [...this.#kept, ...this.#pending] };
  }

  /** The file's text after the last save; empty when nothing was written. */
  get written(): string {
    return this.#text;
  }

  /** Writes what changed; resolves once a write that began after this call is done. Throws when the state cannot be written. */
  save(): Promise<void> {
    if (this.#write === undefined) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#running === undefined) {
      this.#running = this.#flush().finally(() => (this.#running = undefined));
      return this.#running;
    }
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.save();
      });
    return this.#next;
  }

  /** Like save, without waiting: a failure shows at the next step or at the end. */
  saveSoon(): void {
    this.save().catch(() => undefined);
  }

  /** The last write of a run: waits for what is under way and writes what a failed write left. */
  async finish(): Promise<void> {
    while (this.#running !== undefined || this.#next !== undefined) {
      await (this.#next ?? this.#running)?.catch(() => undefined);
    }
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    await this.save();
  }

  async #flush(): Promise<void> {
    // Let everything that happens in this turn of the loop into one write.
    await Promise.resolve();
    if (this.#codec === undefined || this.#write === undefined) return;
    const plain = JSON.stringify(this.#codec.write(this.#stack, this.snapshot, new Date(0)));
    if (plain === this.#last) return;
    const text = plain.replace(new Date(0).toISOString(), new Date().toISOString());
    try {
      await this.#write(text);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      throw this.#failure;
    }
    this.#last = plain;
    this.#text = text;
  }
}
