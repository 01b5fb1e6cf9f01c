/**
 * What we add to the machines' kubeadm configuration; the chart openstack-cluster puts its own beside it: maps merge,
 * lists are joined. Upstream analogue: controlPlane.kubeadmConfigSpec in the chart's values.
 */
import { stringify } from "yaml";
import type { ClusterConfig } from "../config/schema.ts";
import { containerdDropIn, type ProxySettings } from "./proxy.ts";

type Arguments = Readonly<Record<string, string>>;

interface File {
  readonly path: string;
  readonly content: string;
  readonly owner: "root:root";
  readonly permissions: "0644" | "0600";
}

interface Volume {
  readonly name: string;
  readonly hostPath: string;
  readonly mountPath: string;
  readonly readOnly: boolean;
  readonly pathType: "Directory" | "DirectoryOrCreate";
}

interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
}

interface Registration {
  readonly nodeRegistration: { readonly taints?: readonly Taint[]; readonly kubeletExtraArgs?: Arguments };
}

/** The part of a KubeadmConfig that we set. */
export interface KubeadmConfig {
  readonly files?: readonly File[];
  readonly preKubeadmCommands?: readonly string[];
  readonly clusterConfiguration?: {
    readonly apiServer: { readonly extraArgs: Arguments; readonly extraVolumes?: readonly Volume[] };
  };
  readonly initConfiguration?: Registration;
  readonly joinConfiguration?: Registration;
}

/** `kubeadmConfigSpec` of machines that we add something to; no key for others. */
interface WithKubeadm {
  readonly kubeadmConfigSpec?: KubeadmConfig;
}

/** kubeadm mounts this folder into the API server, and Cluster API's own authorities are in it. */
const OIDC_CA_FILE = "/etc/kubernetes/pki/capi-mgmt-oidc-ca.crt";
const AUDIT_FOLDER = "/etc/kubernetes/audit";
const AUDIT_LOGS = "/var/log/kubernetes/audit";

/** Of the control plane's machines. */
export function controlPlaneKubeadm(
  { controlPlane, apiServer }: Pick<ClusterConfig, "controlPlane" | "apiServer">,
  proxy: ProxySettings | undefined,
): WithKubeadm {
  const way = proxyConfig(proxy);
  const { args, files, volumes } = apiServerParts(apiServer);
  const registration = registrationOf(controlPlane.kubeletArgs, undefined);
  const allFiles = [...(way.files ?? []), ...files];
  return withKubeadm({
    ...way,
    ...(allFiles.length === 0 ? {} : { files: allFiles }),
    ...(Object.keys(args).length === 0
      ? {}
      : {
          clusterConfiguration: {
            apiServer: { extraArgs: args, ...(volumes.length === 0 ? {} : { extraVolumes: volumes }) },
          },
        }),
    ...(registration === undefined
      ? {}
      : { initConfiguration: registration, joinConfiguration: registration }),
  });
}

/** Of all workers. */
export function workersKubeadm(proxy: ProxySettings | undefined): WithKubeadm {
  return withKubeadm(proxyConfig(proxy));
}

/** Of one group of workers. */
export function groupKubeadm({
  taints,
  kubeletArgs,
}: Pick<ClusterConfig["workers"], "taints" | "kubeletArgs">): WithKubeadm {
  const registration = registrationOf(kubeletArgs, taints);
  return registration === undefined ? {} : withKubeadm({ joinConfiguration: registration });
}

function apiServerParts({ auditPolicy, auditLog, extraArgs, oidc }: ClusterConfig["apiServer"]) {
  const args: Record<string, string> = { ...asText(extraArgs) };
  const files: File[] = [];
  const volumes: Volume[] = [];
  if (oidc?.caCert !== undefined) {
    args["oidc-ca-file"] = OIDC_CA_FILE;
    files.push(file(OIDC_CA_FILE, oidc.caCert, "0644"));
  }
  if (auditPolicy !== undefined) {
    args["audit-policy-file"] = `${AUDIT_FOLDER}/policy.yaml`;
    args["audit-log-path"] = `${AUDIT_LOGS}/audit.log`;
    args["audit-log-maxage"] = String(auditLog.maxAgeDays);
    args["audit-log-maxbackup"] = String(auditLog.maxBackups);
    args["audit-log-maxsize"] = String(auditLog.maxSizeMb);
    files.push(file(`${AUDIT_FOLDER}/policy.yaml`, stringify(auditPolicy), "0600"));
    volumes.push(
      volume("capi-mgmt-audit", AUDIT_FOLDER, { readOnly: true, pathType: "Directory" }),
      volume("capi-mgmt-audit-logs", AUDIT_LOGS, { readOnly: false, pathType: "DirectoryOrCreate" }),
    );
  }
  return { args, files, volumes };
}

function file(path: string, content: string, permissions: File["permissions"]): File {
  return { path, content, owner: "root:root", permissions };
}

function volume(name: string, path: string, rest: Pick<Volume, "readOnly" | "pathType">): Volume {
  return { name, hostPath: path, mountPath: path, ...rest };
}

/** containerd pulls through the proxy; kubelet and the control plane go nowhere. */
function proxyConfig(proxy: ProxySettings | undefined): KubeadmConfig {
  if (proxy === undefined) return {};
  const path = "/etc/systemd/system/containerd.service.d/capi-mgmt-proxy.conf";
  return {
    files: [file(path, containerdDropIn(proxy), "0644")],
    preKubeadmCommands: ["systemctl daemon-reload", "systemctl restart containerd"],
  };
}

function registrationOf(
  kubeletArgs: ClusterConfig["workers"]["kubeletArgs"],
  taints: readonly Taint[] | undefined,
): Registration | undefined {
  const args = asText(kubeletArgs);
  const nodeRegistration = {
    ...(taints === undefined || taints.length === 0 ? {} : { taints }),
    ...(Object.keys(args).length === 0 ? {} : { kubeletExtraArgs: args }),
  };
  return Object.keys(nodeRegistration).length === 0 ? undefined : { nodeRegistration };
}

/** In one order, whatever the file's: another order would be other machines. */
function asText(args: ClusterConfig["apiServer"]["extraArgs"]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(args ?? {})
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value]) => [name, String(value)]),
  );
}

function withKubeadm(config: KubeadmConfig): WithKubeadm {
  return Object.keys(config).length === 0 ? {} : { kubeadmConfigSpec: config };
}
