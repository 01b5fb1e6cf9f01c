/**
 * The resource monitor: what the program's SDK talks to while it runs.
 * Upstream analogue: resmon in pkg/resource/deploy/source_eval.go.
 */
import grpc from "@grpc/grpc-js";
import type callbackTypes from "@pulumi/pulumi/proto/callback_pb.js";
import providerProto from "@pulumi/pulumi/proto/provider_pb.js";
import resproto from "@pulumi/pulumi/proto/resource_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { goalOf, inputsOf, optionsOf, type Goal } from "./goal.ts";
import { invoke } from "./invoke.ts";
import type { PropertyMap } from "./property.ts";
import { defaultProviderDenied, defaultProviderInputs, defaultProviderName } from "./provider-registry.ts";
import { readExternal, register, type Registered } from "./registration.ts";
import type { Run } from "./run.ts";
import { UNKNOWN_STRING } from "./signatures.ts";
import { STACK_TYPE, isProviderType, packageOf, providerType, qualifiedType } from "./urn.ts";
import { fromStruct, toStruct } from "./wire.ts";

type Call<T> = { request: T };
type Reply<T> = (error: grpc.ServiceError | Partial<grpc.StatusObject> | null, value?: T) => void;

const Feature = resproto.ResourceMonitorFeature;

/** What the SDK may rely on, in its old and its new spelling. Everything else it is told not to use. */
const FEATURES: Readonly<Record<string, number>> = {
  secrets: Feature.RESOURCE_MONITOR_FEATURE_SECRETS,
  resourceReferences: Feature.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
  outputValues: Feature.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
  aliasSpecs: Feature.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
  deletedWith: Feature.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
  replaceWith: Feature.RESOURCE_MONITOR_FEATURE_REPLACE_WITH,
  transforms: Feature.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
  invokeTransforms: Feature.RESOURCE_MONITOR_FEATURE_INVOKE_TRANSFORMS,
  resourceHooks: Feature.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
  errorHooks: Feature.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS,
};

export class Monitor {
  readonly #run: Run;
  readonly #defaults = new Map<string, Promise<string>>();
  /** Providers each component hands to what is below it. */
  readonly #componentProviders = new Map<string, Record<string, string>>();
  readonly #parents = new Map<string, string>();
  readonly #finish: () => Promise<void>;

  /** `finish` is awaited when the program has registered everything: the time for deletions. */
  constructor(run: Run, finish: () => Promise<void>) {
    this.#run = run;
    this.#finish = finish;
  }

  /** The gRPC service's methods. */
  get implementation(): Record<string, grpc.handleUnaryCall<never, never>> {
    const run = this.#run;
    const methods: Record<string, (request: never) => unknown> = {
      getDeploymentInfo: () => this.#deploymentInfo(),
      supportsFeature: (request: resproto.SupportsFeatureRequest) => {
        const response = new resproto.SupportsFeatureResponse();
        response.setHassupport(request.getId() in FEATURES);
        return response;
      },
      registerResource: (request: resproto.RegisterResourceRequest) => run.track(this.#register(request)),
      registerResourceOutputs: (request: resproto.RegisterResourceOutputsRequest) =>
        run.track(this.#outputs(request)),
      readResource: (request: resproto.ReadResourceRequest) => run.track(this.#read(request)),
      invoke: (request: resproto.ResourceInvokeRequest) => run.track(this.#invoke(request)),
      call: (request: resproto.ResourceCallRequest) => {
        throw new Error(`the embedded engine does not call methods of resources (${request.getTok()})`);
      },
      existsResource: (request: resproto.ExistsResourceRequest) => {
        throw new Error(
          `the embedded engine does not answer whether a resource exists (${request.getType()})`,
        );
      },
      registerPackage: (request: resproto.RegisterPackageRequest) => {
        throw new Error(`the embedded engine does not know parameterized packages (${request.getName()})`);
      },
      registerStackTransform: (request: callbackTypes.Callback) => {
        run.callbacks.addStackTransform(request);
        return new empty.Empty();
      },
      registerStackInvokeTransform: (request: callbackTypes.Callback) => {
        run.callbacks.addInvokeTransform(request);
        return new empty.Empty();
      },
      registerResourceHook: (request: resproto.RegisterResourceHookRequest) => {
        const options = { onDryRun: request.getOnDryRun(), ignoreErrors: request.getIgnoreErrors() };
        return this.#addHook(request.getName(), request.getCallback(), options);
      },
      registerErrorHook: (request: resproto.RegisterErrorHookRequest) =>
        this.#addHook(request.getName(), request.getCallback(), { onDryRun: true, ignoreErrors: false }),
      signalAndWaitForShutdown: async () => {
        await this.#finish();
        return new empty.Empty();
      },
    };
    return Object.fromEntries(
      Object.entries(methods).map(([name, method]) => [
        name,
        this.#unary(method) as grpc.handleUnaryCall<never, never>,
      ]),
    );
  }

  #unary<T, R>(method: (request: T) => R | Promise<R>): (call: Call<T>, reply: Reply<R>) => void {
    return (call, reply) => {
      if (this.#run.stopping) {
        reply({ code: grpc.status.UNAVAILABLE, details: "the run was interrupted" });
        return;
      }
      Promise.resolve()
        .then(() => method(call.request))
        .then(
          (value) => {
            if (this.#run.stopping)
              reply({ code: grpc.status.UNAVAILABLE, details: "the run was interrupted" });
            else reply(null, value);
          },
          (error: unknown) =>
            reply({
              code: grpc.status.UNKNOWN,
              details: error instanceof Error ? error.message : String(error),
            }),
        );
    };
  }

  #deploymentInfo(): resproto.DeploymentInfo {
    const info = new resproto.DeploymentInfo();
    info.setProject(this.#run.project);
    info.setStack(this.#run.stack);
    info.setOrganization("organization");
    info.setDryrun(this.#run.preview);
    info.setSupportedfeaturesList(Object.values(FEATURES));
    return info;
  }

  async #register(request: resproto.RegisterResourceRequest): Promise<resproto.RegisterResourceResponse> {
    const run = this.#run;
    if (request.getRemote()) {
      throw new Error(
        `the embedded engine does not construct components of other languages (${request.getType()})`,
      );
    }
    const ancestors = this.#ancestors(request.getParent());
    this.#inherit(request, ancestors);
    const changed = await run.callbacks.transform(request, ancestors, inputsOf(request), optionsOf(request));
    const goal = goalOf(request, changed.inputs, changed.options);
    await this.#resolveProvider(goal, request.getPlugindownloadurl());
    const registered = await register(run, goal);
    this.#parents.set(registered.urn, goal.parent);
    if (!goal.custom) this.#handDown(registered.urn, goal);
    run.callbacks.addResourceTransforms(registered.urn, request.getTransformsList());
    return this.#response(registered);
  }

  #response({ urn, state, failed }: Registered): resproto.RegisterResourceResponse {
    const response = new resproto.RegisterResourceResponse();
    response.setUrn(urn);
    if (failed) {
      response.setResult(resproto.Result.FAIL);
      return response;
    }
    response.setId(state.id === UNKNOWN_STRING ? "" : state.id);
    response.setObject(toStruct(state.outputs));
    return response;
  }

  async #outputs(request: resproto.RegisterResourceOutputsRequest): Promise<empty.Empty> {
    const run = this.#run;
    const urn = request.getUrn();
    const outputs = fromStruct(request.getOutputs());
    if (qualifiedType(urn) === STACK_TYPE) {
      // Kept until it is clear whether the run succeeds.
      run.stackOutputs = outputs;
      return new empty.Empty();
    }
    const state = run.news.get(urn);
    if (state === undefined) throw new Error(`outputs were registered for ${urn}, which is not`);
    state.outputs = outputs;
    run.checkpoint.changed(state, run.olds.get(run.formerly.get(urn) ?? urn));
    const operation = run.operations.get(urn);
    const old = run.olds.get(urn);
    if (!state.custom && operation === "create") {
      await run.callbacks.runHooks("AfterCreate", { new: state, done: true });
    } else if (!state.custom && operation === "update" && old !== undefined) {
      await run.callbacks.runHooks("AfterUpdate", { old, new: state, done: true });
    }
    return new empty.Empty();
  }

  async #read(request: resproto.ReadResourceRequest): Promise<resproto.ReadResourceResponse> {
    const bare = new resproto.RegisterResourceRequest();
    bare.setType(request.getType());
    bare.setName(request.getName());
    bare.setParent(request.getParent());
    bare.setCustom(true);
    bare.setProvider(request.getProvider());
    bare.setVersion(request.getVersion());
    bare.setDependenciesList(request.getDependenciesList());
    bare.setAdditionalsecretoutputsList(request.getAdditionalsecretoutputsList());
    const goal = goalOf(bare, fromStruct(request.getProperties()), optionsOf(bare));
    await this.#resolveProvider(goal, request.getPlugindownloadurl());
    const { urn, state, failed } = await readExternal(this.#run, goal, request.getId());
    if (failed) throw new Error(`resource ${goal.name} [${goal.type}] failed to register`);
    const response = new resproto.ReadResourceResponse();
    response.setUrn(urn);
    response.setProperties(toStruct(state.outputs));
    return response;
  }

  async #invoke(request: resproto.ResourceInvokeRequest): Promise<resproto.ResourceInvokeResponse> {
    const token = request.getTok();
    const args = fromStruct(request.getArgs());
    const changed = await this.#run.callbacks.transformInvoke(token, args, request.getProvider());
    const builtin = packageOf(token) === "pulumi";
    const reference =
      changed.provider !== "" || builtin
        ? changed.provider
        : await this.#default(token, request.getVersion());
    const response = new resproto.ResourceInvokeResponse();
    let result: PropertyMap | undefined;
    try {
      result = await invoke(this.#run, token, changed.args, reference);
    } catch (error) {
      const failure = new providerProto.CheckFailure();
      failure.setReason(error instanceof Error ? error.message : String(error));
      response.addFailures(failure);
      return response;
    }
    if (result === undefined) response.setUnknown(true);
    else response.setReturn(toStruct(result));
    return response;
  }

  #addHook(
    name: string,
    callback: callbackTypes.Callback | undefined,
    options: { onDryRun: boolean; ignoreErrors: boolean },
  ): empty.Empty {
    if (callback === undefined) throw new Error(`the hook ${JSON.stringify(name)} has no function`);
    this.#run.callbacks.addHook(name, { callback, ...options });
    return new empty.Empty();
  }

  /** What a resource takes over from its parent; of inheritFromParent in source_eval.go. */
  #inherit(request: resproto.RegisterResourceRequest, ancestors: readonly string[]): void {
    const parent = this.#run.goals.get(request.getParent());
    if (parent === undefined) return;
    if (request.getDeletedwith() === "") request.setDeletedwith(parent.deletedWith);
    if (!request.hasProtect() && parent.protect !== undefined) request.setProtect(parent.protect);
    if (!request.hasRetainondelete() && parent.retainOnDelete !== undefined) {
      request.setRetainondelete(parent.retainOnDelete);
    }
    if (!request.getCustom() || isProviderType(request.getType()) || request.getProvider() !== "") return;
    const name = packageOf(request.getType());
    for (const urn of ancestors) {
      const reference = this.#componentProviders.get(urn)?.[name];
      if (reference !== undefined) return void request.setProvider(reference);
    }
  }

  #handDown(urn: string, goal: Goal): void {
    this.#componentProviders.set(urn, { ...this.#componentProviders.get(goal.parent), ...goal.providers });
  }

  #ancestors(parent: string): string[] {
    const ancestors: string[] = [];
    for (let urn = parent; urn !== ""; urn = this.#parents.get(urn) ?? "") ancestors.push(urn);
    return ancestors;
  }

  /** Settles which provider manages a custom resource, and what a provider resource itself says of its version. */
  async #resolveProvider(goal: Goal, downloadUrl: string): Promise<void> {
    if (isProviderType(goal.type)) {
      if (goal.version !== "") goal.inputs = { ...goal.inputs, __internal: {}, version: goal.version };
      if (downloadUrl !== "")
        goal.inputs = { ...goal.inputs, __internal: {}, pluginDownloadURL: downloadUrl };
    } else if (!goal.custom) {
      goal.provider = "";
    } else if (goal.provider === "") {
      goal.provider = await this.#default(goal.type, goal.version);
    }
  }

  /** The reference of the default provider for a type or function, registered when first needed. */
  #default(type: string, version: string): Promise<string> {
    const run = this.#run;
    const name = packageOf(type);
    if (defaultProviderDenied(run.config, name)) {
      return Promise.reject(
        new Error(`Default provider for '${name}' disabled. '${type}' must use an explicit provider.`),
      );
    }
    const key = `${name}@${version}`;
    let reference = this.#defaults.get(key);
    if (reference === undefined) {
      reference = this.#registerDefault(type, version);
      this.#defaults.set(key, reference);
    }
    return reference;
  }

  async #registerDefault(type: string, version: string): Promise<string> {
    const bare = new resproto.RegisterResourceRequest();
    bare.setType(providerType(packageOf(type)));
    bare.setName(defaultProviderName(version));
    bare.setCustom(true);
    const goal = goalOf(bare, defaultProviderInputs(this.#run.config, type, version), optionsOf(bare));
    const { urn, state, failed } = await register(this.#run, goal);
    if (failed) throw new Error(`the default provider for ${packageOf(type)} could not be made`);
    return `${urn}::${state.id}`;
  }
}
