/**
 * Checks of magnum.templates.list.
 */
import { templateName } from "../templateName.ts";
import type { Config } from "../schema.ts";
import { isMap } from "../tree.ts";
import { parseRelease, workloadMinorsFor } from "../versions.ts";
import { type Check, type PartialConfig, when } from "./check.ts";

const at = (index: number) => `magnum.templates.list[${index}]`;

type Template = Config["magnum"]["templates"]["list"][number];

/** The templates whose shape is right, by their place; what is wrong with the others is told field by field. */
function wellFormed({ magnum }: PartialConfig): [index: number, template: Template][] {
  const list: unknown = magnum?.templates?.list;
  if (!Array.isArray(list)) return [];
  return list.flatMap((template: unknown, index) =>
    isMap(template) && isMap(template["image"]) && typeof template["kubernetesVersion"] === "string"
      ? [[index, template as Template]]
      : [],
  );
}

/** Two templates of one name would be one template. */
export const templateNames: Check = (config) => {
  const list = wellFormed(config);
  const names = list.map(([, template]) => templateName(template));
  return list.flatMap(([index], place) =>
    when(names.indexOf(names[place] ?? "") < place, () => ({
      path: at(index),
      problem: "has the name of another template",
      got: names[place] ?? "",
      legal: "another revision",
    })),
  );
};

/** The image is found by id or name, or uploaded. */
export const templateImages: Check = (config) =>
  wellFormed(config).flatMap(([index, { image }]) => {
    const ways = (["id", "name", "url"] as const).filter((way) => image[way] !== undefined);
    return when(ways.length !== 1, () => ({
      path: `${at(index)}.image`,
      problem: "needs exactly one way to get the image",
      got: ways.length === 0 ? "nothing" : ways.join(", "),
      legal: "one of id, name, url",
    }));
  });

/** Cluster API makes clusters of some Kubernetes releases only. */
export const templateKubernetes: Check = (config) => {
  const { clusterApi } = config;
  const core = parseRelease(clusterApi?.core?.version ?? "");
  const minors = core === undefined ? undefined : workloadMinorsFor(core);
  if (minors === undefined) return [];
  return wellFormed(config).flatMap(([index, { kubernetesVersion, hidden }]) => {
    const release = parseRelease(kubernetesVersion);
    // A hidden one is there for the clusters that are.
    return when(hidden !== true && release !== undefined && !minors.includes(release.minor), () => ({
      path: `${at(index)}.kubernetesVersion`,
      problem: `does not go with Cluster API ${clusterApi?.core?.version}`,
      got: JSON.stringify(kubernetesVersion),
      legal: `Kubernetes ${minors.map((minor) => `1.${minor}`).join(", ")}, or hidden: true`,
    }));
  });
};
