/**
 * Sections logs and backups: what carries logs and objects of the HA cluster away from it. Upstream analogue: the Loki of
 * openstack-cluster's monitoring addon, and azimuth-ops role velero.
 */
import { z } from "zod";
import {
  byteQuantity,
  cronSchedule,
  dnsLabel,
  duration,
  flag,
  httpsUrl,
  httpUrl,
  line,
  pem,
  tag,
} from "../formats.ts";
import { chart, timeout } from "./common.ts";

export const logs = z.strictObject({
  enabled: flag.meta({
    description:
      "Collect the logs of pods, kubelets and the API's audit on the HA cluster. Off: they stay on the machines.",
  }),
  collector: z.strictObject(chart),
  loki: z.strictObject({
    ...chart,
    retention: duration.meta({ description: "How long Loki keeps logs; it deletes whole days." }),
    size: byteQuantity.meta({
      description: "Size of Loki's volume. It can not be changed later but by a release made anew.",
    }),
    storageClass: dnsLabel
      .optional()
      .meta({ description: "Storage class of that volume. Without it the cluster's default." }),
  }),
  external: z
    .strictObject({
      url: httpsUrl.meta({
        description: "Where a Loki takes logs, such as https://loki.example.org/loki/api/v1/push.",
      }),
      tenant: line.optional().meta({ description: "Tenant there. Without it none is said." }),
      username: line.optional().meta({ description: "User there. Needs password." }),
      password: line.optional().meta({ description: "That user's password. Needs username.", secret: true }),
      caCert: pem.optional().meta({
        description: "Authority of its certificate. Without it the public ones.",
      }),
    })
    .optional()
    .meta({ description: "Send logs to a Loki of yours. Without it one is installed in the cluster." }),
  timeouts: z.strictObject({ ready: timeout("How long each release may take.") }),
});

export const backups = z.strictObject({
  enabled: flag.meta({
    description:
      "Install Velero on the HA cluster and let it back up its objects. It saves no volume and no etcd.",
  }),
  ...chart,
  pluginVersion: tag.meta({ description: "Release of velero-plugin-for-aws, which speaks S3." }),
  schedule: cronSchedule.meta({ description: "When a backup is made, in UTC." }),
  keep: duration.meta({ description: "How long a backup is kept." }),
  store: z
    .strictObject({
      url: httpUrl.meta({ description: "S3 endpoint; http only where nobody listens." }),
      bucket: line.meta({ description: "Bucket, which exists." }),
      prefix: line.optional().meta({ description: "Folder in the bucket. Without it the top." }),
      region: line.optional().meta({
        description: "Region. Without it `notused`: the plugin fails without any.",
        source: "azimuth-ops velero",
      }),
      accessKeyId: line.meta({ description: "Access key." }),
      secretAccessKey: line.meta({ description: "Its secret.", secret: true }),
      caCert: pem.optional().meta({
        description: "Authority of the endpoint's certificate. Without it the public ones.",
      }),
    })
    .optional()
    .meta({ description: "Where backups go. Required with enabled." }),
  timeouts: z.strictObject({ ready: timeout("How long the release may take.") }),
});
