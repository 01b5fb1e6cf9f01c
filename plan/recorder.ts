/**
 * Records what a program registers, where an engine would: the SDK runs under its own mocks, and the recorder reads each
 * registration after the SDK has worked out parent, provider, dependencies and secrets, which neither mocks (no options)
 * nor registerStackTransformation (options as written, not as inherited) show. What an engine adds to a registration is
 * added here. Upstream analogue: resmon in pkg/resource/deploy/source_eval.go.
 *
 * It shows what the program asks for, not that a cloud or an engine does it.
 */
import * as pulumi from "@pulumi/pulumi";
import resources from "@pulumi/pulumi/proto/resource_pb.js";
import { createUrn, isProviderType, packageOf, withoutId } from "./urn.ts";

/** A registered resource. Resources are named by their URNs. */
export interface Registration {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** False for a component. */
  readonly custom: boolean;
  /** As an engine gets them, marked as values.ts says; a provider's also hold its `version`. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Empty for the stack itself, and for what is registered outside of one. */
  readonly parent: string;
  /** Empty for a component, and where the engine would take its default provider. */
  readonly provider: string;
  /** Sorted; a component among them stands with all it holds. */
  readonly dependsOn: readonly string[];
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly deleteBeforeReplace: boolean;
  /** Empty, or the resource whose deletion takes this one along. */
  readonly deletedWith: string;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
}

/** Stands in for the providers. Either function throws, with a message that names it, for what it does not know. */
export interface Answers {
  /** Id and outputs of a custom resource; undefined where only its inputs are known, as in a preview of a new one. */
  resource(
    type: string,
    name: string,
    inputs: Values,
  ): { readonly id: string; readonly outputs: Values } | undefined;
  /** What a function answers; undefined where only the cloud could tell. */
  invoke(token: string, inputs: Values): Values | undefined;
}

/** Properties by name. */
export type Values = Record<string, unknown>;

export interface RecorderArgs {
  readonly project: string;
  readonly stack: string;
  /** Whether the program is told that this is a preview. */
  readonly preview: boolean;
  /** Pulumi configuration by full key; maps and lists as JSON. */
  readonly config: Readonly<Record<string, string>>;
  readonly answers: Answers;
}

/** What was recorded so far. */
export interface Recorder {
  readonly resources: readonly Registration[];
  /** Outputs that the stack and components registered, by URN. */
  readonly outputs: ReadonlyMap<string, Values>;
  /** Functions that were called, by token. */
  readonly invokes: readonly string[];
  /** Resolves when nothing more is being registered. */
  settled(): Promise<void>;
}

/** The methods of the SDK's mock monitor that the recorder stands before. */
interface Monitor {
  newUrn(parent: string, type: string, name: string): string;
  registerResource(
    request: resources.RegisterResourceRequest,
    reply: Reply<resources.RegisterResourceResponse>,
  ): Promise<void>;
  registerResourceOutputs(request: resources.RegisterResourceOutputsRequest, reply: Reply<unknown>): void;
  readResource(request: resources.ReadResourceRequest, reply: Reply<never>): void;
  invoke(
    request: resources.ResourceInvokeRequest,
    reply: Reply<resources.ResourceInvokeResponse>,
  ): Promise<void>;
  call(request: resources.ResourceCallRequest, reply: Reply<never>): void;
  existsResource(request: resources.ExistsResourceRequest, reply: Reply<never>): void;
}

type Reply<T> = (error: unknown, response?: T) => void;

/** Not an error of the program: thrown through the mocks, which have no way to answer that something is unknown. */
const UNKNOWN = new Error("unknown");

/**
 * Starts recording: whatever is constructed afterwards is in the answer. One at a time in a process, since the SDK's
 * state is the process's.
 */
export async function startRecorder(args: RecorderArgs): Promise<Recorder> {
  const { answers } = args;
  const registered = new Map<string, Registration>();
  const outputs = new Map<string, Values>();
  const invokes: string[] = [];
  const disabled = disabledDefaultProviders(args.config);
  pulumi.runtime.setAllConfig({ ...args.config });
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs, custom }) {
        const known = inputs as Values;
        const answer = custom === true ? answers.resource(type, name, known) : undefined;
        return { id: answer?.id ?? "", state: { ...known, ...answer?.outputs } };
      },
      call({ token, inputs }) {
        const answer = answers.invoke(token, inputs as Values);
        invokes.push(token);
        if (answer === undefined) throw UNKNOWN;
        return answer;
      },
    },
    args.project,
    args.stack,
    args.preview,
  );
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  // The SDK's own names the parent's type only, an engine those of all ancestors.
  monitor.newUrn = (parent, type, name) => createUrn(args.stack, args.project, parent, type, name);

  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = async (request, reply) => {
    const type = request.getType();
    const urn = monitor.newUrn(request.getParent(), type, request.getName());
    const refusal = registered.has(urn)
      ? "there is one of this type and name already: give it another name"
      : request.getRemote()
        ? "components of other languages need their provider"
        : needsDefaultProvider(request) && disabled(packageOf(type))
          ? "it has no provider, and pulumi:disable-default-providers forbids a default one"
          : undefined;
    if (refusal !== undefined) return reply(new Error(refusal));
    inherit(request, registered.get(request.getParent()));
    registered.set(urn, registrationOf(request, urn));
    await register(request, reply);
  };

  const registerOutputs = monitor.registerResourceOutputs.bind(monitor);
  monitor.registerResourceOutputs = (request, reply) => {
    outputs.set(request.getUrn(), request.getOutputs()?.toJavaScript() ?? {});
    registerOutputs(request, reply);
  };

  const invoke = monitor.invoke.bind(monitor);
  monitor.invoke = (request, reply) =>
    invoke(request, (error, response) => {
      if (error === UNKNOWN) {
        const unknown = new resources.ResourceInvokeResponse();
        unknown.setUnknown(true);
        return reply(null, unknown);
      }
      // Of a failed invoke the SDK shows `details`, as gRPC's errors have it.
      return reply(
        error instanceof Error ? Object.assign(error, { details: error.message }) : error,
        response,
      );
    });

  const refuse = (reply: Reply<never>, what: string) => {
    const message = `${what}: it would have to be asked of the cloud`;
    reply(Object.assign(new Error(message), { details: message }));
  };
  monitor.readResource = (request, reply) =>
    refuse(reply, `cannot read ${request.getType()} ${request.getName()}`);
  monitor.existsResource = (request, reply) =>
    refuse(reply, `cannot tell whether ${request.getType()} ${request.getId()} exists`);
  monitor.call = (request, reply) => refuse(reply, `cannot call the method ${request.getTok()}`);

  return {
    get resources() {
      return [...registered.values()];
    },
    outputs,
    invokes,
    async settled() {
      const { waitForRPCs } = pulumi.runtime as unknown as { waitForRPCs: () => Promise<void> };
      // Between two registrations there may be a moment without any.
      for (let before = -1; before !== registered.size;) {
        before = registered.size;
        await waitForRPCs();
        await new Promise((resolve) => setTimeout(resolve, SETTLING_MS));
      }
    },
  };
}

/** Longer than the SDK's longest chain of promises between two registrations takes. */
const SETTLING_MS = 20;

/** What a resource takes over from its parent in the engine; the SDK itself sees to `protect` and to providers. */
function inherit(request: resources.RegisterResourceRequest, parent: Registration | undefined): void {
  if (parent === undefined) return;
  if (request.getDeletedwith() === "") request.setDeletedwith(parent.deletedWith);
  if (!request.hasRetainondelete()) request.setRetainondelete(parent.retainOnDelete);
}

function registrationOf(request: resources.RegisterResourceRequest, urn: string): Registration {
  const type = request.getType();
  const inputs = request.getObject()?.toJavaScript() ?? {};
  return {
    urn,
    type,
    name: request.getName(),
    custom: request.getCustom(),
    inputs: isProviderType(type) ? { ...inputs, version: request.getVersion() } : inputs,
    parent: request.getParent(),
    provider: request.getCustom() ? withoutId(request.getProvider()) : "",
    dependsOn: [...new Set(request.getDependenciesList())].sort(),
    protect: request.getProtect() === true,
    retainOnDelete: request.getRetainondelete() === true,
    deleteBeforeReplace: request.getDeletebeforereplace(),
    deletedWith: request.getDeletedwith(),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
  };
}

function needsDefaultProvider(request: resources.RegisterResourceRequest): boolean {
  return request.getCustom() && !isProviderType(request.getType()) && request.getProvider() === "";
}

/** Tells of a package whether `pulumi:disable-default-providers` names it. Throws if that is no list. */
function disabledDefaultProviders(config: Readonly<Record<string, string>>): (name: string) => boolean {
  const key = "pulumi:disable-default-providers";
  const text = config[key] ?? "[]";
  const names: unknown = text.startsWith("[") ? JSON.parse(text) : undefined;
  if (!Array.isArray(names))
    throw new pulumi.RunError(`${key}: is no list (got ${text}; legal ["kubernetes", "openstack"])`);
  return (name) => names.includes("*") || names.includes(name);
}
