/**
 * What k3s on the seed is given: configuration, registries, systemd unit, kernel settings, and the scripts that put
 * it there. Upstream analogue: azimuth-ops role k3s.
 */
import { stringify } from "yaml";
import { secondsOf } from "../config/units.ts";
import { mirrored, releases } from "./mirror.ts";
import { script } from "./shell.ts";

/** Where k3s keeps everything, and so where the data volume is mounted. */
export const K3S_DATA = "/var/lib/rancher/k3s";

/** Label of the file system on the data volume; what carries another is refused. An xfs label has 12 characters. */
export const DATA_LABEL = "capi-k3s";

export const K3S_API_PORT = 6443;

/** How long a volume may take from Nova's "attached" to its device node; minutes were seen under load. */
const VOLUME_SECONDS = 300;

export interface K3sScriptArgs {
  readonly version: string;
  /** SHA-256 of the binary; undefined takes it from the release's checksum file. */
  readonly sha256?: string;
  /** Names and addresses for the API's certificate. */
  readonly tlsSans: readonly string[];
  readonly secretsEncryption: boolean;
  /** Further arguments of `k3s server`, each as one word. */
  readonly extraArgs: readonly string[];
  readonly sysctls: Readonly<Record<string, number>>;
  /** Mirror URLs by registry host. */
  readonly registryMirrors: Readonly<Record<string, readonly string[]>>;
  /** How long k3s's node may take to become Ready, as a duration. */
  readonly readyTimeout: string;
  readonly mirrorUrl?: string;
  readonly mirrorCaCert?: string;
  /** Id of the Cinder volume that holds the data. */
  readonly volumeId: string;
  /** Its size; the file system follows. */
  readonly volumeGb: number;
}

/** /etc/rancher/k3s/config.yaml */
export function k3sConfig(args: Pick<K3sScriptArgs, "tlsSans" | "secretsEncryption">): string {
  return stringify({
    "write-kubeconfig-mode": "0600",
    "tls-san": [...new Set(args.tlsSans)],
    "secrets-encryption": args.secretsEncryption,
    // Nothing on the seed is served to anyone: no ingress, no load balancers.
    disable: ["traefik", "servicelb"],
  });
}

/** /etc/rancher/k3s/registries.yaml */
export function k3sRegistries(mirrors: K3sScriptArgs["registryMirrors"]): string {
  const entries = Object.entries(mirrors).map(([host, urls]) => [host, { endpoint: [...urls] }]);
  return entries.length === 0 ? "{}\n" : stringify({ mirrors: Object.fromEntries(entries) as unknown });
}

/** A word of a systemd command line: quoted, with specifiers and variables taken literally. */
export function systemdWord(word: string): string {
  return `"${word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;
}

/** The systemd unit, which is k3s's own plus the two lines that keep it off an empty root disk. */
export function k3sUnit(extraArgs: readonly string[]): string {
  const command = ["/usr/local/bin/k3s", "server", ...extraArgs.map(systemdWord)].join(" ");
  return `[Unit]
Description=Lightweight Kubernetes
Documentation=https://docs.k3s.io
Wants=network-online.target
After=network-online.target
RequiresMountsFor=${K3S_DATA}
StartLimitIntervalSec=0

[Service]
Type=notify
EnvironmentFile=-/etc/default/k3s
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStartPre=/usr/local/sbin/capi-mgmt-volume-guard
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=${command}

[Install]
WantedBy=multi-user.target
`;
}

/**
 * Runs before each start of k3s. RequiresMountsFor is not enough: without a line in fstab, or where systemd ignores
 * it (containers), k3s would start on the root disk, empty, and make a new cluster.
 */
export function volumeGuard(volumeId: string): string {
  return `#!/bin/sh
# Lets k3s start only on its data volume.
set -eu
mountpoint -q ${K3S_DATA} || mount ${K3S_DATA}
if [ "$(cat ${K3S_DATA}/.capi-mgmt-volume 2> /dev/null)" != "${volumeId}" ]; then
  echo "${K3S_DATA} is not on volume ${volumeId}" >&2
  exit 1
fi
`;
}

/** The script that installs k3s, brings it up to date, and stops it. */
export function k3sScript(args: K3sScriptArgs): string {
  const k3s = releases.k3s(args.version);
  const sysctls = Object.entries(args.sysctls).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return script(["data-volume", "k3s"], {
    VOLUME_ID: args.volumeId,
    VOLUME_GB: args.volumeGb,
    VOLUME_SECONDS,
    MOUNT_POINT: K3S_DATA,
    FILE_SYSTEM_LABEL: DATA_LABEL,
    K3S_VERSION: args.version,
    K3S_SHA256: args.sha256,
    K3S_URL_AMD64: mirrored(k3s.binary.amd64, args.mirrorUrl),
    K3S_URL_ARM64: mirrored(k3s.binary.arm64, args.mirrorUrl),
    K3S_SUMS_AMD64: mirrored(k3s.checksums.amd64, args.mirrorUrl),
    K3S_SUMS_ARM64: mirrored(k3s.checksums.arm64, args.mirrorUrl),
    K3S_CONFIG: k3sConfig(args),
    K3S_REGISTRIES: k3sRegistries(args.registryMirrors),
    K3S_UNIT: k3sUnit(args.extraArgs),
    VOLUME_GUARD: volumeGuard(args.volumeId),
    SYSCTLS: sysctls.map(([key, value]) => `${key}=${value}`).join("\n"),
    READY_SECONDS: secondsOf(args.readyTimeout),
    MIRROR_CA: args.mirrorCaCert,
  });
}

export interface ToolsScriptArgs {
  readonly kubectl: { readonly version: string; readonly sha256?: string };
  readonly helm: { readonly version: string; readonly sha256?: string };
  readonly mirrorUrl?: string;
  readonly mirrorCaCert?: string;
}

/** The script that installs kubectl and helm. */
export function toolsScript(args: ToolsScriptArgs): string {
  return script(["tools"], {
    KUBECTL_VERSION: args.kubectl.version,
    KUBECTL_SHA256: args.kubectl.sha256,
    KUBECTL_BASE: mirrored(releases.kubectl(args.kubectl.version), args.mirrorUrl),
    HELM_VERSION: args.helm.version,
    HELM_SHA256: args.helm.sha256,
    HELM_BASE: mirrored(releases.helm(args.helm.version), args.mirrorUrl),
    MIRROR_CA: args.mirrorCaCert,
  });
}
