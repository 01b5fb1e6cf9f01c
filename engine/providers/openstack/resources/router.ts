/** openstack:networking/router:Router (resource_openstack_networking_router_v2.go). */
import type { Properties } from "../../../provider.ts";
import { isStatus } from "../../../../openstack/errors.ts";
import { flag, list, map, object, region, tagged, text } from "../schema.ts";
import { jsonOf, mapsOf, some, textOf, textsOf, type Context, type Kind } from "./kind.ts";
import {
  awaitStatus,
  createObject,
  dropUndefined,
  getObject,
  removeObject,
  setTags,
  tagsOf,
  updateObject,
  type Collection,
} from "./neutron.ts";

const ROUTERS: Collection = { path: "routers", one: "router" };
const GATEWAY = [
  "externalNetworkId",
  "externalGateway",
  "enableSnat",
  "externalFixedIps",
  "externalSubnetIds",
];

export const router: Kind = {
  token: "openstack:networking/router:Router",
  title: "router",
  unsupported: ["externalGateway"],
  schema: {
    region,
    name: text({ autoname: true }),
    description: text(),
    adminStateUp: flag({ computed: true }),
    distributed: flag({ computed: true, replace: true }),
    externalNetworkId: text({ computed: true }),
    enableSnat: flag({ computed: true, needs: ["externalNetworkId"] }),
    externalFixedIps: list({
      computed: true,
      needs: ["externalNetworkId"],
      fields: { subnetId: text({ computed: true }), ipAddress: text({ computed: true }) },
    }),
    externalSubnetIds: list({ needs: ["externalNetworkId"], conflicts: ["externalFixedIps"] }),
    tenantId: text({ computed: true, replace: true }),
    valueSpecs: map({ replace: true }),
    availabilityZoneHints: list({ computed: true, replace: true }),
    vendorOptions: object({ setRouterGatewayAfterCreate: flag({ default: false }) }),
    ...tagged,
  },

  async create(context, wanted) {
    const later = jsonOf(wanted["vendorOptions"])["setRouterGatewayAfterCreate"] === true;
    const gateway = gatewayOf(wanted);
    const body = {
      name: wanted["name"],
      description: some(wanted["description"]),
      admin_state_up: wanted["adminStateUp"],
      distributed: wanted["distributed"],
      tenant_id: some(wanted["tenantId"]),
      availability_zone_hints: wanted["availabilityZoneHints"],
    };
    const id = await withFirstFreeSubnet(wanted, gateway, async (chosen) => {
      const info = later ? undefined : chosen;
      const made = await createObject(context, ROUTERS, { ...body, external_gateway_info: info }, wanted, [
        "ACTIVE",
      ]);
      return textOf(made["id"]);
    });
    if (later && gateway) await updateObject(context, ROUTERS, id, { external_gateway_info: gateway });
    return id;
  },

  async read(context, id, state) {
    const found = await getObject(context, ROUTERS, id);
    if (!found) return null;
    const gateway = jsonOf(found["external_gateway_info"]);
    return {
      name: textOf(found["name"]),
      description: textOf(found["description"]),
      adminStateUp: found["admin_state_up"] === true,
      distributed: found["distributed"] === true,
      tenantId: textOf(found["tenant_id"] ?? found["project_id"]),
      availabilityZoneHints: textsOf(found["availability_zone_hints"]),
      externalNetworkId: textOf(gateway["network_id"]),
      enableSnat: gateway["enable_snat"] === true,
      externalFixedIps: mapsOf(gateway["external_fixed_ips"]).map((address) => ({
        subnetId: textOf(address["subnet_id"]),
        ipAddress: textOf(address["ip_address"]),
      })),
      ...tagsOf(found, state),
    };
  },

  settle: (context, id) => awaitStatus(context, ROUTERS, id, ["ACTIVE"]),

  async update(context, id, { changed, wanted, state }) {
    await context.cloud.alone(`router/${id}`, async () => {
      const on = (property: string, value: unknown): unknown => (changed.has(property) ? value : undefined);
      await updateObject(context, ROUTERS, id, {
        name: on("name", wanted["name"] ?? ""),
        description: on("description", wanted["description"] ?? ""),
        admin_state_up: on("adminStateUp", wanted["adminStateUp"]),
        external_gateway_info: GATEWAY.some((property) => changed.has(property))
          ? gatewayChange(changed, wanted, state)
          : undefined,
      });
    });
    if (changed.has("tags")) await setTags(context, ROUTERS.path, id, textsOf(wanted["tags"]));
  },

  remove: (context: Context, id) => removeObject(context, ROUTERS, id),
};

function gatewayOf(wanted: Properties): Record<string, unknown> | undefined {
  const networkId = some(wanted["externalNetworkId"]);
  if (!networkId) return undefined;
  const fixed = mapsOf(wanted["externalFixedIps"]);
  return dropUndefined({
    network_id: networkId,
    // Neutron lets only administrators name it by default, so it is sent only when asked for.
    enable_snat: wanted["enableSnat"],
    external_fixed_ips: fixed.length > 0 ? fixed.map(addressOf) : undefined,
  });
}

function gatewayChange(changed: ReadonlySet<string>, wanted: Properties, state: Properties): unknown {
  const networkId = some(wanted["externalNetworkId"]) ?? some(state["externalNetworkId"]);
  if (!networkId) return {};
  return dropUndefined({
    network_id: networkId,
    enable_snat: changed.has("enableSnat") ? wanted["enableSnat"] : undefined,
    external_fixed_ips: changed.has("externalFixedIps")
      ? mapsOf(wanted["externalFixedIps"]).map(addressOf)
      : undefined,
  });
}

function addressOf(address: Properties): Record<string, unknown> {
  return dropUndefined({ subnet_id: some(address["subnetId"]), ip_address: some(address["ipAddress"]) });
}

/** Tries each of externalSubnetIds in turn while Neutron answers 409 (no free address), as upstream does. */
async function withFirstFreeSubnet(
  wanted: Properties,
  gateway: Record<string, unknown> | undefined,
  attempt: (gateway: Record<string, unknown> | undefined) => Promise<string>,
): Promise<string> {
  const subnets = textsOf(wanted["externalSubnetIds"]);
  if (subnets.length === 0 || !gateway) return attempt(gateway);
  for (const [index, subnetId] of subnets.entries()) {
    try {
      return await attempt({ ...gateway, external_fixed_ips: [{ subnet_id: subnetId }] });
    } catch (error) {
      if (!isStatus(error, 409) || index === subnets.length - 1) throw error;
    }
  }
  return attempt(gateway);
}
