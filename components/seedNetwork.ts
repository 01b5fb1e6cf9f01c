/**
 * A network with subnet and router to the external network, or an existing one. Upstream analogue: the network part
 * of azimuth-ops role infra.
 */
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import { ipv4Addresses } from "../lib/addresses.ts";

export interface SeedNetworkArgs {
  /** Name of the objects in OpenStack. */
  readonly objectName: string;
  /** Id of the external network that the router leads to. */
  readonly externalNetworkId: string;
  /** Id of an existing network; then nothing is made. Default: one is made. */
  readonly networkId?: string | undefined;
  /** Id of the subnet of `networkId` to use. Default: any. Only with `networkId`. */
  readonly subnetId?: string | undefined;
  /** Addresses of the network that is made. */
  readonly cidr: string;
  /** DNS servers of the network that is made. Empty: what Neutron offers. */
  readonly dnsNameservers: readonly string[];
  /** MTU of the network that is made. Default: the cloud's. */
  readonly mtu?: number | undefined;
  /** Refuse to delete what is made. */
  readonly protect: boolean;
}

/** What others need of a network. */
export interface NetworkOutputs {
  readonly networkId: pulumi.Output<string>;
  /** Undefined with an existing network of which no subnet was named. */
  readonly subnetId?: pulumi.Output<string>;
  /** Addresses by which machines behind the router are seen outside; undefined with an existing network. */
  readonly routerAddresses?: pulumi.Output<string[]>;
}

/** The network and how it reaches the outside. */
export class SeedNetwork extends pulumi.ComponentResource {
  readonly outputs: NetworkOutputs;

  constructor(name: string, args: SeedNetworkArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:SeedNetwork", name, {}, opts);
    this.outputs =
      args.networkId === undefined ? this.make(name, args) : existing(args.networkId, args.subnetId);
    this.registerOutputs({ ...this.outputs });
  }

  private make(name: string, args: SeedNetworkArgs): NetworkOutputs {
    const child = { parent: this, protect: args.protect };
    const network = new openstack.networking.Network(
      `${name}-network`,
      { name: args.objectName, adminStateUp: true, ...(args.mtu === undefined ? {} : { mtu: args.mtu }) },
      child,
    );
    const subnet = new openstack.networking.Subnet(
      `${name}-subnet`,
      {
        name: args.objectName,
        networkId: network.id,
        cidr: args.cidr,
        ipVersion: 4,
        enableDhcp: true,
        ...(args.dnsNameservers.length === 0 ? {} : { dnsNameservers: [...args.dnsNameservers] }),
      },
      child,
    );
    const router = new openstack.networking.Router(
      `${name}-router`,
      { name: args.objectName, adminStateUp: true, externalNetworkId: args.externalNetworkId },
      child,
    );
    const attached = new openstack.networking.RouterInterface(
      `${name}-router-interface`,
      { routerId: router.id, subnetId: subnet.id },
      child,
    );
    return {
      networkId: network.id,
      // Through the interface and not the subnet: a floating IP can only be had once the router is attached.
      subnetId: attached.subnetId,
      routerAddresses: router.externalFixedIps.apply((fixed) =>
        ipv4Addresses(
          fixed.map(({ ipAddress }) => ipAddress ?? ""),
          `router ${args.objectName}`,
          `an external network with an IPv4 subnet, not ${args.externalNetworkId}`,
        ),
      ),
    };
  }
}

function existing(networkId: string, subnetId: string | undefined): NetworkOutputs {
  return {
    networkId: pulumi.output(networkId),
    ...(subnetId === undefined ? {} : { subnetId: pulumi.output(subnetId) }),
  };
}
