/** openstack:networking/routerInterface:RouterInterface (resource_openstack_networking_router_interface_v2.go). */
import { BlockList, isIP } from "node:net";
import type { Properties } from "../../../provider.ts";
import { ConnectionError, isStatus } from "../../../../openstack/errors.ts";
import { flag, region, text } from "../schema.ts";
import { jsonsOf, mapsOf, some, textOf, within, type Context, type Kind } from "./kind.ts";
import { awaitStatus, deleteWhenFree, getObject, updateObject, type Collection } from "./neutron.ts";
import { poll } from "../wait.ts";

const PORTS: Collection = { path: "ports", one: "port" };
const ROUTERS: Collection = { path: "routers", one: "router" };
const READY = ["ACTIVE", "DOWN"];

export const routerInterface: Kind = {
  token: "openstack:networking/routerInterface:RouterInterface",
  title: "router interface",
  schema: {
    region,
    routerId: text({ required: true, replace: true }),
    subnetId: text({ computed: true, replace: true }),
    portId: text({ computed: true, replace: true }),
    forceDestroy: flag({ default: false }),
  },

  problems: (inputs) =>
    inputs["subnetId"] || inputs["portId"]
      ? []
      : [{ property: "subnetId", reason: "one of subnetId and portId is required" }],

  async create(context, wanted) {
    const routerId = textOf(wanted["routerId"]);
    const body = { subnet_id: some(wanted["subnetId"]), port_id: some(wanted["portId"]) };
    const id = await context.cloud.alone(`router/${routerId}`, async () => {
      try {
        const path = `/routers/${routerId}/add_router_interface`;
        const answer = await context.cloud.request("network", "PUT", path, within(context, { body }));
        return textOf(answer.body["port_id"]);
      } catch (error) {
        // PUT is repeated after a lost answer; the second one is then refused because the first was carried out.
        const done =
          isStatus(error, 400, 409) || error instanceof ConnectionError
            ? await existing(context, routerId, wanted)
            : undefined;
        if (!done) throw error;
        return done;
      }
    });
    context.made(id);
    await awaitStatus(context, PORTS, id, READY);
    return id;
  },

  async read(context, id) {
    const port = await getObject(context, PORTS, id);
    if (!port) return null;
    const addresses = mapsOf(port["fixed_ips"]);
    return {
      routerId: textOf(port["device_id"]),
      portId: textOf(port["id"]),
      ...(addresses.length === 1 ? { subnetId: textOf(addresses[0]?.["subnet_id"]) } : {}),
    };
  },

  settle: (context, id) => awaitStatus(context, PORTS, id, READY),
  // forceDestroy only says how to delete.
  update: () => Promise.resolve(),

  async remove(context, id, state) {
    const routerId = textOf(state["routerId"]);
    const body = { port_id: id };
    await deleteWhenFree(context, `router interface ${id}`, () =>
      context.cloud.alone(`router/${routerId}`, async () => {
        const path = `/routers/${routerId}/remove_router_interface`;
        try {
          await context.cloud.request("network", "PUT", path, within(context, { body }));
        } catch (error) {
          if (isStatus(error, 409) && state["forceDestroy"] === true) {
            await dropRoutes(context, routerId, textOf(state["subnetId"]));
          }
          throw error;
        }
      }),
    );
    await poll(`router interface ${id} to be gone`, context.deadline, context.signal, async () =>
      (await getObject(context, PORTS, id)) ? undefined : true,
    );
  },
};

async function existing(context: Context, routerId: string, wanted: Properties): Promise<string | undefined> {
  const listed = await context.cloud.get(
    "network",
    "/ports",
    within(context, { query: { device_id: routerId } }),
  );
  const port = jsonsOf(listed["ports"]).find((candidate) =>
    wanted["portId"]
      ? candidate["id"] === wanted["portId"]
      : mapsOf(candidate["fixed_ips"]).some((address) => address["subnet_id"] === wanted["subnetId"]),
  );
  // An interface that was there before this operation belongs to someone else.
  const age = Date.now() - Date.parse(textOf(port?.["created_at"]));
  return port && age < 120_000 ? textOf(port["id"]) : undefined;
}

/** Drops the router's routes whose next hop is in the subnet: they make Neutron refuse to remove the interface. */
async function dropRoutes(context: Context, routerId: string, subnetId: string): Promise<void> {
  const router = await getObject(context, ROUTERS, routerId);
  const subnet = subnetId ? await getObject(context, { path: "subnets", one: "subnet" }, subnetId) : null;
  const [address = "", prefix = ""] = textOf(subnet?.["cidr"]).split("/");
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  const inside = new BlockList();
  if (subnet) inside.addSubnet(address, Number(prefix), family);
  const routes = mapsOf(router?.["routes"]).filter(
    (route) => subnet !== null && !inside.check(textOf(route["nexthop"]), family),
  );
  await updateObject(context, ROUTERS, routerId, { routes });
}
