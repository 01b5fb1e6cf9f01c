/**
 * What the operator adds to one cluster: objects and Helm releases. Upstream analogue: the custom addons of the chart
 * cluster-addons.
 *
 * Each object is a resource, so that a preview shows what changes of it and Pulumi deletes what the configuration has
 * no more.
 */
import * as pulumi from "@pulumi/pulumi";
import { type KubernetesObject, objectName } from "../config/manifests.ts";
import type { Config } from "../config/schema.ts";
import { type Extra, extrasOn, isFirst } from "../lib/extras.ts";
import { chart } from "./chart.ts";

const DEFAULT_TIMEOUT = "10m";

export interface ExtrasArgs {
  /** In an order in which they can be made. They hold secrets. */
  readonly extras: readonly Extra[];
  /** Section `mirror` of the configuration. */
  readonly mirror: Config["mirror"];
  /** What comes before all of them. */
  readonly needed: readonly pulumi.Resource[];
}

/**
 * The extras that the configuration has for a cluster; without any nothing is made.
 * @param encryptedPaths paths of the configuration that the stack file holds encrypted
 * @param needed what comes before all of them
 */
export function makeExtras(
  on: Config["extras"][string]["on"],
  config: Config,
  encryptedPaths: ReadonlySet<string>,
  needed: readonly pulumi.Resource[],
  opts: pulumi.ComponentResourceOptions,
): void {
  const extras = extrasOn(on, config, encryptedPaths);
  if (extras.length > 0) new Extras(`extras-${on}`, { extras, mirror: config.mirror, needed }, opts);
}

/** The extras of one cluster, ready. */
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
    const { release, objects } = extra;
    if (release !== undefined) {
      const { values, timeout = DEFAULT_TIMEOUT, ...rest } = release;
      const opts = { parent: this, dependsOn };
      return [
        chart(
          name,
          {
            ...rest,
            release: extra.name,
            mirrorUrl: args.mirror.url,
            values: {},
            extraValues: values,
            timeout,
          },
          opts,
        ),
      ];
    }
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
