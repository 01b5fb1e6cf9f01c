/**
 * The seed's security group: closed but for what is listed. Upstream analogue: azimuth-ops role infra, which opens
 * port 22 to everyone.
 */
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";

export interface SeedSecurityGroupArgs {
  /** Name of the group in OpenStack. */
  readonly objectName: string;
  /** TCP port by use. */
  readonly ports: Readonly<Record<"ssh" | "api", number>>;
  /** IPv4 networks that may reach a port, by use. Empty: nobody. */
  readonly allowedCidrs: Readonly<Record<"ssh" | "api", readonly string[]>>;
}

/** The group; outgoing traffic is free. */
export class SeedSecurityGroup extends pulumi.ComponentResource {
  readonly securityGroupId: pulumi.Output<string>;
  /** Id of the project that the group is in. */
  readonly projectId: pulumi.Output<string>;

  constructor(name: string, args: SeedSecurityGroupArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:SeedSecurityGroup", name, {}, opts);
    const group = new openstack.networking.SecGroup(
      `${name}-group`,
      { name: args.objectName, description: "Who may reach the seed" },
      { parent: this },
    );
    for (const use of ["ssh", "api"] as const) {
      for (const cidr of new Set(args.allowedCidrs[use])) {
        new openstack.networking.SecGroupRule(
          // By what it says and not by its place in a list: another entry must not replace this one.
          `${name}-${use}-${cidr.replace("/", "-")}`,
          {
            securityGroupId: group.id,
            direction: "ingress",
            ethertype: "IPv4",
            protocol: "tcp",
            portRangeMin: args.ports[use],
            portRangeMax: args.ports[use],
            remoteIpPrefix: cidr,
            description: use,
          },
          { parent: this },
        );
      }
    }
    this.securityGroupId = group.id;
    this.projectId = group.tenantId;
    this.registerOutputs({ securityGroupId: this.securityGroupId, projectId: this.projectId });
  }
}
