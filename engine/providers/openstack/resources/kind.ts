/**
 * What a resource kind of the openstack provider is, and what its operations are given.
 * Upstream analogue: schema.Resource of terraform-plugin-sdk.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log, Properties, Value } from "../../../provider.ts";
import { isMap } from "../../../values.ts";
import type { Answer, Cloud, Json, RequestOptions, Service } from "../../../../openstack/cloud.ts";
import { ConnectionError, isStatus } from "../../../../openstack/errors.ts";
import type { Schema } from "../schema.ts";
import type { Deadline } from "../wait.ts";

export interface Context {
  readonly cloud: Cloud;
  readonly signal: AbortSignal;
  readonly deadline: Deadline;
  readonly log: Log;
  /** To be called as soon as the object exists, so that a failure after it loses nothing. */
  made(id: string): void;
}

export interface UpdateInput {
  /** Top-level names of the properties that differ. */
  readonly changed: ReadonlySet<string>;
  readonly state: Properties;
  readonly wanted: Properties;
}

export interface Kind {
  readonly token: string;
  /** As an operator calls it, for messages: "compute instance". */
  readonly title: string;
  readonly schema: Schema;
  /** Properties upstream has and this kind refuses. */
  readonly unsupported?: readonly string[];
  /** Seconds an operation may take without customTimeouts (upstream's Timeouts; default 600). */
  readonly timeout?: number;
  /** Rules over several properties. Plain problems, in words. */
  problems?(inputs: Properties): { property: string; reason: string }[];
  /** Changed properties that need a new object only in some states. */
  replaces?(state: Properties, changed: ReadonlySet<string>): string[];
  /** Makes the object, waits until it is usable and answers its id. */
  create(context: Context, wanted: Properties): Promise<string>;
  /** The properties as they are; null when the object is gone. `state` is what is recorded (on create: the inputs). */
  read(context: Context, id: string, state: Properties): Promise<Properties | null>;
  /** Waits until an object that was left half made is usable. */
  settle?(context: Context, id: string, wanted: Properties): Promise<void>;
  update?(context: Context, id: string, change: UpdateInput): Promise<void>;
  /** Deletes and waits until it is gone. */
  remove(context: Context, id: string, state: Properties): Promise<void>;
}

/** Request options with the operation's signal. */
export function within(context: Context, options: RequestOptions = {}): RequestOptions {
  return { ...options, signal: context.signal };
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

/** Undefined for what says nothing, so that JSON leaves it out. */
export function some(value: Value | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(textOf) : [];
}

export function mapsOf(value: unknown): Properties[] {
  return Array.isArray(value) ? (value as Value[]).filter(isMap) : [];
}

export function jsonsOf(value: unknown): Json[] {
  return Array.isArray(value) ? (value as Json[]) : [];
}

export function jsonOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

/** A map of strings. */
export function stringsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(jsonOf(value)).map(([key, item]) => [key, textOf(item)]));
}

/** How often a create whose answer was lost is sent again after looking for its object. */
const CREATE_ATTEMPTS = 3;

/**
 * POSTs a new object. When the answer is lost on the way (connection broken, gateway error), first looks whether the object was
 * made all the same, so that nothing is made twice: `lost` answers it, or undefined.
 */
export async function post(
  context: Context,
  service: Service,
  path: string,
  options: RequestOptions,
  lost: (since: Date) => Promise<Json | undefined>,
): Promise<Json> {
  const since = new Date(Date.now() - 5000);
  for (let attempt = 1; ; attempt++) {
    let answer: Answer;
    try {
      answer = await context.cloud.request(service, "POST", path, within(context, options));
    } catch (error) {
      const ambiguous =
        (error instanceof ConnectionError && error.maybeDone) || isStatus(error, 500, 502, 503, 504);
      if (!ambiguous) throw error;
      await sleep(1000, undefined, { signal: context.signal });
      const found = await lost(since);
      if (found) return found;
      if (attempt >= CREATE_ATTEMPTS || isStatus(error, 500, 503)) throw error;
      continue;
    }
    return answer.body;
  }
}

/** The one object of a list that was made since, by its created_at or created; none when that is not certain. */
export function madeSince(objects: Json[], since: Date): Json | undefined {
  const fresh = objects.filter((object) => {
    const at = textOf(object["created_at"] ?? object["created"]);
    return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(at) ? at : `${at}Z`) >= since.getTime();
  });
  return fresh.length === 1 ? fresh[0] : undefined;
}
