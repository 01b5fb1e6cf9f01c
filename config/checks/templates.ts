/**
 * Checks of magnum.templates.list.
 */
import { templateName } from "../../lib/cluster-templates.ts";
import { parseRelease, workloadMinorsFor } from "../versions.ts";
import { type Check, when } from "./check.ts";

const at = (index: number) => `magnum.templates.list[${index}]`;

/** Two templates of one name would be one template. */
export const templateNames: Check = ({ magnum }) => {
  const list = magnum?.templates?.list ?? [];
  const names = list.map(templateName);
  return list.flatMap((_template, index) =>
    when(names.indexOf(names[index] ?? "") < index, () => ({
      path: at(index),
      problem: "has the name of another template",
      got: names[index] ?? "",
      legal: "another revision",
    })),
  );
};

/** The image is found by id or name, or uploaded. */
export const templateImages: Check = ({ magnum }) =>
  (magnum?.templates?.list ?? []).flatMap(({ image }, index) => {
    const ways = (["id", "name", "url"] as const).filter((way) => image[way] !== undefined);
    return when(ways.length !== 1, () => ({
      path: `${at(index)}.image`,
      problem: "needs exactly one way to get the image",
      got: ways.length === 0 ? "nothing" : ways.join(", "),
      legal: "one of id, name, url",
    }));
  });

/** Cluster API makes clusters of some Kubernetes releases only. */
export const templateKubernetes: Check = ({ magnum, clusterApi }) => {
  const core = parseRelease(clusterApi?.core?.version ?? "");
  const minors = core === undefined ? undefined : workloadMinorsFor(core);
  if (minors === undefined) return [];
  return (magnum?.templates?.list ?? []).flatMap(({ kubernetesVersion, hidden }, index) => {
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
