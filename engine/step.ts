/**
 * What the engine does to one resource, and who is told of it.
 * Upstream analogue: pkg/resource/deploy/step.go (the operations) and pkg/engine/events.go.
 */
import type { ResourceState } from "./state.ts";

/**
 * `replace` makes the new one; `delete-replaced` removes the old one, before or after. `discard` drops a resource that was
 * only read, `forget` one that was deleted ahead of a replacement that never came.
 */
export type Operation =
  | "same"
  | "create"
  | "update"
  | "replace"
  | "delete"
  | "delete-replaced"
  | "discard"
  | "forget"
  | "read"
  | "import"
  | "refresh";

export interface Step {
  readonly operation: Operation;
  readonly urn: string;
  readonly old: ResourceState | undefined;
  /** Undefined for deletes. */
  readonly new: ResourceState | undefined;
  /** Input properties that make a replacement necessary. */
  readonly replaces: readonly string[];
}

/** A step's failure as the operator is to read it. */
export interface Failure {
  urn: string;
  operation: Operation;
  /** The provider's or the engine's own words. */
  message: string;
  /** What became of the resource. */
  kept: string;
}

/** Told of everything worth showing. Times are milliseconds since the run began. */
export interface Observer {
  /** A step that takes time begins. */
  begin(step: Step): void;
  /** A step ended; `started` is when its resource became ready to be worked on. */
  end(step: Step, started: number, failed: boolean): void;
  failure(failure: Failure): void;
  message(severity: "debug" | "info" | "warning" | "error", urn: string, text: string): void;
  /** Milliseconds since the run began. */
  now(): number;
}
