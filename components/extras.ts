/**
 * What the operator adds in one place: objects, Helm releases, commands on the seed. Upstream analogue: the custom addons
 * of the chart cluster-addons.
 *
 * Each object is a resource, so that a preview shows what changes of it and Pulumi deletes what the configuration has
 * no more.
 */
import * as pulumi from "@pulumi/pulumi";
import { type KubernetesObject, objectName } from "../config/manifests.ts";
import type { Config } from "../config/schema.ts";
import { type Extra, extraScript, extrasOn, isFirst } from "../lib/extras.ts";
import { chart } from "./chart.ts";
import { type Connection, seedScript } from "./connection.ts";

type Place = Config["extras"][string]["on"];

/** Where commands run. */
interface Host {
  readonly connection: pulumi.Input<Connection>;
  /** The seed: on another one commands run again. */
  readonly serverId: pulumi.Input<string>;
  /** Path of the cluster's kubeconfig on the seed. Default: k3s's own. */
  readonly kubeconfigFile?: pulumi.Input<string> | undefined;
}

export interface ExtrasArgs {
  readonly on: Place;
  readonly host: Host;
  /** In an order in which they can be made. They hold secrets. */
  readonly extras: readonly Extra[];
  /** Section `mirror` of the configuration. */
  readonly mirror: Config["mirror"];
  /** What comes before all of them. */
  readonly needed: readonly pulumi.Resource[];
}

/** What the program makes extras of. */
export interface ExtrasSource {
  /** The site's configuration. Holds secrets. */
  readonly config: Config;
  /** Paths of it that the stack file holds encrypted. */
  readonly encryptedPaths: ReadonlySet<string>;
  readonly host: Host;
}

/**
 * The extras that the configuration has for a place; without any nothing is made.
 * @param needed what comes before all of them
 * @returns what to wait for who needs them
 */
export function makeExtras(
  on: Place,
  { config, encryptedPaths, host }: ExtrasSource,
  needed: readonly pulumi.Resource[],
  opts: pulumi.ComponentResourceOptions,
): readonly pulumi.Resource[] {
  const extras = extrasOn(on, config, encryptedPaths);
  if (extras.length === 0) return [];
  return [new Extras(`extras-${on}`, { on, host, extras, mirror: config.mirror, needed }, opts)];
}

/** The extras of one place, ready. */
export class Extras extends pulumi.ComponentResource {
  constructor(name: string, args: ExtrasArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:Extras", name, {}, opts);
    const made = new Map<string, pulumi.Resource[]>();
    for (const extra of args.extras) {
      const before = [...args.needed, ...extra.after.flatMap((other) => made.get(other) ?? [])];
      made.set(extra.name, this.extra(`${name}-${extra.name}`, extra, args, before));
    }
    this.registerOutputs({});
  }

  private extra(
    name: string,
    extra: Extra,
    args: ExtrasArgs,
    dependsOn: pulumi.Resource[],
  ): pulumi.Resource[] {
    const { release, commands, objects } = extra;
    const opts = { parent: this, dependsOn };
    if (release !== undefined) {
      const { values: extraValues, ...rest } = release;
      const ours = { release: extra.name, mirrorUrl: args.mirror.url, values: {} };
      return [chart(name, { ...rest, ...ours, extraValues }, opts)];
    }
    if (commands !== undefined) return [this.commands(name, extra, commands, args, opts)];
    const make = (object: KubernetesObject, needed: pulumi.Resource[]) =>
      new KubernetesResource(`${name}-${objectName(object)}`, object, extra.isSecret, {
        parent: this,
        dependsOn: [...dependsOn, ...needed],
      });
    const first = objects.filter(isFirst).map((object) => make(object, []));
    // Objects need their namespace and the definition of their kind.
    const others = objects.filter((object) => !isFirst(object)).map((object) => make(object, first));
    return [...first, ...others];
  }

  private commands(
    name: string,
    { name: extra, isSecret }: Extra,
    commands: NonNullable<Extra["commands"]>,
    { on, host }: ExtrasArgs,
    opts: pulumi.CustomResourceOptions,
  ): pulumi.Resource {
    const script = pulumi
      .output(host.kubeconfigFile)
      .apply((kubeconfigFile) => extraScript(extra, commands, on, kubeconfigFile));
    return seedScript(
      name,
      {
        connection: host.connection,
        script: isSecret ? pulumi.secret(script) : script,
        runAgainOn: [host.serverId],
        secretOutput: isSecret,
        hasDelete: commands.remove !== undefined,
      },
      opts,
    );
  }
}

/**
 * An object of any kind. The provider reads the kind from the type and wants a group in it: for the core group that is
 * `core`, which the SDK's own class for any kind does not say.
 */
class KubernetesResource extends pulumi.CustomResource {
  constructor(name: string, object: KubernetesObject, isSecret: boolean, opts: pulumi.CustomResourceOptions) {
    const { apiVersion, kind } = object;
    const group = apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`;
    super(`kubernetes:${group}:${kind}`, name, withSecrets(object, isSecret), opts);
  }
}

/** Content of a Kubernetes Secret always is one, and all content where the text is encrypted in the stack file. */
function withSecrets(object: KubernetesObject, isSecret: boolean) {
  const { apiVersion, kind, metadata, ...content } = object;
  const hidden = (key: string) => isSecret || (kind === "Secret" && ["data", "stringData"].includes(key));
  return {
    ...{ apiVersion, kind, metadata },
    ...Object.fromEntries(
      Object.entries(content).map(([key, value]) => [key, hidden(key) ? pulumi.secret(value) : value]),
    ),
  };
}
