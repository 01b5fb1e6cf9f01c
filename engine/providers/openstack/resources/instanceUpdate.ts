/**
 * Changing a Nova server in place: name, power, metadata, security groups, password, flavor (resize), image (rebuild), tags.
 */
import type { Properties } from "../../../provider.ts";
import { isStatus } from "../errors.ts";
import { jsonOf, stringsOf, textOf, textsOf, within, type Context, type UpdateInput } from "./kind.ts";
import { flavorIdOf, imageIdOf, personalityOf } from "./instanceCreate.ts";
import { act, awaitServer, getServer, TAGS_VERSION } from "./instanceServer.ts";
import { dropUndefined } from "./neutron.ts";

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
    await awaitServer(context, id, ["VERIFY_RESIZE"]);
    await act(context, id, { confirmResize: null });
  }
  await awaitServer(context, id, ["ACTIVE", "SHUTOFF"]);
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
