/**
 * A Nova server as it is: its state, its properties, waiting for it and deleting it.
 */
import type { Properties } from "../../../provider.ts";
import type { Json } from "../../../../openstack/cloud.ts";
import { isStatus } from "../../../../openstack/errors.ts";
import { FailedObjectError, poll } from "../wait.ts";
import { jsonOf, jsonsOf, mapsOf, textOf, textsOf, within, type Context } from "./kind.ts";
import { deleteWhenFree } from "./neutron.ts";

/** Server tags are told from this version on (computeV2TagsExtensionMicroversion). */
export const TAGS_VERSION = "2.26";
/** What upstream records as the image of a server that boots from a volume. */
const NO_IMAGE = "Attempt to boot from volume - no image supplied";

export async function getServer(context: Context, id: string): Promise<Json | null> {
  const found = await context.cloud.find("compute", `/servers/${id}`, within(context));
  return found && jsonOf(found["server"]);
}

export async function act(context: Context, id: string, action: Json): Promise<void> {
  await context.cloud.request("compute", "POST", `/servers/${id}/action`, within(context, { body: action }));
}

/** Waits until the server is in one of `states` and no task runs on it. ERROR ends the wait with Nova's fault message. */
export async function awaitServer(context: Context, id: string, states: readonly string[]): Promise<void> {
  let last = "";
  await poll(
    `server ${id} to become ${states.join(" or ")}`,
    context.deadline,
    context.signal,
    async () => {
      const server = await getServer(context, id);
      if (!server) throw new Error(`server ${id} disappeared`);
      const status = textOf(server["status"]);
      const task = textOf(server["OS-EXT-STS:task_state"]);
      last = `status ${status}${task ? `, task ${task}` : ""}`;
      if (status === "ERROR" && !states.includes("ERROR")) {
        throw new FailedObjectError(`server ${id} went into status ERROR: ${faultOf(server)}`);
      }
      return states.includes(status) && !task ? true : undefined;
    },
    () => last,
  );
}

function faultOf(server: Json): string {
  const fault = jsonOf(server["fault"]);
  const message = textOf(fault["message"]);
  return message
    ? `${message}${fault["code"] ? ` (code ${textOf(fault["code"])})` : ""}`
    : "Nova gives no fault message";
}

export async function readServer(
  context: Context,
  id: string,
  state: Properties,
): Promise<Properties | null> {
  const server = await getServer(context, id);
  if (!server || textOf(server["status"]) === "DELETED" || textOf(server["status"]) === "SOFT_DELETED")
    return null;
  const [networks, flavor, image, tags] = await Promise.all([
    networksOf(context, id, server, mapsOf(state["networks"])),
    flavorOf(context, server),
    imageOf(context, server, state),
    tagsOfServer(context, id),
  ]);
  const access = accessOf(networks);
  const groups = new Set(jsonsOf(server["security_groups"]).map((group) => textOf(group["name"])));
  return {
    name: textOf(server["name"]),
    created: textOf(server["created"]),
    updated: textOf(server["updated"]),
    networks,
    accessIpV4: access.v4 || textOf(server["accessIPv4"]),
    accessIpV6: access.v6 || textOf(server["accessIPv6"]),
    allMetadata: jsonOf(server["metadata"]) as Properties,
    securityGroups: [...groups].sort(),
    keyPair: textOf(server["key_name"]),
    availabilityZone: textOf(server["OS-EXT-AZ:availability_zone"]),
    powerState: textOf(server["status"]).toLowerCase(),
    allTags: tags,
    ...flavor,
    ...image,
  };
}

/** One entry a network asked for, in the program's order, or one an interface when it asked for none. */
async function networksOf(
  context: Context,
  id: string,
  server: Json,
  wanted: Properties[],
): Promise<Properties[]> {
  const listed = await context.cloud.find("compute", `/servers/${id}/os-interface`, within(context));
  const nameByMac = new Map<string, string>();
  for (const [name, addresses] of Object.entries(jsonOf(server["addresses"]))) {
    for (const address of jsonsOf(addresses)) nameByMac.set(textOf(address["OS-EXT-IPS-MAC:mac_addr"]), name);
  }
  const rest = jsonsOf(listed?.["interfaceAttachments"]).map((attachment) => {
    const addresses = jsonsOf(attachment["fixed_ips"]).map((address) => textOf(address["ip_address"]));
    const mac = textOf(attachment["mac_addr"]);
    return {
      uuid: textOf(attachment["net_id"]),
      port: textOf(attachment["port_id"]),
      name: nameByMac.get(mac) ?? "",
      mac,
      fixedIpV4: addresses.find((address) => !address.includes(":")) ?? "",
      fixedIpV6: addresses.find((address) => address.includes(":")) ?? "",
    };
  });
  if (wanted.length === 0) return rest.map((nic) => ({ ...nic, accessNetwork: false }));
  // Those named by port first: a network named by its id takes any interface that is left on it.
  const taken = new Map<Properties, Properties>();
  for (const key of ["port", "uuid", "name"] as const) {
    for (const network of wanted) {
      if (taken.has(network) || !network[key]) continue;
      const index = rest.findIndex((nic) => nic[key] === network[key]);
      const [nic] = index < 0 ? [] : rest.splice(index, 1);
      if (!nic) continue;
      taken.set(network, {
        ...nic,
        // Upstream records a port only when the program names one.
        port: network["port"] ? nic.port : "",
        accessNetwork: network["accessNetwork"] === true,
      });
    }
  }
  return wanted.map((network) => taken.get(network)).filter((network) => network !== undefined);
}

/** The addresses to reach the server by: those of the access network, else the first there are. */
function accessOf(networks: Properties[]): { v4: string; v6: string } {
  const preferred = [...networks].sort(
    (a, b) => Number(b["accessNetwork"] === true) - Number(a["accessNetwork"] === true),
  );
  const first = (key: string): string => textOf(preferred.find((network) => network[key])?.[key]);
  return { v4: first("fixedIpV4"), v6: first("fixedIpV6") };
}

async function flavorOf(context: Context, server: Json): Promise<Properties> {
  const flavorId = textOf(jsonOf(server["flavor"])["id"]);
  const name = await context.cloud.remember(`flavor/${flavorId}`, async () => {
    const found = await context.cloud.find("compute", `/flavors/${flavorId}`, within(context));
    return found ? textOf(jsonOf(found["flavor"])["name"]) : undefined;
  });
  // A flavor that is gone is recorded as empty: the server then needs a new one to change its size.
  return name === undefined ? { flavorId: "", flavorName: "" } : { flavorId, flavorName: name };
}

async function imageOf(context: Context, server: Json, state: Properties): Promise<Properties> {
  const devices = mapsOf(state["blockDevices"]);
  const local = devices.some(
    (device) => device["sourceType"] === "image" && device["destinationType"] === "local",
  );
  if (devices.length > 0 && !local) return { imageId: NO_IMAGE };
  const imageId = textOf(jsonOf(server["image"])["id"]);
  if (!imageId) return {};
  const name = await context.cloud.remember(`image/${imageId}`, async () => {
    const found = await context.cloud.find("image", `/images/${imageId}`, within(context));
    return found ? textOf(found["name"]) : undefined;
  });
  return { imageId, imageName: name ?? "Image not found" };
}

async function tagsOfServer(context: Context, id: string): Promise<string[]> {
  const options = within(context, { microversion: TAGS_VERSION });
  const found = await context.cloud.find("compute", `/servers/${id}/tags`, options);
  return textsOf(found?.["tags"]).sort();
}

export async function removeServer(
  context: Context,
  id: string,
  how: { stopFirst: boolean; force: boolean; detachPorts: boolean },
): Promise<void> {
  if (how.stopFirst) {
    try {
      await act(context, id, { "os-stop": null });
      await awaitServer(context, id, ["SHUTOFF", "ERROR"]);
    } catch (error) {
      // As upstream: a server that will not stop is deleted all the same.
      context.log(`server ${id} could not be stopped first: ${(error as Error).message}`, "warning");
    }
  }
  if (how.detachPorts) await detachPorts(context, id);
  await deleteWhenFree(context, `server ${id}`, async () => {
    if (how.force) await act(context, id, { forceDelete: null });
    else await context.cloud.request("compute", "DELETE", `/servers/${id}`, within(context));
  });
  let last = "";
  await poll(
    `server ${id} to be gone`,
    context.deadline,
    context.signal,
    async () => {
      const server = await getServer(context, id);
      last = server ? `status ${textOf(server["status"])}` : "";
      if (server && textOf(server["status"]) === "ERROR" && !textOf(server["OS-EXT-STS:task_state"])) {
        last += `: ${faultOf(server)}`;
      }
      return !server || ["DELETED", "SOFT_DELETED"].includes(textOf(server["status"])) ? true : undefined;
    },
    () => last,
  );
}

async function detachPorts(context: Context, id: string): Promise<void> {
  const listed = await context.cloud.find("compute", `/servers/${id}/os-interface`, within(context));
  for (const attachment of jsonsOf(listed?.["interfaceAttachments"])) {
    const path = `/servers/${id}/os-interface/${textOf(attachment["port_id"])}`;
    try {
      await context.cloud.request("compute", "DELETE", path, within(context));
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
    await poll(
      `port ${textOf(attachment["port_id"])} to be off server ${id}`,
      context.deadline,
      context.signal,
      async () => ((await context.cloud.find("compute", path, within(context))) ? undefined : true),
    );
  }
}
