/**
 * Changing a Nova server in place: name, power, metadata, security groups, password, flavor (resize), image (rebuild), tags.
 */
import type { Properties } from "../../../provider.ts";
import { isStatus } from "../../../../openstack/errors.ts";
import { poll } from "../wait.ts";
import {
  jsonOf,
  jsonsOf,
  stringsOf,
  textOf,
  textsOf,
  within,
  type Context,
  type UpdateInput,
} from "./kind.ts";
import { flavorIdOf, imageIdOf, personalityOf } from "./instanceCreate.ts";
import { act, awaitServer, getServer, TAGS_VERSION } from "./instanceServer.ts";
import { dropUndefined } from "./neutron.ts";

/** The events of an action tell what went wrong from this version on. */
const ACTION_DETAILS_VERSION = "2.84";

export async function updateServer(context: Context, id: string, change: UpdateInput): Promise<void> {
  const { changed, wanted, state } = change;
  if (changed.has("name")) {
    const body = { server: { name: wanted["name"] } };
    await context.cloud.request("compute", "PUT", `/servers/${id}`, within(context, { body }));
  }
  if (changed.has("powerState")) await changePower(context, id, textOf(wanted["powerState"]));
  if (changed.has("metadata")) await changeMetadata(context, id, change);
  if (changed.has("securityGroups")) await changeGroups(context, id, change);
  if (changed.has("adminPass"))
    await act(context, id, { changePassword: { adminPass: wanted["adminPass"] } });
  if (changed.has("flavorId") || changed.has("flavorName")) await resize(context, id, change);
  if (["imageId", "imageName", "personalities"].some((name) => changed.has(name))) {
    await rebuild(context, id, wanted, changed, state);
  }
  if (changed.has("tags")) {
    const options = within(context, { microversion: TAGS_VERSION, body: { tags: textsOf(wanted["tags"]) } });
    await context.cloud.request("compute", "PUT", `/servers/${id}/tags`, options);
  }
}

async function changePower(context: Context, id: string, wanted: string): Promise<void> {
  if (wanted === "shutoff") {
    await act(context, id, { "os-stop": null });
    return awaitServer(context, id, ["SHUTOFF"]);
  }
  if (wanted === "paused") {
    await act(context, id, { pause: null });
    return awaitServer(context, id, ["PAUSED"]);
  }
  if (wanted === "shelved_offloaded") {
    await act(context, id, { shelve: null });
    return awaitServer(context, id, ["SHELVED_OFFLOADED"]);
  }
  const now = textOf((await getServer(context, id))?.["status"]);
  if (now === "ACTIVE") return;
  const shelved = now === "SHELVED" || now === "SHELVED_OFFLOADED";
  await act(
    context,
    id,
    shelved ? { unshelve: null } : now === "PAUSED" ? { unpause: null } : { "os-start": null },
  );
  await awaitServer(context, id, ["ACTIVE"]);
}

async function changeMetadata(context: Context, id: string, { wanted, state }: UpdateInput): Promise<void> {
  const metadata = stringsOf(wanted["metadata"]);
  const gone = Object.keys(stringsOf(state["metadata"])).filter((key) => !Object.hasOwn(metadata, key));
  for (const key of gone) {
    try {
      const path = `/servers/${id}/metadata/${encodeURIComponent(key)}`;
      await context.cloud.request("compute", "DELETE", path, within(context));
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
  }
  if (Object.keys(metadata).length === 0) return;
  const options = within(context, { body: { metadata } });
  await context.cloud.request("compute", "POST", `/servers/${id}/metadata`, options);
}

async function changeGroups(context: Context, id: string, { wanted, state }: UpdateInput): Promise<void> {
  const now = new Set(textsOf(state["securityGroups"]));
  const then = new Set(textsOf(wanted["securityGroups"]));
  for (const name of [...now].filter((group) => !then.has(group))) {
    try {
      await act(context, id, { removeSecurityGroup: { name } });
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
  }
  for (const name of [...then].filter((group) => !now.has(group)))
    await act(context, id, { addSecurityGroup: { name } });
}

async function resize(context: Context, id: string, { wanted, changed }: UpdateInput): Promise<void> {
  const flavorRef = changed.has("flavorId")
    ? textOf(wanted["flavorId"])
    : await flavorIdOf(context, { flavorName: wanted["flavorName"] ?? "" });
  const server = await getServer(context, id);
  if (textOf(jsonOf(server?.["flavor"])["id"]) === flavorRef) return;
  await act(context, id, { resize: { flavorRef } });
  const unconfirmed = jsonOf(wanted["vendorOptions"])["ignoreResizeConfirmation"] === true;
  if (!unconfirmed) {
    const confirmed = await awaitResized(context, id, flavorRef);
    if (!confirmed) await act(context, id, { confirmResize: null });
  }
  await awaitServer(context, id, ["ACTIVE", "SHUTOFF"]);
}

/**
 * Waits until a resize waits for its confirmation, or a cloud that confirms by itself did so (answers true). A resize that Nova
 * gives up leaves the server as it was, without a fault: only the list of actions says why.
 */
async function awaitResized(context: Context, id: string, flavorRef: string): Promise<boolean> {
  let last = "";
  return poll(
    `server ${id} to be resized`,
    context.deadline,
    context.signal,
    async () => {
      const server = await getServer(context, id);
      const status = textOf(server?.["status"]);
      const task = textOf(server?.["OS-EXT-STS:task_state"]);
      last = `status ${status}${task ? `, task ${task}` : ""}`;
      if (status === "VERIFY_RESIZE") return false;
      if (status !== "ERROR" && (task || status === "RESIZE")) return undefined;
      if (textOf(jsonOf(server?.["flavor"])["id"]) === flavorRef && status !== "ERROR") return true;
      throw new Error(`Nova gave the resize up (${last}): ${await lastActionOf(context, id)}`);
    },
    () => last,
  );
}

/** What Nova notes about the last thing done to a server. */
async function lastActionOf(context: Context, id: string): Promise<string> {
  try {
    const options = within(context, { microversion: ACTION_DETAILS_VERSION });
    const path = `/servers/${id}/os-instance-actions`;
    const [action] = jsonsOf((await context.cloud.get("compute", path, options))["instanceActions"]);
    const shown = await context.cloud.get("compute", `${path}/${textOf(action?.["request_id"])}`, options);
    const details = jsonsOf(jsonOf(shown["instanceAction"])["events"])
      .map((event) => textOf(event["details"]))
      .filter(Boolean);
    const said = [textOf(action?.["message"]), ...details].filter(Boolean).join("; ");
    // Details are for administrators by default; the rest of the sentence is what it nearly always is.
    const why =
      said === "" || said === "Error" ? "Nova does not tell why; often no host has room for it" : said;
    return `${why} (request ${textOf(action?.["request_id"])})`;
  } catch (error) {
    return `its reason could not be read: ${(error as Error).message}`;
  }
}

async function rebuild(
  context: Context,
  id: string,
  wanted: Properties,
  changed: ReadonlySet<string>,
  state: Properties,
): Promise<void> {
  const named: Properties = changed.has("imageId")
    ? { imageId: wanted["imageId"] ?? "" }
    : changed.has("imageName")
      ? { imageName: wanted["imageName"] ?? "" }
      : wanted;
  const imageRef = (await imageIdOf(context, named)) ?? textOf(state["imageId"]);
  const body = dropUndefined({ imageRef, personality: personalityOf(wanted) });
  context.log(`rebuilding the server from image ${imageRef}: its root disk is written anew`, "warning");
  await act(context, id, { rebuild: body });
  await awaitServer(context, id, ["ACTIVE", "SHUTOFF"]);
}
