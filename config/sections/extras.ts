/**
 * Section extras: what the operator adds to either cluster, as manifests or Helm releases, and commands before and after
 * the deployment. Upstream analogue: `custom` of the chart cluster-addons, for which azimuth-ops has
 * capi_cluster_release_overrides; it has nothing for commands but playbooks of one's own around its own.
 */
import { z } from "zod";
import { chartVersion, choice, dnsLabel, duration, httpUrl, line } from "../formats.ts";

const release = z
  .strictObject({
    chart: line.meta({ description: "Name of the chart." }),
    version: chartVersion.meta({ description: "Version of the chart." }),
    repository: httpUrl.meta({
      description: "The chart's repository; with mirror.url set, that mirror's copy is used.",
    }),
    namespace: dnsLabel.meta({ description: "Namespace of the release; made if it is not there." }),
    values: z.record(z.string(), z.unknown()).optional().meta({
      description: "Values for the chart. Without it the chart's own.",
      legal: "a map of the chart's values",
    }),
    timeout: duration.optional().meta({ description: "How long the release may take. Without it 10m." }),
  })
  .optional()
  .meta({ description: "A Helm release, named as the extra. Excludes manifests and commands." });

const commands = z
  .strictObject({
    run: z.string().min(1).meta({
      description:
        "Commands for bash with errexit, as root on the seed; KUBECONFIG is that of k3s or of the HA cluster, as `on` says. They run when they are new, changed, or the seed is another, so they have to bear to run again.",
      legal: "a text of commands",
    }),
    remove: z.string().min(1).optional().meta({
      description:
        "Commands that take back what run did, when the extra is taken out or the stack is destroyed. Without it all of it stays.",
      legal: "a text of commands",
    }),
    timeout: duration.optional().meta({ description: "How long either may take. Without it 10m." }),
  })
  .optional()
  .meta({ description: "Commands on the seed. Excludes manifests and release." });

const extra = z.strictObject({
  on: choice("cluster", "k3s", "seed").meta({
    description:
      "Where: on the HA cluster, after everything else on it, or on the seed's k3s, after Cluster API; seed is for commands only, after the first boot and before k3s.",
  }),
  manifests: z.string().optional().meta({
    description:
      "Kubernetes objects as YAML, one document each; each becomes a resource of the stack. Namespaces and definitions of kinds come first. Excludes release and commands.",
    legal: "a text of YAML documents with apiVersion, kind and metadata.name",
  }),
  release,
  commands,
  after: z.array(dnsLabel).optional().meta({
    description: "Other extras in the same place that come first. Without it none.",
    legal: "a list of names of extras",
  }),
});

export const extras = z.record(dnsLabel, extra).meta({
  description:
    "Further objects, releases and commands, by name. One that is taken out of the configuration is taken off the cluster; another name is another extra.",
  legal: "a map of lower-case letters, digits and dashes to an extra",
  source: "azimuth-ops: custom addons by capi_cluster_release_overrides",
});
