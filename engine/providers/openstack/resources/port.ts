/** openstack:networking/port:Port (resource_openstack_networking_port_v2.go). */
import type { Properties, Value } from "../../../provider.ts";
import type { Json } from "../../../../openstack/cloud.ts";
import { flag, integer, list, map, object, region, set, tagged, text } from "../schema.ts";
import { jsonOf, mapsOf, some, textOf, textsOf, within, type Kind } from "./kind.ts";
import {
  awaitStatus,
  createObject,
  deleteWhenFree,
  dropUndefined,
  getObject,
  removeObject,
  setTags,
  tagsOf,
  updateObject,
  type Collection,
} from "./neutron.ts";

const PORTS: Collection = { path: "ports", one: "port" };
const READY = ["ACTIVE", "DOWN"];
const VNIC_TYPES = [
  "direct", "direct-physical", "macvtap", "normal", "baremetal", "virtio-forwarder", "vdpa", "remote-managed",
]; // prettier-ignore

export const port: Kind = {
  token: "openstack:networking/port:Port",
  title: "port",
  schema: {
    region,
    name: text({ autoname: true }),
    description: text(),
    networkId: text({ required: true, replace: true }),
    adminStateUp: flag({ computed: true }),
    macAddress: text({ computed: true, replace: true }),
    tenantId: text({ computed: true, replace: true }),
    deviceOwner: text({ computed: true, replace: true }),
    securityGroupIds: set(),
    noSecurityGroups: flag({ conflicts: ["securityGroupIds"] }),
    deviceId: text({ computed: true, replace: true }),
    fixedIps: list({
      conflicts: ["noFixedIp"],
      fields: { subnetId: text(), ipAddress: text() },
    }),
    noFixedIp: flag({ conflicts: ["fixedIps"] }),
    allowedAddressPairs: set({
      fields: { ipAddress: text({ required: true }), macAddress: text({ computed: true }) },
    }),
    extraDhcpOptions: set({
      fields: {
        name: text({ required: true }),
        value: text({ required: true }),
        ipVersion: integer({ default: 4 }),
      },
    }),
    valueSpecs: map({ replace: true }),
    allFixedIps: list({ output: true }),
    allSecurityGroupIds: set({ output: true }),
    portSecurityEnabled: flag({ computed: true }),
    binding: object(
      {
        hostId: text({ computed: true }),
        profile: text({ same: sameJson, problem: jsonProblem }),
        vifDetails: map({ output: true }),
        vifType: text({ output: true }),
        vnicType: text({ default: "normal", legal: VNIC_TYPES }),
      },
      { computed: true },
    ),
    dnsName: text({ computed: true }),
    dnsAssignments: list({ output: true }),
    qosPolicyId: text({ computed: true }),
    ...tagged,
  },

  async create(context, wanted) {
    const groups = textsOf(wanted["securityGroupIds"]);
    const binding = jsonOf(wanted["binding"]);
    const body: Json = {
      network_id: wanted["networkId"],
      name: wanted["name"],
      description: some(wanted["description"]),
      admin_state_up: wanted["adminStateUp"],
      mac_address: some(wanted["macAddress"]),
      tenant_id: some(wanted["tenantId"]),
      device_owner: some(wanted["deviceOwner"]),
      device_id: some(wanted["deviceId"]),
      security_groups: wanted["noSecurityGroups"] === true ? [] : groups.length > 0 ? groups : undefined,
      fixed_ips: addressesOf(wanted),
      allowed_address_pairs: pairsOf(wanted["allowedAddressPairs"]),
      extra_dhcp_opts: optionsOf(wanted["extraDhcpOptions"]),
      port_security_enabled: wanted["portSecurityEnabled"],
      dns_name: some(wanted["dnsName"]),
      qos_policy_id: some(wanted["qosPolicyId"]),
    };
    if (wanted["binding"] !== undefined) {
      body["binding:host_id"] = some(binding["hostId"] as Value);
      body["binding:vnic_type"] = some(binding["vnicType"] as Value);
      body["binding:profile"] = profileOf(binding["profile"]);
    }
    const made = await createObject(context, PORTS, body, wanted, READY);
    return textOf(made["id"]);
  },

  async read(context, id, state) {
    const found = await getObject(context, PORTS, id);
    if (!found) return null;
    const addresses = mapsOf(found["fixed_ips"]);
    const groups = textsOf(found["security_groups"]).sort();
    const mac = textOf(found["mac_address"]);
    const hasBinding = found["binding:vnic_type"] !== undefined;
    return {
      name: textOf(found["name"]),
      description: textOf(found["description"]),
      networkId: textOf(found["network_id"]),
      adminStateUp: found["admin_state_up"] === true,
      macAddress: mac,
      tenantId: textOf(found["tenant_id"] ?? found["project_id"]),
      deviceOwner: textOf(found["device_owner"]),
      deviceId: textOf(found["device_id"]),
      // Upstream never reads these two; they are read here when the program sets them, so that a refresh sees drift.
      ...(textsOf(state["securityGroupIds"]).length > 0 ? { securityGroupIds: groups } : {}),
      ...(mapsOf(state["fixedIps"]).length > 0
        ? { fixedIps: inOrder(addresses, mapsOf(state["fixedIps"])) }
        : {}),
      allFixedIps: addresses.map((address) => textOf(address["ip_address"])),
      allSecurityGroupIds: groups,
      allowedAddressPairs: mapsOf(found["allowed_address_pairs"]).map((pair) => ({
        ipAddress: textOf(pair["ip_address"]),
        // Neutron fills in the port's own address, which the program did not write.
        macAddress: textOf(pair["mac_address"]) === mac ? "" : textOf(pair["mac_address"]),
      })),
      extraDhcpOptions: mapsOf(found["extra_dhcp_opts"]).map((option) => ({
        name: textOf(option["opt_name"]),
        value: textOf(option["opt_value"]),
        ipVersion: Number(option["ip_version"] ?? 4),
      })),
      portSecurityEnabled: found["port_security_enabled"] !== false,
      ...(hasBinding ? { binding: bindingOf(found) } : {}),
      dnsName: textOf(found["dns_name"]),
      dnsAssignments: mapsOf(found["dns_assignment"]),
      qosPolicyId: textOf(found["qos_policy_id"]),
      ...tagsOf(found, state),
    };
  },

  settle: (context, id) => awaitStatus(context, PORTS, id, READY),

  async update(context, id, { changed, wanted, state }) {
    const on = (property: string, value: unknown): unknown => (changed.has(property) ? value : undefined);
    const groups =
      changed.has("securityGroupIds") || changed.has("noSecurityGroups")
        ? textsOf(wanted["securityGroupIds"])
        : undefined;
    const body: Json = {
      name: on("name", wanted["name"] ?? ""),
      description: on("description", wanted["description"] ?? ""),
      admin_state_up: on("adminStateUp", wanted["adminStateUp"]),
      security_groups: groups,
      fixed_ips:
        changed.has("fixedIps") || changed.has("noFixedIp") ? (addressesOf(wanted) ?? undefined) : undefined,
      allowed_address_pairs: on("allowedAddressPairs", pairsOf(wanted["allowedAddressPairs"]) ?? []),
      port_security_enabled: on("portSecurityEnabled", wanted["portSecurityEnabled"]),
      dns_name: on("dnsName", wanted["dnsName"] ?? ""),
      qos_policy_id: on("qosPolicyId", some(wanted["qosPolicyId"]) ?? null),
    };
    if (changed.has("extraDhcpOptions")) {
      const kept = new Set(mapsOf(wanted["extraDhcpOptions"]).map((option) => textOf(option["name"])));
      const gone = mapsOf(state["extraDhcpOptions"]).filter((option) => !kept.has(textOf(option["name"])));
      body["extra_dhcp_opts"] = [
        ...(optionsOf(wanted["extraDhcpOptions"]) ?? []),
        ...gone.map((option) => ({ opt_name: option["name"], opt_value: null })),
      ];
    }
    if (changed.has("binding")) {
      const binding = jsonOf(wanted["binding"]);
      body["binding:vnic_type"] = some(binding["vnicType"] as Value);
      body["binding:host_id"] = some(binding["hostId"] as Value);
      body["binding:profile"] = profileOf(binding["profile"]) ?? {};
    }
    await updateObject(context, PORTS, id, body);
    if (changed.has("tags")) await setTags(context, PORTS.path, id, textsOf(wanted["tags"]));
  },

  async remove(context, id) {
    // A port still on a server is refused by some Neutron versions and silently unplugged by others; both end here.
    await deleteWhenFree(context, `port ${id}`, async () => {
      await context.cloud.request("network", "DELETE", `/ports/${id}`, within(context));
    });
    await removeObject(context, PORTS, id);
  },
};

/** The fixed addresses asked for; undefined leaves the choice to Neutron. */
function addressesOf(wanted: Properties): Json[] | undefined {
  if (wanted["noFixedIp"] === true) return [];
  const addresses = mapsOf(wanted["fixedIps"]);
  if (addresses.length === 0) return undefined;
  return addresses.map((address) =>
    dropUndefined({ subnet_id: some(address["subnetId"]), ip_address: some(address["ipAddress"]) }),
  );
}

/**
 * Neutron's addresses in the order the program named them, with the address itself only where the program chose it:
 * so only real differences show, to the provider's own diff as well, which knows no computed address here.
 */
function inOrder(found: Properties[], wanted: Properties[]): Properties[] {
  const rest = found.map((address) => ({
    subnetId: textOf(address["subnet_id"]),
    ipAddress: textOf(address["ip_address"]),
  }));
  const ordered = wanted.flatMap((want) => {
    const index = rest.findIndex(
      (address) =>
        (!want["ipAddress"] || want["ipAddress"] === address.ipAddress) &&
        (!want["subnetId"] || want["subnetId"] === address.subnetId),
    );
    if (index < 0) return [];
    const [address] = rest.splice(index, 1);
    return [want["ipAddress"] ? { ...address } : { subnetId: address?.subnetId ?? "" }];
  });
  return [...ordered, ...rest];
}

function pairsOf(value: unknown): Json[] | undefined {
  const pairs = mapsOf(value);
  if (pairs.length === 0) return undefined;
  return pairs.map((pair) =>
    dropUndefined({ ip_address: some(pair["ipAddress"]), mac_address: some(pair["macAddress"]) }),
  );
}

function optionsOf(value: unknown): Json[] | undefined {
  const options = mapsOf(value);
  if (options.length === 0) return undefined;
  return options.map(({ name, value: content, ipVersion }) => ({
    opt_name: name,
    opt_value: content,
    ip_version: ipVersion ?? 4,
  }));
}

function bindingOf(found: Json): Properties {
  return {
    hostId: textOf(found["binding:host_id"]),
    profile: JSON.stringify(found["binding:profile"] ?? {}),
    vifDetails: Object.fromEntries(
      Object.entries(jsonOf(found["binding:vif_details"])).map(([key, value]) => [
        key,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    ),
    vifType: textOf(found["binding:vif_type"]),
    vnicType: textOf(found["binding:vnic_type"]),
  };
}

function profileOf(value: unknown): Json | undefined {
  return typeof value === "string" && value !== "" ? jsonOf(JSON.parse(value)) : undefined;
}

function jsonProblem(value: Value): string | undefined {
  try {
    if (value !== "") JSON.parse(textOf(value));
    return undefined;
  } catch {
    return "must be a JSON object";
  }
}

function sameJson(kept: Value, wanted: Value): boolean {
  try {
    return (
      JSON.stringify(JSON.parse(textOf(kept) || "{}")) === JSON.stringify(JSON.parse(textOf(wanted) || "{}"))
    );
  } catch {
    return false;
  }
}
