/** What a look-up by properties answers when it does not find exactly one object. */
import type { Properties } from "../../provider.ts";
import type { Json } from "../../../openstack/cloud.ts";
import { blank } from "./schema.ts";

/** The one object of a list; throws with what was asked for when there is none or more than one. */
export function theOnly(found: Json[], what: string, args: Properties): Json {
  const [first] = found;
  if (first && found.length === 1) return first;
  const asked = Object.entries(args)
    .filter(([, value]) => !blank(value))
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
  throw new Error(
    `${found.length === 0 ? "no" : found.length} ${what} fit${found.length ? "" : "s"} ${asked || "the query"}`,
  );
}
