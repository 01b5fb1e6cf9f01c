/**
 * Making a Nova server.
 */
import type { Properties } from "../../../provider.ts";
import type { Json } from "../../../../openstack/cloud.ts";
import {
  jsonOf,
  jsonsOf,
  madeSince,
  mapsOf,
  post,
  some,
  stringsOf,
  textOf,
  textsOf,
  within,
  type Context,
} from "./kind.ts";
import { dropUndefined } from "./neutron.ts";
import { act, awaitServer } from "./instanceServer.ts";

/** Lowest API versions of what a create may ask for (compute_instance_v2.go). */
const VERSIONS = { networkMode: 37, tags: 52, multiattach: 60, volumeType: 67 };

export async function createServer(context: Context, wanted: Properties): Promise<string> {
  const [imageRef, flavorRef, networks] = await Promise.all([
    imageIdOf(context, wanted),
    flavorIdOf(context, wanted),
    networksFor(context, wanted),
  ]);
  const devices = mapsOf(wanted["blockDevices"]);
  const server = dropUndefined({
    name: wanted["name"],
    imageRef,
    flavorRef,
    networks,
    security_groups: groupsOf(wanted),
    availability_zone: some(wanted["availabilityZone"]) ?? some(wanted["availabilityZoneHints"]),
    metadata: wanted["metadata"],
    config_drive: wanted["configDrive"],
    adminPass: some(wanted["adminPass"]),
    key_name: some(wanted["keyPair"]),
    user_data: userDataOf(wanted),
    personality: personalityOf(wanted),
    tags: textsOf(wanted["tags"]).length > 0 ? wanted["tags"] : undefined,
    block_device_mapping_v2: devices.length > 0 ? devices.map(deviceOf) : undefined,
  });
  const hints = hintsOf(wanted);
  const microversion = versionFor(wanted, devices);
  const answer = await post(
    context,
    "compute",
    "/servers",
    {
      body: { server, ...(hints ? { "os:scheduler_hints": hints } : {}) },
      ...(microversion ? { microversion } : {}),
    },
    async (since) => {
      const query = { name: `^${escapeRegex(textOf(wanted["name"]))}$` };
      const listed = await context.cloud.get("compute", "/servers/detail", within(context, { query }));
      const found = madeSince(jsonsOf(listed["servers"]), since);
      return found && { server: found };
    },
  );
  const id = textOf(jsonOf(answer["server"])["id"]);
  context.made(id);
  await awaitServer(context, id, ["ACTIVE"]);
  if (wanted["powerState"] === "shutoff") {
    await act(context, id, { "os-stop": null });
    await awaitServer(context, id, ["SHUTOFF"]);
  }
  return id;
}

function versionFor(wanted: Properties, devices: Properties[]): string | undefined {
  const minors = [
    some(wanted["networkMode"]) ? VERSIONS.networkMode : 0,
    textsOf(wanted["tags"]).length > 0 ? VERSIONS.tags : 0,
    devices.some((device) => device["multiattach"] === true) ? VERSIONS.multiattach : 0,
    devices.some((device) => some(device["volumeType"])) ? VERSIONS.volumeType : 0,
  ];
  const highest = Math.max(...minors);
  return highest > 0 ? `2.${highest}` : undefined;
}

/** The image to boot: none when a block device is what boots. */
export async function imageIdOf(context: Context, wanted: Properties): Promise<string | undefined> {
  const devices = mapsOf(wanted["blockDevices"]);
  const local = devices.some(
    (device) => device["sourceType"] === "image" && device["destinationType"] === "local",
  );
  if (devices.length > 0 && !local) return undefined;
  const id = some(wanted["imageId"]);
  if (id) return id;
  const name = some(wanted["imageName"]);
  if (!name) return undefined;
  const listed = await context.cloud.get("image", "/images", within(context, { query: { name } }));
  const found = jsonsOf(listed["images"]);
  if (found.length === 1) return textOf(found[0]?.["id"]);
  throw new Error(
    found.length === 0
      ? `no image is called ${name}`
      : `${found.length} images are called ${name}: name one by its id`,
  );
}

export async function flavorIdOf(context: Context, wanted: Properties): Promise<string> {
  const id = some(wanted["flavorId"]);
  if (id) return id;
  const name = textOf(wanted["flavorName"]);
  const flavors = await listFlavors(context);
  const found = flavors.filter((flavor) => flavor["name"] === name);
  if (found.length === 1) return textOf(found[0]?.["id"]);
  if (found.length > 1) throw new Error(`${found.length} flavors are called ${name}: name one by its id`);
  const names = flavors.map((flavor) => textOf(flavor["name"])).sort();
  throw new Error(`no flavor is called ${name}; the project may use ${names.join(", ") || "none"}`);
}

/** All flavors the project may use; Nova hands them out a page at a time. */
export async function listFlavors(context: Context): Promise<Json[]> {
  const flavors: Json[] = [];
  for (let marker: string | undefined; ;) {
    const query = { is_public: "None", marker };
    const listed = await context.cloud.get("compute", "/flavors/detail", within(context, { query }));
    const page = jsonsOf(listed["flavors"]);
    flavors.push(...page);
    if (page.length === 0 || !Array.isArray(listed["flavors_links"])) return flavors;
    marker = textOf(page.at(-1)?.["id"]);
  }
}

async function networksFor(context: Context, wanted: Properties): Promise<unknown> {
  const mode = some(wanted["networkMode"]);
  if (mode) return mode;
  const networks = mapsOf(wanted["networks"]);
  if (networks.length === 0) return undefined;
  return Promise.all(
    networks.map(async (network) => {
      if (some(network["port"])) return { port: network["port"] };
      const uuid = some(network["uuid"]) ?? (await networkIdByName(context, textOf(network["name"])));
      const fixed = some(network["fixedIpV4"]) ?? some(network["fixedIpV6"]);
      return dropUndefined({ uuid, fixed_ip: fixed });
    }),
  );
}

async function networkIdByName(context: Context, name: string): Promise<string> {
  if (!name) throw new Error("each of networks needs one of port, uuid and name");
  const listed = await context.cloud.get("network", "/networks", within(context, { query: { name } }));
  const found = jsonsOf(listed["networks"]);
  if (found.length !== 1) throw new Error(`${found.length || "no"} networks are called ${name}`);
  return textOf(found[0]?.["id"]);
}

function groupsOf(wanted: Properties): Json[] | undefined {
  const groups = textsOf(wanted["securityGroups"]);
  return groups.length > 0 ? groups.map((name) => ({ name })) : undefined;
}

function deviceOf(device: Properties): Json {
  return dropUndefined({
    source_type: device["sourceType"],
    uuid: some(device["uuid"]),
    volume_size: device["volumeSize"] || undefined,
    destination_type: some(device["destinationType"]),
    // Upstream's zero value: a device without an index is one that boots.
    boot_index: device["bootIndex"] ?? 0,
    delete_on_termination: device["deleteOnTermination"] === true,
    guest_format: some(device["guestFormat"]),
    volume_type: some(device["volumeType"]),
    device_type: some(device["deviceType"]),
    disk_bus: some(device["diskBus"]),
  });
}

function hintsOf(wanted: Properties): Json | undefined {
  const hints = mapsOf(wanted["schedulerHints"])[0];
  if (!hints) return undefined;
  const queries = textsOf(hints["queries"]);
  return dropUndefined({
    group: some(hints["group"]),
    different_host: hints["differentHosts"],
    same_host: hints["sameHosts"],
    query: queries.length > 0 ? JSON.stringify(queries) : undefined,
    target_cell: some(hints["targetCell"]),
    different_cell: hints["differentCells"],
    build_near_host_ip: some(hints["buildNearHostIp"]),
    ...stringsOf(hints["additionalProperties"]),
  });
}

export function personalityOf(wanted: Properties): Json[] | undefined {
  const files = mapsOf(wanted["personalities"]);
  if (files.length === 0) return undefined;
  return files.map((file) => ({
    path: file["file"],
    contents: Buffer.from(textOf(file["content"])).toString("base64"),
  }));
}

/** Base64, unless the program already gives base64 (gophercloud's rule). */
function userDataOf(wanted: Properties): string | undefined {
  const content = some(wanted["userData"]);
  if (!content) return undefined;
  const bare = content.replace(/[\r\n]/g, "");
  const encoded = bare.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(bare);
  return encoded ? content : Buffer.from(content).toString("base64");
}

function escapeRegex(value: string): string {
  return value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
