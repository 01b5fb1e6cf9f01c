/**
 * A Nova server group that keeps the machines of a cluster apart. Upstream analogue: the value serverGroupId of the chart
 * openstack-cluster, which azimuth-config leaves to the operator.
 */
import * as openstack from "@pulumi/openstack";
import type * as pulumi from "@pulumi/pulumi";

export interface ServerGroupArgs {
  /** Name of the group in OpenStack. */
  readonly objectName: string;
  /** Nova's policy, or `none` for no group. */
  readonly serverGroup: "anti-affinity" | "soft-anti-affinity" | "none";
  /** Id of an existing group; then none is made. Default: one is made. */
  readonly serverGroupId?: string | undefined;
  /** Refuse to delete what is made. */
  readonly protect: boolean;
}

/**
 * Id of the group that the machines join; undefined if they join none.
 *
 * A policy cannot be changed: another one is another group, and the machines roll.
 */
export function serverGroupId(
  name: string,
  args: ServerGroupArgs,
  parent: pulumi.Resource,
): pulumi.Input<string> | undefined {
  if (args.serverGroupId !== undefined) return args.serverGroupId;
  if (args.serverGroup === "none") return undefined;
  return new openstack.compute.ServerGroup(
    name,
    { name: args.objectName, policies: [args.serverGroup] },
    { parent, protect: args.protect },
  ).id;
}
