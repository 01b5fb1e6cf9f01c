/** openstack:networking/floatingIpAssociate:FloatingIpAssociate (resource_openstack_networking_floatingip_associate_v2.go). */
import { isStatus } from "../../../../openstack/errors.ts";
import { region, text } from "../schema.ts";
import { some, textOf, type Context, type Kind } from "./kind.ts";
import { floatingIpIdOf } from "./floatingIp.ts";
import { getObject, updateObject, type Collection } from "./neutron.ts";

const ADDRESSES: Collection = { path: "floatingips", one: "floatingip" };

export const floatingIpAssociate: Kind = {
  token: "openstack:networking/floatingIpAssociate:FloatingIpAssociate",
  title: "floating IP association",
  schema: {
    region,
    floatingIp: text({ required: true, replace: true }),
    portId: text({ required: true }),
    fixedIp: text({ computed: true }),
  },

  async create(context, wanted) {
    const id = await floatingIpIdOf(context, textOf(wanted["floatingIp"]));
    await updateObject(context, ADDRESSES, id, {
      port_id: wanted["portId"],
      fixed_ip_address: some(wanted["fixedIp"]),
    });
    context.made(id);
    return id;
  },

  async read(context, id) {
    const found = await getObject(context, ADDRESSES, id);
    // An address that points nowhere is no association.
    if (!found || !found["port_id"]) return null;
    return {
      floatingIp: textOf(found["floating_ip_address"]),
      portId: textOf(found["port_id"]),
      fixedIp: textOf(found["fixed_ip_address"]),
    };
  },

  async update(context: Context, id, { wanted }) {
    await updateObject(context, ADDRESSES, id, {
      port_id: wanted["portId"],
      fixed_ip_address: some(wanted["fixedIp"]),
    });
  },

  async remove(context, id, state) {
    const found = await getObject(context, ADDRESSES, id);
    // Another association may hold the address by now.
    if (!found || textOf(found["port_id"]) !== textOf(state["portId"])) return;
    try {
      await updateObject(context, ADDRESSES, id, { port_id: null });
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
  },
};
