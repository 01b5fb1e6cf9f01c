/**
 * kubernetes:helm.sh/v3:Release through the helm CLI.
 * Upstream analogue: provider/pkg/provider/helm_release.go, which links helm as a library.
 */
import type {
  CheckRequest,
  CheckResult,
  CreateRequest,
  CreateResult,
  DeleteRequest,
  DiffRequest,
  DiffResult,
  Log,
  ReadRequest,
  ReadResult,
  UpdateRequest,
  UpdateResult,
} from "../../provider.ts";
import { UNKNOWN, equal, hasUnknown, isMap, type Properties, type Value } from "../../values.ts";
import { checksumOf, localChart, valuesOf } from "./chart.ts";
import { changesBetween, diffOf, withoutIgnored } from "./differences.ts";
import { Helm, HelmError, type Metadata, type Target } from "./helm.ts";
import { requireCluster, type Instance } from "./instance.ts";
import { STATE, shapeOf } from "./live.ts";
import { resourceNamesOf } from "./manifest.ts";
import { omit, parseId, textAt } from "./object.ts";
import { sensitiveValues } from "./redact.ts";
import { recoverPending } from "./release-recovery.ts";
import {
  DEFAULT_TIMEOUT,
  INPUTS,
  REFUSED,
  chartArguments,
  upgradeArguments,
  withZeros,
} from "./release-options.ts";
import { watchPods } from "./release-watch.ts";

/** What helm decides and only a real run tells. */
const COMPUTED = ["status", "resourceNames"];

/** Fills in name, namespace and time-out, and a local chart's checksum. Contacts nothing. */
export function checkRelease(instance: Instance, request: CheckRequest): CheckResult {
  const failures: CheckResult["failures"] = [];
  const inputs: Properties = {};
  for (const [key, value] of Object.entries(request.news)) {
    if (value === null || COMPUTED.includes(key) || key === "compat" || key === "manifest") continue;
    const refused = REFUSED[key];
    if (refused !== undefined && value !== false) failures.push({ property: key, reason: refused });
    else if (refused === undefined && !INPUTS.has(key))
      failures.push({ property: key, reason: "is no input of a Release" });
    else inputs[key] = value;
  }
  const chart = inputs["chart"];
  if (chart === undefined || chart === "") failures.push({ property: "chart", reason: "is required" });
  if (inputs["name"] === undefined || inputs["name"] === "") {
    inputs["name"] = textAt(request.olds, "name") || request.autonaming();
  }
  if (inputs["namespace"] === undefined || inputs["namespace"] === "") {
    inputs["namespace"] = instance.configuration.namespace;
  }
  if (inputs["skipAwait"] !== true) inputs["timeout"] ??= DEFAULT_TIMEOUT;
  withZeros(inputs);
  const name = inputs["name"];
  if (
    typeof name === "string" &&
    !/^(?=.{1,53}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name)
  ) {
    const reason = `${JSON.stringify(name)} is no release name: at most 53 of a-z, 0-9, - and .`;
    failures.push({ property: "name", reason });
  }
  if (typeof chart === "string" && chart !== "" && !hasUnknown(inputs["repositoryOpts"])) {
    const local = localChart(inputs);
    if (local !== undefined) inputs["checksum"] = checksumOf(local);
    else if (/^(\.|\/)/.test(chart))
      failures.push({ property: "chart", reason: `there is no chart at ${chart}` });
  }
  return { inputs, failures };
}

export function diffRelease(request: DiffRequest): DiffResult {
  // An input the SDK always sends, and which only Java's cares about.
  const [olds, news] = [omit(request.oldInputs, "compat"), omit(request.newInputs, "compat")];
  const changes = withoutIgnored(changesBetween(olds, news), request.ignoreChanges);
  const result = diffOf(changes, ["name", "namespace"]);
  const status = textAt(request.oldOutputs, "status", "status");
  // A release that failed, or that a killed helm left half done, is to be brought to its end even without a change.
  if (status !== "" && status !== "deployed") {
    result.changes = true;
    result.detailed = { ...result.detailed, "status.status": "update" };
  }
  return result;
}

export async function createRelease(instance: Instance, request: CreateRequest): Promise<CreateResult> {
  const { inputs } = request;
  if (request.preview) return { id: "", outputs: previewed(inputs) };
  const id = `${textAt(inputs, "namespace")}/${textAt(inputs, "name")}`;
  return { id, ...(await install(instance, `create Helm release ${id}`, inputs, request, false)) };
}

export async function updateRelease(instance: Instance, request: UpdateRequest): Promise<UpdateResult> {
  if (request.preview) return { outputs: previewed(request.newInputs) };
  return install(instance, `update Helm release ${request.id}`, request.newInputs, request, true);
}

function previewed(inputs: Properties): Properties {
  return { ...inputs, ...Object.fromEntries(COMPUTED.map((key) => [key, UNKNOWN])) };
}

/** Installs or upgrades, whichever it takes: a run that was cut off leaves a release that the next one carries on with. */
async function install(
  instance: Instance,
  what: string,
  inputs: Properties,
  request: { timeoutSeconds?: number; signal: AbortSignal; log: Log },
  updating: boolean,
): Promise<UpdateResult> {
  const cluster = await requireCluster(instance, what);
  const [name, namespace] = [textAt(inputs, "name"), textAt(inputs, "namespace")];
  if (inputs["allowNullValues"] === true)
    request.log("allowNullValues has no effect: null values are kept", "warning");
  const values = valuesOf(inputs);
  if (hasUnknown(values)) throw new Error(`cannot ${what}: its values are not known`);
  const secrets = [...sensitiveValues(values), textAt(inputs, "repositoryOpts", "password")];
  const { signal, log } = request;
  return Helm.use(targetOf(instance), async (helm) => {
    const before = await helm.metadata(name, namespace, signal);
    if (before !== undefined && !updating && before.status === "deployed") {
      log(
        `the release ${namespace}/${name} is there already (revision ${before.revision}); it is taken over`,
        "warning",
      );
    }
    if (before !== undefined) await recoverPending(helm, before, { signal, log });
    if (inputs["lint"] === true) await lint(helm, inputs, values, secrets);
    const asked = request.timeoutSeconds ?? 0;
    const timed = asked > 0 && inputs["timeout"] === undefined ? { ...inputs, timeout: asked } : inputs;
    const pods = watchPods(cluster, namespace, name);
    try {
      await helm.run([...(await upgradeArguments(helm, timed, updating)), "--output", "json"], {
        input: JSON.stringify(values),
        signal,
        secrets,
      });
    } catch (error) {
      if (!(error instanceof HelmError)) throw error;
      const message = `cannot ${what}: ${error.message}${adviceFor(error.message)}`;
      const reason = [message, ...(await pods.explain())].join("\n");
      const after = await helm.metadata(name, namespace).catch(() => undefined);
      const untouched = after === undefined || after.revision === before?.revision;
      // Undone by --atomic, or refused before anything was written: there is nothing new to record.
      if (untouched || after.status === "deployed") throw new Error(reason, { cause: error });
      return {
        outputs: await outputsOf(helm, after, inputs),
        secretOutputs: [STATE.inputs],
        partial: { reason },
      };
    } finally {
      pods.stop();
    }
    const after = await helm.metadata(name, namespace, signal);
    if (after === undefined)
      throw new Error(`cannot ${what}: helm reported success, but the release is not there`);
    return { outputs: await outputsOf(helm, after, inputs), secretOutputs: [STATE.inputs] };
  });
}

/** What to do about the refusal that a chart which keeps its definitions on uninstall leads to. */
function adviceFor(message: string): string {
  if (!message.includes("invalid ownership metadata")) return "";
  return "; another release made this object and kept it: give this one the name and namespace it had, or set takeOwnership";
}

async function lint(helm: Helm, inputs: Properties, values: Value, secrets: string[]): Promise<void> {
  const [chart = ""] = await chartArguments(helm, inputs);
  if (localChart(inputs) === undefined) throw new Error("lint: only a local chart can be linted");
  await helm.run(["lint", chart, "--values", "-"], { input: JSON.stringify(values), secrets });
}

/**
 * The release's outputs. `manifest` stays out, as upstream: a chart's rendered objects would fill the state, and they may
 * hold secrets.
 */
async function outputsOf(helm: Helm, release: Metadata, inputs: Properties): Promise<Properties> {
  const manifest = await helm.run(["get", "manifest", release.name, "--namespace", release.namespace]);
  return {
    ...inputs,
    version: release.version,
    status: {
      appVersion: release.appVersion,
      chart: release.chart,
      name: release.name,
      namespace: release.namespace,
      revision: release.revision,
      status: release.status,
      version: release.version,
    },
    resourceNames: resourceNamesOf(manifest),
    // Upstream takes it for secret, and fails on a state where it is not.
    [STATE.inputs]: withoutItems(shapeOf(omit(inputs, "valueYamlFiles"))),
  };
}

/** With every list empty: helm's values are merged by keys of maps only. */
function withoutItems(shape: Properties): Properties {
  const emptied = (value: Value): Value => {
    if (Array.isArray(value)) return [];
    return isMap(value) ? withoutItems(value) : value;
  };
  return Object.fromEntries(Object.entries(shape).map(([key, value]) => [key, emptied(value)]));
}

/** The release as helm has it; its version and values enter the inputs where they have drifted. */
export async function readRelease(instance: Instance, request: ReadRequest): Promise<ReadResult | null> {
  const { namespace, name } = parseId(request.id);
  await requireCluster(instance, `read Helm release ${request.id}`);
  return Helm.use(targetOf(instance), async (helm) => {
    const live = await helm.metadata(name, namespace, request.signal);
    if (live === undefined) return null;
    const values = JSON.parse(
      await helm.run(["get", "values", name, "--namespace", namespace, "--output", "json"], request),
    ) as Value;
    const imported = Object.keys(request.inputs).length === 0;
    const inputs: Properties = imported
      ? { chart: live.chart, name, namespace, version: live.version }
      : { ...request.inputs };
    if (imported ? values !== null : !equal(withoutNull(valuesOf(inputs)), withoutNull(values ?? {}))) {
      inputs["values"] = values ?? {};
      delete inputs["valueYamlFiles"];
    }
    const pinned = textAt(inputs, "version").replace(/^v/, "");
    if (
      live.version.replace(/^v/, "") !== textAt(request.outputs, "version").replace(/^v/, "") &&
      pinned !== ""
    ) {
      inputs["version"] = live.version;
    }
    return {
      id: request.id,
      inputs,
      outputs: await outputsOf(helm, live, inputs),
      secretOutputs: [STATE.inputs],
    };
  });
}

/** helm drops null values when it records them. */
function withoutNull(value: Value): Value {
  return JSON.parse(
    JSON.stringify(value, (_key, item: unknown) => (item === null ? undefined : item)) ?? "{}",
  ) as Value;
}

/** Uninstalls and waits until the release's objects are gone. An unreachable cluster is an error, as upstream. */
export async function deleteRelease(instance: Instance, request: DeleteRequest): Promise<void> {
  const { namespace, name } = parseId(request.id);
  const cluster = await requireCluster(instance, `delete Helm release ${request.id}`);
  const timeout = request.timeoutSeconds || Number(request.inputs["timeout"] ?? 0) || DEFAULT_TIMEOUT;
  const waits = request.inputs["atomic"] === true || request.inputs["skipAwait"] !== true;
  await Helm.use(targetOf(instance), async (helm) => {
    const args = [
      "uninstall",
      name,
      "--namespace",
      namespace,
      "--ignore-not-found",
      "--timeout",
      `${timeout}s`,
    ];
    const pods = watchPods(cluster, namespace, name);
    try {
      await helm.run(waits ? [...args, "--wait"] : args, request);
    } catch (error) {
      const message = (error as Error).message;
      if (/release: not found|already deleted/.test(message)) return;
      throw new Error(
        [`cannot delete Helm release ${request.id}: ${message}`, ...(await pods.explain())].join("\n"),
        {
          cause: error,
        },
      );
    } finally {
      pods.stop();
    }
  });
}

function targetOf(instance: Instance): Target {
  const { kubeconfig, context, cluster } = instance.configuration;
  if (cluster !== undefined)
    throw new Error("the option cluster is not implemented for Helm releases; use context");
  return { kubeconfig: kubeconfig?.text ?? "", context };
}
