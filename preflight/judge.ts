/**
 * The verdicts: configuration on one side, facts on the other. Pure.
 */
import { overlaps, parseCidr } from "../config/cidr.ts";
import type { Config } from "../config/schema.ts";
import { type Check, fail, pass, warn } from "./check.ts";
import type { Fact, Facts, Quota } from "./facts.ts";
import { needs, QUOTA_NAMES, type FlavorSize } from "./needs.ts";

/** Keystone's tokens and S3's signatures both fail beyond a few minutes; certificates just made fail beyond seconds. */
const MAX_SKEW_SECONDS = 30;
const SKEW_FAILS_SECONDS = 240;

/** Smallest machines the components run on: azimuth-ops' flavor constraints. */
const MINIMUM: Record<"seed" | "controlPlane" | "workers", FlavorSize> = {
  seed: { vcpus: 2, ram: 8192, disk: 20 },
  controlPlane: { vcpus: 2, ram: 8192, disk: 40 },
  workers: { vcpus: 2, ram: 8192, disk: 40 },
};

/** Flavors that a hint names. */
const FLAVORS_SHOWN = 6;

/** Every check, in the order an operator would fix them. */
export function judge(config: Config, facts: Facts): Check[] {
  // Without a token every other answer of the cloud would be the same refusal.
  if ("error" in facts.scope) return [...credentials(config, facts), ...downloads(facts), ...state(facts)];
  return [
    ...credentials(config, facts),
    clock(facts),
    ...flavors(config, facts),
    ...images(config, facts),
    externalNetwork(config, facts),
    ...cidrs(config, facts),
    loadBalancerProvider(config, facts),
    ...named("volume-type", volumeTypes(config), facts.volumeTypes, "openstack volume type list"),
    ...named(
      "availability-zone.compute",
      computeZones(config),
      facts.computeZones,
      "openstack availability zone list --compute",
    ),
    ...named(
      "availability-zone.volume",
      volumeZones(config),
      facts.volumeZones,
      "openstack availability zone list --volume",
    ),
    ...quotas(config, facts),
    ...downloads(facts),
    ...state(facts),
  ];
}

/** A check whose fact could not be had fails with the reason, in the cloud's own words. */
function unknown(id: string, want: string, error: string, hint: string): Check {
  return fail(id, want, error, hint);
}

function credentials(config: Config, { scope }: Facts): Check[] {
  const id = "credentials.valid";
  if ("error" in scope) {
    return [
      unknown(
        id,
        "accepted by Keystone",
        scope.error,
        "check the application credential in clouds.yaml or openstack.*: id, secret, expiry, authUrl, caCert",
      ),
    ];
  }
  const { methods, projectId, projectName, roles } = scope.value;
  const checks = [pass(id, "accepted by Keystone", `project ${projectName ?? "?"}`)];
  const kind = methods.includes("application_credential");
  checks.push(
    kind
      ? pass("credentials.kind", "application credential", "application credential")
      : fail(
          "credentials.kind",
          "application credential",
          methods.join(", "),
          "make one in Horizon or with openstack application credential create: Cluster API keeps a copy in the cluster",
        ),
  );
  const { projectId: wanted } = config.openstack;
  if (wanted !== undefined) {
    const same = projectId?.replaceAll("-", "") === wanted.replaceAll("-", "");
    checks.push(
      same
        ? pass("credentials.project", wanted, wanted)
        : fail(
            "credentials.project",
            wanted,
            projectId ?? "none",
            "the credential is of another project than openstack.projectId",
          ),
    );
  }
  const member = roles.some((role) => role === "member" || role === "admin");
  checks.push(
    member
      ? pass("roles.member", "member", roles.join(", "))
      : fail(
          "roles.member",
          "member",
          roles.join(", ") || "none",
          "give the user the role member on the project, then make the application credential anew",
        ),
  );
  const balancer = roles.some((role) => /^load-balancer_(member|admin)$/.test(role) || role === "admin");
  checks.push(
    balancer
      ? pass("roles.load-balancer_member", "load-balancer_member", roles.join(", "))
      : warn(
          "roles.load-balancer_member",
          "load-balancer_member",
          roles.join(", ") || "none",
          "clouds with Octavia's own policy need this role: without it load balancers cannot be made, and a delete hangs",
        ),
  );
  return checks;
}

function clock({ clockSkew }: Facts): Check {
  const want = `within ${MAX_SKEW_SECONDS} s of the cloud`;
  if ("error" in clockSkew) return warn("clock.skew", want, clockSkew.error, "compare the clocks by hand");
  const seconds = Math.round(clockSkew.value);
  const have = `${Math.abs(seconds)} s ${seconds >= 0 ? "behind" : "ahead of"} the cloud`;
  if (Math.abs(seconds) <= MAX_SKEW_SECONDS) return pass("clock.skew", want, have);
  const judged = Math.abs(seconds) > SKEW_FAILS_SECONDS ? fail : warn;
  return judged(
    "clock.skew",
    want,
    have,
    "set this machine's clock by NTP: signatures and fresh certificates are refused otherwise",
  );
}

function flavors(config: Config, facts: Facts): Check[] {
  const names = {
    seed: config.seed.flavor,
    controlPlane: config.cluster.controlPlane.flavor,
    workers: config.cluster.workers.flavor,
  };
  const roots = {
    seed: config.seed.rootVolume,
    controlPlane: config.cluster.controlPlane.rootVolume,
    workers: config.cluster.workers.rootVolume,
  };
  const ids = { seed: "flavor.seed", controlPlane: "flavor.control-plane", workers: "flavor.workers" };
  return (["seed", "controlPlane", "workers"] as const).map((role) => {
    const minimum = MINIMUM[role];
    const disk = roots[role].enabled ? 0 : minimum.disk;
    const want = `${names[role]} with ${minimum.vcpus} vCPU, ${minimum.ram} MiB${disk === 0 ? "" : `, ${disk} GB`}`;
    const fact = facts.flavors[role];
    const list = largeEnough(facts, { ...minimum, disk });
    if ("error" in fact) return unknown(ids[role], want, fact.error, list);
    const found = fact.value;
    if (found === undefined) return fail(ids[role], want, "no such flavor", list);
    const have = `${found.vcpus} vCPU, ${found.ram} MiB, ${found.disk} GB`;
    if (found.vcpus < minimum.vcpus || found.ram < minimum.ram) return fail(ids[role], want, have, list);
    // Many clouds have flavors without a disk on purpose; Nova then takes the image's size.
    if (found.disk < disk)
      return warn(ids[role], want, have, "choose a flavor with a larger disk, or enable rootVolume");
    return pass(ids[role], want, have);
  });
}

/** Hint: flavors to choose from, those with disk enough first, then the smaller ones. */
function largeEnough({ allFlavors }: Facts, minimum: FlavorSize): string {
  const how = "openstack flavor list names those there are";
  if ("error" in allFlavors) return how;
  const enough = allFlavors.value.filter(({ vcpus, ram }) => vcpus >= minimum.vcpus && ram >= minimum.ram);
  if (enough.length === 0) {
    return `none of the ${allFlavors.value.length} flavors is large enough: the cloud's operator has to make one`;
  }
  const small = ({ disk }: FlavorSize) => Number(disk < minimum.disk);
  const sorted = enough.sort((a, b) => small(a) - small(b) || a.ram - b.ram || a.vcpus - b.vcpus);
  const shown = sorted.slice(0, FLAVORS_SHOWN).map(({ name }) => name);
  return `choose ${shown.join(", ")}${sorted.length > shown.length ? ` (${how})` : ""}`;
}

function images(config: Config, facts: Facts): Check[] {
  return (["seed", "cluster"] as const).flatMap((role): Check[] => {
    const { id, name, url, checksum } = config[role].image;
    const check = `image.${role}`;
    if (url !== undefined) {
      return [
        checksum === undefined
          ? warn(
              `${check}.checksum`,
              "a checksum",
              "none",
              `add ${role}.image.checksum: without it the image is taken as served`,
            )
          : pass(`${check}.checksum`, "a checksum", checksum.split(":")[0] ?? ""),
      ];
    }
    const want = name ?? id ?? "an image";
    const fact = facts.images[role];
    if ("error" in fact)
      return [unknown(check, want, fact.error, "openstack image list names those there are")];
    const [found, ...others] = fact.value;
    if (found === undefined)
      return [
        fail(
          check,
          want,
          "no such image",
          "openstack image list names those there are; it must be shared with the project or public",
        ),
      ];
    if (others.length > 0)
      return [
        fail(
          check,
          want,
          `${fact.value.length} images of that name`,
          `give the one you mean as ${role}.image.id`,
        ),
      ];
    if (found.status !== "active")
      return [fail(check, `${want}, active`, found.status, "wait for the image, or upload it anew")];
    return [pass(check, want, `${found.name}, active`)];
  });
}

function externalNetwork(config: Config, { externalNetwork: fact }: Facts): Check {
  const want = `external network ${config.seed.network.externalNetworkId}`;
  const hint = "openstack network list --external names those there are";
  if ("error" in fact) return unknown("network.external", want, fact.error, hint);
  if (fact.value === undefined) return fail("network.external", want, "no such network", hint);
  if (!fact.value.external) return fail("network.external", want, `${fact.value.name} is not external`, hint);
  return pass("network.external", want, fact.value.name);
}

function cidrs(config: Config, { subnets }: Facts): Check[] {
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

function loadBalancerProvider(config: Config, { loadBalancerProviders: fact }: Facts): Check {
  const want = config.cluster.apiServer.loadBalancerProvider;
  const hint =
    "set cluster.apiServer.loadBalancerProvider; openstack loadbalancer provider list names those there are";
  if ("error" in fact) return unknown("load-balancer.provider", want, fact.error, hint);
  const have = fact.value.join(", ") || "none";
  return fact.value.includes(want)
    ? pass("load-balancer.provider", want, have)
    : fail("load-balancer.provider", want, have, hint);
}

function volumeTypes({ seed, cluster }: Config): (string | undefined)[] {
  const { controlPlane, workers, storage } = cluster;
  return [
    seed.dataVolume.type,
    seed.rootVolume.enabled ? seed.rootVolume.type : undefined,
    controlPlane.rootVolume.enabled ? controlPlane.rootVolume.type : undefined,
    controlPlane.etcdVolume.sizeGb > 0 ? controlPlane.etcdVolume.type : undefined,
    workers.rootVolume.enabled ? workers.rootVolume.type : undefined,
    storage.volumeType,
  ];
}

function computeZones({ seed, cluster }: Config): (string | undefined)[] {
  return [seed.availabilityZone, ...cluster.controlPlane.failureDomains, cluster.workers.failureDomain];
}

function volumeZones({ seed, cluster }: Config): (string | undefined)[] {
  const { etcdVolume } = cluster.controlPlane;
  return [
    seed.dataVolume.availabilityZone,
    etcdVolume.sizeGb > 0 ? etcdVolume.availabilityZone : undefined,
    cluster.storage.availabilityZone,
  ];
}

/** One check for each distinct name that must be among those the cloud has. */
function named(
  id: string,
  wanted: readonly (string | undefined)[],
  fact: Fact<readonly string[]>,
  list: string,
): Check[] {
  const names = [...new Set(wanted.filter((name) => name !== undefined))];
  return names.map((name) => {
    const hint = `${list} names those there are`;
    if ("error" in fact) return unknown(`${id}.${name}`, name, fact.error, hint);
    const have = fact.value.join(", ") || "none";
    return fact.value.includes(name)
      ? pass(`${id}.${name}`, name, have)
      : fail(`${id}.${name}`, name, have, hint);
  });
}

function quotas(config: Config, facts: Facts): Check[] {
  const { quotas: found } = facts;
  if (found === undefined) return [];
  const size = (fact: Fact<FlavorSize | undefined>) => ("value" in fact ? fact.value : undefined);
  const { seed, controlPlane, workers } = facts.flavors;
  const needed = needs(config, {
    seed: size(seed),
    controlPlane: size(controlPlane),
    workers: size(workers),
  });
  return QUOTA_NAMES.filter((name) => needed[name] > 0).map((name) => {
    const want = `${needed[name]}`;
    const fact = found[name];
    if ("error" in fact) return unknown(`quota.${name}`, want, fact.error, "openstack quota show --usage");
    return quota(`quota.${name}`, needed[name], fact.value);
  });
}

function quota(id: string, needed: number, { limit, used, own }: Quota): Check {
  const want = `${needed}`;
  if (limit < 0) return pass(id, want, "unlimited");
  // What this stack already uses is part of its need, and not somebody else's.
  const free = limit - (used - own);
  const have = `${free} of ${limit}${own > 0 ? ` (${own} in use by this site)` : ""}`;
  return free >= needed
    ? pass(id, want, have)
    : fail(
        id,
        want,
        have,
        `raise the quota by ${needed - free}, or free as many; the need counts one rolling upgrade`,
      );
}

function downloads({ downloads: all }: Facts): Check[] {
  return [...all].map(([name, { url, answer }]) => {
    const id = `download.${name}`;
    const hint = `${url}: check mirror.url, and that this machine and the seed may reach it`;
    if ("error" in answer) return unknown(id, "reachable", answer.error, hint);
    const { status, length } = answer.value;
    if (status >= 400) {
      const wrong = `${url}: the version or the mirror's layout is wrong`;
      return fail(id, "HTTP 200", `HTTP ${status}`, status === 404 ? wrong : hint);
    }
    if (length === 0) return fail(id, "some content", "an empty file", hint);
    return pass(id, "reachable", length === undefined ? `HTTP ${status}` : `${length} bytes`);
  });
}

function state({ state: fact }: Facts): Check[] {
  if (fact === undefined)
    return [
      warn(
        "state.backend",
        "an S3 backend",
        "none in PULUMI_BACKEND_URL",
        "state on one machine's disk is lost with it: see docs/state.md",
      ),
    ];
  const hint = "bin/bootstrap-state makes and checks the bucket";
  if ("error" in fact) return [unknown("state.reachable", "reachable", fact.error, hint)];
  const { versioning, public: open } = fact.value;
  return [
    pass("state.reachable", "reachable", "reachable"),
    versioning === "Enabled"
      ? pass("state.versioned", "versioning", "Enabled")
      : fail(
          "state.versioned",
          "versioning",
          versioning ?? "off",
          `${hint}: without versions a bad write cannot be undone`,
        ),
    open
      ? fail("state.private", "not public", "anybody can list it", hint)
      : pass("state.private", "not public", "private"),
  ];
}
