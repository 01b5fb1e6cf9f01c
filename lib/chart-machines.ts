/**
 * The machines' part of the chart openstack-cluster's values: control plane, workers, etcd, health checks. Upstream
 * analogue: capi_cluster_control_plane_* and capi_cluster_node_group_* of azimuth-ops role capi_cluster.
 */
import type { ClusterConfig } from "../config/schema.ts";
import { atLeast, CHART_WITHOUT_CERTIFICATE_ROLLOUT, parseRelease } from "../config/versions.ts";
import { controlPlaneKubeadm, type KubeadmConfig, workersKubeadm } from "./kubeadm.ts";
import type { ProxySettings } from "./proxy.ts";
import { machineOptionValues, type MachineOptionValues } from "./worker-groups.ts";

interface RootVolume {
  readonly diskSize?: number;
  readonly volumeType?: string;
  readonly availabilityZone?: string;
}

interface HealthCheck {
  readonly enabled: true;
  readonly spec: {
    readonly maxUnhealthy: number | string;
    readonly nodeStartupTimeout: string;
    readonly unhealthyConditions: readonly {
      readonly type: "Ready";
      readonly status: string;
      readonly timeout: string;
    }[];
  };
}

interface NodeTimeouts {
  readonly nodeDrainTimeout: string;
  readonly nodeVolumeDetachTimeout: string;
  readonly nodeDeletionTimeout: string;
}

/** What control plane machines and workers have in common. */
interface MachineValues<R> extends NodeTimeouts {
  readonly machineFlavor: string;
  readonly machineRootVolume?: RootVolume;
  readonly serverGroupId?: R;
  readonly kubeadmConfigSpec?: KubeadmConfig;
  readonly healthCheck: HealthCheck;
}

export interface ControlPlaneValues<R> extends MachineValues<R>, MachineOptionValues {
  readonly machineCount: number;
  readonly omitFailureDomain: boolean;
  readonly failureDomains?: readonly string[];
  readonly remediationStrategy: {
    readonly maxRetry: number;
    readonly retryPeriod: string;
    readonly minHealthyPeriod: string;
  };
  readonly certificatesExpiryDays?: number;
}

export interface WorkerValues<R> extends MachineValues<R> {
  readonly failureDomain?: string;
  readonly rolloutStrategy: {
    readonly type: "RollingUpdate";
    readonly rollingUpdate: {
      readonly maxUnavailable: number | string;
      readonly maxSurge: number | string;
    };
  };
}

export interface EtcdValues {
  readonly extraArgs: Readonly<
    Record<"heartbeat-interval" | "election-timeout" | "quota-backend-bytes", string>
  >;
  readonly blockDevice?: {
    readonly size: number;
    readonly type: "Volume";
    readonly volumeType?: string;
    readonly availabilityZone?: string;
  };
}

/** Values of the control plane: `controlPlane`. */
export function controlPlaneValues<R>(
  config: ClusterConfig,
  groupId: R | undefined,
  proxy: ProxySettings | undefined,
): ControlPlaneValues<R> {
  const { controlPlane, healthChecks } = config;
  return {
    machineCount: controlPlane.count,
    machineFlavor: controlPlane.flavor,
    ...rootVolume(controlPlane.rootVolume),
    ...(groupId === undefined ? {} : { serverGroupId: groupId }),
    omitFailureDomain: controlPlane.failureDomains.length === 0,
    ...(controlPlane.failureDomains.length === 0 ? {} : { failureDomains: controlPlane.failureDomains }),
    ...nodeTimeouts(config),
    remediationStrategy: {
      maxRetry: healthChecks.remediation.maxRetry,
      retryPeriod: healthChecks.remediation.retryPeriod,
      minHealthyPeriod: healthChecks.remediation.minHealthyPeriod,
    },
    ...(controlPlane.certificatesExpiryDays === 0 || !chartRollsCertificates(config.chart.version)
      ? {}
      : { certificatesExpiryDays: controlPlane.certificatesExpiryDays }),
    ...machineOptionValues(controlPlane),
    ...controlPlaneKubeadm(config, proxy),
    healthCheck: healthCheck(healthChecks, healthChecks.controlPlaneMaxUnhealthy),
  };
}

/** Values of the workers: `nodeGroupDefaults`. */
export function workerValues<R>(
  config: ClusterConfig,
  groupId: R | undefined,
  proxy: ProxySettings | undefined,
): WorkerValues<R> {
  const { workers, healthChecks } = config;
  return {
    machineFlavor: workers.flavor,
    ...rootVolume(workers.rootVolume),
    ...(groupId === undefined ? {} : { serverGroupId: groupId }),
    ...(workers.failureDomain === undefined ? {} : { failureDomain: workers.failureDomain }),
    ...nodeTimeouts(config),
    rolloutStrategy: {
      type: "RollingUpdate",
      rollingUpdate: {
        maxUnavailable: workers.rollout.maxUnavailable,
        maxSurge: workers.rollout.maxSurge,
      },
    },
    ...workersKubeadm(proxy),
    healthCheck: healthCheck(healthChecks, healthChecks.workersMaxUnhealthy),
  };
}

/** Values of etcd: `etcd`. */
export function etcdValues(config: ClusterConfig): EtcdValues {
  const { sizeGb, type, availabilityZone } = config.controlPlane.etcdVolume;
  return {
    extraArgs: {
      "heartbeat-interval": String(config.etcd.heartbeatIntervalMs),
      "election-timeout": String(config.etcd.electionTimeoutMs),
      "quota-backend-bytes": String(config.etcd.quotaBackendBytes),
    },
    ...(sizeGb === 0
      ? {}
      : {
          blockDevice: {
            size: sizeGb,
            type: "Volume" as const,
            ...(type === undefined ? {} : { volumeType: type }),
            ...(availabilityZone === undefined ? {} : { availabilityZone }),
          },
        }),
  };
}

/** Whether a release of the chart reads `controlPlane.certificatesExpiryDays`; before, it is set beside the chart. */
export function chartRollsCertificates(version: string): boolean {
  const release = parseRelease(version);
  return release !== undefined && !atLeast(CHART_WITHOUT_CERTIFICATE_ROLLOUT, release);
}

/** What the chart would refuse only while it is installed, as `path: problem` lines. */
export function chartProblems(config: ClusterConfig): string[] {
  const problems: string[] = [];
  const { groupName } = config.workers;
  if (!/^[a-z][a-z0-9-]+[a-z0-9]$/.test(groupName)) {
    problems.push(
      `cluster.workers.groupName: the chart wants at least three of a-z, 0-9 and dash, starting with a letter (got ${JSON.stringify(groupName)})`,
    );
  }
  return problems;
}

function rootVolume(config: ClusterConfig["workers"]["rootVolume"]): { machineRootVolume?: RootVolume } {
  if (!config.enabled) return {};
  return {
    machineRootVolume: {
      diskSize: config.sizeGb,
      ...(config.type === undefined ? {} : { volumeType: config.type }),
      // Without it the chart asks Cinder for a zone of the machine's Nova zone's name.
      ...(config.availabilityZone === undefined ? {} : { availabilityZone: config.availabilityZone }),
    },
  };
}

function nodeTimeouts({ nodeTimeouts: { drain, volumeDetach, deletion } }: ClusterConfig): NodeTimeouts {
  return {
    nodeDrainTimeout: drain,
    nodeVolumeDetachTimeout: volumeDetach,
    nodeDeletionTimeout: deletion,
  };
}

function healthCheck(config: ClusterConfig["healthChecks"], maxUnhealthy: number | string): HealthCheck {
  const unhealthy = (status: string) => ({ type: "Ready" as const, status, timeout: config.unhealthy });
  return {
    enabled: true,
    spec: {
      maxUnhealthy,
      nodeStartupTimeout: config.nodeStartup,
      unhealthyConditions: [unhealthy("Unknown"), unhealthy("False")],
    },
  };
}
