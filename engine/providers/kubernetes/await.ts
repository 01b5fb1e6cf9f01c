/**
 * Waits until an object is ready, or gone, and says what was missing when time is up.
 * Upstream analogue: provider/pkg/await/await.go. It polls where upstream watches: a broken connection then costs one
 * poll instead of a watch's resynchronisation.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../provider.ts";
import type { Cluster, Place } from "./cluster.ts";
import { explain } from "./explain.ts";
import { annotation, at, idOf, isAnnotated, listAt, textAt, type KubeObject } from "./object.ts";
import { describeCondition, ruleFor, type Readiness } from "./readiness.ts";
import { waitForRule } from "./wait-for.ts";

interface Wait {
  cluster: Cluster;
  place: Place;
  /** What the program asks for: the source of the annotations that steer the wait. */
  wanted: KubeObject;
  /** The live object as the last operation left it. */
  live: KubeObject;
  updating: boolean;
  /** The program's customTimeouts, in seconds; overrides annotation and default. */
  timeoutSeconds?: number | undefined;
  signal: AbortSignal;
  log: Log;
}

/** The live object once it is ready, or with the reason why it is not. */
interface Awaited {
  live: KubeObject;
  notReady?: string;
}

/** Time-out of what has none of its own, in seconds; upstream's. */
const DEFAULT_TIMEOUT = 600;

/** A tenth of the time waited so far, between 0.1 s and 2 s: quick for what is quick, cheap for what is not. */
function pauseAfter(elapsed: number): number {
  return Math.min(Math.max(elapsed / 10, 100), 2_000);
}

/** Waits as the object's kind and annotations (skipAwait, waitFor, timeoutSeconds) ask. */
export async function untilReady(wait: Wait): Promise<Awaited> {
  if (isAnnotated(wait.wanted, "pulumi.com/skipAwait")) return { live: wait.live };
  const builtin = ruleFor(wait.live);
  const rule = waitForRule(wait.wanted) ?? builtin?.rule;
  if (rule === undefined) return { live: wait.live };
  const seconds = timeoutOf(wait.wanted, wait.timeoutSeconds, builtin?.timeout);
  const started = Date.now();
  let live = wait.live;
  let told = "";
  for (;;) {
    const elapsed = Date.now() - started;
    const readiness = await rule(live, {
      updating: wait.updating,
      elapsed,
      get: (apiVersion, kind, name, namespace) => wait.cluster.read(apiVersion, kind, name, namespace),
      list: (apiVersion, kind, namespace, labels) => wait.cluster.list(apiVersion, kind, namespace, labels),
    });
    if (readiness.ready) return { live };
    if (readiness.failed === true) return { live, notReady: await notReady(wait, live, readiness, "failed") };
    if (elapsed >= seconds * 1000) {
      return { live, notReady: await notReady(wait, live, readiness, `is not ready after ${seconds} s`) };
    }
    if (wait.signal.aborted) {
      return {
        live,
        notReady: `${describe(live)} is not ready yet and was interrupted: ${readiness.message ?? ""}`,
      };
    }
    // Not before it is worth a line: most objects are ready within the first polls.
    if (elapsed > 3_000 && readiness.message !== undefined && readiness.message !== told) {
      told = readiness.message;
      wait.log(`waiting for ${describe(live)}: ${told}`);
    }
    await sleep(Math.min(pauseAfter(elapsed), seconds * 1000 - elapsed + 1), undefined, {
      signal: wait.signal,
    }).catch(() => undefined);
    const next = await wait.cluster.get(wait.place);
    if (next === undefined)
      return { live, notReady: `${describe(live)} was deleted while it was being awaited` };
    live = next;
  }
}

/** Kinds whose skipAwait annotation also spares the wait for their deletion; upstream keeps that for these only. */
const SKIPPABLE_DELETE = new Set([
  "Namespace",
  "Pod",
  "ReplicationController",
  "DaemonSet",
  "Deployment",
  "StatefulSet",
  "Job",
]);

/** Waits until the object `uid` is gone. Throws, naming what holds it, when time is up. */
export async function untilGone(wait: Omit<Wait, "updating" | "live"> & { uid: string }): Promise<void> {
  if (isAnnotated(wait.wanted, "pulumi.com/skipAwait") && SKIPPABLE_DELETE.has(textAt(wait.wanted, "kind")))
    return;
  const seconds = timeoutOf(wait.wanted, wait.timeoutSeconds, undefined);
  const started = Date.now();
  for (;;) {
    const live = await wait.cluster.get(wait.place);
    // Another object under the same name means that ours is gone.
    if (live === undefined || (wait.uid !== "" && textAt(live, "metadata", "uid") !== wait.uid)) return;
    const elapsed = Date.now() - started;
    if (elapsed >= seconds * 1000) throw new Error(await stillThere(wait.cluster, live, seconds));
    if (wait.signal.aborted)
      throw new Error(`${describe(live)} is being deleted; the wait for it was interrupted`);
    await sleep(pauseAfter(elapsed), undefined, { signal: wait.signal }).catch(() => undefined);
  }
}

function timeoutOf(wanted: KubeObject, given: number | undefined, builtin: number | undefined): number {
  if (given !== undefined && given > 0) return given;
  const annotated = Number(annotation(wanted, "pulumi.com/timeoutSeconds"));
  return Number.isInteger(annotated) && annotated > 0 ? annotated : (builtin ?? DEFAULT_TIMEOUT);
}

async function notReady(wait: Wait, live: KubeObject, readiness: Readiness, what: string): Promise<string> {
  const head = `${describe(live)} ${what}: ${readiness.message ?? "no further information"}`;
  return [head, ...(await explain(wait.cluster, live))].join("\n");
}

async function stillThere(cluster: Cluster, live: KubeObject, seconds: number): Promise<string> {
  const finalizers = [...listAt(live, "metadata", "finalizers"), ...listAt(live, "spec", "finalizers")];
  const held = finalizers.length > 0 ? `held by ${finalizers.join(", ")}` : "no finalizer holds it";
  const marked = at(live, "metadata", "deletionTimestamp") === undefined ? "not marked for deletion" : held;
  const conditions = listAt(live, "status", "conditions")
    .filter((condition) => textAt(live, "kind") !== "Namespace" || textAt(condition, "status") === "True")
    .map((condition) => `  ${describeCondition(condition)}`);
  const head = `${describe(live)} is still there after ${seconds} s: ${marked}`;
  return [head, ...(textAt(live, "kind") === "Namespace" ? conditions : await explain(cluster, live))].join(
    "\n",
  );
}

function describe(object: KubeObject): string {
  return `${textAt(object, "kind")} ${idOf(object)}`;
}
