/**
 * The seed: the machine that k3s runs on, what lets us in, and the volume that outlives it. Upstream analogue:
 * azimuth-ops role infra (Terraform).
 */
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import type { ProtectConfig, SeedConfig } from "../config/schema.ts";
import { userData } from "../lib/cloud-init.ts";
import { K3S_API_PORT } from "../lib/k3s.ts";
import type { ProxySettings } from "../lib/proxy.ts";
import { deriveConnectionKey, deriveHostKey } from "../lib/openssh.ts";
import { seedReadyScript } from "../lib/seed-scripts.ts";
import { type Connection, seedConnection, seedScript } from "./connection.ts";
import { MachineImage } from "./machineImage.ts";
import { SeedAddress } from "./seedAddress.ts";
import type { NetworkOutputs } from "./seedNetwork.ts";
import { SeedSecurityGroup } from "./seedSecurityGroup.ts";

export interface SeedArgs {
  /** Name of the server and prefix of the other objects in OpenStack. */
  readonly objectName: string;
  /** Section `seed` of the configuration, where each field is documented. */
  readonly seed: SeedConfig;
  /** Network, and subnet if it is known, of the first port; by its router's addresses others may see the seed. */
  readonly network: NetworkOutputs;
  /** Section `protect` of the configuration. */
  readonly protect: ProtectConfig;
  /** The way out for downloads. Default: directly. */
  readonly proxy?: ProxySettings | undefined;
}

/** A server that answers SSH, with its data volume attached. */
export class Seed extends pulumi.ComponentResource {
  /** How to run something on it. Secret. */
  readonly connection: pulumi.Output<Connection>;
  /** Address by which the runner reaches it. */
  readonly address: pulumi.Output<string>;
  /** Address in its own network. */
  readonly fixedAddress: pulumi.Output<string>;
  /** Every address by which others may see it. */
  readonly egressAddresses: pulumi.Output<string[]>;
  /** Private key that logs in. Secret. */
  readonly privateKey: pulumi.Output<string>;
  /** The server's only SSH host key. */
  readonly hostKey: pulumi.Output<string>;
  /** Name of the Nova key pair. */
  readonly keyPair: pulumi.Output<string>;
  readonly serverId: pulumi.Output<string>;
  /** Id of the data volume once it is attached. */
  readonly dataVolumeId: pulumi.Output<string>;
  /** Id of the OpenStack project that all of this is in. */
  readonly projectId: pulumi.Output<string>;

  constructor(name: string, args: SeedArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:Seed", name, {}, opts);
    const { seed, objectName, network } = args;

    const keyPair = this.makeKeyPair(name, args);
    this.keyPair = keyPair.name;
    this.privateKey = pulumi.secret(
      seed.keypair.privateKey === undefined ? keyPair.privateKey : pulumi.secret(seed.keypair.privateKey),
    );
    const hostKey = this.privateKey.apply((key) => deriveHostKey(key, objectName));
    const connectionKey = this.privateKey.apply((key) => deriveConnectionKey(key, objectName));
    this.hostKey = pulumi.unsecret(hostKey.apply(({ publicKey }) => publicKey));

    const group = new SeedSecurityGroup(
      `${name}-firewall`,
      {
        objectName,
        ports: { ssh: 22, api: K3S_API_PORT },
        allowedCidrs: seed.access.allowedCidrs,
      },
      { parent: this },
    );
    this.projectId = group.projectId;

    const address = new SeedAddress(
      `${name}-address`,
      {
        objectName,
        access: seed.access,
        externalNetworkId: seed.network.externalNetworkId,
        networkId: network.networkId,
        ...(network.subnetId === undefined ? {} : { subnetId: network.subnetId }),
        securityGroup: group,
        protect: args.protect.network,
      },
      { parent: this },
    );
    this.address = address.address;
    this.fixedAddress = address.fixedAddress;
    // Its router's too: where that turns a floating IP around within itself, it may show its own address.
    this.egressAddresses = pulumi
      .all([pulumi.all(address.addresses), network.routerAddresses ?? []])
      .apply(([own, router]) => [...new Set([...own, ...router])]);

    const image = new MachineImage(
      `${name}-image`,
      { image: seed.image, imageName: `${objectName}-image`, proxy: args.proxy },
      { parent: this },
    );
    const server = this.makeServer(
      name,
      args,
      image.imageId,
      address.portIds,
      pulumi
        .all([hostKey, connectionKey])
        .apply(([host, { publicKey }]) => userData({ hostKey: host, authorizedKey: publicKey })),
    );
    this.dataVolumeId = this.attachDataVolume(name, args, server);

    this.connection = seedConnection({
      host: this.address,
      user: seed.user,
      privateKey: connectionKey.apply(({ privateKey }) => privateKey),
      hostKey: this.hostKey,
      timeout: seed.timeouts.ssh,
      bastion: seed.ssh.bastion,
    });
    const ready = seedScript(
      `${name}-ready`,
      {
        connection: this.connection,
        script: seedReadyScript({
          user: seed.user,
          authorizedKeys: seed.authorizedKeys,
          timeout: seed.timeouts.ssh,
          proxy: args.proxy,
        }),
        runAgainOn: [server.id],
      },
      { parent: this },
    );
    // With the first boot over: whoever names the server finds it usable.
    this.serverId = pulumi.all([server.id, ready.id]).apply(([id]) => id);
    // Without connection and private key: a secret stands in the state once, where it is made (docs/decisions).
    this.registerOutputs({
      address: this.address,
      fixedAddress: this.fixedAddress,
      egressAddresses: this.egressAddresses,
      hostKey: this.hostKey,
      keyPair: this.keyPair,
      serverId: this.serverId,
      dataVolumeId: this.dataVolumeId,
      projectId: this.projectId,
    });
  }

  /** Nova makes the pair where none is given, and answers the private key once: it lives in the state, secret. */
  private makeKeyPair(name: string, args: SeedArgs): openstack.compute.Keypair {
    const { publicKey } = args.seed.keypair;
    return new openstack.compute.Keypair(
      `${name}-keypair`,
      { name: args.objectName, ...(publicKey === undefined ? {} : { publicKey }) },
      { parent: this, protect: args.protect.seed },
    );
  }

  private makeServer(
    name: string,
    args: SeedArgs,
    imageId: pulumi.Output<string>,
    portIds: pulumi.Output<string>[],
    userData: pulumi.Output<string>,
  ): openstack.compute.Instance {
    const { seed } = args;
    const { rootVolume } = seed;
    const boot = rootVolume.enabled
      ? {
          // Booting from a volume must not name the image at the server (terraform-provider-openstack #62, #397).
          blockDevices: [
            {
              uuid: imageId,
              sourceType: "image",
              destinationType: "volume",
              volumeSize: rootVolume.sizeGb,
              ...(rootVolume.type === undefined ? {} : { volumeType: rootVolume.type }),
              bootIndex: 0,
              deleteOnTermination: true,
            },
          ],
        }
      : { imageId };
    const imageProperties = ["imageId", "imageName", ...(rootVolume.enabled ? ["blockDevices[0].uuid"] : [])];
    return new openstack.compute.Instance(
      `${name}-server`,
      {
        name: args.objectName,
        ...(isId(seed.flavor) ? { flavorId: seed.flavor } : { flavorName: seed.flavor }),
        keyPair: this.keyPair,
        networks: portIds.map((port) => ({ port })),
        userData: pulumi.secret(userData),
        ...(seed.availabilityZone === undefined ? {} : { availabilityZone: seed.availabilityZone }),
        ...boot,
        // k3s stops and the data volume is unmounted before the server goes.
        stopBeforeDestroy: true,
      },
      {
        parent: this,
        protect: args.protect.seed,
        // A port and a volume belong to one server at a time.
        deleteBeforeReplace: true,
        // The provider calls a change of the image an update and rebuilds the server in place
        // (terraform-provider-openstack #1986): either it is nothing or it is a replacement.
        ...(seed.replaceOnImageChange
          ? { replaceOnChanges: imageProperties }
          : { ignoreChanges: imageProperties }),
      },
    );
  }

  private attachDataVolume(
    name: string,
    args: SeedArgs,
    server: openstack.compute.Instance,
  ): pulumi.Output<string> {
    const { sizeGb, type, availabilityZone } = args.seed.dataVolume;
    const volume = new openstack.blockstorage.Volume(
      `${name}-data`,
      {
        name: `${args.objectName}-data`,
        description: "k3s data of the seed",
        size: sizeGb,
        ...(type === undefined ? {} : { volumeType: type }),
        ...(availabilityZone === undefined ? {} : { availabilityZone }),
        enableOnlineResize: true,
      },
      { parent: this, protect: args.protect.dataVolume, retainOnDelete: args.protect.retainDataVolume },
    );
    const attachment = new openstack.compute.VolumeAttach(
      `${name}-data-attachment`,
      { instanceId: server.id, volumeId: volume.id },
      {
        parent: this,
        deleteBeforeReplace: true,
        // With the server goes the attachment. Detaching first would take the disk from under a running k3s.
        deletedWith: server,
      },
    );
    return attachment.volumeId;
  }
}

/** Whether a flavor is given by id. */
function isId(flavor: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(flavor);
}
