/**
 * Objects before anything is done to them: inputs checked and completed, and compared with those of the last deployment.
 * Upstream analogue: Check and Diff of provider/pkg/provider/provider.go.
 */
import type { CheckRequest, CheckResult, DiffRequest, DiffResult } from "../../provider.ts";
import { UNKNOWN, isMap, type Properties } from "../../values.ts";
import { changesBetween, diffOf, withoutIgnored } from "./differences.ts";
import { replacingFields } from "./immutable.ts";
import { previewCluster, type Instance } from "./instance.ts";
import { at, isAnnotated, nameOf, namespaceOf, parseId, textAt } from "./object.ts";
import { withEncodedInputs } from "./projections.ts";
import { isNamespaced } from "./scopes.ts";
import { kindOf } from "./tokens.ts";

const AUTONAMED = "pulumi.com/autonamed";

/** Fills in what the program left open: apiVersion, kind, name and namespace. Contacts nothing. */
export function checkObject(instance: Instance, request: CheckRequest): CheckResult {
  const kind = kindOf(request.type);
  const failures: CheckResult["failures"] = [];
  const inputs: Properties = {};
  for (const [key, value] of Object.entries(request.news)) if (value !== null) inputs[key] = value;
  inputs["apiVersion"] ??= kind.apiVersion;
  inputs["kind"] ??= kind.kind;
  for (const key of ["apiVersion", "kind"] as const) {
    if (inputs[key] !== kind[key] && inputs[key] !== UNKNOWN) {
      const reason = `is ${JSON.stringify(inputs[key])}, but the resource's type ${request.type} says ${kind[key]}`;
      failures.push({ property: key, reason });
    }
  }
  if (inputs["metadata"] === UNKNOWN) return { inputs, failures };
  const metadata = { ...(isMap(inputs["metadata"]) ? inputs["metadata"] : {}) };
  for (const key of READ_ONLY) delete metadata[key];
  inputs["metadata"] = metadata;
  if (metadata["generateName"] !== undefined && metadata["name"] === undefined) {
    const reason = "is not supported with server-side apply; leave the name out, or set metadata.name";
    failures.push({ property: "metadata.generateName", reason });
  } else if (metadata["name"] === undefined || metadata["name"] === null || metadata["name"] === "") {
    const adopted = isAnnotated(request.olds, AUTONAMED) ? nameOf(request.olds) : "";
    metadata["name"] = adopted === "" ? request.autonaming() : adopted;
    const annotations = metadata["annotations"] ?? {};
    if (isMap(annotations)) metadata["annotations"] = { ...annotations, [AUTONAMED]: "true" };
  }
  const open =
    metadata["namespace"] === undefined || metadata["namespace"] === null || metadata["namespace"] === "";
  if (open && isNamespaced(kind) === true) metadata["namespace"] = instance.configuration.namespace;
  return { inputs, failures };
}

/** Fields of metadata that the API server alone sets. */
const READ_ONLY = [
  ...["creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields"],
  ...["resourceVersion", "selfLink", "uid"],
];

/** Compares old with new inputs, so a cluster that is away does not matter. Drift has entered the old ones by refresh. */
export async function diffObject(instance: Instance, request: DiffRequest): Promise<DiffResult> {
  const olds = withEncodedInputs(comparable(instance, request.oldInputs));
  const news = withEncodedInputs(comparable(instance, request.newInputs));
  const changes = withoutIgnored(changesBetween(olds, news), request.ignoreChanges);
  const result = diffOf(changes, replacingFields(news, instance.configuration));
  if (await isUnreadyJob(instance, request)) {
    const path = `metadata.annotations["${REPLACE_UNREADY}"]`;
    result.changes = true;
    result.replaces.push(path);
    result.detailed = { ...result.detailed, [path]: "update-replace" };
  }
  // Two objects cannot bear one name: with a name of the program's choosing the old one has to go first.
  result.deleteBeforeReplace =
    result.replaces.length > 0 &&
    nameOf(news) !== "" &&
    !isAnnotated(news, AUTONAMED) &&
    nameOf(news) === (nameOf(request.oldOutputs) || nameOf(olds)) &&
    namespaceOf(news) === namespaceOf(olds);
  return result;
}

const REPLACE_UNREADY = "pulumi.com/replaceUnready";

/** A namespace left open and the one it means compare as the same. */
function comparable(instance: Instance, inputs: Properties): Properties {
  const metadata = inputs["metadata"];
  if (!isMap(metadata)) return inputs;
  const cleaned = Object.fromEntries(Object.entries(metadata).filter(([key]) => !READ_ONLY.includes(key)));
  const kind = { apiVersion: textAt(inputs, "apiVersion"), kind: textAt(inputs, "kind") };
  if (isNamespaced(kind) === false) delete cleaned["namespace"];
  else cleaned["namespace"] ||= instance.configuration.namespace;
  return { ...inputs, metadata: cleaned };
}

/** Whether the annotation asks to replace a Job that has failed, and it has. */
async function isUnreadyJob(instance: Instance, request: DiffRequest): Promise<boolean> {
  if (!isAnnotated(request.newInputs, REPLACE_UNREADY) || textAt(request.newInputs, "kind") !== "Job")
    return false;
  const cluster = await previewCluster(instance);
  const { namespace, name } = parseId(request.id);
  const live = await cluster?.read("batch/v1", "Job", name, namespace);
  const complete = (at(live, "status", "conditions") as unknown[] | undefined)?.some(
    (condition) => textAt(condition, "type") === "Complete" && textAt(condition, "status") === "True",
  );
  return live !== undefined && complete !== true;
}
