/**
 * Options of section cluster that most sites leave alone: the API server's arguments and log, OIDC, storage class,
 * addons. Upstream analogue: oidc, apiServer and addons of the chart openstack-cluster, capi_cluster_addons_* of
 * azimuth-ops role capi_cluster.
 */
import { z } from "zod";
import {
  choice,
  componentArgs,
  cronSchedule,
  dnsLabel,
  flag,
  httpsUrl,
  line,
  pem,
  uuid,
  wholeNumber,
} from "../formats.ts";

const prefix = (of: string) =>
  line.optional().meta({
    description: `What is put before ${of} of a token. Without it \`oidc:\`; \`-\` means nothing.`,
    source: "chart: oidc",
  });

/** Who may log in beside certificates and service accounts. */
const oidc = z
  .strictObject({
    issuerUrl: httpsUrl.meta({
      description: "Issuer of the tokens: the discovery URL without /.well-known/openid-configuration.",
    }),
    clientId: line.meta({ description: "Client that tokens must be issued for." }),
    usernameClaim: line
      .optional()
      .meta({ description: "Claim that is the user's name. Without it sub.", source: "chart: oidc" }),
    usernamePrefix: prefix("the user's name"),
    groupsClaim: line
      .optional()
      .meta({ description: "Claim that lists the user's groups. Without it groups.", source: "chart: oidc" }),
    groupsPrefix: prefix("each group"),
    caCert: pem.optional().meta({
      description:
        "Authority of the issuer's certificate. Without it the public ones of the machines' image.",
    }),
  })
  .optional()
  .meta({
    description:
      "Let the API accept an issuer's tokens; what their users and groups may do is RBAC's. A change rolls the control plane.",
  });

/** The API server of the cluster, beside its address. */
export const apiServerOptions = {
  oidc,
  auditPolicy: z.record(z.string(), z.unknown()).optional().meta({
    description:
      "Audit policy of the API, as the content of a Policy of audit.k8s.io/v1; the log is /var/log/kubernetes/audit/audit.log on each control plane machine. Without it there is no audit log. A change rolls the control plane.",
    legal: "a map of apiVersion, kind and rules",
    source: "kubernetes: --audit-policy-file",
  }),
  auditLog: z.strictObject({
    maxAgeDays: wholeNumber(1, 3650).meta({
      description: "Days that rotated audit logs are kept. Only with auditPolicy.",
    }),
    maxBackups: wholeNumber(1, 1000).meta({
      description: "Rotated audit logs that are kept. Only with auditPolicy.",
    }),
    maxSizeMb: wholeNumber(1, 10000).meta({
      description: "Size in MB at which the audit log is rotated. Only with auditPolicy.",
    }),
  }),
  extraArgs: componentArgs.optional().meta({
    description:
      "Further arguments of the API server. A wrong one keeps the first machine of a roll from coming up. A change rolls the control plane.",
    source: "kubeadm: apiServer.extraArgs",
  }),
};

/** The class of persistent volumes. Kubernetes lets none of it change while the class keeps its name. */
export const storage = z.strictObject({
  volumeType: line
    .optional()
    .meta({ description: "Volume type of persistent volumes. Without it the cloud's default." }),
  availabilityZone: line.meta({ description: "Cinder availability zone of persistent volumes." }),
  className: dnsLabel.optional().meta({
    description:
      "Name of the storage class. Without it csi-cinder. Another name is another class, which is how the rest of this section is changed later.",
    source: "chart: defaultStorageClass.name",
  }),
  reclaimPolicy: choice("Delete", "Retain").optional().meta({
    description: "What becomes of a volume whose claim is deleted. Without it Delete.",
    source: "chart: defaultStorageClass.reclaimPolicy",
  }),
  fsType: choice("ext4", "xfs").optional().meta({
    description: "File system of persistent volumes. Without it the driver's default, ext4.",
    source: "chart: defaultStorageClass.fstype",
  }),
});

// Encapsulation and address pools are a list of the chart's, and the addon provider joins lists: a second pool for the
// same addresses would be refused (cluster-api-addon-provider, utils.mergeconcat).
const calico = z
  .strictObject({
    mtu: wholeNumber(1230, 9166).optional().meta({
      description:
        "MTU of the pods' network: at most the machines' network less 50 for VXLAN. Without it Calico finds it.",
      source: "tigera-operator: installation.calicoNetwork.mtu",
    }),
  })
  .optional()
  .meta({ description: "The pods' network." });

const loadBalancers = z
  .strictObject({
    method: choice("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT").optional().meta({
      description: "How connections are spread. Without it Octavia's default; OVN has SOURCE_IP_PORT only.",
    }),
    flavorId: uuid.optional().meta({ description: "Id of an Octavia flavor. Without it the default." }),
    availabilityZone: line.optional().meta({
      description: "Octavia availability zone. Without it the default.",
    }),
    createMonitor: flag.optional().meta({ description: "Watch the members' health. Without it off." }),
  })
  .optional()
  .meta({
    description: "Load balancers of services in the cluster. The cluster's own parts have none; extras may.",
    source: "chart: addons.openstack.cloudConfig.LoadBalancer",
  });

const blockStorage = z
  .strictObject({
    nodeVolumeAttachLimit: wholeNumber(1, 256).optional().meta({
      description: "Volumes that a machine can take. Without it 256, which few hypervisors allow.",
    }),
    rescanOnResize: flag.optional().meta({
      description: "Look at a disk's size again after it grew. Without it off.",
    }),
    ignoreVolumeZone: flag.optional().meta({
      description: "Let a volume be used from any Nova zone. Without it on.",
    }),
  })
  .optional()
  .meta({
    description: "How Cinder's driver works in the cluster.",
    source: "chart: addons.openstack.cloudConfig.BlockStorage",
  });

const addon = (what: string) => z.strictObject({ enabled: flag.meta({ description: `Install ${what}.` }) });

/** What runs in the cluster beside Kubernetes. */
export const addons = z.strictObject({
  calico,
  loadBalancers,
  blockStorage,
  metadataSearchOrder: choice(
    "configDrive,metadataService",
    "metadataService,configDrive",
    "configDrive",
    "metadataService",
  )
    .optional()
    .meta({
      description:
        "Where the cloud's parts on a machine learn which server it is. Without it configDrive,metadataService.",
      source: "chart: addons.openstack.cloudConfig.Metadata",
    }),
  metricsServer: addon("metrics-server, which kubectl top and autoscaling by load need"),
  nodeProblemDetector: addon("node-problem-detector, which tells a machine's faults as node conditions"),
  etcdDefrag: addon(
    "the job that defragments etcd: without it etcd grows to its quota and refuses writes",
  ).extend({
    schedule: cronSchedule.optional().meta({
      description: "When it runs, in UTC. Without it every night at 0:00. Only with enabled.",
      source: "chart etcd-defrag: schedule",
    }),
  }),
});
