/**
 * Checks of machines, disks, images and what runs on them.
 */
import { durationSeconds, quantityBytes } from "../units.ts";
import { type Check, when } from "./check.ts";

/** etcd needs a majority: an even member adds a machine that can fail and no failure that can be borne. */
export const oddControlPlane: Check = ({ cluster }) => {
  const count = cluster?.controlPlane?.count;
  return when(count !== undefined && count % 2 === 0, () => ({
    path: "cluster.controlPlane.count",
    problem: "must be odd, since etcd needs a majority",
    got: String(count),
    legal: "1, 3, 5, 7 or 9",
  }));
};

/** Fields that say something about a download need the download. */
export const imageUrls: Check = ({ seed, cluster }) =>
  [
    { path: "seed.image", image: seed?.image },
    { path: "cluster.image", image: cluster?.image },
  ].flatMap(({ path, image }) =>
    (["checksum", "diskFormat"] as const).flatMap((key) =>
      when(image?.[key] !== undefined && image.url === undefined, () => ({
        path: `${path}.${key}`,
        problem: `has no effect without ${path}.url`,
        legal: "only with url",
      })),
    ),
  );

/** A key pair is both halves. */
export const keypair: Check = ({ seed }) => {
  const { publicKey, privateKey } = seed?.keypair ?? {};
  return [
    ...when(publicKey !== undefined && privateKey === undefined, () => ({
      path: "seed.keypair.privateKey",
      problem: "is required with seed.keypair.publicKey",
      got: "nothing",
      legal: "both, or neither for a generated pair; keys that may only log in go to seed.authorizedKeys",
    })),
    ...when(privateKey !== undefined && publicKey === undefined, () => ({
      path: "seed.keypair.publicKey",
      problem: "is required with seed.keypair.privateKey",
      got: "nothing",
      legal: "both, or neither for a generated pair",
    })),
  ];
};

/** A rollout must be able to move. */
export const workerRollout: Check = ({ cluster }) => {
  const { maxSurge, maxUnavailable } = cluster?.workers?.rollout ?? {};
  const isNone = (value: number | string | undefined) => value === 0 || value === "0%";
  return when(isNone(maxSurge) && isNone(maxUnavailable), () => ({
    path: "cluster.workers.rollout",
    problem: "could never replace a machine",
    got: "maxSurge 0 and maxUnavailable 0",
    legal: "at least one of them above 0",
  }));
};

/** etcd's documentation asks for an election time-out of at least five heartbeats. */
export const etcdTimes: Check = ({ cluster }) => {
  const { heartbeatIntervalMs: beat, electionTimeoutMs: election } = cluster?.etcd ?? {};
  return when(beat !== undefined && election !== undefined && election < 5 * beat, () => ({
    path: "cluster.etcd.electionTimeoutMs",
    problem: "is less than five heartbeats",
    got: String(election),
    legal: `at least ${5 * (beat ?? 0)}`,
  }));
};

/** Remediation must wait at least as long as a machine may take to come up, or it replaces machines in a loop. */
export const remediation: Check = ({ cluster }) => {
  const checks = cluster?.healthChecks;
  const startup = durationSeconds(checks?.nodeStartup ?? "");
  const healthy = durationSeconds(checks?.remediation?.minHealthyPeriod ?? "");
  return when(startup !== undefined && healthy !== undefined && healthy < startup, () => ({
    path: "cluster.healthChecks.remediation.minHealthyPeriod",
    problem: "is shorter than cluster.healthChecks.nodeStartup",
    got: JSON.stringify(checks?.remediation?.minHealthyPeriod),
    legal: `at least ${checks?.nodeStartup}`,
  }));
};

/** A setting for a disk that is not asked for is a mistake. */
export const etcdVolume: Check = ({ cluster }) => {
  const volume = cluster?.controlPlane?.etcdVolume;
  return (["type", "availabilityZone"] as const).flatMap((key) =>
    when(volume?.sizeGb === 0 && volume[key] !== undefined, () => ({
      path: `cluster.controlPlane.etcdVolume.${key}`,
      problem: "has no effect with sizeGb 0",
      legal: "sizeGb above 0",
    })),
  );
};

/** Persistent volumes come in whole GiB: a smaller one is rounded up by Cinder and never matches. */
export const volumeSizes: Check = ({ monitoring }) =>
  (["prometheus", "alertmanager"] as const).flatMap((program) => {
    const size = monitoring?.[program]?.size;
    const bytes = quantityBytes(size ?? "");
    return when(bytes !== undefined && bytes < 2 ** 30, () => ({
      path: `monitoring.${program}.size`,
      problem: "is less than a Cinder volume can be",
      got: JSON.stringify(size),
      legal: "at least 1Gi",
    }));
  });

/** A webhook for alerts that are never sent is a mistake. */
export const slackSeverities: Check = ({ monitoring }) => {
  const slack = monitoring?.slack;
  return (["warning", "critical"] as const).flatMap((severity) =>
    when(
      slack?.[`${severity}WebhookUrl`] !== undefined &&
        slack.severities !== undefined &&
        !slack.severities.includes(severity),
      () => ({
        path: `monitoring.slack.${severity}WebhookUrl`,
        problem: `has no effect while monitoring.slack.severities lacks ${severity}`,
        legal: `severities with ${severity}`,
      }),
    ),
  );
};

/** The monitoring has its volumes and its place on the HA cluster. */
export const monitoringCluster: Check = ({ cluster, monitoring }) =>
  when(cluster?.enabled === false && monitoring?.enabled === true, () => ({
    path: "monitoring.enabled",
    problem: "needs the HA cluster, which cluster.enabled leaves out",
    got: "true",
    legal: "false, or cluster.enabled true",
  }));
