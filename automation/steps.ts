/**
 * What the engine's events say of a run, as plain values: a step a resource, and what was said beside.
 * Nothing secret is in them: the engine writes `[secret]` in a secret's place before an event leaves it.
 */
import { isDeepStrictEqual } from "node:util";
import type { EngineEvent, OpType, StepEventMetadata } from "@pulumi/pulumi/automation/index.js";

/** What is done to a resource, in the engine's own words (`create`, `same`, `delete-replaced` …). */
export type Op = OpType;

/** One property that a step changes. */
export interface Change {
  /** Where it is, as Pulumi writes it: `allowedAddressPairs[0].ipAddress`. */
  readonly path: string;
  readonly kind: "add" | "delete" | "update";
  /** The resource must be made anew because of it. */
  readonly replaces: boolean;
  /** Absent for what was not there before; `[secret]` for a secret. */
  readonly old?: unknown;
  /** Absent for what is removed, or not known before the deployment; `[secret]` for a secret. */
  readonly new?: unknown;
}

/** One resource in a run, from its first event to its last. */
export interface Step {
  readonly urn: string;
  /** Last type in the URN, `openstack:networking/port:Port`. */
  readonly type: string;
  /** The name that the program gave the resource. */
  readonly name: string;
  /** URN of the parent; empty for the stack itself. */
  readonly parent: string;
  readonly op: Op;
  /** false: a component, which only groups others. */
  readonly custom: boolean;
  /** The resource option, of the new state where there is one. */
  readonly protect: boolean;
  /** Of an update, a replacement or a refresh. */
  readonly changes: readonly Change[];
  /** As the program gives them, or as the state has them where the program no longer does. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** An earlier run made the resource and did not get it ready: the engine repeats what it did. */
  readonly unfinished?: true;
  /** Seconds since the run began. */
  readonly started: number;
  /** Seconds since the run began; undefined while it runs, and for good if the run was ended before. */
  ended?: number;
  failed?: true;
}

/** Something that the program, a provider or the engine said. */
export interface Diagnostic {
  readonly severity: "info" | "warning" | "error";
  /** The resource it is about; empty for the run as a whole. */
  readonly urn: string;
  readonly text: string;
}

/** The name part of a URN. */
export const nameOf = (urn: string): string => urn.split("::").slice(3).join("::");

/** The resource's own type, without its parents' types. */
export const typeOf = (urn: string): string => urn.split("::")[2]?.split("$").at(-1) ?? "";

/** The stack's own resource. */
export const STACK_TYPE = "pulumi:pulumi:Stack";

/** Ops that leave everything as it was. */
const unchanged: ReadonlySet<string> = new Set<Op>(["same", "read", "refresh"]);

/** How many resources a run changed or would change, given resources by op. */
export function changeCount(counts: Readonly<Partial<Record<Op, number>>>): number {
  return Object.entries(counts).reduce((sum, [op, count]) => sum + (unchanged.has(op) ? 0 : count), 0);
}

/** Gathers a run's events. */
export class Recorder {
  readonly steps: Step[] = [];
  /** Resources that a refresh found different from the state (`update`) or gone (`delete`). */
  readonly drift: Step[] = [];
  readonly diagnostics: Diagnostic[] = [];
  /** The stack's outputs, `[secret]` for a secret. */
  outputs: Readonly<Record<string, unknown>> = {};
  /** The stack's outputs are others than before. A secret one that changes alone is not seen: the engine hides both values. */
  newOutputs = false;
  /** Resources by op, as the engine counts them at the end; a replacement is one `replace`. */
  counts: Partial<Record<Op, number>> = {};
  private readonly began = performance.now();
  private readonly listener: RunListener;

  constructor(listener: RunListener = {}) {
    this.listener = listener;
  }

  /** Seconds since the run began. */
  now(): number {
    return Math.round(performance.now() - this.began) / 1000;
  }

  /** Takes in one event. */
  add(event: EngineEvent): void {
    // The SDK's debug messages hold property values, secrets in clear.
    if ((event.diagnosticEvent?.severity as string | undefined) === "debug") return;
    this.listener.onEvent?.(event);
    const { resourcePreEvent, resOutputsEvent, resOpFailedEvent, diagnosticEvent, summaryEvent } = event;
    if (resourcePreEvent) this.begin(resourcePreEvent.metadata);
    if (resOutputsEvent) this.end(resOutputsEvent.metadata, false);
    if (resOpFailedEvent) this.end(resOpFailedEvent.metadata, true);
    if (summaryEvent) this.counts = summaryEvent.resourceChanges;
    if (diagnosticEvent && !diagnosticEvent.ephemeral) {
      const { severity, urn = "", message, prefix = "" } = diagnosticEvent;
      this.say(severity === "info#err" ? "info" : severity, urn, plainText(prefix + message));
    }
  }

  /** Adds a diagnostic, unless the same was said of the same resource already or it is empty. */
  say(severity: Diagnostic["severity"], urn: string, text: string): void {
    const said = text.trim().replace(/^error: /, "");
    if (said === "" || this.diagnostics.some((other) => other.text === said && other.urn === urn)) return;
    const diagnostic = { severity, urn, text: said };
    this.diagnostics.push(diagnostic);
    this.listener.onDiagnostic?.(diagnostic);
  }

  private begin(metadata: StepEventMetadata): void {
    // The engine makes default providers for itself; the program has none.
    if (metadata.urn.includes("::pulumi:providers:") && nameOf(metadata.urn).startsWith("default")) return;
    const step = describe(metadata, this.now());
    this.steps.push(step);
    this.listener.onBegin?.(step);
  }

  private end(metadata: StepEventMetadata, failed: boolean): void {
    // The stack's comes twice: when its step has ended, with the outputs of before, and when the program has given them.
    if (typeOf(metadata.urn) === STACK_TYPE && metadata.new) {
      this.outputs = masked(metadata.new.outputs) as Record<string, unknown>;
      this.newOutputs = !isDeepStrictEqual(this.outputs, masked(metadata.old?.outputs));
    }
    const index = this.steps.findLastIndex(
      ({ urn, op, ended }) =>
        // The command `refresh` ends a step with what it found (same, update, delete), other runs with `refresh`.
        urn === metadata.urn && (op === metadata.op || op === "refresh") && ended === undefined,
    );
    const begun = this.steps[index];
    if (begun === undefined) return;
    // The last event knows best what changed.
    const step: Step = {
      ...describe({ ...metadata, op: begun.op }, begun.started),
      ended: this.now(),
      ...(failed ? { failed: true } : {}),
    };
    this.steps[index] = step;
    if (begun.op === "refresh" && !failed) {
      const gone = metadata.new === undefined || metadata.new === null;
      if (gone || metadata.op === "update" || step.changes.length > 0) {
        const found: Step = { ...step, op: gone ? "delete" : "update" };
        this.drift.push(found);
        this.listener.onDrift?.(found);
      }
    }
    this.listener.onEnd?.(step);
  }
}

/** Told of a run while it goes on. */
export interface RunListener {
  /** Of an up: the preview ahead of it begins. */
  onLook?(): void;
  /** Of an up: the preview ahead of it found something to do, resources by op. */
  onPlan?(counts: Recorder["counts"]): void;
  /** A step begins. In a preview, too. */
  onBegin?(step: Step): void;
  /** A step has ended, well or badly (`failed`). */
  onEnd?(step: Step): void;
  /** A refresh found a resource different from the state (`update`) or gone (`delete`). */
  onDrift?(step: Step): void;
  onDiagnostic?(diagnostic: Diagnostic): void;
  /** Each event as the engine wrote it, for a record of the run. */
  onEvent?(event: EngineEvent): void;
}

function describe(metadata: StepEventMetadata, started: number): Step {
  const state = metadata.new ?? metadata.old;
  return {
    urn: metadata.urn,
    type: typeOf(metadata.urn),
    name: nameOf(metadata.urn),
    parent: state?.parent ?? "",
    op: metadata.op,
    custom: state?.custom === true,
    protect: state?.protect === true,
    changes: changesOf(metadata),
    inputs: masked(state?.inputs ?? {}) as Record<string, unknown>,
    ...((metadata.old?.initErrors ?? []).length > 0 ? { unfinished: true as const } : {}),
    started,
  };
}

/** The differences, each with both values where the event carries them. */
function changesOf(metadata: StepEventMetadata): Change[] {
  const { old, new: next, keys = [], diffs = [], detailedDiff, op } = metadata;
  if (!old || !next) return [];
  const detailed = Object.entries(detailedDiff ?? {}).map(([path, { diffKind, inputDiff }]) => {
    const [kind] = diffKind.split("-") as [Change["kind"]];
    const before = valueAt(op === "refresh" || !inputDiff ? old.outputs : old.inputs, path);
    const after = valueAt(op === "refresh" ? next.outputs : next.inputs, path);
    return change(path, kind, diffKind.endsWith("replace"), before ?? valueAt(old.inputs, path), after);
  });
  if (detailed.length > 0) return detailed;
  return (diffs ?? []).map((key) => {
    const [before, after] = [valueAt(old.inputs, key), valueAt(next.inputs, key)];
    const kind = before === undefined ? "add" : after === undefined ? "delete" : "update";
    return change(key, kind, (keys ?? []).includes(key), before, after);
  });
}

function change(path: string, kind: Change["kind"], replaces: boolean, old: unknown, next: unknown): Change {
  return {
    path,
    kind,
    replaces,
    ...(kind === "add" || old === undefined ? {} : { old: masked(old) }),
    ...(kind === "delete" || next === undefined ? {} : { new: masked(next) }),
  };
}

/** The value at a property path (`a.b[0]["c.d"]`); undefined if there is none. */
function valueAt(properties: unknown, path: string): unknown {
  let value = properties;
  for (const [, name, index, quoted] of path.matchAll(/([^.[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]/g)) {
    if (typeof value !== "object" || value === null) return value === "[secret]" ? value : undefined;
    const key = name ?? index ?? quoted?.replaceAll('\\"', '"') ?? "";
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** The key by which the engine marks a special value. Upstream source: sdk/go/common/resource/sig. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";

/** A value with `[secret]` in place of the map that stands for a secret (the engine has emptied it already). */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== "object" || value === null) return value;
  if (SIGNATURE in value && "ciphertext" in value) return "[secret]";
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item)]));
}

/** Text without the engine's colour marks. */
export const plainText = (text: string): string => text.replaceAll(/<\{%[^%]*%\}>/g, "").trimEnd();
