/**
 * Other views of an object's inputs and outputs: what a preview can promise, what an import takes as inputs, and a
 * Secret's texts as the API server stores them.
 */
import { UNKNOWN, isMap, type Properties, type Value } from "../../values.ts";
import { at, isSecret, listAt, omit, textAt, toProperties, type KubeObject } from "./object.ts";

/**
 * The outputs a dry run promises. What the server made up for the dry run alone (identity, times, addresses) is unknown,
 * and the status is left out, so that the engine takes it as unknown.
 */
export function previewOutputs(inputs: Properties, dryRun: KubeObject, olds?: Properties): Properties {
  const outputs = toProperties(dryRun);
  delete outputs["status"];
  const metadata = isMap(outputs["metadata"]) ? { ...outputs["metadata"] } : {};
  delete metadata["managedFields"];
  const decided = olds === undefined ? ["uid", "creationTimestamp", "resourceVersion"] : ["resourceVersion"];
  for (const key of decided) metadata[key] = UNKNOWN;
  outputs["metadata"] = metadata;
  if (olds === undefined && outputs["kind"] === "Service" && isMap(outputs["spec"])) {
    const spec = { ...outputs["spec"] };
    for (const key of ["clusterIP", "clusterIPs", "healthCheckNodePort"]) {
      if (spec[key] !== undefined && at(inputs, "spec", key) === undefined) spec[key] = UNKNOWN;
    }
    if (spec["type"] === "NodePort" || spec["type"] === "LoadBalancer") {
      spec["ports"] = listAt(spec, "ports").map((port, index) =>
        at(inputs, "spec", "ports", index, "nodePort") === undefined && isMap(port)
          ? { ...port, nodePort: UNKNOWN }
          : (port as Value),
      );
    }
    outputs["spec"] = spec;
  }
  if (
    olds === undefined &&
    textAt(dryRun, "type") === "kubernetes.io/service-account-token" &&
    isSecret(dryRun)
  ) {
    outputs["data"] = UNKNOWN;
  }
  return outputs;
}

/** The inputs of an object that no program has described yet: what was asked for, without what the server added. */
export function importedInputs(live: KubeObject): Properties {
  const inputs = omit(toProperties(live), "status");
  const metadata = isMap(inputs["metadata"]) ? inputs["metadata"] : {};
  const kept = ["name", "namespace", "labels", "annotations", "finalizers"];
  const chosen: Properties = Object.fromEntries(
    kept.flatMap((key) => (metadata[key] === undefined ? [] : [[key, metadata[key]] as [string, Value]])),
  );
  if (isMap(chosen["annotations"])) {
    const annotations = omit(
      chosen["annotations"],
      "kubectl.kubernetes.io/last-applied-configuration",
      "deployment.kubernetes.io/revision",
    );
    chosen["annotations"] = annotations;
    if (Object.keys(annotations).length === 0) delete chosen["annotations"];
  }
  return { ...inputs, metadata: chosen };
}

/** A Secret's inputs with `stringData` as `data`, so that either spelling of the same content compares equal. */
export function withEncodedInputs(inputs: Properties): Properties {
  const texts = inputs["stringData"];
  if (!isSecret(inputs) || texts === undefined) return inputs;
  const rest = omit(inputs, "stringData");
  if (texts === UNKNOWN || !isMap(texts)) return { ...rest, data: UNKNOWN };
  const data: { [key: string]: Value } = { ...(isMap(rest["data"]) ? rest["data"] : {}) };
  for (const [key, value] of Object.entries(texts)) {
    data[key] = typeof value === "string" ? Buffer.from(value).toString("base64") : value;
  }
  return { ...rest, data };
}
