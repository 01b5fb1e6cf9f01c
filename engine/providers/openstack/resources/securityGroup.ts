/** openstack:networking/secGroup:SecGroup (resource_openstack_networking_secgroup_v2.go). */
import { flag, region, tagged, text } from "../schema.ts";
import { jsonsOf, some, textOf, textsOf, within, type Kind } from "./kind.ts";
import { FailedObjectError } from "../wait.ts";
import {
  createObject,
  getObject,
  removeObject,
  setTags,
  tagsOf,
  updateObject,
  type Collection,
} from "./neutron.ts";

const GROUPS: Collection = { path: "security-groups", one: "security_group" };

export const securityGroup: Kind = {
  token: "openstack:networking/secGroup:SecGroup",
  title: "security group",
  schema: {
    region,
    name: text({ autoname: true }),
    description: text({ computed: true }),
    tenantId: text({ computed: true, replace: true }),
    deleteDefaultRules: flag({ replace: true }),
    ...tagged,
  },

  async create(context, wanted) {
    const made = await createObject(
      context,
      GROUPS,
      { name: wanted["name"], description: some(wanted["description"]), tenant_id: some(wanted["tenantId"]) },
      wanted,
    );
    const id = textOf(made["id"]);
    if (wanted["deleteDefaultRules"] === true) {
      try {
        for (const rule of jsonsOf(made["security_group_rules"])) {
          const path = `/security-group-rules/${textOf(rule["id"])}`;
          await context.cloud.request("network", "DELETE", path, within(context));
        }
      } catch (error) {
        // A group that kept a default rule must not pass for one without: it goes, and a re-run makes it anew.
        throw new FailedObjectError(`its default rules could not be deleted: ${(error as Error).message}`);
      }
    }
    return id;
  },

  async read(context, id, state) {
    const found = await getObject(context, GROUPS, id);
    return (
      found && {
        name: textOf(found["name"]),
        description: textOf(found["description"]),
        tenantId: textOf(found["tenant_id"] ?? found["project_id"]),
        ...tagsOf(found, state),
      }
    );
  },

  async update(context, id, { changed, wanted }) {
    await updateObject(context, GROUPS, id, {
      name: changed.has("name") ? wanted["name"] : undefined,
      description: changed.has("description") ? (wanted["description"] ?? "") : undefined,
    });
    if (changed.has("tags")) await setTags(context, GROUPS.path, id, textsOf(wanted["tags"]));
  },

  remove: (context, id) => removeObject(context, GROUPS, id),
};
