/** openstack:networking/network:Network (resource_openstack_networking_network_v2.go). */
import { flag, integer, map, region, set, tagged, text } from "../schema.ts";
import { mapsOf, some, textOf, textsOf, type Kind } from "./kind.ts";
import {
  awaitStatus,
  createObject,
  getObject,
  removeObject,
  setTags,
  tagsOf,
  updateObject,
  type Collection,
} from "./neutron.ts";

const NETWORKS: Collection = { path: "networks", one: "network" };
const READY = ["ACTIVE", "DOWN"];

/** Property to Neutron's field, for those that are told, set and changed alike. */
const FIELDS = {
  name: "name",
  description: "description",
  adminStateUp: "admin_state_up",
  shared: "shared",
  external: "router:external",
  portSecurityEnabled: "port_security_enabled",
  mtu: "mtu",
  dnsDomain: "dns_domain",
  qosPolicyId: "qos_policy_id",
} as const;

export const dnsDomainProblem = (value: unknown): string | undefined =>
  value === "" || (typeof value === "string" && value.endsWith(".")) ? undefined : "must end with a dot";

export const network: Kind = {
  token: "openstack:networking/network:Network",
  title: "network",
  schema: {
    region,
    name: text({ autoname: true }),
    description: text(),
    adminStateUp: flag({ computed: true }),
    shared: flag({ computed: true }),
    external: flag({ computed: true }),
    tenantId: text({ computed: true, replace: true }),
    segments: set({
      computed: true,
      fields: { physicalNetwork: text(), networkType: text(), segmentationId: integer({ computed: true }) },
    }),
    valueSpecs: map({ replace: true }),
    availabilityZoneHints: set({ computed: true, replace: true }),
    transparentVlan: flag({ computed: true, replace: true }),
    portSecurityEnabled: flag({ computed: true }),
    mtu: integer({ computed: true }),
    dnsDomain: text({ computed: true, problem: dnsDomainProblem }),
    qosPolicyId: text({ computed: true }),
    ...tagged,
  },

  async create(context, wanted) {
    const body: Record<string, unknown> = {
      tenant_id: some(wanted["tenantId"]),
      availability_zone_hints: wanted["availabilityZoneHints"],
      vlan_transparent: wanted["transparentVlan"] || undefined,
      segments: segmentsOf(wanted["segments"]),
    };
    for (const [property, field] of Object.entries(FIELDS)) {
      if (wanted[property] !== "") body[field] = wanted[property];
    }
    const made = await createObject(context, NETWORKS, body, wanted, READY);
    return textOf(made["id"]);
  },

  async read(context, id, state) {
    const found = await getObject(context, NETWORKS, id);
    if (!found) return null;
    const provider = { network_type: found["provider:network_type"] };
    return {
      name: textOf(found["name"]),
      description: textOf(found["description"]),
      adminStateUp: found["admin_state_up"] === true,
      shared: found["shared"] === true,
      external: found["router:external"] === true,
      tenantId: textOf(found["tenant_id"] ?? found["project_id"]),
      // Only told to administrators, who alone may set them; what cannot be seen is kept as recorded.
      ...(provider.network_type
        ? {
            segments: [
              {
                networkType: textOf(provider.network_type),
                physicalNetwork: textOf(found["provider:physical_network"]),
                segmentationId: Number(found["provider:segmentation_id"] ?? 0),
              },
            ],
          }
        : {}),
      ...(Array.isArray(found["segments"])
        ? {
            segments: mapsOf(found["segments"]).map((segment) => ({
              networkType: textOf(segment["provider:network_type"]),
              physicalNetwork: textOf(segment["provider:physical_network"]),
              segmentationId: Number(segment["provider:segmentation_id"] ?? 0),
            })),
          }
        : {}),
      transparentVlan: found["vlan_transparent"] === true,
      portSecurityEnabled: found["port_security_enabled"] !== false,
      mtu: Number(found["mtu"] ?? 0),
      dnsDomain: textOf(found["dns_domain"]),
      qosPolicyId: textOf(found["qos_policy_id"]),
      availabilityZoneHints: textsOf(found["availability_zone_hints"]),
      ...tagsOf(found, state),
    };
  },

  settle: (context, id) => awaitStatus(context, NETWORKS, id, READY),

  async update(context, id, { changed, wanted }) {
    const body: Record<string, unknown> = {};
    for (const [property, field] of Object.entries(FIELDS)) {
      if (changed.has(property)) body[field] = wanted[property] ?? "";
    }
    if (changed.has("segments")) body["segments"] = segmentsOf(wanted["segments"]);
    if (changed.has("qosPolicyId")) body["qos_policy_id"] = some(wanted["qosPolicyId"]) ?? null;
    await updateObject(context, NETWORKS, id, body);
    if (changed.has("tags")) await setTags(context, NETWORKS.path, id, textsOf(wanted["tags"]));
  },

  remove: (context, id) => removeObject(context, NETWORKS, id),
};

function segmentsOf(value: unknown): Record<string, unknown>[] | undefined {
  const segments = mapsOf(value);
  if (segments.length === 0) return undefined;
  return segments.map((segment) => ({
    "provider:network_type": some(segment["networkType"]),
    "provider:physical_network": some(segment["physicalNetwork"]),
    "provider:segmentation_id": segment["segmentationId"] || undefined,
  }));
}
