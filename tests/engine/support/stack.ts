/**
 * A stack of the scenario program over a cloud in memory, with its state in a temporary folder.
 */
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runEngine, type Command, type EngineOptions, type Summary } from "../../../engine/main.ts";
import { Cloud } from "./cloud.ts";
import type { Scenario } from "./scenario.ts";

/** A resource as the state's file has it. */
export interface StoredResource {
  urn: string;
  id?: string;
  type: string;
  delete?: boolean;
  protect?: boolean;
  pendingReplacement?: boolean;
  external?: boolean;
  inputs?: Record<string, unknown>;
  outputs?: Record<string, unknown>;
  initErrors?: string[];
  dependencies?: string[];
  parent?: string;
  provider?: string;
}

export class TestStack {
  readonly cloud = new Cloud();
  readonly folder: string;
  readonly projectDir = join(import.meta.dirname, "../fixtures/scenario");
  text = "";

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<TestStack> {
    return new TestStack(await mkdtemp(join(tmpdir(), "engine-")));
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Runs a command; what it printed is in `text`. */
  async run(
    command: Command,
    scenario: Scenario = { resources: [] },
    options: Partial<EngineOptions> = {},
  ): Promise<{ exitCode: number; summary: Summary }> {
    this.text = "";
    return runEngine({
      command,
      stack: "dev",
      projectDir: this.projectDir,
      backendUrl: `file://${this.folder}`,
      passphrase: "correct horse",
      env: { ...process.env, SCENARIO: JSON.stringify(scenario) },
      out: { write: (text) => (this.text += text) },
      providers: { test: this.cloud.factory },
      ...options,
    });
  }

  get stateFile(): string {
    return join(this.folder, ".pulumi/stacks/scenario/dev.json");
  }

  async stateText(): Promise<string> {
    return readFile(this.stateFile, "utf8");
  }

  async stored(): Promise<{
    resources: StoredResource[];
    pending: { type: string; resource: StoredResource }[];
  }> {
    const file = JSON.parse(await this.stateText()) as {
      checkpoint: { latest: { resources?: StoredResource[]; pending_operations?: never[] } };
    };
    const { resources = [], pending_operations: pending = [] } = file.checkpoint.latest;
    return { resources, pending };
  }

  async writeStored(
    change: (resources: StoredResource[], latest: Record<string, unknown>) => void,
  ): Promise<void> {
    const file = JSON.parse(await this.stateText()) as {
      checkpoint: { latest: { resources: StoredResource[] } & Record<string, unknown> };
    };
    change(file.checkpoint.latest.resources, file.checkpoint.latest);
    await writeFile(this.stateFile, JSON.stringify(file));
  }

  /** Every file of the state's folder, relative to it. */
  async files(): Promise<string[]> {
    const entries = await readdir(this.folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.folder.length + 1))
      .sort();
  }
}
