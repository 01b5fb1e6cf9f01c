/**
 * Says why an object is not ready: its conditions, its Pods' troubles and the last events about them.
 * Upstream analogue: the event aggregator and pod aggregator of provider/pkg/await.
 */
import type { Cluster } from "./cluster.ts";
import { at, listAt, nameOf, namespaceOf, numberAt, textAt, type KubeObject } from "./object.ts";
import { conditionOf, describeCondition } from "./readiness.ts";

/** How many Pods and events an error shows; more would bury the first cause. */
const MOST_PODS = 3;
const MOST_EVENTS = 6;

/** Conditions of which True is the bad news. */
const NEGATIVE =
  /^(Failed|FailureTarget|Stalled|Degraded|Paused|RollingOut|Remediating|Deleting|.*Pressure|.*Failure)$/;

/** Indented lines, none if nothing is known. Never throws: it explains another error. */
export async function explain(cluster: Cluster, object: KubeObject): Promise<string[]> {
  try {
    const bad = listAt(object, "status", "conditions").filter(isBad).map(describeCondition);
    const pods = await troubledPods(cluster, object);
    const involved = new Set([nameOf(object), ...pods.map(nameOf)]);
    const events = await eventsAbout(
      cluster,
      namespaceOf(object),
      textAt(object, "metadata", "uid"),
      involved,
    );
    return [
      ...(bad.length > 0 ? [`  conditions: ${bad.join(", ")}`] : []),
      ...pods.slice(0, MOST_PODS).flatMap((pod) => describePod(pod)),
      ...(pods.length > MOST_PODS ? [`  and ${pods.length - MOST_PODS} more Pods`] : []),
      ...(events.length > 0
        ? ["  events:", ...events.slice(-MOST_EVENTS).map((event) => `    ${event}`)]
        : []),
    ];
  } catch {
    return [];
  }
}

/** The same for everything in a namespace that carries these labels: a Helm release's Pods. */
export async function explainPods(cluster: Cluster, namespace: string, labels: string): Promise<string[]> {
  try {
    const pods = (await cluster.list("v1", "Pod", namespace, labels)).filter(isTroubled);
    const events = await eventsAbout(cluster, namespace, "", new Set(pods.map(nameOf)));
    return [
      ...pods.slice(0, MOST_PODS).flatMap((pod) => describePod(pod)),
      ...(events.length > 0
        ? ["  events:", ...events.slice(-MOST_EVENTS).map((event) => `    ${event}`)]
        : []),
    ];
  } catch {
    return [];
  }
}

function isBad(condition: unknown): boolean {
  const negative = NEGATIVE.test(textAt(condition, "type"));
  return textAt(condition, "status") !== (negative ? "False" : "True");
}

function isTroubled(pod: KubeObject): boolean {
  return (
    textAt(pod, "status", "phase") !== "Succeeded" && textAt(conditionOf(pod, "Ready"), "status") !== "True"
  );
}

async function troubledPods(cluster: Cluster, object: KubeObject): Promise<KubeObject[]> {
  if (textAt(object, "kind") === "Pod") return [object];
  const labels =
    textAt(object, "kind") === "Service"
      ? at(object, "spec", "selector")
      : at(object, "spec", "selector", "matchLabels");
  if (typeof labels !== "object" || labels === null || Object.keys(labels).length === 0) return [];
  const selector = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`);
  const pods = await cluster.list("v1", "Pod", namespaceOf(object), selector.join(","));
  return pods.filter(isTroubled);
}

function describePod(pod: KubeObject): string[] {
  const lines = [`  Pod ${nameOf(pod)}: ${textAt(pod, "status", "phase") || "no status yet"}`];
  const unscheduled = conditionOf(pod, "PodScheduled");
  if (textAt(unscheduled, "status") === "False") lines.push(`    ${describeCondition(unscheduled)}`);
  const statuses = [
    ...listAt(pod, "status", "initContainerStatuses"),
    ...listAt(pod, "status", "containerStatuses"),
  ];
  for (const status of statuses) {
    const waiting = at(status, "state", "waiting");
    const ended = at(status, "state", "terminated") ?? at(status, "lastState", "terminated");
    const parts: string[] = [];
    if (waiting !== undefined) parts.push(reasonOf(waiting));
    if (ended !== undefined && numberAt(ended, 0, "exitCode") !== 0) {
      parts.push(`last exit ${numberAt(ended, 0, "exitCode")} ${reasonOf(ended)}`.trim());
    }
    if (parts.length > 0) lines.push(`    container ${textAt(status, "name")}: ${parts.join("; ")}`);
  }
  return lines;
}

function reasonOf(state: unknown): string {
  return [textAt(state, "reason"), textAt(state, "message")].filter((part) => part !== "").join(": ");
}

/** The events about an object (by its uid, so that those of a namesake before it are left out) and its Pods. */
async function eventsAbout(
  cluster: Cluster,
  namespace: string,
  uid: string,
  names: Set<string>,
): Promise<string[]> {
  const events = await cluster.list("v1", "Event", namespace === "" ? "default" : namespace, "");
  const about = events.filter((event) => {
    const target = at(event, "involvedObject");
    const name = textAt(target, "name");
    const child =
      textAt(target, "kind") === "ReplicaSet" && [...names].some((parent) => name.startsWith(`${parent}-`));
    return (
      (uid !== "" && textAt(target, "uid") === uid) ||
      (textAt(target, "kind") === "Pod" && names.has(name)) ||
      child
    );
  });
  const time = (event: KubeObject): string =>
    textAt(event, "lastTimestamp") ||
    textAt(event, "eventTime") ||
    textAt(event, "metadata", "creationTimestamp");
  // Warnings last: they are kept when the list is cut from its front.
  const warning = (event: KubeObject): number => (textAt(event, "type") === "Warning" ? 1 : 0);
  return about
    .sort((a, b) => warning(a) - warning(b) || time(a).localeCompare(time(b)))
    .map((event) => {
      const count = numberAt(event, 1, "count");
      const target = `${textAt(event, "involvedObject", "kind")}/${textAt(event, "involvedObject", "name")}`;
      const times = count > 1 ? ` (x${count})` : "";
      return `${textAt(event, "type")} ${textAt(event, "reason")}${times} ${target}: ${textAt(event, "message")}`;
    });
}
