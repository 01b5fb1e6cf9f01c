/**
 * One stack's files in a bucket: state, its backups, the history of updates and the lock.
 * Upstream analogue: pkg/backend/diy (state.go, store.go, lock.go, meta.go), whose layout this keeps.
 */
import { randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Bucket } from "./bucket.ts";
import type { CheckpointFile } from "./deployment-file.ts";

interface LockContent {
  pid: number;
  username: string;
  hostname: string;
  timestamp: string;
}

/** Another run holds the stack. */
export class StackLocked extends Error {}

/** What the history says of one update. */
export interface UpdateRecord {
  kind: "update" | "refresh" | "destroy";
  startTime: number;
  endTime: number;
  result: "succeeded" | "failed";
  resourceChanges: Record<string, number>;
}

export class StackStore {
  readonly #bucket: Bucket;
  readonly #project: string;
  readonly #stack: string;
  readonly #lockKey: string;
  readonly #gzip: boolean;
  #backedUp = false;

  /** @param gzip writes the state compressed, as the real CLI does with PULUMI_DIY_BACKEND_GZIP; both forms are read. */
  constructor(bucket: Bucket, project: string, stack: string, gzip = false) {
    this.#bucket = bucket;
    this.#gzip = gzip;
    this.#project = project;
    this.#stack = stack;
    this.#lockKey = `${this.#lockFolder}${randomUUID()}.json`;
  }

  get #stateKey(): string {
    return `.pulumi/stacks/${this.#project}/${this.#stack}.json${this.#gzip ? ".gz" : ""}`;
  }

  /** The key of the state as it was written last: the form wanted now, else the other. */
  async #existingKey(): Promise<string | undefined> {
    const plain = `.pulumi/stacks/${this.#project}/${this.#stack}.json`;
    const keys = await this.#bucket.list(plain);
    const zstd = keys.includes(`${plain}.zst`);
    if (zstd)
      throw new Error(
        `the state at ${this.#bucket.url} is compressed with zstd, which the embedded engine does not read`,
      );
    return [this.#stateKey, plain, `${plain}.gz`].find((key) => keys.includes(key));
  }

  get #lockFolder(): string {
    return `.pulumi/locks/organization/${this.#project}/${this.#stack}/`;
  }

  /** The state's file as it is, or undefined for a stack that was never deployed. */
  async load(): Promise<CheckpointFile | undefined> {
    const key = await this.#existingKey();
    const content = key === undefined ? undefined : await this.#bucket.read(key);
    if (key === undefined || content === undefined) return undefined;
    const text = key.endsWith(".gz") ? gunzipSync(content) : content;
    const file = JSON.parse(text.toString()) as CheckpointFile;
    if (file.version !== 3) {
      throw new Error(
        `the state at ${this.#bucket.url} has format ${String(file.version)}, not 3: it was written by another Pulumi`,
      );
    }
    return file;
  }

  /** Writes the state; before the first write of a run, keeps the one before beside it and among the backups. */
  async save(text: string): Promise<void> {
    let otherForm: string | undefined;
    if (!this.#backedUp) {
      const key = await this.#existingKey();
      const before = key === undefined ? undefined : await this.#bucket.read(key);
      if (key !== undefined && before !== undefined) {
        if (key !== this.#stateKey) otherForm = key;
        const folder = `.pulumi/backups/${this.#project}/${this.#stack}`;
        const form = key.endsWith(".gz") ? ".json.gz" : ".json";
        await Promise.all([
          this.#bucket.write(`${key}.bak`, before),
          this.#bucket.write(`${folder}/${this.#stack}.${nanoseconds()}${form}`, before),
        ]);
      } else if ((await this.#bucket.read(".pulumi/meta.yaml")) === undefined) {
        await this.#bucket.write(".pulumi/meta.yaml", "version: 1\n");
      }
      this.#backedUp = true;
    }
    await this.#bucket.write(this.#stateKey, this.#gzip ? gzipSync(text) : text);
    // Two forms would leave the next reader to choose; the new one is safe by now.
    if (otherForm !== undefined) await this.#bucket.delete(otherForm);
  }

  /** Adds an update to the history, with the state it left (`text`). */
  async record(update: UpdateRecord, text: string): Promise<void> {
    const prefix = `.pulumi/history/${this.#project}/${this.#stack}/${this.#stack}-${nanoseconds()}`;
    const history = {
      ...update,
      message: "",
      environment: { "exec.kind": "embedded" },
      config: {},
      version: 0,
    };
    await Promise.all([
      this.#bucket.write(`${prefix}.history.json`, JSON.stringify(history)),
      this.#bucket.write(`${prefix}.checkpoint.json`, text),
    ]);
  }

  /** Takes the stack for this run. Throws StackLocked, naming who holds it, when another has it. */
  async lock(): Promise<void> {
    await this.#refuseIfLocked();
    const content: LockContent = {
      pid: process.pid,
      username: userInfo().username,
      hostname: hostname(),
      timestamp: new Date().toISOString(),
    };
    await this.#bucket.write(this.#lockKey, JSON.stringify(content));
    try {
      // Two runs may have written at the same moment: both then see the other and give way.
      await this.#refuseIfLocked();
    } catch (error) {
      await this.unlock();
      throw error;
    }
  }

  async unlock(): Promise<void> {
    await this.#bucket.delete(this.#lockKey);
  }

  /** Removes every lock of the stack, whoever holds it, and says whose they were. */
  async cancel(): Promise<string[]> {
    const keys = await this.#bucket.list(this.#lockFolder);
    const holders = await Promise.all(keys.map((key) => this.#holder(key)));
    await Promise.all(keys.map((key) => this.#bucket.delete(key)));
    return holders;
  }

  async #refuseIfLocked(): Promise<void> {
    const keys = (await this.#bucket.list(this.#lockFolder)).filter((key) => key !== this.#lockKey);
    if (keys.length === 0) return;
    const holders = await Promise.all(keys.map((key) => this.#holder(key)));
    throw new StackLocked(
      `the stack is locked by another run: ${holders.join("; ")}. Wait for it to end; if it is gone, remove its lock with the cancel command.`,
    );
  }

  async #holder(key: string): Promise<string> {
    const content = await this.#bucket.read(key);
    if (content === undefined) return "a run that has just ended";
    const lock = JSON.parse(content.toString()) as LockContent;
    const gone = lock.hostname === hostname() && !isRunning(lock.pid) ? ", a process that is gone" : "";
    return `${lock.username}@${lock.hostname} (pid ${lock.pid}${gone}) since ${lock.timestamp}`;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function nanoseconds(): string {
  return `${Date.now()}${String(process.hrtime.bigint() % 1_000_000n).padStart(6, "0")}`;
}
