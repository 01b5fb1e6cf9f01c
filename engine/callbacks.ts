/**
 * Functions of the program the engine calls back: transforms of registrations and invokes, hooks around steps.
 * Upstream analogue: pkg/resource/deploy/source_eval.go (wrapTransformCallback …) and resource_hooks.go.
 */
import grpc from "@grpc/grpc-js";
import callbackProto from "@pulumi/pulumi/proto/callback_pb.js";
import callbackService from "@pulumi/pulumi/proto/callback_grpc_pb.js";
import resproto from "@pulumi/pulumi/proto/resource_pb.js";
import type { PropertyMap } from "./property.ts";
import type { ResourceState } from "./state.ts";
import { nameOf } from "./urn.ts";
import { fromStruct, toStruct } from "./wire.ts";

type Callback = callbackProto.Callback;
type Options = resproto.TransformResourceOptions;

interface Hook {
  callback: Callback;
  onDryRun: boolean;
  ignoreErrors: boolean;
}

/** What a hook is told; what does not apply is left out. */
export interface HookFacts {
  old?: ResourceState;
  new?: ResourceState;
  /** Whether the new outputs are there already. */
  done: boolean;
}

/** Retries an error hook may ask for; of pkg/resource/deploy/retries.go. */
const MOST_RETRIES = 100;

export class Callbacks {
  readonly #clients = new Map<string, callbackService.CallbacksClient>();
  readonly #hooks = new Map<string, Hook>();
  readonly #stackTransforms: Callback[] = [];
  readonly #invokeTransforms: Callback[] = [];
  readonly #resourceTransforms = new Map<string, Callback[]>();
  readonly #preview: boolean;
  readonly #warn: (urn: string, text: string) => void;

  constructor(preview: boolean, warn: (urn: string, text: string) => void) {
    this.#preview = preview;
    this.#warn = warn;
  }

  addStackTransform(callback: Callback): void {
    this.#stackTransforms.push(callback);
  }

  addInvokeTransform(callback: Callback): void {
    this.#invokeTransforms.push(callback);
  }

  /** Throws when another hook has that name. */
  addHook(name: string, hook: Hook): void {
    if (this.#hooks.has(name)) throw new Error(`the hook ${JSON.stringify(name)} is registered twice`);
    this.#hooks.set(name, hook);
  }

  /** A resource's own transforms, which also apply to everything below it. */
  addResourceTransforms(urn: string, callbacks: Callback[]): void {
    if (callbacks.length > 0) this.#resourceTransforms.set(urn, callbacks);
  }

  /** Runs the transforms that apply: the resource's own, its ancestors', the stack's. `ancestors` begins with the parent. */
  async transform(
    request: resproto.RegisterResourceRequest,
    ancestors: readonly string[],
    inputs: PropertyMap,
    options: Options,
  ): Promise<{ inputs: PropertyMap; options: Options }> {
    const inherited = ancestors.flatMap((urn) => this.#resourceTransforms.get(urn) ?? []);
    let current = { inputs, options };
    for (const callback of [...request.getTransformsList(), ...inherited, ...this.#stackTransforms]) {
      const message = new resproto.TransformRequest();
      message.setType(request.getType());
      message.setName(request.getName());
      message.setCustom(request.getCustom());
      message.setParent(request.getParent());
      message.setProperties(toStruct(current.inputs));
      message.setOptions(current.options);
      const answer = resproto.TransformResponse.deserializeBinary(
        await this.#call(callback, message.serializeBinary()),
      );
      current = {
        inputs: fromStruct(answer.getProperties()),
        options: answer.getOptions() ?? current.options,
      };
    }
    return current;
  }

  async transformInvoke(
    token: string,
    args: PropertyMap,
    provider: string,
  ): Promise<{ args: PropertyMap; provider: string }> {
    let current = { args, provider };
    for (const callback of this.#invokeTransforms) {
      const options = new resproto.TransformInvokeOptions();
      options.setProvider(current.provider);
      const message = new resproto.TransformInvokeRequest();
      message.setToken(token);
      message.setArgs(toStruct(current.args));
      message.setOptions(options);
      const answer = resproto.TransformInvokeResponse.deserializeBinary(
        await this.#call(callback, message.serializeBinary()),
      );
      const changed = answer.getOptions()?.getProvider() ?? "";
      current = { args: fromStruct(answer.getArgs()), provider: changed === "" ? current.provider : changed };
    }
    return current;
  }

  /** Runs a resource's hooks of one moment (`BeforeCreate` …) in order. Throws when one fails. */
  async runHooks(moment: string, facts: HookFacts): Promise<void> {
    const state = facts.new ?? facts.old;
    for (const name of state?.hooks[moment] ?? []) {
      if (state === undefined) return;
      const hook = this.#hook(name, state.urn);
      if (this.#preview && !hook.onDryRun) continue;
      const request = new resproto.ResourceHookRequest();
      request.setUrn(state.urn);
      request.setId(state.id);
      request.setName(nameOf(state.urn));
      request.setType(state.type);
      if (facts.new !== undefined) request.setNewInputs(toStruct(facts.new.inputs));
      if (facts.old !== undefined) request.setOldInputs(toStruct(facts.old.inputs));
      if (facts.old !== undefined) request.setOldOutputs(toStruct(facts.old.outputs));
      if (facts.new !== undefined && facts.done) request.setNewOutputs(toStruct(facts.new.outputs));
      const answer = resproto.ResourceHookResponse.deserializeBinary(
        await this.#call(hook.callback, request.serializeBinary()),
      );
      const error = answer.getError();
      if (error === "") continue;
      const text = `the hook ${JSON.stringify(name)} failed: ${error}`;
      if (!hook.ignoreErrors) throw new Error(text);
      this.#warn(state.urn, text);
    }
  }

  /** Runs `attempt`, again as long as one of the resource's error hooks asks for it. */
  async withErrorHooks<T>(operation: string, facts: HookFacts, attempt: () => Promise<T>): Promise<T> {
    const state = facts.new ?? facts.old;
    const errors: string[] = [];
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (state === undefined || errors.length >= MOST_RETRIES) throw error;
        errors.unshift(error instanceof Error ? error.message : String(error));
        if (!(await this.#retry(state, operation, facts, errors))) throw error;
        this.#warn(
          state.urn,
          `${operation} failed and an error hook asked for another try (${errors.length})`,
        );
      }
    }
  }

  /** Lets go of the connections to the program. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  async #retry(
    state: ResourceState,
    operation: string,
    facts: HookFacts,
    errors: string[],
  ): Promise<boolean> {
    let retry = false;
    for (const name of state.hooks["OnError"] ?? []) {
      const request = new resproto.ErrorHookRequest();
      request.setUrn(state.urn);
      request.setId(state.id);
      request.setName(nameOf(state.urn));
      request.setType(state.type);
      request.setFailedOperation(operation);
      request.setErrorsList(errors);
      if (facts.new !== undefined) request.setNewInputs(toStruct(facts.new.inputs));
      if (facts.old !== undefined) request.setOldInputs(toStruct(facts.old.inputs));
      if (facts.old !== undefined) request.setOldOutputs(toStruct(facts.old.outputs));
      const hook = this.#hook(name, state.urn);
      const answer = resproto.ErrorHookResponse.deserializeBinary(
        await this.#call(hook.callback, request.serializeBinary()),
      );
      if (answer.getError() !== "")
        throw new Error(`the error hook ${JSON.stringify(name)} failed: ${answer.getError()}`);
      retry ||= answer.getRetry();
    }
    return retry;
  }

  #hook(name: string, urn: string): Hook {
    const hook = this.#hooks.get(name);
    if (hook === undefined)
      throw new Error(`${urn} names the hook ${JSON.stringify(name)}, which no program registered`);
    return hook;
  }

  #call(callback: Callback, bytes: Uint8Array): Promise<Uint8Array> {
    const target = callback.getTarget();
    let client = this.#clients.get(target);
    if (client === undefined) {
      client = new callbackService.CallbacksClient(target, grpc.credentials.createInsecure());
      this.#clients.set(target, client);
    }
    const request = new callbackProto.CallbackInvokeRequest();
    request.setToken(callback.getToken());
    request.setRequest(bytes);
    return new Promise((resolve, reject) => {
      client.invoke(request, (error, response) => {
        if (error === null) resolve(response.getResponse_asU8());
        else reject(new Error(error.details));
      });
    });
  }
}
