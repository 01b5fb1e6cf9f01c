/**
 * Checks of the API server's and the kubelets' arguments, the audit policy and the addons' options.
 */
import { describeValue, type Problem } from "../problems.ts";
import { formatPath, isMap } from "../tree.ts";
import { type Check, when } from "./check.ts";

/** What the chart, kubeadm or a setting of ours makes of the API server's arguments, with whose it is. */
const API_SERVER: Readonly<Record<string, string>> = {
  "admission-control-config-file": "the chart's",
  "audit-log-maxage": "cluster.apiServer.auditLog.maxAgeDays",
  "audit-log-maxbackup": "cluster.apiServer.auditLog.maxBackups",
  "audit-log-maxsize": "cluster.apiServer.auditLog.maxSizeMb",
  "audit-log-path": "cluster.apiServer.auditPolicy",
  "audit-policy-file": "cluster.apiServer.auditPolicy",
  "oidc-ca-file": "cluster.apiServer.oidc.caCert",
  "oidc-client-id": "cluster.apiServer.oidc.clientId",
  "oidc-groups-claim": "cluster.apiServer.oidc.groupsClaim",
  "oidc-groups-prefix": "cluster.apiServer.oidc.groupsPrefix",
  "oidc-issuer-url": "cluster.apiServer.oidc.issuerUrl",
  "oidc-username-claim": "cluster.apiServer.oidc.usernameClaim",
  "oidc-username-prefix": "cluster.apiServer.oidc.usernamePrefix",
  "service-cluster-ip-range": "cluster.network.serviceCidr",
  v: "extraValues.cluster.values.apiServer.logLevel",
};

/** The same of kubelets; labels and taints by the key beside kubeletArgs. */
const KUBELET: Readonly<Record<string, string>> = {
  "bootstrap-kubeconfig": "kubeadm's",
  "cloud-provider": "the chart's",
  config: "kubeadm's",
  "hostname-override": "the chart's",
  kubeconfig: "kubeadm's",
  "node-labels": "labels beside kubeletArgs",
  "register-with-taints": "taints of workers and of their groups",
};

function taken(path: readonly string[], args: object | undefined, owners: Readonly<Record<string, string>>) {
  return Object.keys(args ?? {}).flatMap((name): Problem[] =>
    when(Object.hasOwn(owners, name), () => ({
      path: formatPath([...path, name]),
      problem: "is set by something else",
      legal: owners[name] ?? "",
    })),
  );
}

/** An argument that is said twice has the value of whoever is merged last, without a word. */
export const componentArguments: Check = ({ cluster }) => [
  ...taken(["cluster", "apiServer", "extraArgs"], cluster?.apiServer?.extraArgs, API_SERVER),
  ...taken(["cluster", "controlPlane", "kubeletArgs"], cluster?.controlPlane?.kubeletArgs, KUBELET),
  ...taken(["cluster", "workers", "kubeletArgs"], cluster?.workers?.kubeletArgs, KUBELET),
  ...Object.entries(cluster?.workerGroups ?? {}).flatMap(([name, group]) =>
    taken(["cluster", "workerGroups", name, "kubeletArgs"], group?.kubeletArgs, KUBELET),
  ),
];

const AUDIT_LEVELS = ["None", "Metadata", "Request", "RequestResponse"];

/** An API server does not start with a policy that it cannot read: the first machine of a roll would hang. */
export const auditPolicy: Check = ({ cluster }) => {
  const policy = cluster?.apiServer?.auditPolicy;
  if (policy === undefined || !isMap(policy)) return [];
  const at = (...rest: (string | number)[]) => formatPath(["cluster", "apiServer", "auditPolicy", ...rest]);
  const { apiVersion, kind, rules } = policy;
  const list: unknown[] = Array.isArray(rules) ? rules : [];
  return [
    ...when(apiVersion !== "audit.k8s.io/v1", () => ({
      path: at("apiVersion"),
      problem: "is not that of an audit policy",
      got: describeValue(apiVersion, false),
      legal: "audit.k8s.io/v1",
    })),
    ...when(kind !== "Policy", () => ({
      path: at("kind"),
      problem: "is not that of an audit policy",
      got: describeValue(kind, false),
      legal: "Policy",
    })),
    ...when(list.length === 0, () => ({
      path: at("rules"),
      problem: "is required",
      got: describeValue(rules, false),
      legal: "a list of rules, the first that matches decides",
    })),
    ...list.flatMap((rule, index): Problem[] => {
      const level = isMap(rule) ? rule["level"] : undefined;
      return when(!AUDIT_LEVELS.some((one) => one === level), () => ({
        path: at("rules", index, "level"),
        problem: "is not an audit level",
        got: describeValue(level, false),
        legal: AUDIT_LEVELS.join(", "),
      }));
    }),
  ];
};

/** OVN's load balancers know one way to spread connections; Octavia refuses others when a service asks for one. */
export const loadBalancerMethod: Check = ({ cluster }) => {
  const method = cluster?.addons?.loadBalancers?.method;
  const isOvn = cluster?.apiServer?.loadBalancerProvider === "ovn";
  return when(isOvn && method !== undefined && method !== "SOURCE_IP_PORT", () => ({
    path: "cluster.addons.loadBalancers.method",
    problem: "is none that provider ovn has",
    got: describeValue(method, false),
    legal: "SOURCE_IP_PORT",
  }));
};

/** A schedule for a job that is not there is a mistake. */
export const etcdDefragSchedule: Check = ({ cluster }) => {
  const { enabled, schedule } = cluster?.addons?.etcdDefrag ?? {};
  return when(enabled === false && schedule !== undefined, () => ({
    path: "cluster.addons.etcdDefrag.schedule",
    problem: "has no effect with enabled false",
    legal: "enabled true",
  }));
};

/** What VXLAN puts around a packet. */
const VXLAN_BYTES = 50;

/** Packets of pods that do not fit are dropped, the large ones first: it looks like a program that hangs. */
export const podMtu: Check = ({ cluster, seed }) => {
  const { network, addons } = cluster ?? {};
  const mtu = network?.useSeedNetwork === true ? seed?.network?.mtu : network?.mtu;
  const pods = addons?.calico?.mtu;
  return when(mtu !== undefined && pods !== undefined && pods > mtu - VXLAN_BYTES, () => ({
    path: "cluster.addons.calico.mtu",
    problem: "leaves no room for VXLAN in the machines' network",
    got: String(pods),
    legal: `at most ${(mtu ?? 0) - VXLAN_BYTES}`,
  }));
};
