/**
 * Sections monitoring, magnum, protect and policy. Upstream analogue: azimuth-ops roles kube_prometheus_stack and
 * alertmanager_config, and the service account tasks of capi_cluster.
 */
import { z } from "zod";
import {
  byteQuantity,
  choice,
  date,
  dnsLabel,
  flag,
  httpUrl,
  line,
  retention,
  wholeNumber,
} from "../formats.ts";
import { chart, timeout } from "./common.ts";
import { templates } from "./magnumTemplates.ts";

const storage = (program: string) => ({
  retention: retention.meta({ description: `How long ${program} keeps its data.` }),
  size: byteQuantity.meta({ description: `Size of ${program}'s volume.` }),
  storageClass: dnsLabel
    .optional()
    .meta({ description: `Storage class of that volume. Without it the cluster's default.` }),
});

export const monitoring = z.strictObject({
  enabled: flag.meta({ description: "Install kube-prometheus-stack on the HA cluster." }),
  ...chart,
  slack: z.strictObject({
    webhookUrl: httpUrl.optional().meta({
      description: "Slack webhook for alerts. Without it alerts go nowhere.",
      secret: true,
    }),
    warningWebhookUrl: httpUrl.optional().meta({
      description: "Another webhook for severity warning.",
      secret: true,
    }),
    criticalWebhookUrl: httpUrl.optional().meta({
      description: "Another webhook for severity critical.",
      secret: true,
    }),
    channel: line.optional().meta({ description: "Slack channel. Without it the webhook's own." }),
    severities: z
      .array(choice("info", "warning", "critical"))
      .min(1)
      .meta({
        description: "Severities that are sent.",
        legal: "a list of info, warning, critical",
      }),
  }),
  prometheus: z.strictObject(storage("Prometheus")),
  alertmanager: z.strictObject(storage("Alertmanager")),
  grafana: z.strictObject({ enabled: flag.meta({ description: "Install Grafana with the dashboards." }) }),
  rules: z.strictObject({
    enabled: flag.meta({ description: "Install our alert rules for Cluster API and certificates." }),
    certificateExpiryDays: wholeNumber(7, 364).meta({
      description: "Warn when a certificate has fewer days left than this.",
    }),
    disabled: z.array(line).meta({ description: "Names of the chart's own alerts to leave out." }),
  }),
  timeouts: z.strictObject({ ready: timeout("How long the release may take.") }),
});

export const magnum = z.strictObject({
  kubeconfig: z.strictObject({
    kind: choice("token", "certificate").meta({
      description:
        "What the exported kubeconfig holds: a service account's token, which can be revoked and rotated, or the cluster's admin certificate, which ends after a year and cannot.",
    }),
    rotation: wholeNumber(1, 1000000).meta({
      description: "Raise it to get a new token; the old one is then revoked.",
    }),
  }),
  templates,
});

export const kubeconfigs = z.strictObject({
  rotation: wholeNumber(1, 1000000).meta({
    description:
      "Raise it to read the copies of the kubeconfigs of k3s and the cluster anew: their certificates end after a year. A deployment warns 90 days before, and the nightly pipeline raises it in a merge request.",
  }),
});

export const protect = z.strictObject({
  dataVolume: flag.meta({ description: "Refuse to delete the seed's data volume." }),
  retainDataVolume: flag.meta({
    description: "Keep the data volume in the cloud when the stack is destroyed.",
  }),
  seed: flag.meta({ description: "Refuse to delete or replace the seed." }),
  cluster: flag.meta({ description: "Refuse to delete the HA cluster." }),
  network: flag.meta({ description: "Refuse to delete the seed's network and the floating IPs." }),
});

export const policy = z.strictObject({
  severity: choice("mandatory", "advisory", "disabled").meta({
    description: "What a broken rule does: fail, warn, or nothing.",
  }),
  exemptions: z
    .array(
      z.strictObject({
        rule: dnsLabel.meta({ description: "Name of the rule." }),
        reason: line.meta({ description: "Why it does not apply here." }),
        expires: date.meta({ description: "Last day on which the exemption holds." }),
      }),
    )
    .meta({
      description: "Rules that this stack may break, until when and why.",
      legal: "a list of {rule, reason, expires}",
    }),
});

export const pipeline = z.strictObject({
  tier: choice("staging", "production", "none").meta({
    description:
      "How the pipeline deploys the site: staging by itself, production when a person says so; none leaves the stack out of the pipeline.",
  }),
});
