/**
 * The seed's ports and the address by which it is reached: a floating IP (new or held), a second port on a
 * provisioning network, or its own address. Upstream analogue: azimuth-ops role infra.
 */
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import type { SeedConfig } from "../config/schema.ts";
import { ipv4Address } from "../lib/addresses.ts";
import { networkName } from "./lookup.ts";
import type { SeedSecurityGroup } from "./seedSecurityGroup.ts";

export interface SeedAddressArgs {
  /** Prefix of the ports' names in OpenStack. */
  readonly objectName: string;
  /** Section `seed.access` of the configuration. */
  readonly access: SeedConfig["access"];
  /** Id of the network that floating IPs come from. */
  readonly externalNetworkId: string;
  readonly networkId: pulumi.Input<string>;
  /** Subnet of the first port's address. Default: any. */
  readonly subnetId?: pulumi.Input<string>;
  /** Group of the first port; its rules come before the port, so that whoever connects through it is let in. */
  readonly securityGroup: SeedSecurityGroup;
  /** Refuse to delete the floating IP. */
  readonly protect: boolean;
}

/** Ports in the order in which the server gets them, and the address. */
export class SeedAddress extends pulumi.ComponentResource {
  /**
   * With a provisioning network that port comes first, as azimuth-ops has it: cloud images give the first interface the
   * better default route, so that answers to a runner that is not on that network leave where its packets came in.
   */
  readonly portIds: pulumi.Output<string>[];
  /** Address by which the runner reaches the server. */
  readonly address: pulumi.Output<string>;
  /** Address in the seed's own network. */
  readonly fixedAddress: pulumi.Output<string>;
  /** Every address that others may see the server by, as far as it has it itself. */
  readonly addresses: pulumi.Output<string>[];

  constructor(name: string, args: SeedAddressArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:SeedAddress", name, {}, opts);
    const port = this.port(`${name}-port`, args.objectName, args, args.networkId, args.subnetId);
    this.fixedAddress = firstAddress(port);
    const { method, provisioningNetworkId } = args.access;
    if (method === "provisioningNetwork" && provisioningNetworkId !== undefined) {
      const second = this.port(
        `${name}-provisioning-port`,
        `${args.objectName}-provisioning`,
        args,
        provisioningNetworkId,
      );
      this.portIds = [second.id, port.id];
      this.address = firstAddress(second);
    } else {
      this.portIds = [port.id];
      this.address = method === "floatingIp" ? this.floating(name, args, port) : this.fixedAddress;
    }
    this.addresses = method === "floatingIp" ? [this.address] : [this.fixedAddress, this.address];
    this.registerOutputs({ portIds: this.portIds, address: this.address, fixedAddress: this.fixedAddress });
  }

  private port(
    name: string,
    objectName: string,
    args: SeedAddressArgs,
    networkId: pulumi.Input<string>,
    subnetId?: pulumi.Input<string>,
  ): openstack.networking.Port {
    return new openstack.networking.Port(
      name,
      {
        name: objectName,
        networkId,
        adminStateUp: true,
        securityGroupIds: [args.securityGroup.securityGroupId],
        ...(subnetId === undefined ? {} : { fixedIps: [{ subnetId }] }),
      },
      // Not by data: with the rules' ids in it, a preview of one more rule would show the port as changed.
      { parent: this, dependsOn: [args.securityGroup] },
    );
  }

  /** The address comes from the association: it leads nowhere before. */
  private floating(
    name: string,
    args: SeedAddressArgs,
    port: openstack.networking.Port,
  ): pulumi.Output<string> {
    const held = args.access.floatingIpAddress;
    const floatingIp =
      held ??
      new openstack.networking.FloatingIp(
        `${name}-floating-ip`,
        { pool: networkName(args.externalNetworkId, this), description: args.objectName },
        { parent: this, protect: args.protect },
      ).address;
    return new openstack.networking.FloatingIpAssociate(
      `${name}-floating-ip-association`,
      { floatingIp, portId: port.id },
      { parent: this },
    ).floatingIp;
  }
}

function firstAddress(port: openstack.networking.Port): pulumi.Output<string> {
  return pulumi
    .all([port.allFixedIps, port.name])
    .apply(([addresses, name]) =>
      ipv4Address(addresses, `port ${name}`, "a network with an IPv4 subnet, or that subnet's id beside it"),
    );
}
