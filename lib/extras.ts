/**
 * The operator's extras of one cluster, in an order in which they can be made. Upstream analogue: none.
 */
import { PLACEHOLDER_SECRET } from "../config/credentials.ts";
import { type KubernetesObject, manifestObjects } from "../config/manifests.ts";
import type { Config } from "../config/schema.ts";
import { formatPath, type Key } from "../config/tree.ts";
import { type ExtraValues, isEncrypted } from "./extra-values.ts";

type ExtraConfig = Config["extras"][string];

/** One extra: objects, or a release. */
export interface Extra {
  readonly name: string;
  readonly after: readonly string[];
  /** In the text's order, but for those that others need: they come first. Empty for a release. */
  readonly objects: readonly KubernetesObject[];
  /** Whether the text of the objects is encrypted in the stack file. */
  readonly isSecret: boolean;
  readonly release?: Omit<NonNullable<ExtraConfig["release"]>, "values"> & { readonly values: ExtraValues };
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
  const { after = [], manifests, release } = extra;
  const isSecretAt = (path: readonly Key[]) =>
    isEncrypted(formatPath(["extras", name, ...path]), encryptedPaths);
  // Offline what is encrypted is not there to be read.
  const isThere = manifests !== undefined && manifests !== PLACEHOLDER_SECRET;
  const objects = isThere ? manifestObjects(manifests).objects : [];
  return {
    ...{ name, after },
    objects: [...objects.filter(isFirst), ...objects.filter((object) => !isFirst(object))],
    isSecret: isSecretAt(["manifests"]),
    ...(release === undefined
      ? {}
      : {
          release: {
            ...release,
            values: {
              values: release.values ?? {},
              isSecret: (path) => isSecretAt(["release", "values", ...path]),
            },
          },
        }),
  };
}
