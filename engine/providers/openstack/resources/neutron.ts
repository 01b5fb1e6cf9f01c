/**
 * What all Neutron objects share: create, wait, tags, update, delete.
 */
import type { Properties } from "../../../provider.ts";
import type { Json } from "../../../../openstack/cloud.ts";
import { isStatus } from "../../../../openstack/errors.ts";
import { FailedObjectError, poll } from "../wait.ts";
import {
  jsonOf,
  jsonsOf,
  madeSince,
  post,
  stringsOf,
  textOf,
  textsOf,
  within,
  type Context,
} from "./kind.ts";

/** A Neutron collection: its path and the key its objects have in JSON. */
export interface Collection {
  readonly path: string;
  readonly one: string;
}

/** Creates an object, reports its id, and waits until it has one of `ready` as status (none: until it can be read). */
export async function createObject(
  context: Context,
  { path, one }: Collection,
  body: Json,
  wanted: Properties,
  ready: readonly string[] = [],
): Promise<Json> {
  const full = { ...dropUndefined(body), ...stringsOf(wanted["valueSpecs"]) };
  const name = textOf(full["name"]);
  const answer = await post(context, "network", `/${path}`, { body: { [one]: full } }, async (since) => {
    if (!name) return undefined;
    const listed = await context.cloud.get("network", `/${path}`, within(context, { query: { name } }));
    const found = madeSince(jsonsOf(listed[path.replaceAll("-", "_")]), since);
    return found && { [one]: found };
  });
  const made = jsonOf(answer[one]);
  const id = textOf(made["id"]);
  context.made(id);
  await awaitStatus(context, { path, one }, id, ready);
  if (textsOf(wanted["tags"]).length > 0) await setTags(context, path, id, textsOf(wanted["tags"]));
  return made;
}

export async function awaitStatus(
  context: Context,
  { path, one }: Collection,
  id: string,
  ready: readonly string[],
): Promise<void> {
  if (ready.length === 0) return;
  let status = "";
  await poll(
    `${one} ${id} to become ${ready.join(" or ")}`,
    context.deadline,
    context.signal,
    async () => {
      const object = await getObject(context, { path, one }, id);
      if (!object) throw new Error(`${one} ${id} disappeared while it was being made`);
      status = textOf(object["status"]);
      if (status === "ERROR") throw new FailedObjectError(`${one} ${id} went into status ERROR`);
      return ready.includes(status) ? true : undefined;
    },
    () => `status ${status}`,
  );
}

export async function getObject(
  context: Context,
  { path, one }: Collection,
  id: string,
): Promise<Json | null> {
  const found = await context.cloud.find("network", `/${path}/${id}`, within(context));
  return found && jsonOf(found[one]);
}

/** Sends only the given fields; nothing when there are none. */
export async function updateObject(
  context: Context,
  { path, one }: Collection,
  id: string,
  body: Json,
): Promise<void> {
  const fields = dropUndefined(body);
  if (Object.keys(fields).length === 0) return;
  await context.cloud.request(
    "network",
    "PUT",
    `/${path}/${id}`,
    within(context, { body: { [one]: fields } }),
  );
}

export async function setTags(context: Context, path: string, id: string, tags: string[]): Promise<void> {
  await context.cloud.request("network", "PUT", `/${path}/${id}/tags`, within(context, { body: { tags } }));
}

/** What tags and allTags are in the state: only a program that sets tags is told of a difference. */
export function tagsOf(object: Json, state: Properties): Properties {
  const all = textsOf(object["tags"]).sort();
  return { allTags: all, ...(textsOf(state["tags"]).length > 0 ? { tags: all } : {}) };
}

/** Deletes; "in use" is tried again until the deadline, since what uses it may be going at the same time. */
export async function removeObject(context: Context, collection: Collection, id: string): Promise<void> {
  const { path, one } = collection;
  await deleteWhenFree(context, `${one} ${id}`, async () => {
    await context.cloud.request("network", "DELETE", `/${path}/${id}`, within(context));
  });
  await poll(`${one} ${id} to be gone`, context.deadline, context.signal, async () =>
    (await getObject(context, collection, id)) ? undefined : true,
  );
}

/** Repeats a delete while the cloud answers 409; 404 is success. */
export async function deleteWhenFree(
  context: Context,
  what: string,
  attempt: () => Promise<void>,
): Promise<void> {
  let said = "";
  await poll(
    `${what} to be free`,
    context.deadline,
    context.signal,
    async () => {
      try {
        await attempt();
        return true;
      } catch (error) {
        if (isStatus(error, 404)) return true;
        if (!isStatus(error, 409)) throw error;
        if (said !== error.said) context.log(`waiting to delete ${what}: ${error.said}`);
        said = error.said;
        return undefined;
      }
    },
    () => said,
  );
}

export function dropUndefined(body: Json): Json {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}
