/** openstack:blockstorage/volume:Volume (resource_openstack_blockstorage_volume_v3.go). */
import { isStatus } from "../../../../openstack/errors.ts";
import { flag, integer, list, map, region, set, text } from "../schema.ts";
import { FailedObjectError, poll } from "../wait.ts";
import {
  jsonOf,
  jsonsOf,
  madeSince,
  mapsOf,
  post,
  some,
  stringsOf,
  textOf,
  within,
  type Context,
  type Kind,
} from "./kind.ts";
import type { Json } from "../../../../openstack/cloud.ts";
import { deleteWhenFree, dropUndefined } from "./neutron.ts";

/** Growing an attached volume, and a volume from a backup, from these versions on (blockstorage_v3.go). */
const ONLINE_RESIZE_VERSION = "3.42";
const BACKUP_VERSION = "3.47";
/** User messages: why the scheduler or a driver refused. */
const MESSAGES_VERSION = "3.5";
const SOURCES = ["snapshotId", "sourceVolId", "imageId", "backupId"];
const source = (name: string): ReturnType<typeof text> =>
  text({ replace: true, conflicts: SOURCES.filter((other) => other !== name) });

export const volume: Kind = {
  token: "openstack:blockstorage/volume:Volume",
  title: "volume",
  // Gone from upstream's v3.
  unsupported: ["multiattach"],
  schema: {
    region,
    size: integer({ required: true }),
    enableOnlineResize: flag(),
    name: text({ autoname: true }),
    description: text(),
    availabilityZone: text({ computed: true, replace: true }),
    metadata: map({ computed: true }),
    snapshotId: source("snapshotId"),
    sourceVolId: source("sourceVolId"),
    imageId: source("imageId"),
    backupId: source("backupId"),
    volumeType: text({ computed: true }),
    consistencyGroupId: text({ replace: true }),
    sourceReplica: text({ replace: true }),
    attachments: set({ output: true }),
    schedulerHints: set({
      fields: {
        differentHosts: list({ replace: true }),
        sameHosts: list({ replace: true }),
        query: text({ replace: true }),
        localToInstance: text({ replace: true }),
        additionalProperties: map({ replace: true }),
      },
    }),
  },

  async create(context, wanted) {
    const backup = some(wanted["backupId"]);
    const hints = mapsOf(wanted["schedulerHints"])[0];
    const body = dropUndefined({
      size: wanted["size"],
      name: wanted["name"],
      description: some(wanted["description"]),
      availability_zone: some(wanted["availabilityZone"]),
      metadata: wanted["metadata"],
      snapshot_id: some(wanted["snapshotId"]),
      source_volid: some(wanted["sourceVolId"]),
      imageRef: some(wanted["imageId"]),
      backup_id: backup,
      volume_type: some(wanted["volumeType"]),
      consistencygroup_id: some(wanted["consistencyGroupId"]),
      source_replica: some(wanted["sourceReplica"]),
    });
    const asked = hints && {
      "OS-SCH-HNT:scheduler_hints": dropUndefined({
        different_host: hints["differentHosts"],
        same_host: hints["sameHosts"],
        query: some(hints["query"]),
        local_to_instance: some(hints["localToInstance"]),
        ...stringsOf(hints["additionalProperties"]),
      }),
    };
    const options = { body: { volume: body, ...asked }, ...(backup ? { microversion: BACKUP_VERSION } : {}) };
    const answer = await post(context, "volume", "/volumes", options, async (since) => {
      const query = { name: textOf(wanted["name"]) };
      const listed = await context.cloud.get("volume", "/volumes/detail", within(context, { query }));
      const found = madeSince(jsonsOf(listed["volumes"]), since);
      return found && { volume: found };
    });
    const id = textOf(jsonOf(answer["volume"])["id"]);
    context.made(id);
    await awaitVolume(context, id, ["available"]);
    return id;
  },

  async read(context, id) {
    const found = await getVolume(context, id);
    if (!found) return null;
    return {
      size: Number(found["size"]),
      name: textOf(found["name"]),
      description: textOf(found["description"]),
      availabilityZone: textOf(found["availability_zone"]),
      snapshotId: textOf(found["snapshot_id"]),
      sourceVolId: textOf(found["source_volid"]),
      volumeType: textOf(found["volume_type"]),
      metadata: stringsOf(found["metadata"]),
      attachments: jsonsOf(found["attachments"]).map((attachment) => ({
        id: textOf(attachment["attachment_id"] ?? attachment["id"]),
        instanceId: textOf(attachment["server_id"]),
        device: textOf(attachment["device"]),
      })),
    };
  },

  settle: (context, id) => awaitVolume(context, id, ["available", "in-use"]),

  async update(context, id, { changed, wanted }) {
    if (changed.has("size"))
      await extend(context, id, Number(wanted["size"]), wanted["enableOnlineResize"] === true);
    if (changed.has("volumeType")) {
      // Upstream's volumeRetypePolicy, which the SDK of this version lacks, defaults to never.
      const retype = { new_type: wanted["volumeType"], migration_policy: "never" };
      await act(context, id, { "os-retype": retype });
      await awaitVolume(context, id, ["available", "in-use"]);
    }
    const body = dropUndefined({
      name: changed.has("name") ? (wanted["name"] ?? "") : undefined,
      description: changed.has("description") ? (wanted["description"] ?? "") : undefined,
      metadata: changed.has("metadata") ? wanted["metadata"] : undefined,
    });
    if (Object.keys(body).length > 0) {
      await context.cloud.request(
        "volume",
        "PUT",
        `/volumes/${id}`,
        within(context, { body: { volume: body } }),
      );
    }
  },

  async remove(context, id) {
    const found = await getVolume(context, id);
    if (!found) return;
    for (const attachment of jsonsOf(found["attachments"])) await detach(context, id, attachment);
    let status = "";
    await poll(
      `volume ${id} to be gone`,
      context.deadline,
      context.signal,
      async () => {
        const volume = await getVolume(context, id);
        if (!volume) return true;
        status = textOf(volume["status"]);
        if (status === "error_deleting") {
          throw new Error(`volume ${id} could not be deleted: ${(await messagesOf(context, id)) || status}`);
        }
        if (["available", "error", "error_restoring", "error_extending"].includes(status)) {
          await deleteWhenFree(context, `volume ${id}`, async () => {
            try {
              await context.cloud.request("volume", "DELETE", `/volumes/${id}`, within(context));
            } catch (error) {
              // Cinder answers 400 while the volume is between two states; the next look decides.
              if (!isStatus(error, 400)) throw error;
              status = `${status}: ${error.said}`;
            }
          });
        }
        return undefined;
      },
      () => `status ${status}`,
    );
  },
};

export async function getVolume(context: Context, id: string): Promise<Json | null> {
  const found = await context.cloud.find("volume", `/volumes/${id}`, within(context));
  return found && jsonOf(found["volume"]);
}

async function act(context: Context, id: string, body: Json, microversion?: string): Promise<void> {
  const options = within(context, { body, ...(microversion ? { microversion } : {}) });
  await context.cloud.request("volume", "POST", `/volumes/${id}/action`, options);
}

/** Waits for a status; one of Cinder's error states ends the wait with what its user messages say. */
async function awaitVolume(context: Context, id: string, states: readonly string[]): Promise<void> {
  let status = "";
  await poll(
    `volume ${id} to become ${states.join(" or ")}`,
    context.deadline,
    context.signal,
    async () => {
      const found = await getVolume(context, id);
      if (!found) throw new Error(`volume ${id} disappeared`);
      status = textOf(found["status"]);
      if (status.startsWith("error")) {
        const messages = await messagesOf(context, id);
        throw new FailedObjectError(
          `volume ${id} went into status ${status}${messages ? `: ${messages}` : ""}`,
        );
      }
      return states.includes(status) ? true : undefined;
    },
    () => `status ${status}`,
  );
}

async function messagesOf(context: Context, id: string): Promise<string> {
  try {
    const options = within(context, { microversion: MESSAGES_VERSION, query: { resource_uuid: id } });
    const listed = await context.cloud.get("volume", "/messages", options);
    return jsonsOf(listed["messages"])
      .map((message) => textOf(message["user_message"]))
      .filter(Boolean)
      .join("; ");
  } catch {
    return ""; // only an explanation: what failed is told either way
  }
}

async function extend(context: Context, id: string, size: number, online: boolean): Promise<void> {
  const found = await getVolume(context, id);
  const now = Number(found?.["size"]);
  if (now === size) return;
  if (size < now) {
    throw new Error(`volume ${id} has ${now} GB and cannot shrink to ${size} GB: Cinder only grows volumes`);
  }
  const attached = textOf(found?.["status"]) === "in-use";
  if (attached && !online) {
    throw new Error(`volume ${id} is attached: set enableOnlineResize to grow it while it is in use`);
  }
  await act(context, id, { "os-extend": { new_size: size } }, attached ? ONLINE_RESIZE_VERSION : undefined);
  await poll(`volume ${id} to have ${size} GB`, context.deadline, context.signal, async () => {
    await awaitVolume(context, id, ["available", "in-use"]);
    return Number((await getVolume(context, id))?.["size"]) === size ? true : undefined;
  });
}

/** Takes the volume off a server before it is deleted, as upstream does. */
async function detach(context: Context, id: string, attachment: Json): Promise<void> {
  const path = `/servers/${textOf(attachment["server_id"])}/os-volume_attachments/${id}`;
  try {
    await context.cloud.request("compute", "DELETE", path, within(context));
  } catch (error) {
    // Gone already, or going: the wait that follows sees it.
    if (!isStatus(error, 404, 409)) throw error;
  }
}
