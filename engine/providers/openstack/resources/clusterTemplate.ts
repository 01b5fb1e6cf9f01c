/** openstack:containerinfra/clusterTemplate:ClusterTemplate (resource_openstack_containerinfra_clustertemplate_v1.go). */
import type { Properties } from "../../../provider.ts";
import { isStatus } from "../../../../openstack/errors.ts";
import { flag, integer, map, region, text } from "../schema.ts";
import { jsonsOf, post, stringsOf, textOf, within, type Kind } from "./kind.ts";
import { dropUndefined } from "./neutron.ts";

/** Property to Magnum's name of it. */
const TEXTS = {
  name: "name",
  coe: "coe",
  image: "image_id",
  flavor: "flavor_id",
  masterFlavor: "master_flavor_id",
  clusterDistro: "cluster_distro",
  dnsNameserver: "dns_nameserver",
  dockerStorageDriver: "docker_storage_driver",
  externalNetworkId: "external_network_id",
  fixedNetwork: "fixed_network",
  fixedSubnet: "fixed_subnet",
  httpProxy: "http_proxy",
  httpsProxy: "https_proxy",
  insecureRegistry: "insecure_registry",
  keypairId: "keypair_id",
  networkDriver: "network_driver",
  noProxy: "no_proxy",
  serverType: "server_type",
  volumeDriver: "volume_driver",
} as const;
const FLAGS = {
  floatingIpEnabled: "floating_ip_enabled",
  hidden: "hidden",
  masterLbEnabled: "master_lb_enabled",
  public: "public",
  registryEnabled: "registry_enabled",
  tlsDisabled: "tls_disabled",
} as const;
const NUMBERS = { apiserverPort: "apiserver_port", dockerVolumeSize: "docker_volume_size" } as const;
const OUTPUTS = {
  createdAt: "created_at",
  projectId: "project_id",
  updatedAt: "updated_at",
  userId: "user_id",
} as const;
const FIELDS: Readonly<Record<string, string>> = { ...TEXTS, ...FLAGS, ...NUMBERS, labels: "labels" };

export const clusterTemplate: Kind = {
  token: "openstack:containerinfra/clusterTemplate:ClusterTemplate",
  title: "cluster template",
  schema: {
    region,
    name: text({ autoname: true }),
    coe: text({ required: true }),
    image: text({ required: true }),
    flavor: text(),
    masterFlavor: text(),
    clusterDistro: text({ computed: true }),
    dnsNameserver: text(),
    dockerStorageDriver: text({ computed: true }),
    externalNetworkId: text(),
    fixedNetwork: text(),
    fixedSubnet: text(),
    httpProxy: text(),
    httpsProxy: text(),
    insecureRegistry: text(),
    keypairId: text(),
    networkDriver: text({ computed: true }),
    noProxy: text(),
    serverType: text({ computed: true }),
    volumeDriver: text(),
    floatingIpEnabled: flag(),
    hidden: flag(),
    masterLbEnabled: flag(),
    public: flag(),
    registryEnabled: flag(),
    tlsDisabled: flag(),
    apiserverPort: integer(),
    dockerVolumeSize: integer(),
    labels: map(),
    createdAt: text({ output: true }),
    projectId: text({ output: true }),
    updatedAt: text({ output: true }),
    userId: text({ output: true }),
  },

  async create(context, wanted) {
    const body = dropUndefined(
      Object.fromEntries(Object.entries(FIELDS).map(([property, field]) => [field, asked(wanted, property)])),
    );
    const answer = await post(context, "container-infra", "/clustertemplates", { body }, async () => {
      // Names may be taken twice: one is only taken for ours when it is the only one.
      const listed = await context.cloud.get("container-infra", "/clustertemplates", within(context));
      const same = jsonsOf(listed["clustertemplates"]).filter(({ name }) => name === wanted["name"]);
      return same.length === 1 ? same[0] : undefined;
    });
    const id = textOf(answer["uuid"]);
    context.made(id);
    return id;
  },

  async read(context, id) {
    const found = await context.cloud.find("container-infra", `/clustertemplates/${id}`, within(context));
    if (!found) return null;
    const numbers = Object.entries(NUMBERS).filter(([, field]) => typeof found[field] === "number");
    return {
      ...Object.fromEntries(
        Object.entries({ ...TEXTS, ...OUTPUTS }).map(([property, field]) => [property, textOf(found[field])]),
      ),
      ...Object.fromEntries(
        Object.entries(FLAGS).map(([property, field]) => [property, found[field] === true]),
      ),
      ...Object.fromEntries(numbers.map(([property, field]) => [property, Number(found[field])])),
      labels: stringsOf(found["labels"]),
    };
  },

  async update(context, id, { changed, wanted }) {
    const patch = Object.entries(FIELDS)
      .filter(([property]) => changed.has(property))
      .map(([property, field]) => {
        const value = asked(wanted, property);
        return value === undefined
          ? { op: "remove", path: `/${field}` }
          : { op: "replace", path: `/${field}`, value };
      });
    if (patch.length === 0) return;
    const options = within(context, { body: patch });
    await context.cloud.request("container-infra", "PATCH", `/clustertemplates/${id}`, options);
  },

  async remove(context, id) {
    try {
      await context.cloud.request("container-infra", "DELETE", `/clustertemplates/${id}`, within(context));
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
  },
};

/** A property as Magnum takes it: what is not set is false, and of a text, which Magnum then chooses, undefined. */
function asked(wanted: Properties, property: string): unknown {
  const value = wanted[property];
  if (property in FLAGS) return value ?? false;
  return value === "" || value === null ? undefined : value;
}
