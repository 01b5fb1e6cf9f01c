/**
 * What a run of the engine is asked for, and what it comes to.
 */
import type { Display, Output } from "./display.ts";
import type { PropertyMap } from "./property.ts";
import type { ProviderFactory } from "./provider.ts";
import type { Redactor } from "./redact.ts";

export type Command = "preview" | "up" | "refresh" | "destroy" | "output" | "cancel" | "plan";

export interface EngineOptions {
  /** `plan` is a preview that contacts nothing and needs neither state nor passphrase. */
  command: Command;
  stack: string;
  /** The folder of Pulumi.yaml. */
  projectDir: string;
  /** `file://…` or `s3://…`, with the query parameters Pulumi knows. Not needed by plan. */
  backendUrl?: string;
  passphrase?: string;
  /** Prints one JSON document instead of text. */
  json?: boolean;
  /** Of preview, up and refresh: ends with code 3 when there was something to change. */
  expectNoChanges?: boolean;
  /** Of preview and up: reads every resource as it is now first; a preview shows what differs from the state and keeps nothing. */
  refresh?: boolean;
  /** Of refresh and destroy: shows what would happen and changes nothing. */
  previewOnly?: boolean;
  /** Of destroy: leaves protected resources, and what they depend on, in place. */
  excludeProtected?: boolean;
  /** Of output: prints this one value alone. */
  name?: string;
  showSecrets?: boolean;
  /** The environment of the program and of the S3 client; default: this process's own. */
  env?: Record<string, string | undefined>;
  out: Output;
  /** Providers by package that take the place of the built-in ones, for tests. */
  providers?: Readonly<Record<string, ProviderFactory>>;
}

/** The options with what every run needs besides. */
export type RunOptions = EngineOptions & {
  environment: Record<string, string | undefined>;
  display: Display;
  redactor: Redactor;
};

/** What a deployment, a refresh or a destroy answers. */
export interface RunResult {
  failed: boolean;
  interrupted: boolean;
  outputs: PropertyMap;
  /** Why, when the program ended badly without a word of its own. */
  reason: string;
}
