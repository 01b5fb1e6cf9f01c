/**
 * Networks: the external one, existing ones, and addresses that must not meet.
 */
import { overlaps, parseCidr } from "../../config/cidr.ts";
import type { Config } from "../../config/schema.ts";
import { type Check, fail, pass, unknown, warn } from "../check.ts";
import type { ExistingNetwork, Facts } from "../facts.ts";

export function externalNetwork(config: Config, { externalNetwork: fact }: Facts): Check {
  const want = `external network ${config.seed.network.externalNetworkId}`;
  const hint = "openstack network list --external names those there are";
  if ("error" in fact) return unknown("network.external", want, fact.error, hint);
  if (fact.value === undefined) return fail("network.external", want, "no such network", hint);
  if (!fact.value.external) return fail("network.external", want, `${fact.value.name} is not external`, hint);
  return pass("network.external", want, fact.value.name);
}

export function cidrs(config: Config, { subnets }: Facts): Check[] {
  const planned: [name: string, cidr: string][] = [
    ["cluster.network.podCidr", config.cluster.network.podCidr],
    ["cluster.network.serviceCidr", config.cluster.network.serviceCidr],
  ];
  if (config.seed.network.networkId === undefined)
    planned.push(["seed.network.cidr", config.seed.network.cidr]);
  if (!config.cluster.network.useSeedNetwork && config.cluster.network.networkId === undefined) {
    planned.push(["cluster.network.nodeCidr", config.cluster.network.nodeCidr]);
  }
  if ("error" in subnets)
    return [unknown("network.overlap", "no overlap", subnets.error, "openstack subnet list")];
  const clashes = planned.flatMap(([name, cidr]) =>
    subnets.value
      .filter((subnet) => !subnet.own)
      .filter((subnet) => {
        const [one, other] = [parseCidr(cidr), parseCidr(subnet.cidr)];
        return one !== undefined && other !== undefined && overlaps(one, other);
      })
      .map((subnet) => `${name} ${cidr} with ${subnet.name} ${subnet.cidr}`),
  );
  const want = "no overlap with existing subnets";
  if (clashes.length === 0)
    return [pass("network.overlap", want, `${subnets.value.length} subnets looked at`)];
  // Two networks of a project may use the same addresses as long as no router joins them.
  return [
    warn(
      "network.overlap",
      want,
      clashes.join("; "),
      "choose other addresses if these networks are to reach each other",
    ),
  ];
}

/** Existing networks are there and have IPv4 addresses, and the API lets in what is behind their routers. */
export function existing(config: Config, { existingNetworks: fact }: Facts): Check[] {
  if ("error" in fact) {
    return [unknown("network.existing", "the networks named", fact.error, "openstack network list")];
  }
  return fact.value.flatMap((network) => {
    const id = `network.${network.path}`;
    if (!network.exists) {
      const hint = "openstack network list names those that the project may use";
      return [fail(id, network.id, "no such network", hint)];
    }
    return [ipv4(`${id}.ipv4`, network), ...routers(`${id}.router`, network, config)];
  });
}

function ipv4(id: string, { path, subnetId, subnets }: ExistingNetwork): Check {
  const want = "an IPv4 subnet";
  const v4 = subnets.filter(({ ipVersion }) => ipVersion === 4);
  const hint = `set ${path}.subnetId to ${v4.map((subnet) => subnet.id).join(" or ") || "an IPv4 subnet's id"}`;
  // Another project's subnets may be hidden.
  if (subnets.length === 0) return pass(id, want, "no subnet is shown to this project");
  if (v4.length === 0) return fail(id, want, "IPv6 only", "use a network with an IPv4 subnet");
  if (subnetId !== undefined) {
    return v4.some((subnet) => subnet.id === subnetId)
      ? pass(id, want, subnetId)
      : fail(id, want, `${path}.subnetId ${subnetId} is no IPv4 subnet of it`, hint);
  }
  // The load balancer's address would come from whichever subnet Neutron names first.
  return v4.length < subnets.length && path === "cluster.network"
    ? fail(id, want, "IPv4 and IPv6", hint)
    : pass(id, want, `${v4.length} of ${subnets.length} subnets`);
}

function routers(id: string, { routerAddresses }: ExistingNetwork, config: Config): Check[] {
  const { allowedCidrs, routerAddresses: named } = config.cluster.apiServer;
  if (named === undefined || allowedCidrs.length === 0) return [];
  const want = "its router's addresses let in";
  const missing = routerAddresses.filter((address) => {
    const one = parseCidr(`${address}/32`);
    const inList = allowedCidrs.some((cidr) => {
      const other = parseCidr(cidr);
      return one !== undefined && other !== undefined && overlaps(one, other);
    });
    return !inList && !named.includes(address);
  });
  const have = routerAddresses.join(", ") || "no router that this project sees";
  return [
    missing.length === 0
      ? pass(id, want, have)
      : fail(id, want, have, `add ${missing.join(", ")} to cluster.apiServer.routerAddresses`),
  ];
}

/** k3s's own networks, which stay at its defaults. */
const K3S_NETWORKS = ["10.42.0.0/16", "10.43.0.0/16"];

/** Pods reach the cloud's endpoints only where their addresses are nobody's of the cluster. */
export function endpoints(config: Config, { endpoints: fact }: Facts): Check {
  const id = "network.endpoints";
  const want = "endpoints outside of pods' and services' addresses";
  if ("error" in fact) return unknown(id, want, fact.error, "openstack catalog list");
  const inside = [
    ["cluster.network.podCidr", config.cluster.network.podCidr],
    ["cluster.network.serviceCidr", config.cluster.network.serviceCidr],
    ...K3S_NETWORKS.map((cidr) => ["k3s", cidr]),
  ] as const;
  const clashes = fact.value.flatMap(({ host, addresses }) =>
    addresses.flatMap((address) => {
      const one = parseCidr(`${address}/32`);
      return inside
        .filter(([, cidr]) => {
          const other = parseCidr(cidr ?? "");
          return one !== undefined && other !== undefined && overlaps(one, other);
        })
        .map(([setting, cidr]) => `${host} (${address}) is in ${setting} ${cidr}`);
    }),
  );
  if (clashes.length > 0) {
    return fail(id, want, [...new Set(clashes)].join("; "), "choose other addresses for pods and services");
  }
  const unknownHosts = fact.value.filter(({ addresses }) => addresses.length === 0).map(({ host }) => host);
  return unknownHosts.length === 0
    ? pass(id, want, `${fact.value.length} hosts looked at`)
    : warn(id, want, `${unknownHosts.join(", ")} unknown here`, "compare their addresses by hand");
}
