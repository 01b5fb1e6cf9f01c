/**
 * A site that uses every option that a release can show, once: the change that makes it of the smallest one.
 */
import { CERTIFICATE } from "../config/certificate.ts";

export const ID = "5617d17e-fdc1-4aa1-a14b-b9b5136c65af";

export const AUDIT_POLICY = {
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  rules: [{ level: "Metadata" }],
};

export const TAINTS = [{ key: "example.org/gpu", value: "yes", effect: "NoSchedule" }];

/** What a kind of machines may have. */
const options = (name: string) => ({
  labels: { "example.org/pool": name },
  configDrive: true,
  kubeletArgs: { "max-pods": 200 },
  networks: [
    { networkId: ID, subnetId: ID, securityGroupIds: [ID], vnicType: "direct" },
    { networkId: ID, portSecurity: false },
  ],
});

const volume = { enabled: true, sizeGb: 100, type: "ssd", availabilityZone: "ceph" };

export const FULL = {
  mirror: { url: "https://mirror.example.org", caCert: CERTIFICATE },
  registries: {
    caCert: CERTIFICATE,
    auth: { "registry.example.org": { username: "puller", password: "PULLPASSWORD" } },
  },
  proxy: { http: "http://proxy.example.org:3128", noProxy: ["192.0.2.0/24"], alsoDirect: ["198.51.100.7"] },
  clusterApi: { janitor: { defaultVolumesPolicy: "keep" } },
  cluster: {
    machineMetadata: { owner: "cloud-team" },
    network: {
      externalNetworkId: ID,
      useSeedNetwork: false,
      networkId: ID,
      subnetId: ID,
      workerRules: [
        { name: "metrics", protocol: "tcp", portMin: 9100, portMax: 9101, source: "192.0.2.0/24" },
      ],
    },
    apiServer: {
      routerAddresses: ["192.0.2.9"],
      oidc: {
        issuerUrl: "https://login.example.org/realms/cloud",
        clientId: "kubernetes",
        usernameClaim: "email",
        usernamePrefix: "-",
        groupsClaim: "roles",
        groupsPrefix: "sso:",
        caCert: CERTIFICATE,
      },
      auditPolicy: AUDIT_POLICY,
      auditLog: { maxAgeDays: 7, maxBackups: 3, maxSizeMb: 50 },
      extraArgs: { profiling: false, "event-ttl": "2h" },
    },
    controlPlane: {
      ...options("control-plane"),
      rootVolume: volume,
      etcdVolume: { sizeGb: 10, type: "ssd", availabilityZone: "ceph" },
      failureDomains: ["az-1"],
    },
    workers: { ...options("workers"), taints: TAINTS, rootVolume: volume, failureDomain: "az-1" },
    workerGroups: {
      gpu: {
        flavor: "gpu.large",
        count: 2,
        ...options("gpu"),
        taints: TAINTS,
        rootVolume: { sizeGb: 200, type: "ssd", availabilityZone: "ceph" },
        failureDomain: "az-2",
        rollout: { maxSurge: 0, maxUnavailable: 1 },
      },
      burst: { autoscale: { min: 0, max: 6 }, serverGroupId: ID },
    },
    storage: { volumeType: "ssd", className: "ceph", reclaimPolicy: "Retain", fsType: "xfs" },
    addons: {
      calico: { mtu: 1400 },
      loadBalancers: {
        method: "LEAST_CONNECTIONS",
        flavorId: ID,
        availabilityZone: "az1",
        createMonitor: true,
      },
      blockStorage: { nodeVolumeAttachLimit: 25, rescanOnResize: true, ignoreVolumeZone: false },
      metadataSearchOrder: "metadataService",
      metricsServer: { enabled: false },
      nodeProblemDetector: { enabled: false },
      etcdDefrag: { enabled: true, schedule: "0 3 * * 0" },
    },
  },
  monitoring: {
    enabled: true,
    slack: {
      webhookUrl: "https://hooks.example.org/any",
      warningWebhookUrl: "https://hooks.example.org/warning",
      criticalWebhookUrl: "https://hooks.example.org/critical",
      channel: "#cloud",
    },
    prometheus: { storageClass: "ssd" },
    alertmanager: { storageClass: "ssd" },
    rules: { disabled: ["TargetDown"] },
  },
  logs: {
    enabled: true,
    loki: { storageClass: "ssd" },
    external: {
      url: "https://loki.example.org/loki/api/v1/push",
      tenant: "cloud",
      username: "collector",
      password: "LOGSPASSWORD",
      caCert: CERTIFICATE,
    },
  },
  backups: {
    enabled: true,
    store: {
      url: "https://s3.example.org",
      bucket: "backups",
      prefix: "prod",
      region: "one",
      accessKeyId: "ACCESS",
      secretAccessKey: "STOREPASSWORD",
      caCert: CERTIFICATE,
    },
  },
} as const;
