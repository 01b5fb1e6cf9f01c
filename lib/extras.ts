/**
 * The operator's extras of one place, in an order in which they can be made. Upstream analogue: none.
 */
import { PLACEHOLDER_SECRET } from "../config/credentials.ts";
import { type KubernetesObject, manifestObjects } from "../config/manifests.ts";
import type { Config } from "../config/schema.ts";
import { formatPath, type Key } from "../config/tree.ts";
import { secondsOf } from "../config/units.ts";
import { type ExtraValues, isEncrypted } from "./extra-values.ts";
import { script } from "./shell.ts";

type ExtraConfig = Config["extras"][string];

/** How long an extra may take that does not say it. */
const DEFAULT_TIMEOUT = "10m";

/** One extra: objects, a release, or commands. */
export interface Extra {
  readonly name: string;
  readonly after: readonly string[];
  /** In the text's order, but for those that others need: they come first. Empty for any other extra. */
  readonly objects: readonly KubernetesObject[];
  /** Whether the text of the objects or of the commands is encrypted in the stack file. */
  readonly isSecret: boolean;
  readonly release?: Omit<NonNullable<ExtraConfig["release"]>, "values" | "timeout"> & {
    readonly timeout: string;
    readonly values: ExtraValues;
  };
  readonly commands?: NonNullable<ExtraConfig["commands"]>;
}

/** Kinds without which other objects cannot be made. */
const FIRST = ["CustomResourceDefinition", "Namespace"];

/** Whether other objects of an extra wait for one. */
export const isFirst = ({ kind }: KubernetesObject) => FIRST.includes(kind);

/**
 * @param encryptedPaths paths of the configuration that the stack file holds encrypted
 */
export function extrasOn(
  on: ExtraConfig["on"],
  { extras }: Pick<Config, "extras">,
  encryptedPaths: ReadonlySet<string>,
): Extra[] {
  const left = new Map(
    Object.entries(extras)
      .filter(([, extra]) => extra.on === on)
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
  const ordered: Extra[] = [];
  while (left.size > 0) {
    const [name, extra] = [...left].find(([, { after = [] }]) => !after.some((one) => left.has(one))) ?? [];
    if (name === undefined || extra === undefined) throw new Error("the extras' order has a circle");
    left.delete(name);
    ordered.push(extraOf(name, extra, encryptedPaths));
  }
  return ordered;
}

function extraOf(name: string, extra: ExtraConfig, encryptedPaths: ReadonlySet<string>): Extra {
  const { after = [], manifests, release, commands } = extra;
  const isSecretAt = (path: readonly Key[]) =>
    isEncrypted(formatPath(["extras", name, ...path]), encryptedPaths);
  // Offline what is encrypted is not there to be read.
  const isThere = manifests !== undefined && manifests !== PLACEHOLDER_SECRET;
  const objects = isThere ? manifestObjects(manifests).objects : [];
  return {
    ...{ name, after },
    objects: [...objects.filter(isFirst), ...objects.filter((object) => !isFirst(object))],
    isSecret: isSecretAt(["manifests"]) || isSecretAt(["commands"]),
    ...(commands === undefined ? {} : { commands }),
    ...(release === undefined
      ? {}
      : {
          release: {
            ...release,
            timeout: release.timeout ?? DEFAULT_TIMEOUT,
            values: {
              values: release.values ?? {},
              isSecret: (path) => isSecretAt(["release", "values", ...path]),
            },
          },
        }),
  };
}

/**
 * The script of an extra's commands.
 *
 * @param kubeconfigFile the cluster's on the seed. Default: k3s's own
 */
export function extraScript(
  name: string,
  { run, remove, timeout = DEFAULT_TIMEOUT }: NonNullable<Extra["commands"]>,
  on: ExtraConfig["on"],
  kubeconfigFile?: string,
): string {
  return script(["extra"], {
    EXTRA: name,
    RUN_COMMANDS: run,
    REMOVE_COMMANDS: remove,
    LIMIT_SECONDS: secondsOf(timeout),
    IS_ON_CLUSTER: on !== "seed",
    KUBECONFIG_FILE: kubeconfigFile,
  });
}
