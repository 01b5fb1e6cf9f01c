/**
 * Checks of worker groups and of what machines get beside flavor and disks.
 */
import { type Check, entriesOf, when } from "./check.ts";
import { formatPath } from "../tree.ts";
import { describeValue, type Problem } from "../problems.ts";

/** Names that other machines of the site have. */
const TAKEN = ["control-plane", "seed"];

const isNone = (value: number | string) => value === 0 || value === "0%";

export const workerGroups: Check = ({ cluster }) =>
  Object.entries(cluster?.workerGroups ?? {}).flatMap(([name, group]) => {
    if (group === undefined) return [];
    const path = (...rest: string[]) => formatPath(["cluster", "workerGroups", name, ...rest]);
    const { count, autoscale, serverGroup, serverGroupId, rollout } = group;
    const { min, max } = autoscale ?? {};
    return [
      ...when(name === cluster?.workers?.groupName || TAKEN.includes(name), () => ({
        path: path(),
        problem: "has a name that other machines have",
        legal: `another than ${[cluster?.workers?.groupName, ...TAKEN].join(", ")}`,
      })),
      ...when(count === undefined && autoscale === undefined, () => ({
        path: path("count"),
        problem: "is required",
        got: "nothing",
        legal: "count, or autoscale with min and max",
      })),
      ...when(count !== undefined && autoscale !== undefined, () => ({
        path: path(),
        problem: "sets options that exclude each other",
        got: "count, autoscale",
        legal: "one of count, autoscale",
      })),
      ...when(min !== undefined && max !== undefined && max < min, () => ({
        path: path("autoscale", "max"),
        problem: "is less than min",
        got: String(max),
        legal: `at least ${min}`,
      })),
      ...when(serverGroup !== undefined && serverGroupId !== undefined, () => ({
        path: path(),
        problem: "sets options that exclude each other",
        got: "serverGroup, serverGroupId",
        legal: "one of serverGroup, serverGroupId",
      })),
      ...when(
        rollout?.maxSurge !== undefined &&
          rollout.maxUnavailable !== undefined &&
          isNone(rollout.maxSurge) &&
          isNone(rollout.maxUnavailable),
        () => ({
          path: path("rollout"),
          problem: "could never replace a machine",
          got: "maxSurge 0 and maxUnavailable 0",
          legal: "at least one of them above 0",
        }),
      ),
    ];
  });

/** Label domains of which a kubelet may set these for itself; with another of theirs it does not start. */
const KUBELET_DOMAINS = ["kubelet.kubernetes.io", "node.kubernetes.io"];
const KUBELET_LABELS = [
  ...["kubernetes.io/arch", "kubernetes.io/os", "kubernetes.io/hostname"],
  ...["topology.kubernetes.io/region", "topology.kubernetes.io/zone"],
];

function isReserved(label: string): boolean {
  const [domain = "", name] = label.split("/");
  if (name === undefined || KUBELET_LABELS.includes(label)) return false;
  const within = (parent: string) => domain === parent || domain.endsWith(`.${parent}`);
  return (within("kubernetes.io") || within("k8s.io")) && !KUBELET_DOMAINS.some(within);
}

/** Labels and ports of every kind of machine. */
export const machineOptions: Check = ({ cluster }) => {
  const kinds = [
    { path: ["controlPlane"], machines: cluster?.controlPlane },
    { path: ["workers"], machines: cluster?.workers },
    ...Object.entries(cluster?.workerGroups ?? {}).map(([name, machines]) => ({
      path: ["workerGroups", name],
      machines,
    })),
  ];
  return kinds.flatMap(({ path, machines }): Problem[] => {
    const at = (...rest: (string | number)[]) => formatPath(["cluster", ...path, ...rest]);
    const labels = Object.keys(machines?.labels ?? {}).filter(isReserved);
    return [
      ...labels.map((label) => ({
        path: at("labels", label),
        problem: "is a label that a kubelet may not set for itself: the node would not join",
        legal: `a label outside of kubernetes.io and k8s.io, or of ${KUBELET_DOMAINS.join(", ")}`,
      })),
      ...entriesOf(machines?.networks).flatMap(({ portSecurity, securityGroupIds }, index) =>
        when(portSecurity === false && securityGroupIds !== undefined, () => ({
          path: at("networks", index),
          problem: "sets options that exclude each other",
          got: "securityGroupIds, portSecurity: false",
          legal: "one of securityGroupIds, portSecurity: false",
        })),
      ),
    ];
  });
};

/** Neutron refuses such rules only when Cluster API's provider makes the group, long after the deployment began. */
export const workerRules: Check = ({ cluster }) => {
  const rules = entriesOf(cluster?.network?.workerRules);
  return rules.flatMap(({ name, protocol, portMin, portMax }, index): Problem[] => {
    const path = (key: string) => formatPath(["cluster", "network", "workerRules", index, key]);
    const hasPorts = portMin !== undefined || portMax !== undefined;
    return [
      ...when(rules.findIndex((other) => other.name === name) < index, () => ({
        path: path("name"),
        problem: "is another rule's name too",
        got: describeValue(name, false),
      })),
      ...when(protocol === "icmp" && hasPorts, () => ({
        path: path(portMin === undefined ? "portMax" : "portMin"),
        problem: "has no meaning with protocol icmp",
        legal: "tcp or udp",
      })),
      ...when(protocol !== "icmp" && (portMin === undefined || portMax === undefined), () => ({
        path: path(portMin === undefined ? "portMin" : "portMax"),
        problem: "is required",
        got: "nothing",
        legal: "first and last port, the same for one port",
      })),
      ...when(portMin !== undefined && portMax !== undefined && portMax < portMin, () => ({
        path: path("portMax"),
        problem: "is less than portMin",
        got: String(portMax),
        legal: `at least ${portMin}`,
      })),
    ];
  });
};
