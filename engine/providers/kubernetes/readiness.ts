/**
 * When an object of a kind counts as ready, read from the object alone.
 * Upstream analogue: provider/pkg/await/awaiters.go and its files for each kind; the arithmetic of rollouts is that of
 * `kubectl rollout status`.
 */
import { at, listAt, numberAt, textAt, type KubeObject } from "./object.ts";

export interface Readiness {
  ready: boolean;
  /** What is still missing. */
  message?: string;
  /** Set when waiting on is useless: the object will not become ready by itself. */
  failed?: boolean;
}

/** What a rule may ask beyond the object. */
export interface Surroundings {
  /** Whether the object existed before this operation. */
  updating: boolean;
  /** Milliseconds since the wait began. */
  elapsed: number;
  /** Another object, or undefined if there is none. */
  get(apiVersion: string, kind: string, name: string, namespace: string): Promise<KubeObject | undefined>;
  /** The objects of a kind in a namespace that carry these labels. */
  list(apiVersion: string, kind: string, namespace: string, labels: string): Promise<KubeObject[]>;
}

export type Rule = (object: KubeObject, around: Surroundings) => Readiness | Promise<Readiness>;

const READY: Readiness = { ready: true };

function waiting(message: string): Readiness {
  return { ready: false, message };
}

/** The condition of `type` in the object's status. */
export function conditionOf(object: unknown, type: string): unknown {
  return listAt(object, "status", "conditions").find(
    (condition) => textAt(condition, "type").toLowerCase() === type.toLowerCase(),
  );
}

/** `Type=Status (Reason: message)`. */
export function describeCondition(condition: unknown): string {
  const [reason, message] = [textAt(condition, "reason"), textAt(condition, "message")];
  const why = [reason, message].filter((part) => part !== "").join(": ");
  return `${textAt(condition, "type")}=${textAt(condition, "status")}${why === "" ? "" : ` (${why})`}`;
}

/** Whether the controller has seen the object's latest specification. */
export function isObserved(object: unknown): boolean {
  const observed = at(object, "status", "observedGeneration");
  const generation = numberAt(object, 0, "metadata", "generation");
  return typeof observed !== "number" || observed >= generation;
}

const deployment: Rule = (object) => {
  if (at(object, "spec", "paused") === true) return READY;
  if (at(object, "status", "observedGeneration") === undefined || !isObserved(object)) {
    return waiting("the controller has yet to see it");
  }
  const progressing = conditionOf(object, "Progressing");
  const wanted = numberAt(object, 1, "spec", "replicas");
  const updated = numberAt(object, 0, "status", "updatedReplicas");
  const available = numberAt(object, 0, "status", "availableReplicas");
  const total = numberAt(object, 0, "status", "replicas");
  const counts = `${available} of ${wanted} replicas available, ${updated} up to date`;
  if (textAt(progressing, "reason") === "ProgressDeadlineExceeded") {
    return waiting(`${counts}; ${describeCondition(progressing)}`);
  }
  if (updated < wanted) return waiting(counts);
  if (total > updated) return waiting(`${total - updated} old replicas are yet to go`);
  if (available < updated) return waiting(counts);
  return READY;
};

const statefulSet: Rule = (object) => {
  if (!isObserved(object)) return waiting("the controller has yet to see it");
  const wanted = numberAt(object, 1, "spec", "replicas");
  const ready = numberAt(object, 0, "status", "readyReplicas");
  if (ready < wanted) return waiting(`${ready} of ${wanted} replicas ready`);
  if (textAt(object, "spec", "updateStrategy", "type") === "OnDelete") return READY;
  const partition = numberAt(object, 0, "spec", "updateStrategy", "rollingUpdate", "partition");
  const updated = numberAt(object, 0, "status", "updatedReplicas");
  if (partition > 0) {
    const moved = wanted - partition;
    return updated >= moved
      ? READY
      : waiting(`${updated} of ${moved} replicas above the partition up to date`);
  }
  const [current, next] = [
    textAt(object, "status", "currentRevision"),
    textAt(object, "status", "updateRevision"),
  ];
  return current === next ? READY : waiting(`${updated} of ${wanted} replicas up to date`);
};

const daemonSet: Rule = (object) => {
  if (textAt(object, "spec", "updateStrategy", "type") === "OnDelete") return READY;
  if (at(object, "status", "observedGeneration") === undefined || !isObserved(object)) {
    return waiting("the controller has yet to see it");
  }
  const wanted = numberAt(object, 0, "status", "desiredNumberScheduled");
  const updated = numberAt(object, 0, "status", "updatedNumberScheduled");
  const available = numberAt(object, 0, "status", "numberAvailable");
  if (updated < wanted) return waiting(`${updated} of ${wanted} nodes up to date`);
  return available < wanted ? waiting(`${available} of ${wanted} nodes available`) : READY;
};

const job: Rule = (object) => {
  const failed = conditionOf(object, "Failed");
  if (textAt(failed, "status") === "True") {
    return { ready: false, failed: true, message: describeCondition(failed) };
  }
  if (textAt(conditionOf(object, "Complete"), "status") === "True") return READY;
  const done = numberAt(object, 0, "status", "succeeded");
  return waiting(`${done} of ${numberAt(object, 1, "spec", "completions")} completions`);
};

const pod: Rule = (object) => {
  const phase = textAt(object, "status", "phase");
  if (phase === "Succeeded") return READY;
  if (textAt(conditionOf(object, "Ready"), "status") === "True") return READY;
  const never = textAt(object, "spec", "restartPolicy") === "Never";
  if (phase === "Failed" && never) return { ready: false, failed: true, message: "the Pod failed" };
  return waiting(`phase ${phase || "unknown"}`);
};

const service: Rule = async (object, around) => {
  const type = textAt(object, "spec", "type") || "ClusterIP";
  if (type === "LoadBalancer" && listAt(object, "status", "loadBalancer", "ingress").length === 0) {
    return waiting("no address was allocated for its load balancer");
  }
  const selector = at(object, "spec", "selector") as Record<string, unknown> | undefined;
  const headless = textAt(object, "spec", "clusterIP") === "None";
  if (type === "ExternalName" || headless || Object.keys(selector ?? {}).length === 0) return READY;
  const [name, namespace] = [textAt(object, "metadata", "name"), textAt(object, "metadata", "namespace")];
  const slices = await around.list(
    "discovery.k8s.io/v1",
    "EndpointSlice",
    namespace,
    `kubernetes.io/service-name=${name}`,
  );
  const endpoints = slices.flatMap((slice) => listAt(slice, "endpoints"));
  const pending = endpoints.filter((endpoint) => at(endpoint, "conditions", "ready") === false);
  if (pending.length > 0) return waiting(`${pending.length} of its ${endpoints.length} Pods are not ready`);
  // Upstream gives endpoints 10 s to settle and then takes a Service that selects nothing as it is.
  if (endpoints.length === 0 && around.elapsed < 10_000) return waiting("it selects no Pods");
  return READY;
};

const ingress: Rule = (object) =>
  listAt(object, "status", "loadBalancer", "ingress").length > 0
    ? READY
    : waiting("no ingress controller has given it an address");

const claim: Rule = async (object, around) => {
  const phase = textAt(object, "status", "phase");
  if (phase === "Bound") return READY;
  const name = textAt(object, "spec", "storageClassName");
  const storage = name === "" ? undefined : await around.get("storage.k8s.io/v1", "StorageClass", name, "");
  if (phase === "Pending" && at(storage, "volumeBindingMode") === "WaitForFirstConsumer") return READY;
  return waiting(`phase ${phase || "unknown"}, storage class ${name || "not set"}`);
};

const volume: Rule = (object) => {
  const phase = textAt(object, "status", "phase");
  return phase === "Available" || phase === "Bound" ? READY : waiting(`phase ${phase || "unknown"}`);
};

const namespace: Rule = (object) => {
  const phase = textAt(object, "status", "phase");
  return phase === "Active" ? READY : waiting(`phase ${phase || "unknown"}`);
};

const quota: Rule = (object) =>
  at(object, "status", "hard") === undefined ? waiting("its limits are not in force yet") : READY;

const secret: Rule = (object) => {
  if (textAt(object, "type") !== "kubernetes.io/service-account-token") return READY;
  return Object.keys((at(object, "data") as object | undefined) ?? {}).length > 0
    ? READY
    : waiting(
        `no token was issued; does ServiceAccount ${textAt(object, "metadata", "annotations", "kubernetes.io/service-account.name")} exist?`,
      );
};

const controller: Rule = (object) => {
  const wanted = numberAt(object, 1, "spec", "replicas");
  const available = numberAt(object, 0, "status", "availableReplicas");
  return available >= wanted ? READY : waiting(`${available} of ${wanted} replicas available`);
};

const definition: Rule = (object) => {
  const names = conditionOf(object, "NamesAccepted");
  if (textAt(names, "status") === "False") {
    return { ready: false, failed: true, message: describeCondition(names) };
  }
  const established = textAt(conditionOf(object, "Established"), "status") === "True";
  return established ? READY : waiting("its kind is not served yet");
};

/**
 * How each kind is awaited, with the time-out in seconds. Sources: upstream's 10 minutes for everything but what follows;
 * its 5 s for a token are 60 here, since a k3s that has just started takes longer than that to run its controllers.
 */
const RULES: Record<string, { rule: Rule; timeout: number }> = {
  "apps/v1/Deployment": { rule: deployment, timeout: 600 },
  "apps/v1/StatefulSet": { rule: statefulSet, timeout: 600 },
  "apps/v1/DaemonSet": { rule: daemonSet, timeout: 600 },
  "batch/v1/Job": { rule: job, timeout: 600 },
  "v1/Pod": { rule: pod, timeout: 600 },
  "v1/ReplicationController": { rule: controller, timeout: 600 },
  "v1/Service": { rule: service, timeout: 600 },
  "networking.k8s.io/v1/Ingress": { rule: ingress, timeout: 600 },
  "v1/PersistentVolumeClaim": { rule: claim, timeout: 300 },
  "v1/PersistentVolume": { rule: volume, timeout: 300 },
  "v1/Namespace": { rule: namespace, timeout: 60 },
  "v1/ResourceQuota": { rule: quota, timeout: 60 },
  "v1/Secret": { rule: secret, timeout: 60 },
  "apiextensions.k8s.io/v1/CustomResourceDefinition": { rule: definition, timeout: 60 },
};

/** The rule for objects of this kind, or undefined if being created is enough (a ServiceAccount, a custom resource). */
export function ruleFor(object: KubeObject): { rule: Rule; timeout: number } | undefined {
  return RULES[`${textAt(object, "apiVersion")}/${textAt(object, "kind")}`];
}
