/**
 * Limits and use of a project's quotas, and how much of the use is this site's own.
 */
import type { Json } from "../openstack/cloud.ts";
import type { CloudReader } from "./cachedCloud.ts";
import type { Fact, Facts, Quota } from "./facts.ts";
import { QUOTA_NAMES, type QuotaName } from "./needs.ts";

type Usage = Partial<Record<QuotaName, Quota>>;

/**
 * Quotas of compute, volume, network and load-balancer services, asked for side by side.
 *
 * @param own prefix of the names of this site's objects
 */
export async function gatherQuotas(cloud: CloudReader, own: string): Promise<NonNullable<Facts["quotas"]>> {
  const parts: [names: readonly QuotaName[], ask: () => Promise<Usage>][] = [
    [["instances", "cores", "ram"], () => compute(cloud, own)],
    [["volumes", "gigabytes"], () => volume(cloud, own)],
    [
      ["networks", "subnets", "routers", "ports", "floating_ips", "security_groups", "security_group_rules"],
      () => network(cloud, own),
    ],
    [["load_balancers"], () => loadBalancer(cloud, own)],
  ];
  const answers = await Promise.all(
    parts.map(async ([names, ask]) => {
      try {
        const usage = await ask();
        return names.map((name): [QuotaName, Fact<Quota>] => {
          const quota = usage[name];
          return [name, quota === undefined ? { error: "the cloud tells no such quota" } : { value: quota }];
        });
      } catch (error) {
        return names.map((name): [QuotaName, Fact<Quota>] => [name, { error: (error as Error).message }]);
      }
    }),
  );
  const found = new Map(answers.flat());
  return Object.fromEntries(QUOTA_NAMES.map((name) => [name, found.get(name)])) as NonNullable<
    Facts["quotas"]
  >;
}

/** 2.47 puts the flavor's size into the server, so that own use needs no second look-up. */
function serversOf(cloud: CloudReader): Promise<Json> {
  return cloud.get("compute", "/servers/detail", { microversion: "2.47" });
}

function objects(body: Json, key: string): Json[] {
  return (body[key] ?? []) as Json[];
}

function named(items: readonly Json[], own: string): Json[] {
  return items.filter(
    (item) =>
      String(item["name"]).startsWith(own) || String(item["name"]).includes(`-cluster-default-${own}`),
  );
}

async function compute(cloud: CloudReader, own: string): Promise<Usage> {
  const [limits, servers] = await Promise.all([cloud.get("compute", "/limits"), serversOf(cloud)]);
  const absolute = (limits["limits"] as Json)["absolute"] as Record<string, number>;
  const mine = named(objects(servers, "servers"), own);
  const sum = (key: string) =>
    mine.reduce((total, server) => total + Number((server["flavor"] as Json)[key] ?? 0), 0);
  return {
    instances: {
      limit: absolute["maxTotalInstances"] ?? -1,
      used: absolute["totalInstancesUsed"] ?? 0,
      own: mine.length,
    },
    cores: {
      limit: absolute["maxTotalCores"] ?? -1,
      used: absolute["totalCoresUsed"] ?? 0,
      own: sum("vcpus"),
    },
    ram: { limit: absolute["maxTotalRAMSize"] ?? -1, used: absolute["totalRAMUsed"] ?? 0, own: sum("ram") },
  };
}

async function volume(cloud: CloudReader, own: string): Promise<Usage> {
  const [limits, volumes, servers] = await Promise.all([
    cloud.get("volume", "/limits"),
    cloud.get("volume", "/volumes/detail"),
    serversOf(cloud),
  ]);
  const absolute = (limits["limits"] as Json)["absolute"] as Record<string, number>;
  const machines = new Set(named(objects(servers, "servers"), own).map((server) => server["id"]));
  const mine = objects(volumes, "volumes").filter(
    (item) =>
      String(item["name"]).startsWith(own) ||
      ((item["attachments"] ?? []) as Json[]).some((attachment) => machines.has(attachment["server_id"])),
  );
  const size = mine.reduce((total, item) => total + Number(item["size"]), 0);
  return {
    volumes: {
      limit: absolute["maxTotalVolumes"] ?? -1,
      used: absolute["totalVolumesUsed"] ?? 0,
      own: mine.length,
    },
    gigabytes: {
      limit: absolute["maxTotalVolumeGigabytes"] ?? -1,
      used: absolute["totalGigabytesUsed"] ?? 0,
      own: size,
    },
  };
}

async function network(cloud: CloudReader, own: string): Promise<Usage> {
  const { projectId } = await cloud.scope();
  if (projectId === undefined) throw new Error("the credentials are of no project");
  const kinds = {
    networks: ["network", "networks"],
    subnets: ["subnet", "subnets"],
    routers: ["router", "routers"],
    ports: ["port", "ports"],
    floating_ips: ["floatingip", "floatingips"],
    security_groups: ["security_group", "security-groups"],
    security_group_rules: ["security_group_rule", "security-group-rules"],
  } as const;
  const [quota, ...lists] = await Promise.all([
    cloud.get("network", `/quotas/${projectId}`),
    ...Object.values(kinds).map(([, path]) =>
      cloud.get("network", `/${path}`, { query: { project_id: projectId } }),
    ),
  ]);
  const limits = quota["quota"] as Record<string, number>;
  const all = Object.fromEntries(
    Object.entries(kinds).map(([name, [, path]], index) => [
      name,
      objects(lists[index] ?? {}, path.replaceAll("-", "_")),
    ]),
  ) as Record<keyof typeof kinds, Json[]>;
  const routers = new Set(named(all.routers, own).map((item) => item["id"]));
  const networks = new Set(named(all.networks, own).map((item) => item["id"]));
  const groups = new Set(named(all.security_groups, own).map((item) => item["id"]));
  const ports = all.ports.filter(
    (item) => networks.has(item["network_id"]) || routers.has(item["device_id"]),
  );
  const portIds = new Set(ports.map((item) => item["id"]));
  const mine: Record<keyof typeof kinds, number> = {
    networks: networks.size,
    subnets: all.subnets.filter((item) => networks.has(item["network_id"])).length,
    routers: routers.size,
    ports: ports.length,
    floating_ips: all.floating_ips.filter((item) => portIds.has(item["port_id"])).length,
    security_groups: groups.size,
    security_group_rules: all.security_group_rules.filter((item) => groups.has(item["security_group_id"]))
      .length,
  };
  return Object.fromEntries(
    Object.entries(kinds).map(([name, [key]]) => {
      const kind = name as keyof typeof kinds;
      return [kind, { limit: limits[key] ?? -1, used: all[kind].length, own: mine[kind] }];
    }),
  );
}

async function loadBalancer(cloud: CloudReader, own: string): Promise<Usage> {
  const { projectId } = await cloud.scope();
  if (projectId === undefined) throw new Error("the credentials are of no project");
  const [quota, balancers] = await Promise.all([
    cloud.get("load-balancer", `/lbaas/quotas/${projectId}`),
    cloud.get("load-balancer", "/lbaas/loadbalancers", { query: { project_id: projectId } }),
  ]);
  const all = objects(balancers, "loadbalancers");
  const limits = quota["quota"] as Record<string, number | null>;
  const limit = limits["load_balancer"] ?? limits["loadbalancer"] ?? -1;
  const mine = all.filter((item) => String(item["name"]).includes(own));
  return { load_balancers: { limit, used: all.length, own: mine.length } };
}
