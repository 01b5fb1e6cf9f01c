/**
 * What is done with objects in a cluster: previewed, created, updated, read, deleted.
 * Upstream analogue: Create, Read, Update and Delete of provider/pkg/provider/provider.go.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type {
  CreateRequest,
  CreateResult,
  DeleteRequest,
  ReadRequest,
  ReadResult,
  UpdateRequest,
  UpdateResult,
} from "../../provider.ts";
import { equal, hasUnknown, type Properties, type Value } from "../../values.ts";
import { untilGone, untilReady } from "./await.ts";
import { isMissingNamespace, type Cluster, type Place } from "./cluster.ts";
import { ApiError, type Call } from "./connection.ts";
import { NoSuchKind } from "./discovery.ts";
import { previewCluster, requireCluster, type Instance } from "./instance.ts";
import { driftedInputs, outputsOf, secretOutputsOf, STATE } from "./live.ts";
import { CREATOR, isForced, managerOf, takeOver } from "./managers.ts";
import {
  annotation,
  at,
  idOf,
  isDefinition,
  nameOf,
  namespaceOf,
  omit,
  parseId,
  textAt,
  toObject,
  withEncodedData,
  type Kind,
  type KubeObject,
} from "./object.ts";
import { importedInputs, previewOutputs, withEncodedInputs } from "./projections.ts";
import { redacted } from "./redact.ts";
import { kindOf } from "./tokens.ts";

/** How long a create waits for its kind to be served, in milliseconds: upstream's five retries with doubling pauses. */
const KIND_PATIENCE = 31_000;

export async function createObject(instance: Instance, request: CreateRequest): Promise<CreateResult> {
  const { inputs } = request;
  if (request.preview) return { id: "", outputs: await previewCreate(instance, request) };
  const object = withEncodedData(toObject(inputs));
  const what = `create ${textAt(object, "kind")} ${idOf(object)}`;
  const cluster = await requireCluster(instance, what);
  const place = await placeOf(instance, cluster, object, { patience: KIND_PATIENCE, signal: request.signal });
  const manager = managerOf(request.urn, object, {});
  let live: KubeObject;
  try {
    live = await writeNew(instance, cluster, place, object, manager, {
      signal: request.signal,
      warn: warner(instance, request.log),
    });
  } catch (error) {
    throw redacted(object, explained(what, error));
  }
  const awaited = await untilReady({
    ...{ cluster, place, wanted: object, live, updating: false },
    ...{ timeoutSeconds: request.timeoutSeconds, signal: request.signal, log: request.log },
  });
  return {
    id: idOf(awaited.live),
    outputs: outputsOf(awaited.live, inputs, manager),
    secretOutputs: secretOutputsOf(awaited.live),
    ...(awaited.notReady === undefined ? {} : { partial: { reason: awaited.notReady } }),
  };
}

/** Creates with POST, which refuses what exists; with upsertExistingObjects applies, which takes it over. */
async function writeNew(
  instance: Instance,
  cluster: Cluster,
  place: Place,
  object: KubeObject,
  manager: string,
  options: Call & { dryRun?: boolean },
): Promise<KubeObject> {
  const dryRun = options.dryRun === true ? "All" : undefined;
  const body = { ...object, metadata: { ...(object["metadata"] as KubeObject) } };
  if (place.resource.namespaced) body.metadata["namespace"] = place.namespace;
  else delete body.metadata["namespace"];
  if (instance.configuration.upsertExistingObjects) {
    const force =
      isForced(object, undefined, instance.configuration.enablePatchForce) || dryRun !== undefined;
    const query = { fieldManager: manager, force: String(force), fieldValidation: "Warn", dryRun };
    return cluster.apply(place, body, query, options);
  }
  const deadline = Date.now() + (dryRun === undefined ? KIND_PATIENCE : 0);
  for (let pause = 250; ; pause = Math.min(pause * 2, 1_000)) {
    try {
      return await cluster.create(place, body, { fieldManager: CREATOR, dryRun }, options);
    } catch (error) {
      // A namespace made in the same deployment may not be visible everywhere yet; as upstream, 404 is tried again.
      const passing = error instanceof ApiError && error.status === 404;
      if (!passing || Date.now() + pause > deadline) throw error;
      await sleep(pause, undefined, { signal: options.signal ?? undefined });
    }
  }
}

/** The object as the server would make it; the inputs themselves where the server cannot be asked. */
async function previewCreate(instance: Instance, request: CreateRequest): Promise<Properties> {
  const { inputs } = request;
  if (hasUnknown(inputs)) return inputs;
  const cluster = await previewCluster(instance);
  if (cluster === undefined) return inputs;
  const object = withEncodedData(toObject(inputs));
  try {
    const place = await placeOf(instance, cluster, object, { patience: 0 });
    const options = { dryRun: true, signal: request.signal, warn: warner(instance, request.log) };
    const live = await writeNew(
      instance,
      cluster,
      place,
      object,
      managerOf(request.urn, object, {}),
      options,
    );
    return previewOutputs(inputs, live);
  } catch (error) {
    if (isUntellable(error)) return inputs;
    throw redacted(object, explained(`create ${textAt(object, "kind")} ${idOf(object)}`, error));
  }
}

/** Whether a dry run failed for a reason that says nothing about the real run. */
function isUntellable(error: unknown): boolean {
  if (error instanceof NoSuchKind || isMissingNamespace(error)) return true;
  if (!(error instanceof ApiError)) return false;
  // 403: a dry run needs the rights of the real one. 409: a replacement's predecessor is still there.
  return (
    error.status === 403 ||
    error.reason === "AlreadyExists" ||
    /does not support dry ?run/i.test(error.message)
  );
}

export async function updateObject(instance: Instance, request: UpdateRequest): Promise<UpdateResult> {
  const inputs = request.newInputs;
  if (request.preview && hasUnknown(inputs)) return { outputs: inputs };
  const cluster = request.preview ? await previewCluster(instance) : undefined;
  if (request.preview && cluster === undefined) return { outputs: { ...request.oldOutputs, ...inputs } };
  const object = withEncodedData(toObject(inputs));
  const what = `update ${textAt(object, "kind")} ${request.id}`;
  try {
    return await writeOver(instance, cluster ?? (await requireCluster(instance, what)), object, request);
  } catch (error) {
    if (request.preview && isUntellable(error)) return { outputs: { ...request.oldOutputs, ...inputs } };
    throw redacted(object, explained(what, error));
  }
}

async function writeOver(
  instance: Instance,
  cluster: Cluster,
  object: KubeObject,
  request: UpdateRequest,
): Promise<UpdateResult> {
  const { namespace, name } = parseId(request.id);
  const found = await placeOf(instance, cluster, object, { patience: request.preview ? 0 : KIND_PATIENCE });
  const place = { ...found, namespace: found.resource.namespaced ? namespace || found.namespace : "", name };
  const before = await cluster.get(place, request.signal);
  if (before === undefined) {
    throw new Error("it is not in the cluster any more; refresh the stack, and it will be created anew");
  }
  const manager = managerOf(request.urn, object, request.oldOutputs);
  const dryRun = request.preview ? "All" : undefined;
  const options = { signal: request.signal, warn: warner(instance, request.log) };
  const metadata: KubeObject = { ...(object["metadata"] as KubeObject), name };
  let live: KubeObject;
  if (isDefinition(object)) {
    // As kubectl replace: an apply would keep versions that left the program's copy.
    const resourceVersion = textAt(before, "metadata", "resourceVersion");
    const body = { ...object, metadata: { ...metadata, resourceVersion } };
    live = await cluster.replace(place, body, { fieldManager: manager, dryRun }, options);
  } else {
    const mine = takeOver(before, manager);
    if (mine !== undefined && !request.preview) {
      const version = textAt(before, "metadata", "resourceVersion");
      await cluster.patch(
        place,
        [
          { op: "replace", path: "/metadata/managedFields", value: mine },
          // Another writer in between would have changed the fields this was computed from.
          { op: "replace", path: "/metadata/resourceVersion", value: version },
        ],
        {},
        options,
      );
    }
    const force =
      isForced(object, before, instance.configuration.enablePatchForce) ||
      (mine !== undefined && request.preview);
    if (place.resource.namespaced) metadata["namespace"] = place.namespace;
    else delete metadata["namespace"];
    const query = { fieldManager: manager, force: String(force), fieldValidation: "Warn", dryRun };
    live = await cluster.apply(place, { ...object, metadata }, query, options);
  }
  if (request.preview) return { outputs: previewOutputs(request.newInputs, live, request.oldOutputs) };
  const awaited = await untilReady({
    ...{ cluster, place, wanted: object, live, updating: true },
    ...{ timeoutSeconds: request.timeoutSeconds, signal: request.signal, log: request.log },
  });
  return {
    outputs: outputsOf(awaited.live, request.newInputs, manager),
    secretOutputs: secretOutputsOf(awaited.live),
    ...(awaited.notReady === undefined ? {} : { partial: { reason: awaited.notReady } }),
  };
}

/** The live object; null when it, or its whole kind, is gone. Also serves imports and `.get`, which know the ID only. */
export async function readObject(instance: Instance, request: ReadRequest): Promise<ReadResult | null> {
  const kind = kindInState(request.type, request.inputs, request.outputs);
  const { namespace, name } = parseId(request.id);
  const cluster = await requireCluster(instance, `read ${kind.kind} ${request.id}`);
  const live = await cluster.read(
    kind.apiVersion,
    kind.kind,
    name,
    namespace || instance.configuration.namespace,
  );
  if (live === undefined) return null;
  const imported = Object.keys(request.inputs).length === 0;
  const inputs = imported ? importedInputs(live) : drifted(request, live);
  const manager = managerOf(request.urn, live, request.outputs);
  return {
    id: request.id,
    inputs,
    outputs: outputsOf(live, inputs, manager),
    secretOutputs: secretOutputsOf(live),
  };
}

function drifted(request: ReadRequest, live: KubeObject): Properties {
  const inputs = withEncodedInputs(request.inputs);
  const before = omit(request.outputs, STATE.inputs);
  const now = driftedInputs(inputs, before, outputsOf(live, {}, ""));
  // An object whose secret is as it was keeps the program's own spelling of it (stringData).
  return equal(now, inputs) ? request.inputs : now;
}

export async function deleteObject(instance: Instance, request: DeleteRequest): Promise<void> {
  const kind = kindInState(request.type, request.inputs, request.outputs);
  const what = `delete ${kind.kind} ${request.id}`;
  const cluster = await requireCluster(instance, what);
  const { namespace, name } = parseId(request.id);
  const state = Object.keys(request.inputs).length > 0 ? request.inputs : request.outputs;
  const wanted = { ...kind, metadata: metadataOf(state) } as KubeObject;
  try {
    const resource = await cluster.find(kind);
    const place = { resource, namespace: namespace || instance.configuration.namespace, name };
    const policy = annotation(wanted, "pulumi.com/deletionPropagationPolicy").toLowerCase();
    const propagationPolicy =
      policy === "orphan" ? "Orphan" : policy === "background" ? "Background" : "Foreground";
    await cluster.delete(place, { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy }, request);
    const uid = textAt(request.outputs, "metadata", "uid");
    await untilGone({
      ...{ cluster, place, wanted, uid, signal: request.signal, log: request.log },
      timeoutSeconds: request.timeoutSeconds,
    });
  } catch (error) {
    // A custom resource often outlives its definition in the program; with the definition gone it is gone too.
    if (error instanceof NoSuchKind || (error instanceof ApiError && error.status === 404)) return;
    throw explained(what, error);
  }
}

/** Annotations as far as they are plain, for a deletion's options. */
function metadataOf(state: Properties): KubeObject {
  const annotations = at(state, "metadata", "annotations");
  const plain = Object.entries((annotations as Record<string, Value> | undefined) ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return { annotations: Object.fromEntries(plain) };
}

function kindInState(type: string, inputs: Properties, outputs: Properties): Kind {
  const kind = kindOf(type);
  const apiVersion = textAt(inputs, "apiVersion") || textAt(outputs, "apiVersion") || kind.apiVersion;
  return { apiVersion, kind: kind.kind };
}

/** Where an object is or goes. With patience, waits for a kind whose definition was made a moment ago. */
async function placeOf(
  instance: Instance,
  cluster: Cluster,
  object: KubeObject,
  options: { patience: number; signal?: AbortSignal },
): Promise<Place> {
  const kind = { apiVersion: textAt(object, "apiVersion"), kind: textAt(object, "kind") };
  const deadline = Date.now() + options.patience;
  for (let pause = 250; ; pause = Math.min(pause * 2, 1_000)) {
    try {
      const resource = await cluster.find(kind);
      const namespace = resource.namespaced ? namespaceOf(object) || instance.configuration.namespace : "";
      return { resource, namespace, name: nameOf(object) };
    } catch (error) {
      if (!(error instanceof NoSuchKind) || Date.now() + pause > deadline) throw error;
      await sleep(pause, undefined, { signal: options.signal });
    }
  }
}

function warner(instance: Instance, log: CreateRequest["log"]): (message: string) => void {
  return (message) => {
    if (instance.configuration.suppressDeprecationWarnings && /deprecated/i.test(message)) return;
    log(message, "warning");
  };
}

/** The error with what was being done, and with what to do about the two that come up most. */
function explained(what: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  let advice = "";
  if (error instanceof ApiError && error.reason === "AlreadyExists") {
    advice =
      " It was not made by this stack, or a run was cut off before it was recorded: import it, delete it, alias a renamed " +
      "resource, or set upsertExistingObjects on the provider to take it over.";
  } else if (error instanceof ApiError && error.status === 409 && /conflict/i.test(message)) {
    advice =
      " Another field manager owns these fields: leave them out (or in ignoreChanges), or set the annotation " +
      'pulumi.com/patchForce: "true" to take them over.';
  }
  const prefix = message.startsWith("cannot ") ? "" : `cannot ${what}: `;
  return new Error(`${prefix}${message}${advice}`, { cause: error });
}
