/**
 * Limits and use of a project's quotas, and how much of the use is this site's own.
 */
import type { z } from "zod";
import * as answers from "./answers.ts";
import { answer } from "./answers.ts";
import type { CloudReader } from "./cachedCloud.ts";
import type { Fact, Facts, Quota } from "./facts.ts";
import { QUOTA_NAMES, type QuotaName } from "./needs.ts";
import { isOwn, type Own, roleOf } from "./own.ts";

type Usage = Partial<Record<QuotaName, Quota | undefined>>;

/**
 * Quotas of compute, volume, network and load-balancer services, asked for side by side.
 *
 * @param own names of this site's objects
 */
export async function gatherQuotas(cloud: CloudReader, own: Own): Promise<NonNullable<Facts["quotas"]>> {
  const parts: [names: readonly QuotaName[], ask: () => Promise<Usage>][] = [
    [["instances", "cores", "ram", "server_groups", "server_group_members"], () => compute(cloud, own)],
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

/** Numbers of Nova and Cinder, where -1 is no limit; undefined for a quota that this cloud does not tell. */
function absolute(
  limits: Readonly<Record<string, number>>,
  limit: string,
  used: string | undefined,
  own: number,
): Quota | undefined {
  const most = limits[limit];
  return most === undefined
    ? undefined
    : { limit: most, used: used === undefined ? 0 : (limits[used] ?? 0), own };
}

function ownServers(cloud: CloudReader, own: Own) {
  return answer(cloud, "compute", answers.SERVERS.path, answers.servers, answers.SERVERS.options).then(
    ({ servers }) => servers.filter(({ name }) => roleOf(name, own) !== undefined),
  );
}

async function compute(cloud: CloudReader, own: Own): Promise<Usage> {
  const [{ limits }, mine, { server_groups }] = await Promise.all([
    answer(cloud, "compute", "/limits", answers.absoluteLimits),
    ownServers(cloud, own),
    answer(cloud, "compute", "/os-server-groups", answers.serverGroups),
  ]);
  const sum = (key: "vcpus" | "ram") => mine.reduce((total, server) => total + server.flavor[key], 0);
  const groups = server_groups.filter(({ name }) => isOwn(name, own)).length;
  const of = (limit: string, used: string | undefined, mineOfIt: number) =>
    absolute(limits.absolute, limit, used, mineOfIt);
  return {
    instances: of("maxTotalInstances", "totalInstancesUsed", mine.length),
    cores: of("maxTotalCores", "totalCoresUsed", sum("vcpus")),
    ram: of("maxTotalRAMSize", "totalRAMUsed", sum("ram")),
    server_groups: of("maxServerGroups", "totalServerGroupsUsed", groups),
    // Counted in each group by itself.
    server_group_members: of("maxServerGroupMembers", undefined, 0),
  };
}

async function volume(cloud: CloudReader, own: Own): Promise<Usage> {
  const [{ limits }, { volumes }, servers] = await Promise.all([
    answer(cloud, "volume", "/limits", answers.absoluteLimits),
    answer(cloud, "volume", "/volumes/detail", answers.volumes),
    ownServers(cloud, own),
  ]);
  const machines = new Set(servers.map(({ id }) => id));
  const mine = volumes.filter(
    ({ name, attachments }) =>
      isOwn(name, own) || (attachments ?? []).some(({ server_id }) => machines.has(server_id)),
  );
  const size = mine.reduce((total, item) => total + item.size, 0);
  return {
    volumes: absolute(limits.absolute, "maxTotalVolumes", "totalVolumesUsed", mine.length),
    gigabytes: absolute(limits.absolute, "maxTotalVolumeGigabytes", "totalGigabytesUsed", size),
  };
}

async function network(cloud: CloudReader, own: Own): Promise<Usage> {
  const projectId = await projectOf(cloud);
  const list = <T>(path: string, schema: z.ZodType<T>) =>
    answer(cloud, "network", path, schema, { query: { project_id: projectId } });
  const [{ quota }, nets, subs, routs, ports, ips, groups, rules] = await Promise.all([
    answer(cloud, "network", `/quotas/${projectId}`, answers.networkQuota),
    list("/networks", answers.networks),
    list("/subnets", answers.subnets),
    list("/routers", answers.routers),
    list("/ports", answers.ports),
    list("/floatingips", answers.floatingIps),
    list("/security-groups", answers.securityGroups),
    list("/security-group-rules", answers.securityGroupRules),
  ]);
  const ids = (items: readonly { id: string; name: string }[]) =>
    new Set(items.filter(({ name }) => isOwn(name, own)).map(({ id }) => id));
  const [myNetworks, myRouters, myGroups] = [
    ids(nets.networks),
    ids(routs.routers),
    ids(groups.security_groups),
  ];
  const myPorts = ports.ports.filter(
    ({ network_id, device_id }) => myNetworks.has(network_id) || myRouters.has(device_id),
  );
  const portIds = new Set(myPorts.map(({ id }) => id));
  const of = (key: string, used: number, mine: number): Quota => ({
    limit: quota[key] ?? -1,
    used,
    own: mine,
  });
  const mySubnets = subs.subnets.filter(({ network_id }) => myNetworks.has(network_id));
  const myIps = ips.floatingips.filter(({ port_id }) => portIds.has(port_id ?? ""));
  const myRules = rules.security_group_rules.filter(({ security_group_id }) =>
    myGroups.has(security_group_id),
  );
  return {
    networks: of("network", nets.networks.length, myNetworks.size),
    subnets: of("subnet", subs.subnets.length, mySubnets.length),
    routers: of("router", routs.routers.length, myRouters.size),
    ports: of("port", ports.ports.length, myPorts.length),
    floating_ips: of("floatingip", ips.floatingips.length, myIps.length),
    security_groups: of("security_group", groups.security_groups.length, myGroups.size),
    security_group_rules: of("security_group_rule", rules.security_group_rules.length, myRules.length),
  };
}

async function loadBalancer(cloud: CloudReader, own: Own): Promise<Usage> {
  const projectId = await projectOf(cloud);
  const [{ quota }, { loadbalancers }] = await Promise.all([
    answer(cloud, "load-balancer", `/lbaas/quotas/${projectId}`, answers.loadBalancerQuota),
    answer(cloud, "load-balancer", "/lbaas/loadbalancers", answers.loadBalancers, {
      query: { project_id: projectId },
    }),
  ]);
  const limit = quota.load_balancer ?? quota.loadbalancer ?? -1;
  const mine = loadbalancers.filter(({ name }) => name === own.loadBalancer);
  return { load_balancers: { limit, used: loadbalancers.length, own: mine.length } };
}

async function projectOf(cloud: CloudReader): Promise<string> {
  const { projectId } = await cloud.scope();
  if (projectId === undefined) throw new Error("the credentials are of no project");
  return projectId;
}
