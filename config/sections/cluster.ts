/**
 * Section cluster: the HA management cluster. Upstream analogue: azimuth-ops role capi_cluster and the values of
 * the chart openstack-cluster.
 */
import { z } from "zod";
import {
  countOrPercentage,
  flag,
  ipv4,
  ipv4List,
  line,
  machineGroup,
  networkCidr,
  sourceCidrs,
  tag,
  uuid,
  wholeNumber,
} from "../formats.ts";
import {
  chart,
  image,
  machineRootVolume,
  registryMirrors,
  serverGroup,
  serverGroupId,
  timeout,
} from "./common.ts";
import { addons, apiServerOptions, storage } from "./clusterOptions.ts";
import { machineMetadata, machineOptions, taints, workerGroups, workerRules } from "./workerGroups.ts";

const controlPlane = z.strictObject({
  flavor: line.meta({
    description:
      "Flavor of the control plane machines, by name: at least 2 vCPU and 8 GB RAM, 40 GB disk without rootVolume.",
  }),
  count: wholeNumber(1, 9).meta({
    description: "Control plane machines; odd, as etcd needs a majority. 1 is for development.",
  }),
  rootVolume: machineRootVolume,
  serverGroup: serverGroup("the control plane"),
  serverGroupId: serverGroupId("the control plane"),
  failureDomains: z.array(line).meta({
    description: "Nova availability zones of the control plane. Empty: Nova chooses.",
  }),
  ...machineOptions("the control plane"),
  etcdVolume: z.strictObject({
    sizeGb: wholeNumber(0, 1024).meta({
      description: "Size in GB of a disk for etcd alone. 0: etcd is on the root disk.",
    }),
    type: line.optional().meta({ description: "Volume type of that disk." }),
    availabilityZone: line.optional().meta({
      description:
        "Cinder availability zone of that disk. Without it the machine's failure domain, whose name must then be a Cinder zone too, else Cinder's default.",
    }),
  }),
  certificatesExpiryDays: wholeNumber(0, 364).meta({
    description:
      "Roll the control plane this many days before its certificates expire. 0: never. Chart releases up to 0.27.0 lack the setting; there the seed sets it on the KubeadmControlPlane.",
    source: "capi-helm-charts #763; Cluster API accepts no less than 7",
  }),
});

const workers = z.strictObject({
  flavor: line.meta({
    description:
      "Flavor of the worker machines, by name: at least 2 vCPU and 8 GB RAM, 100 GB disk without rootVolume.",
  }),
  count: wholeNumber(1, 100).meta({
    description: "Worker machines.",
  }),
  groupName: machineGroup.meta({ description: "Name of the machine group; a change makes new machines." }),
  rootVolume: machineRootVolume,
  serverGroup: serverGroup("the workers"),
  serverGroupId: serverGroupId("the workers"),
  failureDomain: line
    .optional()
    .meta({ description: "Nova availability zone of the workers. Without it Nova chooses." }),
  taints,
  ...machineOptions("the workers"),
  rollout: z.strictObject({
    maxSurge: countOrPercentage.meta({ description: "Machines above count while rolling." }),
    maxUnavailable: countOrPercentage.meta({ description: "Machines that may be missing while rolling." }),
  }),
});

const network = z
  .strictObject({
    externalNetworkId: uuid.optional().meta({
      description: "Id of the cluster's external network. Without it the seed's.",
    }),
    useSeedNetwork: flag.meta({
      description:
        "Put the machines into the seed's network. Off: into networkId, or one that is made with nodeCidr.",
    }),
    networkId: uuid.optional().meta({
      description: "Id of an existing network for the machines. Only with useSeedNetwork off.",
    }),
    subnetId: uuid
      .optional()
      .meta({ description: "Id of the subnet of networkId to use. Only with networkId." }),
    nodeCidr: networkCidr.meta({ description: "Addresses of the network that is made for the machines." }),
    podCidr: networkCidr.meta({ description: "Addresses of pods." }),
    serviceCidr: networkCidr.meta({ description: "Addresses of services." }),
    dnsNameservers: ipv4List.meta({ description: "DNS servers of the network. Empty: what Neutron offers." }),
    mtu: wholeNumber(1280, 9216).optional().meta({
      description: "MTU of the network that is made. Without it the cloud's. Not with networkId.",
    }),
    workerRules,
  })
  .meta({ alternatives: [["networkId", "subnetId"], ["mtu"]] });

const healthChecks = z.strictObject({
  nodeStartup: timeout("A machine whose node has not come up by then is replaced."),
  unhealthy: timeout("A machine whose node is not Ready for this long is replaced."),
  controlPlaneMaxUnhealthy: countOrPercentage.meta({
    description: "Replace no control plane machine while more than these are unhealthy.",
  }),
  workersMaxUnhealthy: countOrPercentage.meta({
    description: "Replace no worker while more than these are unhealthy.",
  }),
  remediation: z.strictObject({
    maxRetry: wholeNumber(0, 100).meta({ description: "Control plane replacements tried in a row." }),
    retryPeriod: timeout("Pause between two of them."),
    minHealthyPeriod: timeout("After this long in health the count of tries starts anew."),
  }),
});

export const cluster = z.strictObject({
  enabled: flag.meta({
    description:
      "Off, for development only: no HA cluster is made, and Magnum is given k3s on the seed. What else the section says then has no effect, but for what magnum.templates takes from it.",
  }),
  kubernetesVersion: tag.meta({ description: "Kubernetes release of the cluster; image must carry it." }),
  image: image("the cluster's machines").meta({ follows: "kubernetesVersion" }),
  controlPlane,
  workers,
  workerGroups,
  machineMetadata,
  network,
  apiServer: z.strictObject({
    floatingIp: flag.meta({
      description:
        "Give the API a floating IP. Off: runner and Magnum must reach the load balancer's own address.",
    }),
    floatingIpAddress: ipv4.optional().meta({
      description:
        "A floating IP that the project already holds. Without it one is allocated. Only with floatingIp.",
    }),
    allowedCidrs: sourceCidrs.meta({
      description:
        "Sources that may reach the API. Empty: all. The seed and the machines are always let in: by the addresses of the routers that the program or Cluster API makes, and by routerAddresses.",
    }),
    routerAddresses: ipv4List.optional().meta({
      description:
        "External addresses of the routers behind which existing networks of the machines and of the seed lie; let in beside allowedCidrs. Required with such a network unless allowedCidrs is empty. An empty list says that no router changes the sources' addresses.",
      source: "cluster-api-provider-openstack #1851",
    }),
    port: wholeNumber(1, 65535).meta({ description: "Port of the API." }),
    loadBalancerProvider: line.meta({
      description: "Octavia provider of the API's load balancer, such as amphora or ovn.",
    }),
    ...apiServerOptions,
  }),
  chart: z.strictObject(chart),
  healthChecks,
  nodeTimeouts: z.strictObject({
    drain: timeout("How long draining a node may take before its machine goes anyway."),
    volumeDetach: timeout("How long detaching its volumes may take."),
    deletion: timeout("How long deleting the node may take."),
  }),
  etcd: z.strictObject({
    heartbeatIntervalMs: wholeNumber(10, 10000).meta({
      description: "Heartbeat interval of etcd in milliseconds.",
    }),
    electionTimeoutMs: wholeNumber(50, 50000).meta({
      description: "Election time-out of etcd in milliseconds: at least five heartbeats.",
    }),
    quotaBackendBytes: wholeNumber(2 ** 28, 2 ** 33).meta({
      description: "Size in bytes at which etcd refuses writes.",
    }),
  }),
  storage,
  addons,
  registryMirrors: registryMirrors("the cluster's machines", "_default"),
  timeouts: z.strictObject({
    ready: timeout(
      "How long to wait for all of the cluster's conditions.",
      "azimuth-ops capi_cluster: 360 × 10 s",
    ),
    delete: timeout("How long to wait for the cluster to be gone.", "azimuth-ops capi_cluster: 360 × 10 s"),
  }),
});
