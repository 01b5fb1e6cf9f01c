/**
 * Questions to OpenStack about what is there already. They are asked through `invokeOutput`: the SDK's own output forms
 * (getNetworkOutput, …) of 3.15.2 turn an answer that is not known yet into one without content, and an offline plan
 * would show an empty name instead of an unknown one.
 */
import * as pulumi from "@pulumi/pulumi";

/** Name of a network: the provider takes floating IPs from a pool by name only. */
export function networkName(id: string, parent: pulumi.Resource): pulumi.Output<string> {
  return ask<{ name: string }>("openstack:networking/getNetwork:getNetwork", { networkId: id }, parent).apply(
    ({ name }) => name,
  );
}

/** Id of the only image of this name. */
export function imageId(name: string, parent: pulumi.Resource): pulumi.Output<string> {
  return ask<{ id: string }>("openstack:images/getImage:getImage", { name }, parent).apply(({ id }) => id);
}

function ask<T>(token: string, args: pulumi.Inputs, parent: pulumi.Resource): pulumi.Output<T> {
  return pulumi.runtime.invokeOutput<T>(token, args, { parent });
}
