/**
 * The data sources of Nova and Glance.
 * Upstream analogue: data_source_openstack_compute_*.go and data_source_openstack_images_image_v2.go.
 */
import type { Properties, Value } from "../../provider.ts";
import type { Json } from "../../../openstack/cloud.ts";
import { theOnly } from "./lookup.ts";
import { propertiesOf } from "./resources/image.ts";
import { listFlavors } from "./resources/instanceCreate.ts";
import { jsonOf, jsonsOf, some, stringsOf, textOf, textsOf, within, type Context } from "./resources/kind.ts";

export async function getFlavor(context: Context, args: Properties): Promise<Properties> {
  const least = (value: unknown, bound: Value | undefined): boolean =>
    !bound || Number(value) >= Number(bound);
  const exact = (value: unknown, wanted: Value | undefined): boolean =>
    !wanted || Number(value) === Number(wanted);
  const found = (await listFlavors(context)).filter(
    (flavor) =>
      (!some(args["flavorId"]) || flavor["id"] === args["flavorId"]) &&
      (!some(args["name"]) || flavor["name"] === args["name"]) &&
      least(flavor["ram"], args["minRam"]) &&
      least(flavor["disk"], args["minDisk"]) &&
      exact(flavor["ram"], args["ram"]) &&
      exact(flavor["vcpus"], args["vcpus"]) &&
      exact(flavor["disk"], args["disk"]) &&
      exact(flavor["swap"] || 0, args["swap"]) &&
      exact(flavor["rxtx_factor"], args["rxTxFactor"]),
  );
  const flavor = theOnly(found, "flavor", args);
  const id = textOf(flavor["id"]);
  const extra = await context.cloud.find("compute", `/flavors/${id}/os-extra_specs`, within(context));
  return {
    id,
    flavorId: id,
    name: textOf(flavor["name"]),
    ram: Number(flavor["ram"]),
    vcpus: Number(flavor["vcpus"]),
    disk: Number(flavor["disk"]),
    swap: Number(flavor["swap"] || 0),
    rxTxFactor: Number(flavor["rxtx_factor"] ?? 1),
    isPublic: flavor["os-flavor-access:is_public"] !== false,
    extraSpecs: stringsOf(extra?.["extra_specs"]),
  };
}

export async function getImage(context: Context, args: Properties): Promise<Properties> {
  const images: Json[] = [];
  const query: Record<string, string | undefined> = {
    name: some(args["name"]),
    owner: some(args["owner"]),
    visibility: some(args["visibility"]),
    member_status: some(args["memberStatus"]),
    tag: some(args["tag"]),
    os_hidden: args["hidden"] === true ? "true" : undefined,
    size_min: args["sizeMin"] ? textOf(args["sizeMin"]) : undefined,
    size_max: args["sizeMax"] ? textOf(args["sizeMax"]) : undefined,
    status: "active",
    limit: "200",
  };
  for (let marker: string | undefined; ;) {
    const listed = await context.cloud.get(
      "image",
      "/images",
      within(context, { query: { ...query, marker } }),
    );
    images.push(...jsonsOf(listed["images"]));
    if (!listed["next"]) break;
    marker = textOf(images.at(-1)?.["id"]);
  }
  const pattern = some(args["nameRegex"]);
  const matches = pattern ? new RegExp(pattern) : undefined;
  const wanted = Object.entries(stringsOf(args["properties"]));
  const found = images.filter(
    (image) =>
      (!matches || matches.test(textOf(image["name"]))) &&
      wanted.every(([key, value]) => textOf(image[key]) === value) &&
      textsOf(args["tags"]).every((tag) => textsOf(image["tags"]).includes(tag)),
  );
  if (args["mostRecent"] === true) {
    found.sort((a, b) => textOf(b["created_at"]).localeCompare(textOf(a["created_at"])));
    found.splice(1);
  }
  const image = theOnly(found, "image", args);
  return {
    id: textOf(image["id"]),
    name: textOf(image["name"]),
    checksum: textOf(image["checksum"]),
    containerFormat: textOf(image["container_format"]),
    diskFormat: textOf(image["disk_format"]),
    createdAt: textOf(image["created_at"]),
    updatedAt: textOf(image["updated_at"]),
    file: textOf(image["file"]),
    schema: textOf(image["schema"]),
    owner: textOf(image["owner"]),
    visibility: textOf(image["visibility"]),
    protected: image["protected"] === true,
    hidden: image["os_hidden"] === true,
    metadata: {},
    minDiskGb: Number(image["min_disk"] ?? 0),
    minRamMb: Number(image["min_ram"] ?? 0),
    sizeBytes: Number(image["size"] ?? 0),
    properties: propertiesOf(image),
    tags: textsOf(image["tags"]).sort(),
  };
}

export async function getKeypair(context: Context, args: Properties): Promise<Properties> {
  const name = textOf(args["name"]);
  const found = await context.cloud.find(
    "compute",
    `/os-keypairs/${encodeURIComponent(name)}`,
    within(context),
  );
  if (!found) throw new Error(`no keypair is called ${name}`);
  const pair = jsonOf(found["keypair"]);
  return {
    id: name,
    name,
    publicKey: textOf(pair["public_key"]),
    fingerprint: textOf(pair["fingerprint"]),
    userId: textOf(pair["user_id"]),
  };
}

export async function getZones(context: Context, args: Properties): Promise<Properties> {
  const state = some(args["state"]) ?? "available";
  const listed = await context.cloud.get("compute", "/os-availability-zone", within(context));
  const names = jsonsOf(listed["availabilityZoneInfo"])
    .filter((zone) => (jsonOf(zone["zoneState"])["available"] === true) === (state === "available"))
    .map((zone) => textOf(zone["zoneName"]))
    .sort();
  return { id: names.join(","), names, state };
}
