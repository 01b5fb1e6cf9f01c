/**
 * The data sources (invokes): each answers exactly one object or says how many fit.
 * Upstream analogue: data_source_openstack_*.go.
 */
import type { Properties } from "../../provider.ts";
import type { Json } from "../../../openstack/cloud.ts";
import { getFlavor, getImage, getKeypair, getZones } from "./dataSourcesCompute.ts";
import { theOnly } from "./lookup.ts";
import { networkIdOf } from "./resources/floatingIp.ts";
import { jsonOf, jsonsOf, mapsOf, some, textOf, textsOf, within, type Context } from "./resources/kind.ts";

type Lookup = (context: Context, args: Properties) => Promise<Properties>;

const lookups: Readonly<Record<string, Lookup>> = {
  "openstack:images/getImage:getImage": getImage,
  "openstack:networking/getNetwork:getNetwork": getNetwork,
  "openstack:networking/getSubnet:getSubnet": getSubnet,
  "openstack:networking/getRouter:getRouter": getRouter,
  "openstack:networking/getSecGroup:getSecGroup": getSecurityGroup,
  "openstack:networking/getPort:getPort": getPort,
  "openstack:networking/getFloatingIp:getFloatingIp": getFloatingIp,
  "openstack:compute/getFlavor:getFlavor": getFlavor,
  "openstack:compute/getKeypair:getKeypair": getKeypair,
  "openstack:compute/getAvailabilityZones:getAvailabilityZones": getZones,
};

/** The answer of the data source `token`. Throws for one that is not implemented, by name. */
export async function invokeDataSource(
  context: Context,
  token: string,
  args: Properties,
): Promise<Properties> {
  const lookup = lookups[token];
  if (!lookup) {
    throw new Error(
      `the embedded engine's openstack provider does not implement ${token}; it has ${Object.keys(lookups).join(", ")}`,
    );
  }
  const found = await lookup(context, args);
  const given = Object.entries(args).filter(([, value]) => value !== null && value !== undefined);
  return { ...Object.fromEntries(given), region: await context.cloud.region(), ...found };
}

/** Neutron filters by equality on the server; blank arguments are left out. */
async function listNeutron(
  context: Context,
  path: string,
  args: Properties,
  fields: Record<string, string>,
): Promise<Json[]> {
  const query: Record<string, string> = {};
  for (const [property, field] of Object.entries(fields)) {
    const value = args[property];
    if (typeof value === "boolean") query[field] = String(value);
    else if (textOf(value)) query[field] = textOf(value);
  }
  if (textsOf(args["tags"]).length > 0) query["tags"] = textsOf(args["tags"]).join(",");
  const listed = await context.cloud.get("network", `/${path}`, within(context, { query }));
  return jsonsOf(listed[path.replaceAll("-", "_")]);
}

const tenant = (object: Json): string => textOf(object["tenant_id"] ?? object["project_id"]);
const sorted = (value: unknown): string[] => textsOf(value).sort();

async function getNetwork(context: Context, args: Properties): Promise<Properties> {
  let found = await listNeutron(context, "networks", args, {
    networkId: "id",
    name: "name",
    description: "description",
    status: "status",
    external: "router:external",
    tenantId: "tenant_id",
    mtu: "mtu",
  });
  const cidr = some(args["matchingSubnetCidr"]);
  if (cidr) {
    const subnets = await listNeutron(context, "subnets", { cidr }, { cidr: "cidr" });
    const ids = new Set(subnets.map((subnet) => subnet["network_id"]));
    found = found.filter((network) => ids.has(network["id"]));
  }
  const network = theOnly(found, "network", args);
  return {
    id: textOf(network["id"]),
    networkId: textOf(network["id"]),
    name: textOf(network["name"]),
    description: textOf(network["description"]),
    status: textOf(network["status"]),
    external: network["router:external"] === true,
    // Upstream spells these two as strings.
    adminStateUp: String(network["admin_state_up"] === true),
    shared: String(network["shared"] === true),
    tenantId: tenant(network),
    mtu: Number(network["mtu"] ?? 0),
    dnsDomain: textOf(network["dns_domain"]),
    transparentVlan: network["vlan_transparent"] === true,
    availabilityZoneHints: textsOf(network["availability_zone_hints"]),
    segments: [],
    subnets: textsOf(network["subnets"]),
    allTags: sorted(network["tags"]),
  };
}

async function getSubnet(context: Context, args: Properties): Promise<Properties> {
  const dhcp = args["dhcpEnabled"] === true ? true : args["dhcpDisabled"] === true ? false : undefined;
  const found = await listNeutron(
    context,
    "subnets",
    { ...args, ...(dhcp === undefined ? {} : { dhcp }) },
    {
      subnetId: "id",
      name: "name",
      description: "description",
      networkId: "network_id",
      tenantId: "tenant_id",
      ipVersion: "ip_version",
      gatewayIp: "gateway_ip",
      cidr: "cidr",
      ipv6AddressMode: "ipv6_address_mode",
      ipv6RaMode: "ipv6_ra_mode",
      subnetpoolId: "subnetpool_id",
      dhcp: "enable_dhcp",
    },
  );
  const subnet = theOnly(found, "subnet", args);
  return {
    id: textOf(subnet["id"]),
    subnetId: textOf(subnet["id"]),
    name: textOf(subnet["name"]),
    description: textOf(subnet["description"]),
    networkId: textOf(subnet["network_id"]),
    tenantId: tenant(subnet),
    ipVersion: Number(subnet["ip_version"]),
    cidr: textOf(subnet["cidr"]),
    gatewayIp: textOf(subnet["gateway_ip"]),
    enableDhcp: subnet["enable_dhcp"] === true,
    dnsNameservers: textsOf(subnet["dns_nameservers"]),
    serviceTypes: textsOf(subnet["service_types"]),
    ipv6AddressMode: textOf(subnet["ipv6_address_mode"]),
    ipv6RaMode: textOf(subnet["ipv6_ra_mode"]),
    subnetpoolId: textOf(subnet["subnetpool_id"]),
    allocationPools: mapsOf(subnet["allocation_pools"]).map((pool) => ({
      start: textOf(pool["start"]),
      end: textOf(pool["end"]),
    })),
    hostRoutes: mapsOf(subnet["host_routes"]).map((route) => ({
      destinationCidr: textOf(route["destination"]),
      nextHop: textOf(route["nexthop"]),
    })),
    allTags: sorted(subnet["tags"]),
  };
}

async function getRouter(context: Context, args: Properties): Promise<Properties> {
  const found = await listNeutron(context, "routers", args, {
    routerId: "id",
    name: "name",
    description: "description",
    adminStateUp: "admin_state_up",
    distributed: "distributed",
    status: "status",
    tenantId: "tenant_id",
  });
  const router = theOnly(found, "router", args);
  const gateway = jsonOf(router["external_gateway_info"]);
  return {
    id: textOf(router["id"]),
    routerId: textOf(router["id"]),
    name: textOf(router["name"]),
    description: textOf(router["description"]),
    adminStateUp: router["admin_state_up"] === true,
    distributed: router["distributed"] === true,
    status: textOf(router["status"]),
    tenantId: tenant(router),
    externalNetworkId: textOf(gateway["network_id"]),
    enableSnat: gateway["enable_snat"] === true,
    externalFixedIps: mapsOf(gateway["external_fixed_ips"]).map((address) => ({
      subnetId: textOf(address["subnet_id"]),
      ipAddress: textOf(address["ip_address"]),
    })),
    availabilityZoneHints: textsOf(router["availability_zone_hints"]),
    allTags: sorted(router["tags"]),
  };
}

async function getSecurityGroup(context: Context, args: Properties): Promise<Properties> {
  const fields = { secgroupId: "id", name: "name", description: "description", tenantId: "tenant_id" };
  const group = theOnly(await listNeutron(context, "security-groups", args, fields), "security group", args);
  return {
    id: textOf(group["id"]),
    secgroupId: textOf(group["id"]),
    name: textOf(group["name"]),
    description: textOf(group["description"]),
    tenantId: tenant(group),
    allTags: sorted(group["tags"]),
  };
}

async function getPort(context: Context, args: Properties): Promise<Properties> {
  let found = await listNeutron(context, "ports", args, {
    portId: "id",
    name: "name",
    description: "description",
    networkId: "network_id",
    deviceId: "device_id",
    deviceOwner: "device_owner",
    macAddress: "mac_address",
    status: "status",
    adminStateUp: "admin_state_up",
    tenantId: "tenant_id",
    projectId: "project_id",
    dnsName: "dns_name",
  });
  const addresses = (port: Json): string[] =>
    mapsOf(port["fixed_ips"]).map((address) => textOf(address["ip_address"]));
  const fixedIp = some(args["fixedIp"]);
  if (fixedIp) found = found.filter((port) => addresses(port).includes(fixedIp));
  const groups = textsOf(args["securityGroupIds"]);
  found = found.filter((port) => groups.every((id) => textsOf(port["security_groups"]).includes(id)));
  const port = theOnly(found, "port", args);
  return {
    id: textOf(port["id"]),
    portId: textOf(port["id"]),
    name: textOf(port["name"]),
    description: textOf(port["description"]),
    networkId: textOf(port["network_id"]),
    deviceId: textOf(port["device_id"]),
    deviceOwner: textOf(port["device_owner"]),
    macAddress: textOf(port["mac_address"]),
    status: textOf(port["status"]),
    adminStateUp: port["admin_state_up"] === true,
    tenantId: tenant(port),
    projectId: tenant(port),
    dnsName: textOf(port["dns_name"]),
    allFixedIps: addresses(port),
    allSecurityGroupIds: sorted(port["security_groups"]),
    allowedAddressPairs: mapsOf(port["allowed_address_pairs"]).map((pair) => ({
      ipAddress: textOf(pair["ip_address"]),
      macAddress: textOf(pair["mac_address"]),
    })),
    extraDhcpOptions: [],
    bindings: [],
    dnsAssignments: [],
    allTags: sorted(port["tags"]),
  };
}

async function getFloatingIp(context: Context, args: Properties): Promise<Properties> {
  const pool = some(args["pool"]);
  const wanted = pool ? { ...args, networkId: await networkIdOf(context, pool) } : args;
  const found = await listNeutron(context, "floatingips", wanted, {
    address: "floating_ip_address",
    description: "description",
    networkId: "floating_network_id",
    portId: "port_id",
    fixedIp: "fixed_ip_address",
    status: "status",
    tenantId: "tenant_id",
  });
  const address = theOnly(found, "floating IP", args);
  return {
    id: textOf(address["id"]),
    address: textOf(address["floating_ip_address"]),
    description: textOf(address["description"]),
    pool: pool ?? textOf(address["floating_network_id"]),
    portId: textOf(address["port_id"]),
    fixedIp: textOf(address["fixed_ip_address"]),
    status: textOf(address["status"]),
    tenantId: tenant(address),
    dnsName: textOf(address["dns_name"]),
    dnsDomain: textOf(address["dns_domain"]),
    allTags: sorted(address["tags"]),
  };
}
