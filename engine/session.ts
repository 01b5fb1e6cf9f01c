/**
 * One run's hold on a stack: its files, its key, its state and its lock.
 */
import { openBucket } from "./bucket.ts";
import { Checkpoint } from "./checkpoint.ts";
import { DeploymentCodec } from "./deployment-file.ts";
import { Crypter } from "./passphrase.ts";
import type { EngineOptions } from "./options.ts";
import { loadProject, loadStackSettings, type Project, type StackSettings } from "./project.ts";
import { StackStore, type UpdateRecord } from "./stack-store.ts";
import type { Snapshot } from "./state.ts";

export interface SessionOptions {
  project: Project;
  stack: string;
  settings: StackSettings;
  backendUrl: string;
  /** Undefined is refused as soon as it is needed. */
  passphrase: string | undefined;
  environment: Record<string, string | undefined>;
}

export class Session {
  readonly snapshot: Snapshot;
  readonly #store: StackStore;
  readonly #codec: DeploymentCodec;
  readonly #stackName: string;
  #locked: boolean;

  private constructor(
    store: StackStore,
    codec: DeploymentCodec,
    snapshot: Snapshot,
    name: string,
    locked: boolean,
  ) {
    this.#store = store;
    this.#codec = codec;
    this.snapshot = snapshot;
    this.#stackName = name;
    this.#locked = locked;
  }

  /**
   * Reads the state; with `lock`, takes the stack first. Throws StackLocked when another run holds it, WrongPassphrase when
   * the state was written with another one.
   */
  static async open(options: SessionOptions, lock: boolean): Promise<Session> {
    const store = await openStore(options);
    if (lock) await store.lock();
    try {
      const file = await store.load();
      const provider = file?.checkpoint.latest?.secrets_providers;
      if (provider !== undefined && provider.type !== "passphrase") {
        throw new Error(
          `the state's secrets are kept by ${provider.type}; the embedded engine knows passphrases only`,
        );
      }
      if (options.passphrase === undefined) {
        throw new Error(
          "the state needs a passphrase: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE",
        );
      }
      const salt = provider?.state?.salt ?? options.settings.encryptionSalt;
      const codec = new DeploymentCodec(await Crypter.create(options.passphrase, salt));
      const snapshot = file === undefined ? { resources: [], operations: [] } : codec.read(file);
      return new Session(store, codec, snapshot, `${options.project.name}/${options.stack}`, lock);
    } catch (error) {
      if (lock) await store.unlock();
      throw error;
    }
  }

  /** Where this run keeps its progress; with `keep` false nothing is ever written. */
  checkpoint(keep: boolean): Checkpoint {
    return new Checkpoint(this.snapshot, this.#stackName, this.#codec, keep ? this.#store : undefined);
  }

  /** Adds the run to the history if it changed the state, and gives the stack free. */
  async close(checkpoint: Checkpoint | undefined, record: Omit<UpdateRecord, "endTime">): Promise<void> {
    try {
      if (checkpoint !== undefined) {
        await checkpoint.finish();
        if (checkpoint.written !== "") {
          await this.#store.record({ ...record, endTime: Math.floor(Date.now() / 1000) }, checkpoint.written);
        }
      }
    } finally {
      if (this.#locked) await this.#store.unlock();
      this.#locked = false;
    }
  }
}

/** The stack's files, without reading them. */
export async function openStore(
  options: Omit<SessionOptions, "settings" | "passphrase">,
): Promise<StackStore> {
  const bucket = await openBucket(options.backendUrl, options.environment);
  const { project, stack, environment } = options;
  return new StackStore(
    bucket,
    project.name,
    stack,
    /^(1|true)$/i.test(environment["PULUMI_DIY_BACKEND_GZIP"] ?? ""),
  );
}

/** Opens the stack's state as the options say; with `lock`, takes the stack for this run. */
export async function openSession(
  options: EngineOptions & { environment: Record<string, string | undefined> },
  lock: boolean,
): Promise<Session> {
  const project = await loadProject(options.projectDir);
  const settings = await loadStackSettings(options.projectDir, options.stack);
  const { stack, passphrase, environment } = options;
  return Session.open(
    { project, stack, settings, backendUrl: backendOf(options), passphrase, environment },
    lock,
  );
}

/** Where the state is. Throws when the options do not say. */
export function backendOf(options: EngineOptions): string {
  if (options.backendUrl === undefined)
    throw new Error(`${options.command} needs to know where the state is`);
  return options.backendUrl;
}
