/**
 * Sections seed, k3s and tools: the seed machine and what is installed on it. Upstream analogue: azimuth-ops
 * roles infra, k3s, sysctl_inotify and helm.
 */
import { z } from "zod";
import {
  choice,
  dnsLabel,
  flag,
  hostOrAddress,
  ipv4,
  ipv4List,
  k3sVersion,
  line,
  networkCidr,
  sha256,
  sourceCidrs,
  sshPrivateKey,
  sshPublicKey,
  tag,
  uuid,
  wholeNumber,
} from "../formats.ts";
import { image, registryMirrors, rootVolume, timeout } from "./common.ts";

const network = z
  .strictObject({
    externalNetworkId: uuid.meta({
      description: "Id of the external network: floating IPs and the routers' gateway.",
    }),
    networkId: uuid.optional().meta({
      description: "Id of an existing network for the seed. Without it one is made, with subnet and router.",
    }),
    subnetId: uuid.optional().meta({
      description: "Id of the subnet of networkId to take the seed's address from. Only with networkId.",
    }),
    cidr: networkCidr.meta({
      description: "Addresses of the network that is made for the seed.",
    }),
    dnsNameservers: ipv4List.meta({
      description: "DNS servers of that network. Empty: what Neutron offers.",
    }),
    mtu: wholeNumber(1280, 9216).optional().meta({
      description: "MTU of the network that is made. Without it the cloud's. Not with networkId.",
    }),
  })
  .meta({ alternatives: [["networkId", "subnetId"], ["mtu"]] });

const access = z.strictObject({
  method: choice("floatingIp", "provisioningNetwork", "direct").meta({
    description:
      "How the runner reaches the seed: by a floating IP, by a second port on provisioningNetworkId, or directly at its address in the seed network.",
  }),
  floatingIpAddress: ipv4.optional().meta({
    description:
      "A floating IP that the project already holds. Without it one is allocated. Only with method floatingIp.",
  }),
  provisioningNetworkId: uuid.optional().meta({
    description:
      "Id of the network of the seed's second port. Required with, and only with, method provisioningNetwork.",
  }),
  allowedCidrs: z.strictObject({
    ssh: sourceCidrs.meta({
      description: "Sources that may reach the seed's port 22; the runner must be among them.",
    }),
    api: sourceCidrs.meta({
      description: "Sources that may reach k3s's API, port 6443; the runner must be among them.",
    }),
  }),
});

export const seed = z.strictObject({
  flavor: line.meta({
    description:
      "Flavor of the seed, by name or id: at least 2 vCPU, 8 GB RAM, and 20 GB disk unless rootVolume is enabled.",
  }),
  image: image("the seed"),
  replaceOnImageChange: flag.meta({
    description: "Replace the seed when image changes. Off: a new image only serves the next seed.",
  }),
  user: dnsLabel.meta({ description: "User that the image's cloud-init makes for SSH." }),
  availabilityZone: line.optional().meta({ description: "Nova availability zone of the seed." }),
  keypair: z.strictObject({
    publicKey: sshPublicKey.optional().meta({
      description:
        "Public key of a key pair of yours. Without it the program generates one. Needs privateKey.",
    }),
    privateKey: sshPrivateKey.optional().meta({
      description: "Private key of that pair; the program logs in to the seed with it. Needs publicKey.",
      secret: true,
    }),
  }),
  ssh: z.strictObject({
    bastion: z
      .strictObject({
        host: hostOrAddress.meta({ description: "Host through which the seed's port 22 is reached." }),
        port: wholeNumber(1, 65535).optional().meta({ description: "Its SSH port. Without it 22." }),
        user: line.meta({ description: "User there." }),
        privateKey: sshPrivateKey.meta({ description: "Key of that user.", secret: true }),
        hostKey: sshPublicKey.meta({ description: "The only host key that is accepted of it." }),
      })
      .optional(),
  }),
  authorizedKeys: z.array(sshPublicKey).meta({
    description: "Further public keys that may log in to the seed.",
  }),
  network,
  access,
  rootVolume,
  dataVolume: z.strictObject({
    sizeGb: wholeNumber(10, 16384).meta({
      description: "Size in GB of the volume that holds k3s's data. It can grow, not shrink.",
    }),
    type: line.optional().meta({ description: "Its volume type. Without it the cloud's default." }),
    availabilityZone: line
      .optional()
      .meta({ description: "Its Cinder availability zone. Without it the cloud's default." }),
  }),
  timeouts: z.strictObject({
    ssh: timeout("How long to wait for the seed to answer SSH and to finish cloud-init."),
  }),
});

export const k3s = z.strictObject({
  version: k3sVersion.meta({ description: "Release of k3s.", azimuth: ["k3s_version"] }),
  sha256: sha256.optional().meta({
    follows: "version",
    description: "SHA-256 of the k3s binary. Without it the release's own checksum file decides.",
  }),
  tlsSans: z
    .array(hostOrAddress)
    .meta({ description: "Further names and addresses for the API's certificate." }),
  secretsEncryption: flag.meta({ description: "Encrypt secrets in k3s's datastore." }),
  extraArgs: z.array(line).meta({ description: "Further arguments of `k3s server`, each as one word." }),
  sysctls: z.record(z.string().regex(/^[a-z0-9_.-]+$/), z.int()).meta({
    description: "Kernel settings of the seed.",
    legal: "a map of setting name to a whole number",
  }),
  registryMirrors: registryMirrors("the seed's containers", "*"),
  timeouts: z.strictObject({ ready: timeout("How long to wait for k3s's node to be Ready.") }),
});

const tool = (name: string) =>
  z.strictObject({
    version: tag.meta({ description: `Release of ${name}.` }),
    sha256: sha256.optional().meta({
      follows: "version",
      description: `SHA-256 of what is downloaded for ${name}. Without it the release's own checksum file decides.`,
    }),
  });

const MORE_TOOLS = ["k9s", "kustomize", "clusterctl", "crictl"] as const;

export const tools = z.strictObject({
  kubectl: tool("kubectl"),
  helm: tool("helm"),
  install: z.array(choice(...MORE_TOOLS)).meta({
    description:
      "Further tools for whoever works on the seed; one that is taken out is removed. k3s brings a crictl of its own as `k3s crictl`.",
    legal: `a list of ${MORE_TOOLS.join(", ")}`,
  }),
  k9s: tool("k9s"),
  kustomize: tool("kustomize"),
  clusterctl: z.strictObject({
    version: tag.meta({ description: "Release of clusterctl: clusterApi.core's." }),
    sha256: sha256.optional().meta({
      follows: "version",
      description:
        "SHA-256 of clusterctl's program. Required with it in install: the release has no checksum file.",
    }),
  }),
  crictl: tool("crictl"),
});
