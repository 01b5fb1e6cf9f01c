/** openstack:networking/secGroupRule:SecGroupRule (resource_openstack_networking_secgroup_rule_v2.go). */
import type { Properties, Value } from "../../../provider.ts";
import { isStatus } from "../../../../openstack/errors.ts";
import { integer, region, text } from "../schema.ts";
import { jsonsOf, post, some, textOf, within, type Context, type Kind } from "./kind.ts";
import { dropUndefined, getObject, removeObject, type Collection } from "./neutron.ts";

const RULES: Collection = { path: "security-group-rules", one: "security_group_rule" };
const PROTOCOLS = [
  "ah", "any", "dccp", "egp", "esp", "gre", "icmp", "icmpv6", "igmp", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-icmp",
  "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm", "rsvp", "sctp", "tcp", "udp", "udplite", "vrrp",
]; // prettier-ignore

const port = (other: string): ReturnType<typeof integer> =>
  integer({
    replace: true,
    needs: ["protocol", other],
    problem: (value) =>
      Number(value) >= 0 && Number(value) <= 65535 ? undefined : "must be between 0 and 65535",
  });

export const securityGroupRule: Kind = {
  token: "openstack:networking/secGroupRule:SecGroupRule",
  title: "security group rule",
  schema: {
    region,
    description: text({ replace: true }),
    direction: text({ required: true, replace: true, legal: ["ingress", "egress"] }),
    ethertype: text({ required: true, replace: true, legal: ["IPv4", "IPv6"] }),
    portRangeMin: port("portRangeMax"),
    portRangeMax: port("portRangeMin"),
    protocol: text({ replace: true, problem: protocolProblem, same: sameProtocol }),
    remoteGroupId: text({ replace: true, conflicts: ["remoteIpPrefix"] }),
    remoteIpPrefix: text({
      replace: true,
      conflicts: ["remoteGroupId"],
      same: (kept, wanted) => textOf(kept).toLowerCase() === textOf(wanted).toLowerCase(),
    }),
    securityGroupId: text({ required: true, replace: true }),
    tenantId: text({ computed: true, replace: true }),
  },

  async create(context, wanted) {
    const body = dropUndefined({
      direction: wanted["direction"],
      ethertype: wanted["ethertype"],
      description: some(wanted["description"]),
      port_range_min: wanted["portRangeMin"],
      port_range_max: wanted["portRangeMax"],
      protocol: some(wanted["protocol"]),
      remote_group_id: some(wanted["remoteGroupId"]),
      remote_ip_prefix: some(wanted["remoteIpPrefix"]),
      security_group_id: wanted["securityGroupId"],
      tenant_id: some(wanted["tenantId"]),
    });
    const options = { body: { security_group_rule: body } };
    const started = new Date();
    let answer;
    try {
      answer = await post(context, "network", `/${RULES.path}`, options, () =>
        matching(context, wanted, started),
      );
    } catch (error) {
      // The same rule twice is refused, so a rule whose answer was lost on a repeated request is found by its content.
      const found = isStatus(error, 409) ? await matching(context, wanted, started) : undefined;
      if (!found) throw error;
      answer = found;
    }
    const id = textOf((answer["security_group_rule"] as Record<string, unknown> | undefined)?.["id"]);
    context.made(id);
    return id;
  },

  async read(context, id) {
    const found = await getObject(context, RULES, id);
    if (!found) return null;
    const number = (value: unknown): Properties => (typeof value === "number" ? { value } : {});
    return {
      description: textOf(found["description"]),
      direction: textOf(found["direction"]),
      ethertype: textOf(found["ethertype"]),
      protocol: textOf(found["protocol"]),
      portRangeMin: number(found["port_range_min"])["value"] ?? 0,
      portRangeMax: number(found["port_range_max"])["value"] ?? 0,
      remoteGroupId: textOf(found["remote_group_id"]),
      remoteIpPrefix: textOf(found["remote_ip_prefix"]),
      securityGroupId: textOf(found["security_group_id"]),
      tenantId: textOf(found["tenant_id"] ?? found["project_id"]),
    };
  },

  remove: (context, id) => removeObject(context, RULES, id),
};

/** The rule this operation made although its answer was lost: same content, made since. */
async function matching(
  context: Context,
  wanted: Properties,
  since: Date,
): Promise<Record<string, unknown> | undefined> {
  const query = {
    security_group_id: textOf(wanted["securityGroupId"]),
    direction: textOf(wanted["direction"]),
    ethertype: textOf(wanted["ethertype"]),
  };
  const listed = await context.cloud.get("network", `/${RULES.path}`, within(context, { query }));
  const rule = jsonsOf(listed["security_group_rules"]).find(
    (candidate) =>
      textOf(candidate["protocol"]) === textOf(wanted["protocol"]) &&
      Number(candidate["port_range_min"] ?? 0) === Number(wanted["portRangeMin"] ?? 0) &&
      Number(candidate["port_range_max"] ?? 0) === Number(wanted["portRangeMax"] ?? 0) &&
      textOf(candidate["remote_group_id"]) === textOf(wanted["remoteGroupId"]) &&
      textOf(candidate["remote_ip_prefix"]) === textOf(wanted["remoteIpPrefix"]) &&
      Date.parse(textOf(candidate["created_at"])) >= since.getTime() - 5000,
  );
  return rule && { security_group_rule: rule };
}

function protocolProblem(value: Value): string | undefined {
  const name = textOf(value);
  const number = Number(name);
  if (name === "" || PROTOCOLS.includes(name)) return undefined;
  if (Number.isInteger(number) && number >= 0 && number <= 255) return undefined;
  return `must be a protocol number or one of ${PROTOCOLS.join(", ")}, got ${name}`;
}

/** Neutron answers with one of two names for the same protocol. */
function sameProtocol(kept: Value, wanted: Value): boolean {
  const one = (value: Value): string => {
    const name = textOf(value);
    return name === "icmpv6" ? "ipv6-icmp" : name === "any" ? "" : name;
  };
  return one(kept) === one(wanted);
}
