/**
 * Worker machines beyond the one group of cluster.workers, and what machines may get beside flavor and disks. Upstream
 * analogue: nodeGroups of the chart openstack-cluster; azimuth-ops role capi_cluster makes one group only.
 */
import { z } from "zod";
import {
  choice,
  componentArgs,
  countOrPercentage,
  flag,
  labelKey,
  labelValue,
  line,
  machineGroup,
  networkCidr,
  uuid,
  wholeNumber,
} from "../formats.ts";
import { serverGroupId } from "./common.ts";

const networks = z.array(
  z.strictObject({
    networkId: uuid.meta({ description: "Id of the network the port is on." }),
    subnetId: uuid.optional().meta({ description: "Id of the subnet. Without it Neutron chooses." }),
    securityGroupIds: z.array(uuid).optional().meta({
      description: "Ids of the port's security groups. Without it the machine's.",
      legal: "a list of UUIDs",
    }),
    portSecurity: flag
      .optional()
      .meta({ description: "Off: no security group on the port. Without it the network's." }),
    vnicType: choice("normal", "direct", "direct-physical", "macvtap", "virtio-forwarder", "vdpa")
      .optional()
      .meta({ description: "Kind of port, such as direct for SR-IOV. Without it normal." }),
  }),
);

/** What a kind of machine may get beside flavor and disks. Whatever of it changes rolls the machines. */
export const machineOptions = (machines: string) => ({
  labels: z
    .record(labelKey, labelValue)
    .optional()
    .meta({
      description: `Labels of the Kubernetes nodes of ${machines}.`,
      legal: "a map of label to value",
      source: "chart: nodeLabels",
    }),
  configDrive: flag.optional().meta({
    description: `Give ${machines} a config drive, for a cloud without metadata service. Without it off.`,
    source: "chart: machineConfigDrive",
  }),
  kubeletArgs: componentArgs.optional().meta({
    description: `Further arguments of the kubelets of ${machines}. A wrong one keeps its nodes from joining.`,
    source: "kubeadm: nodeRegistration.kubeletExtraArgs",
  }),
  networks: networks.optional().meta({
    description: `Ports of ${machines} on further networks, after the one on the cluster's network.`,
    legal: "a list of {networkId, …}",
    source: "chart: machineNetworking.ports",
  }),
});

/** Node taints, for worker machines. */
export const taints = z
  .array(
    z.strictObject({
      key: labelKey.meta({ description: "Key of the taint." }),
      value: labelValue.optional().meta({ description: "Value of the taint. Without it none." }),
      effect: choice("NoSchedule", "PreferNoSchedule", "NoExecute").meta({
        description: "What the taint does to pods that do not tolerate it.",
      }),
    }),
  )
  .optional()
  .meta({
    description: "Taints of the nodes, set when a node joins.",
    legal: "a list of {key, value, effect}",
    source: "kubeadm: nodeRegistration.taints",
  });

const GROUP = "the group's machines";

const workerGroup = z.strictObject({
  flavor: line.optional().meta({ description: "Flavor, by name. Without it that of cluster.workers." }),
  count: wholeNumber(0, 100).optional().meta({
    description: "Machines of the group. Excludes autoscale; one of them is required.",
  }),
  autoscale: z
    .strictObject({
      min: wholeNumber(0, 100).meta({ description: "Fewest machines." }),
      max: wholeNumber(1, 100).meta({
        description: "Most machines. The quota must have room for them.",
      }),
    })
    .optional()
    .meta({
      description:
        "Let the cluster autoscaler, which runs on k3s, choose how many machines there are. Excludes count.",
      source: "chart: autoscale, machineCountMin, machineCountMax",
    }),
  taints,
  ...machineOptions(GROUP),
  rootVolume: z
    .strictObject({
      sizeGb: wholeNumber(10, 16384).meta({ description: "Size of the root volume in GB." }),
      type: line.optional().meta({ description: "Volume type. Without it that of cluster.workers." }),
      availabilityZone: line
        .optional()
        .meta({ description: "Cinder availability zone. Without it that of cluster.workers." }),
    })
    .optional()
    .meta({ description: "Boot from a Cinder volume. Without it as cluster.workers does." }),
  serverGroup: choice("anti-affinity", "soft-anti-affinity")
    .optional()
    .meta({
      description: `Server group made for ${GROUP} alone. Without it and serverGroupId they join that of cluster.workers.`,
    }),
  serverGroupId: serverGroupId(GROUP),
  failureDomain: line
    .optional()
    .meta({ description: "Nova availability zone. Without it that of cluster.workers." }),
  rollout: z
    .strictObject({
      maxSurge: countOrPercentage.meta({ description: "Machines above count while rolling." }),
      maxUnavailable: countOrPercentage.meta({ description: "Machines that may be missing while rolling." }),
    })
    .optional()
    .meta({ description: "How the group rolls. Without it as cluster.workers does." }),
});

export const workerGroups = z.record(machineGroup, workerGroup).meta({
  description:
    "Further groups of workers, by name: each a MachineDeployment of its own. What a group does not say it has from cluster.workers. Another name is another group: its machines are made and those of the old one deleted.",
  legal: "a map of 3 to 63 lower-case letters, digits and dashes, a letter first, to a group",
  source: "chart: nodeGroups",
});

/** Rules beside those of Cluster API's provider on the workers' security group. */
export const workerRules = z
  .array(
    z.strictObject({
      name: line.meta({ description: "What the rule is for; unique." }),
      protocol: choice("tcp", "udp", "icmp").meta({ description: "Protocol that is let in." }),
      portMin: wholeNumber(1, 65535).optional().meta({ description: "First port. Not with icmp." }),
      portMax: wholeNumber(1, 65535).optional().meta({ description: "Last port. Not with icmp." }),
      source: networkCidr.meta({ description: "IPv4 network that is let in, one address as /32." }),
    }),
  )
  .optional()
  .meta({
    description: "Further sources that may reach the workers' ports.",
    legal: "a list of {name, protocol, portMin, portMax, source}",
    source: "azimuth-ops capi_cluster_worker_node_security_group_rules",
  });

/** Nova metadata of every machine. */
export const machineMetadata = z
  .record(z.string().regex(/^[\w.:-]{1,255}$/), line)
  .optional()
  .meta({
    description:
      "Nova metadata of every machine of the cluster. Not for each group: the chart would give one group's to the next as well.",
    legal: "a map of key to text",
    source: "chart: machineMetadata",
  });
