/** openstack:compute/serverGroup:ServerGroup (resource_openstack_compute_servergroup_v2.go). */
import { integer, list, map, object, region, text } from "../schema.ts";
import { jsonOf, jsonsOf, post, stringsOf, textOf, textsOf, within, type Kind } from "./kind.ts";
import { deleteWhenFree, dropUndefined } from "./neutron.ts";

/** One policy with rules, instead of a list of policies, from this version on. */
const POLICY_VERSION = "2.64";

export const serverGroup: Kind = {
  token: "openstack:compute/serverGroup:ServerGroup",
  title: "server group",
  schema: {
    region,
    name: text({ replace: true, autoname: true }),
    policies: list({ replace: true }),
    rules: object({ maxServerPerHost: integer({ replace: true }) }, { computed: true, replace: true }),
    members: list({ output: true }),
    valueSpecs: map({ replace: true }),
  },

  problems: (inputs) =>
    textsOf(inputs["policies"]).length > 1
      ? [{ property: "policies", reason: "policies takes a single policy, as Nova does" }]
      : [],

  async create(context, wanted) {
    const most = jsonOf(wanted["rules"])["maxServerPerHost"];
    const body = dropUndefined({
      name: wanted["name"],
      policy: textsOf(wanted["policies"])[0],
      rules: most === undefined ? undefined : { max_server_per_host: most },
      ...stringsOf(wanted["valueSpecs"]),
    });
    const options = { body: { server_group: body }, microversion: POLICY_VERSION };
    const answer = await post(context, "compute", "/os-server-groups", options, async () => {
      // Groups carry no date; a name is only taken for ours when it is the only one.
      const listed = await context.cloud.get("compute", "/os-server-groups", within(context));
      const same = jsonsOf(listed["server_groups"]).filter((group) => group["name"] === wanted["name"]);
      return same.length === 1 ? { server_group: same[0] } : undefined;
    });
    const id = textOf(jsonOf(answer["server_group"])["id"]);
    context.made(id);
    return id;
  },

  async read(context, id) {
    const options = within(context, { microversion: POLICY_VERSION });
    const found = await context.cloud.find("compute", `/os-server-groups/${id}`, options);
    if (!found) return null;
    const group = jsonOf(found["server_group"]);
    const most = jsonOf(group["rules"])["max_server_per_host"];
    return {
      name: textOf(group["name"]),
      policies: group["policy"] ? [textOf(group["policy"])] : textsOf(group["policies"]),
      members: textsOf(group["members"]),
      ...(typeof most === "number" ? { rules: { maxServerPerHost: most } } : {}),
    };
  },

  async remove(context, id) {
    await deleteWhenFree(context, `server group ${id}`, async () => {
      await context.cloud.request("compute", "DELETE", `/os-server-groups/${id}`, within(context));
    });
  },
};
