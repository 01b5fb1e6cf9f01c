/** The resource kinds the openstack provider implements, by token. */
import { clusterTemplate } from "./clusterTemplate.ts";
import { floatingIp } from "./floatingIp.ts";
import { floatingIpAssociate } from "./floatingIpAssociate.ts";
import { image } from "./image.ts";
import { instance } from "./instance.ts";
import { keypair } from "./keypair.ts";
import type { Kind } from "./kind.ts";
import { network } from "./network.ts";
import { port } from "./port.ts";
import { router } from "./router.ts";
import { routerInterface } from "./routerInterface.ts";
import { securityGroup } from "./securityGroup.ts";
import { securityGroupRule } from "./securityGroupRule.ts";
import { serverGroup } from "./serverGroup.ts";
import { subnet } from "./subnet.ts";
import { volume } from "./volume.ts";
import { volumeAttach } from "./volumeAttach.ts";

export const kinds: ReadonlyMap<string, Kind> = new Map(
  [
    network,
    subnet,
    router,
    routerInterface,
    securityGroup,
    securityGroupRule,
    port,
    floatingIp,
    floatingIpAssociate,
    keypair,
    serverGroup,
    instance,
    volumeAttach,
    volume,
    image,
    clusterTemplate,
  ].map((kind) => [kind.token, kind]),
);
