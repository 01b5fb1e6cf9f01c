/** openstack:networking/subnet:Subnet (resource_openstack_networking_subnet_v2.go). */
import { BlockList, isIP } from "node:net";
import { flag, integer, list, map, region, set, tagged, text } from "../schema.ts";
import { mapsOf, some, textOf, textsOf, type Kind } from "./kind.ts";
import {
  createObject,
  getObject,
  removeObject,
  setTags,
  tagsOf,
  updateObject,
  type Collection,
} from "./neutron.ts";

const SUBNETS: Collection = { path: "subnets", one: "subnet" };
const ADDRESS_MODES = ["slaac", "dhcpv6-stateful", "dhcpv6-stateless"];

export const subnet: Kind = {
  token: "openstack:networking/subnet:Subnet",
  title: "subnet",
  unsupported: ["allocationPoolsCollection", "hostRoutes"],
  schema: {
    region,
    networkId: text({ required: true, replace: true }),
    cidr: text({ computed: true, replace: true, conflicts: ["prefixLength"], problem: cidrProblem }),
    prefixLength: integer({ replace: true, needs: ["subnetpoolId"] }),
    name: text({ autoname: true }),
    description: text(),
    tenantId: text({ computed: true, replace: true }),
    allocationPools: set({
      computed: true,
      fields: { start: text({ required: true }), end: text({ required: true }) },
    }),
    gatewayIp: text({ computed: true, conflicts: ["noGateway"] }),
    noGateway: flag({ default: false }),
    ipVersion: integer({ default: 4, replace: true, legal: ["4", "6"] }),
    enableDhcp: flag({ default: true }),
    dnsNameservers: list(),
    ipv6AddressMode: text({ computed: true, replace: true, legal: ADDRESS_MODES }),
    ipv6RaMode: text({ computed: true, replace: true, legal: ADDRESS_MODES }),
    subnetpoolId: text({ replace: true }),
    valueSpecs: map({ replace: true }),
    serviceTypes: list({ computed: true }),
    ...tagged,
  },

  problems(inputs) {
    const servers = textsOf(inputs["dnsNameservers"]);
    return new Set(servers).size === servers.length
      ? []
      : [{ property: "dnsNameservers", reason: "dnsNameservers names the same server twice" }];
  },

  async create(context, wanted) {
    const made = await createObject(
      context,
      SUBNETS,
      {
        network_id: wanted["networkId"],
        cidr: some(wanted["cidr"]),
        prefixlen: wanted["prefixLength"] || undefined,
        name: wanted["name"],
        description: some(wanted["description"]),
        tenant_id: some(wanted["tenantId"]),
        allocation_pools: poolsOf(wanted["allocationPools"]),
        gateway_ip: wanted["noGateway"] === true ? null : some(wanted["gatewayIp"]),
        ip_version: wanted["ipVersion"],
        enable_dhcp: wanted["enableDhcp"],
        dns_nameservers: wanted["dnsNameservers"],
        ipv6_address_mode: some(wanted["ipv6AddressMode"]),
        ipv6_ra_mode: some(wanted["ipv6RaMode"]),
        subnetpool_id: some(wanted["subnetpoolId"]),
        service_types: wanted["serviceTypes"],
      },
      wanted,
    );
    return textOf(made["id"]);
  },

  async read(context, id, state) {
    const found = await getObject(context, SUBNETS, id);
    if (!found) return null;
    const gateway = textOf(found["gateway_ip"]);
    return {
      networkId: textOf(found["network_id"]),
      cidr: textOf(found["cidr"]),
      name: textOf(found["name"]),
      description: textOf(found["description"]),
      tenantId: textOf(found["tenant_id"] ?? found["project_id"]),
      allocationPools: mapsOf(found["allocation_pools"]).map((pool) => ({
        start: textOf(pool["start"]),
        end: textOf(pool["end"]),
      })),
      gatewayIp: gateway,
      noGateway: gateway === "",
      ipVersion: Number(found["ip_version"]),
      enableDhcp: found["enable_dhcp"] === true,
      dnsNameservers: textsOf(found["dns_nameservers"]),
      ipv6AddressMode: textOf(found["ipv6_address_mode"]),
      ipv6RaMode: textOf(found["ipv6_ra_mode"]),
      subnetpoolId: textOf(found["subnetpool_id"]),
      serviceTypes: textsOf(found["service_types"]),
      ...tagsOf(found, state),
    };
  },

  async update(context, id, { changed, wanted }) {
    const on = (property: string, value: unknown): unknown => (changed.has(property) ? value : undefined);
    await updateObject(context, SUBNETS, id, {
      name: on("name", wanted["name"] ?? ""),
      description: on("description", wanted["description"] ?? ""),
      gateway_ip:
        changed.has("noGateway") && wanted["noGateway"] === true
          ? null
          : on("gatewayIp", some(wanted["gatewayIp"])),
      enable_dhcp: on("enableDhcp", wanted["enableDhcp"]),
      dns_nameservers: on("dnsNameservers", wanted["dnsNameservers"] ?? []),
      service_types: on("serviceTypes", wanted["serviceTypes"] ?? []),
      allocation_pools: on("allocationPools", poolsOf(wanted["allocationPools"])),
    });
    if (changed.has("tags")) await setTags(context, SUBNETS.path, id, textsOf(wanted["tags"]));
  },

  remove: (context, id) => removeObject(context, SUBNETS, id),
};

function poolsOf(value: unknown): unknown[] | undefined {
  const pools = mapsOf(value);
  return pools.length > 0 ? pools.map(({ start, end }) => ({ start, end })) : undefined;
}

/** Upstream's rule: the CIDR must be a network's own address. */
function cidrProblem(value: unknown): string | undefined {
  const [address = "", prefix = ""] = typeof value === "string" ? value.split("/") : [];
  const family = isIP(address);
  const length = Number(prefix);
  if (family === 0 || prefix === "" || !Number.isInteger(length) || length > (family === 4 ? 32 : 128)) {
    return "must be a CIDR such as 192.168.100.0/24";
  }
  if (family === 6) {
    const one = new BlockList();
    one.addSubnet(address, length, "ipv6");
    return undefined;
  }
  const bits = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return bits % 2 ** (32 - length) === 0
    ? undefined
    : "must be the address of the network itself, without host bits";
}
