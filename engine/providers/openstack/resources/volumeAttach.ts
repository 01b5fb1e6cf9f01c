/** openstack:compute/volumeAttach:VolumeAttach (resource_openstack_compute_volume_attach_v2.go). */
import { isStatus } from "../../../../openstack/errors.ts";
import { flag, object, region, text } from "../schema.ts";
import { poll } from "../wait.ts";
import type { Json } from "../../../../openstack/cloud.ts";
import { jsonOf, jsonsOf, some, textOf, within, type Context, type Kind } from "./kind.ts";
import { getServer } from "./instanceServer.ts";
import { deleteWhenFree, dropUndefined } from "./neutron.ts";
import { getVolume } from "./volume.ts";

const MULTIATTACH_VERSION = "2.60";

export const volumeAttach: Kind = {
  token: "openstack:compute/volumeAttach:VolumeAttach",
  title: "volume attachment",
  schema: {
    region,
    instanceId: text({ required: true, replace: true }),
    volumeId: text({ required: true, replace: true }),
    // A hint: Nova answers with the name it believes the guest gives the disk, so a difference is no change.
    device: text({ computed: true, same: () => true }),
    multiattach: flag({ replace: true }),
    vendorOptions: object({ ignoreVolumeConfirmation: flag({ default: false }) }, { replace: true }),
  },

  async create(context, wanted) {
    const instanceId = textOf(wanted["instanceId"]);
    const volumeId = textOf(wanted["volumeId"]);
    const path = `/servers/${instanceId}/os-volume_attachments`;
    const body = {
      volumeAttachment: dropUndefined({ volumeId, device: some(wanted["device"]) }),
    };
    const microversion = wanted["multiattach"] === true ? { microversion: MULTIATTACH_VERSION } : {};
    // Attached already means that an earlier try was carried out without its answer arriving.
    if (!(await getAttachment(context, instanceId, volumeId))) {
      let said = "";
      await poll(
        `server ${instanceId} to take volume ${volumeId}`,
        context.deadline,
        context.signal,
        async () => {
          try {
            await context.cloud.request("compute", "POST", path, within(context, { body, ...microversion }));
            return true;
          } catch (error) {
            // 409: the server is busy with another task, or the volume still leaves another server.
            if (!isStatus(error, 409)) throw error;
            said = error.said;
            return (await getAttachment(context, instanceId, volumeId)) ? true : undefined;
          }
        },
        () => said,
      );
    }
    const id = `${instanceId}/${volumeId}`;
    context.made(id);
    const confirmed = jsonOf(wanted["vendorOptions"])["ignoreVolumeConfirmation"] !== true;
    await awaitAttached(context, instanceId, volumeId, confirmed);
    return id;
  },

  async read(context, id) {
    const [instanceId = "", volumeId = ""] = id.split("/");
    const attachment = await getAttachment(context, instanceId, volumeId);
    return (
      attachment && {
        instanceId: textOf(attachment["serverId"]),
        volumeId: textOf(attachment["volumeId"]),
        device: textOf(attachment["device"]),
      }
    );
  },

  settle: async (context, id) => {
    const [instanceId = "", volumeId = ""] = id.split("/");
    await awaitAttached(context, instanceId, volumeId, true);
  },
  update: () => Promise.resolve(),

  async remove(context, id) {
    const [instanceId = "", volumeId = ""] = id.split("/");
    const path = `/servers/${instanceId}/os-volume_attachments/${volumeId}`;
    await deleteWhenFree(context, `volume ${volumeId} on server ${instanceId}`, async () => {
      try {
        await context.cloud.request("compute", "DELETE", path, within(context));
      } catch (error) {
        // 400 "not in-use": detaching already.
        if (!isStatus(error, 400)) throw error;
        if (textOf((await getVolume(context, volumeId))?.["status"]) !== "detaching") throw error;
      }
    });
    await poll(
      `volume ${volumeId} to be off server ${instanceId}`,
      context.deadline,
      context.signal,
      async () => {
        if (await getAttachment(context, instanceId, volumeId)) return undefined;
        const volume = await getVolume(context, volumeId);
        const held = jsonsOf(volume?.["attachments"]).some((entry) => entry["server_id"] === instanceId);
        return held || textOf(volume?.["status"]) === "detaching" ? undefined : true;
      },
    );
  },
};

async function getAttachment(context: Context, instanceId: string, volumeId: string): Promise<Json | null> {
  const path = `/servers/${instanceId}/os-volume_attachments/${volumeId}`;
  const found = await context.cloud.find("compute", path, within(context));
  return found && jsonOf(found["volumeAttachment"]);
}

async function awaitAttached(
  context: Context,
  instanceId: string,
  volumeId: string,
  confirm: boolean,
): Promise<void> {
  let last = "";
  await poll(
    `volume ${volumeId} to be attached to server ${instanceId}`,
    context.deadline,
    context.signal,
    async () => {
      if (!(await getAttachment(context, instanceId, volumeId))) {
        // Nova takes the request and drops the attachment when the host cannot connect the volume.
        const server = await getServer(context, instanceId);
        const status = textOf((await getVolume(context, volumeId))?.["status"]);
        if (server && !["attaching", "in-use", "reserved"].includes(status)) {
          throw new Error(`server ${instanceId} gave volume ${volumeId} up (volume status ${status})`);
        }
        return undefined;
      }
      if (!confirm) return true;
      const volume = await getVolume(context, volumeId);
      last = `volume status ${textOf(volume?.["status"])}`;
      const held = jsonsOf(volume?.["attachments"]).some((entry) => entry["server_id"] === instanceId);
      return textOf(volume?.["status"]) === "in-use" && held ? true : undefined;
    },
    () => last,
  );
}
