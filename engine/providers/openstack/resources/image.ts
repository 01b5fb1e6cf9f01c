/** openstack:images/image:Image (resource_openstack_images_image_v2.go). */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Properties } from "../../../provider.ts";
import type { Json } from "../../../../openstack/cloud.ts";
import { flag, integer, map, region, set, text } from "../schema.ts";
import { FailedObjectError, poll } from "../wait.ts";
import { imageFile, md5Of } from "./imageFile.ts";
import {
  jsonsOf,
  madeSince,
  post,
  some,
  stringsOf,
  textOf,
  textsOf,
  within,
  type Context,
  type Kind,
  type UpdateInput,
} from "./kind.ts";
import { deleteWhenFree, dropUndefined } from "./neutron.ts";

const PATCH = "application/openstack-images-v2.1-json-patch";
const CONTAINER_FORMATS = ["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"];
const DISK_FORMATS = [
  "raw", "qcow2", "ami", "ari", "aki", "vhd", "vhdx", "vmdk", "vdi", "iso", "ploop",
]; // prettier-ignore

/** Glance's own fields; everything else on an image is a property of its owner's. */
const OWN_FIELDS = new Set(
  (
    "id name status visibility tags protected created_at updated_at container_format disk_format min_disk min_ram " +
    "owner file schema self size virtual_size checksum os_hidden os_hash_algo os_hash_value direct_url stores locations " +
    "deleted deleted_at location"
  ).split(" "),
);
const PATCHED = {
  name: "name",
  visibility: "visibility",
  protected: "protected",
  hidden: "os_hidden",
  minDiskGb: "min_disk",
  minRamMb: "min_ram",
  tags: "tags",
} as const;

export const image: Kind = {
  token: "openstack:images/image:Image",
  title: "image",
  timeout: 1800,
  schema: {
    region,
    containerFormat: text({ required: true, replace: true, legal: CONTAINER_FORMATS }),
    diskFormat: text({ required: true, replace: true, legal: DISK_FORMATS }),
    imageId: text({ computed: true, replace: true }),
    // Only says where a download is kept meanwhile; upstream's default holds a home directory, which has no place in a state.
    imageCachePath: text({ same: () => true }),
    imageSourceUrl: text({ replace: true, conflicts: ["localFilePath"] }),
    imageSourceUsername: text({ conflicts: ["localFilePath"] }),
    imageSourcePassword: text({ secret: true, conflicts: ["localFilePath"] }),
    localFilePath: text({ replace: true, conflicts: ["imageSourceUrl", "webDownload"] }),
    minDiskGb: integer({ default: 0 }),
    minRamMb: integer({ default: 0 }),
    name: text({ autoname: true }),
    protected: flag({ default: false }),
    hidden: flag({ default: false }),
    tags: set(),
    verifyChecksum: flag({ conflicts: ["webDownload"] }),
    visibility: text({ default: "private", legal: ["public", "private", "shared", "community"] }),
    properties: map({ computed: true }),
    webDownload: flag({ replace: true, conflicts: ["localFilePath", "verifyChecksum", "decompress"] }),
    decompress: flag({ replace: true, conflicts: ["webDownload"] }),
    checksum: text({ output: true }),
    createdAt: text({ output: true }),
    file: text({ output: true }),
    metadata: map({ output: true }),
    owner: text({ output: true }),
    schema: text({ output: true }),
    sizeBytes: integer({ output: true }),
    status: text({ output: true }),
    updateAt: text({ output: true }),
    updatedAt: text({ output: true }),
  },

  problems: (inputs) =>
    inputs["localFilePath"] || inputs["imageSourceUrl"]
      ? []
      : [{ property: "imageSourceUrl", reason: "one of imageSourceUrl and localFilePath is required" }],

  async create(context, wanted) {
    const body = dropUndefined({
      ...stringsOf(wanted["properties"]),
      id: some(wanted["imageId"]),
      name: wanted["name"],
      container_format: wanted["containerFormat"],
      disk_format: wanted["diskFormat"],
      min_disk: wanted["minDiskGb"],
      min_ram: wanted["minRamMb"],
      protected: wanted["protected"],
      os_hidden: wanted["hidden"] === true ? true : undefined,
      visibility: wanted["visibility"],
      tags: textsOf(wanted["tags"]).length > 0 ? wanted["tags"] : undefined,
    });
    const made = await post(context, "image", "/images", { body }, async (since) => {
      const query = { name: textOf(wanted["name"]), visibility: "all" };
      const listed = await context.cloud.get("image", "/images", within(context, { query }));
      return madeSince(jsonsOf(listed["images"]), since);
    });
    const id = textOf(made["id"]);
    context.made(id);
    try {
      if (wanted["webDownload"] === true) await importFromWeb(context, id, wanted);
      else await upload(context, id, wanted);
    } catch (error) {
      // An image without its data is of no use, so nothing of it is kept.
      throw new FailedObjectError((error as Error).message, { cause: error });
    }
    return id;
  },

  async read(context, id) {
    const found = await context.cloud.find("image", `/images/${id}`, within(context));
    if (!found || found["status"] === "deleted") return null;
    return {
      containerFormat: textOf(found["container_format"]),
      diskFormat: textOf(found["disk_format"]),
      imageId: textOf(found["id"]),
      minDiskGb: Number(found["min_disk"] ?? 0),
      minRamMb: Number(found["min_ram"] ?? 0),
      name: textOf(found["name"]),
      protected: found["protected"] === true,
      hidden: found["os_hidden"] === true,
      tags: textsOf(found["tags"]).sort(),
      visibility: textOf(found["visibility"]),
      properties: propertiesOf(found),
      checksum: textOf(found["checksum"]),
      createdAt: textOf(found["created_at"]),
      file: textOf(found["file"]),
      metadata: {},
      owner: textOf(found["owner"]),
      schema: textOf(found["schema"]),
      sizeBytes: Number(found["size"] ?? 0),
      status: textOf(found["status"]),
      updateAt: textOf(found["updated_at"]),
      updatedAt: textOf(found["updated_at"]),
    };
  },

  settle: async (context, id) => {
    await awaitActive(context, id);
  },

  async update(context, id, change) {
    const body = patchOf(change);
    if (body.length === 0) return;
    await context.cloud.request(
      "image",
      "PATCH",
      `/images/${id}`,
      within(context, { body, contentType: PATCH }),
    );
  },

  async remove(context, id) {
    await deleteWhenFree(context, `image ${id}`, async () => {
      await context.cloud.request("image", "DELETE", `/images/${id}`, within(context));
    });
    await poll(`image ${id} to be gone`, context.deadline, context.signal, async () => {
      const found = await context.cloud.find("image", `/images/${id}`, within(context));
      return found && found["status"] !== "deleted" ? undefined : true;
    });
  },
};

function patchOf({ changed, wanted, state }: UpdateInput): Json[] {
  const operations: Json[] = [];
  for (const [property, field] of Object.entries(PATCHED)) {
    if (!changed.has(property)) continue;
    operations.push({
      op: "replace",
      path: `/${field}`,
      value: wanted[property] ?? (field === "tags" ? [] : ""),
    });
  }
  if (changed.has("properties")) {
    const before = stringsOf(state["properties"]);
    const after = stringsOf(wanted["properties"]);
    const path = (key: string): string => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    for (const [key, value] of Object.entries(after)) {
      if (!Object.hasOwn(before, key)) operations.push({ op: "add", path: path(key), value });
      else if (before[key] !== value) operations.push({ op: "replace", path: path(key), value });
    }
    for (const key of Object.keys(before)) {
      if (!Object.hasOwn(after, key)) operations.push({ op: "remove", path: path(key) });
    }
  }
  return operations;
}

/** The owner's properties: strings that are not Glance's own (upstream's rule for read-only keys). */
export function propertiesOf(found: Json): Properties {
  return Object.fromEntries(
    Object.entries(found).filter(
      (entry): entry is [string, string] =>
        typeof entry[1] === "string" && !OWN_FIELDS.has(entry[0]) && !entry[0].startsWith("os_glance"),
    ),
  );
}

async function upload(context: Context, id: string, wanted: Properties): Promise<void> {
  const file = await imageFile(wanted, context.signal, context.log);
  const { size } = await stat(file);
  const expected = wanted["verifyChecksum"] === false ? undefined : await md5Of(file);
  context.log(`uploading ${Math.ceil(size / 1048576)} MiB`);
  const stream = { content: createReadStream(file), type: "application/octet-stream", length: size };
  await context.cloud.request("image", "PUT", `/images/${id}/file`, within(context, { stream }));
  const checksum = await awaitActive(context, id);
  if (expected !== undefined && checksum !== expected) {
    throw new Error(`Glance stored the checksum ${checksum || "none"}, the file has ${expected}`);
  }
}

async function importFromWeb(context: Context, id: string, wanted: Properties): Promise<void> {
  const body = { method: { name: "web-download", uri: wanted["imageSourceUrl"] } };
  await context.cloud.request("image", "POST", `/images/${id}/import`, within(context, { body }));
  await awaitActive(context, id);
}

async function awaitActive(context: Context, id: string): Promise<string> {
  let status = "";
  return poll(
    `image ${id} to become active`,
    context.deadline,
    context.signal,
    async () => {
      const found = await context.cloud.find("image", `/images/${id}`, within(context));
      status = textOf(found?.["status"]);
      const failed = textOf(found?.["os_glance_failed_import"]);
      if (!found || ["killed", "deleted", "pending_delete"].includes(status) || failed) {
        throw new FailedObjectError(
          `image ${id} failed with status ${status || "deleted"}${failed ? `: the import into ${failed} failed` : ""}`,
        );
      }
      return status === "active" ? textOf(found["checksum"]) : undefined;
    },
    () => `status ${status}`,
  );
}
