/** openstack:networking/floatingIp:FloatingIp (resource_openstack_networking_floatingip_v2.go). */
import type { Properties } from "../../../provider.ts";
import type { Json } from "../../../../openstack/cloud.ts";
import { isStatus } from "../../../../openstack/errors.ts";
import { list, map, region, tagged, text } from "../schema.ts";
import { jsonsOf, some, textOf, textsOf, within, type Context, type Kind } from "./kind.ts";
import {
  awaitStatus,
  createObject,
  getObject,
  removeObject,
  setTags,
  tagsOf,
  updateObject,
  type Collection,
} from "./neutron.ts";
import { dnsDomainProblem } from "./network.ts";

const ADDRESSES: Collection = { path: "floatingips", one: "floatingip" };
const READY = ["ACTIVE", "DOWN"];

export const floatingIp: Kind = {
  token: "openstack:networking/floatingIp:FloatingIp",
  title: "floating IP",
  schema: {
    region,
    description: text(),
    address: text({ computed: true, replace: true }),
    pool: text({ required: true, replace: true }),
    portId: text({ computed: true }),
    tenantId: text({ computed: true, replace: true }),
    fixedIp: text({ computed: true }),
    subnetId: text({ computed: true }),
    subnetIds: list({ conflicts: ["subnetId"] }),
    valueSpecs: map({ replace: true }),
    dnsName: text({ computed: true, replace: true }),
    dnsDomain: text({ computed: true, replace: true, problem: dnsDomainProblem }),
    ...tagged,
  },

  async create(context, wanted) {
    const pool = textOf(wanted["pool"]);
    const networkId = await networkIdOf(context, pool);
    const subnets = some(wanted["subnetId"]) ? [textOf(wanted["subnetId"])] : textsOf(wanted["subnetIds"]);
    for (const [index, subnetId] of (subnets.length > 0 ? subnets : [undefined]).entries()) {
      try {
        const made = await createObject(
          context,
          ADDRESSES,
          {
            floating_network_id: networkId,
            description: some(wanted["description"]),
            floating_ip_address: some(wanted["address"]),
            port_id: some(wanted["portId"]),
            tenant_id: some(wanted["tenantId"]),
            fixed_ip_address: some(wanted["fixedIp"]),
            subnet_id: subnetId,
            dns_name: some(wanted["dnsName"]),
            dns_domain: some(wanted["dnsDomain"]),
          },
          wanted,
          READY,
        );
        return textOf(made["id"]);
      } catch (error) {
        // 409: this subnet has no free address; the next one may.
        if (!isStatus(error, 409) || index >= subnets.length - 1) throw error;
      }
    }
    throw new Error("no subnet left to take a floating IP from");
  },

  async read(context, id, state) {
    const found = await getObject(context, ADDRESSES, id);
    if (!found) return null;
    const networkId = textOf(found["floating_network_id"]);
    const name = await context.cloud.remember(`network/${networkId}`, async () => {
      const network = await getObject(context, { path: "networks", one: "network" }, networkId);
      return network ? textOf(network["name"]) : undefined;
    });
    return {
      description: textOf(found["description"]),
      address: textOf(found["floating_ip_address"]),
      portId: textOf(found["port_id"]),
      fixedIp: textOf(found["fixed_ip_address"]),
      tenantId: textOf(found["tenant_id"] ?? found["project_id"]),
      dnsName: textOf(found["dns_name"]),
      dnsDomain: textOf(found["dns_domain"]),
      // A pool given by its id stays an id: upstream keeps the name and then wants to replace the address.
      pool: state["pool"] === networkId ? networkId : (name ?? networkId),
      ...tagsOf(found, state),
    };
  },

  settle: (context, id) => awaitStatus(context, ADDRESSES, id, READY),

  async update(context, id, { changed, wanted }) {
    const body: Json = {};
    if (changed.has("description")) body["description"] = wanted["description"] ?? "";
    if (changed.has("portId") || changed.has("fixedIp")) {
      body["port_id"] = some(wanted["portId"]) ?? null;
      if (some(wanted["portId"]) && some(wanted["fixedIp"])) body["fixed_ip_address"] = wanted["fixedIp"];
    }
    await updateObject(context, ADDRESSES, id, body);
    if (changed.has("tags")) await setTags(context, ADDRESSES.path, id, textsOf(wanted["tags"]));
  },

  remove: (context, id) => removeObject(context, ADDRESSES, id),
};

/** A pool is an external network's name or id. */
export async function networkIdOf(context: Context, pool: string): Promise<string> {
  for (const query of [{ name: pool }, { id: pool }]) {
    const listed = await context.cloud.get("network", "/networks", within(context, { query }));
    const found = jsonsOf(listed["networks"]);
    if (found.length > 1) throw new Error(`several networks are called ${pool}: name one by its id`);
    if (found[0]) return textOf(found[0]["id"]);
  }
  throw new Error(`no network is called ${pool} or has that id`);
}

/** The id of the floating IP with an address. */
export async function floatingIpIdOf(context: Context, address: string): Promise<string> {
  const query: Record<string, string> = { floating_ip_address: address };
  const listed = await context.cloud.get("network", "/floatingips", within(context, { query }));
  const found: Properties[] = jsonsOf(listed["floatingips"]) as Properties[];
  if (found.length !== 1) throw new Error(`the project has no floating IP ${address}`);
  return textOf(found[0]?.["id"]);
}
