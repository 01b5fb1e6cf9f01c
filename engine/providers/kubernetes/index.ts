/**
 * The embedded engine's kubernetes provider: typed resources and custom resources by server-side apply, Helm releases
 * through the helm CLI. Upstream analogue: pulumi-resource-kubernetes. docs/engine-providers-kubernetes.md says what it
 * does and what it refuses.
 */
import type {
  CheckRequest,
  CheckResult,
  CreateRequest,
  CreateResult,
  DeleteRequest,
  DiffRequest,
  DiffResult,
  Provider,
  ProviderFactory,
  ReadRequest,
  ReadResult,
  UpdateRequest,
  UpdateResult,
} from "../../provider.ts";
import type { Properties } from "../../values.ts";
import { Cluster } from "./cluster.ts";
import { configurationOf, diffConfiguration, type Configuration } from "./configuration.ts";
import type { Instance } from "./instance.ts";
import { checkObject, diffObject } from "./objects.ts";
import { createObject, deleteObject, readObject, updateObject } from "./operations.ts";
import {
  checkRelease,
  createRelease,
  deleteRelease,
  diffRelease,
  readRelease,
  updateRelease,
} from "./releases.ts";
import { RELEASE } from "./tokens.ts";

class KubernetesProvider implements Provider {
  readonly name = "kubernetes";
  #instance: Instance | undefined;

  configure(inputs: Properties): Promise<void> {
    this.#instance = instanceOf(configurationOf(inputs));
    return Promise.resolve();
  }

  diffConfig(olds: Properties, news: Properties): DiffResult {
    return diffConfiguration(olds, news);
  }

  async check(request: CheckRequest): Promise<CheckResult> {
    const { configuration, cluster } = this.#configured;
    const keeps = configuration.skipUpdateUnreachable && request.olds !== undefined && cluster !== undefined;
    // Upstream: with this switch a cluster that is away means that its resources stay as they were.
    if (keeps && (await cluster.connection.unreachable()) !== undefined) {
      return { inputs: request.olds ?? {}, failures: [] };
    }
    return request.type === RELEASE
      ? checkRelease(this.#configured, request)
      : checkObject(this.#configured, request);
  }

  diff(request: DiffRequest): Promise<DiffResult> {
    return request.type === RELEASE
      ? Promise.resolve(diffRelease(request))
      : diffObject(this.#configured, request);
  }

  create(request: CreateRequest): Promise<CreateResult> {
    return request.type === RELEASE
      ? createRelease(this.#configured, request)
      : createObject(this.#configured, request);
  }

  async read(request: ReadRequest): Promise<ReadResult | null> {
    const { configuration, cluster } = this.#configured;
    if (configuration.deleteUnreachable || configuration.skipUpdateUnreachable) {
      const missed = await cluster?.connection.unreachable();
      if (missed !== undefined && configuration.deleteUnreachable) return null;
      if (missed !== undefined) return { id: request.id, inputs: request.inputs, outputs: request.outputs };
    }
    return request.type === RELEASE
      ? readRelease(this.#configured, request)
      : readObject(this.#configured, request);
  }

  update(request: UpdateRequest): Promise<UpdateResult> {
    return request.type === RELEASE
      ? updateRelease(this.#configured, request)
      : updateObject(this.#configured, request);
  }

  async delete(request: DeleteRequest): Promise<void> {
    if (request.type === RELEASE) return deleteRelease(this.#configured, request);
    const { configuration, cluster } = this.#configured;
    if (configuration.deleteUnreachable && (await cluster?.connection.unreachable()) !== undefined) return;
    return deleteObject(this.#configured, request);
  }

  invoke(token: string): Promise<Properties> {
    return Promise.reject(
      new Error(`the embedded engine's kubernetes provider does not implement the function ${token}`),
    );
  }

  async close(): Promise<void> {
    await this.#instance?.cluster?.close();
  }

  get #configured(): Instance {
    if (this.#instance === undefined)
      throw new Error("the kubernetes provider was used before it was configured");
    return this.#instance;
  }
}

/** A kubeconfig without a usable server only matters once something is to be done in its cluster. */
function instanceOf(configuration: Configuration): Instance {
  const { kubeconfig, cluster } = configuration;
  if (kubeconfig === undefined) return { configuration, cluster: undefined };
  try {
    return { configuration, cluster: new Cluster(kubeconfig, cluster) };
  } catch (error) {
    return { configuration: { ...configuration, problem: (error as Error).message }, cluster: undefined };
  }
}

export const factory: ProviderFactory = () => new KubernetesProvider();
