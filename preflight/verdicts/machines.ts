/**
 * What machines are made of: flavors, images, volumes, zones, load balancer.
 */
import type { Config } from "../../config/schema.ts";
import { type Check, fail, named, pass, unknown, warn } from "../check.ts";
import type { Facts } from "../facts.ts";
import type { FlavorSize } from "../needs.ts";

/** Smallest machines the components run on: azimuth-ops' flavor constraints. */
const MINIMUM: Record<"seed" | "controlPlane" | "workers", FlavorSize> = {
  seed: { vcpus: 2, ram: 8192, disk: 20 },
  controlPlane: { vcpus: 2, ram: 8192, disk: 40 },
  workers: { vcpus: 2, ram: 8192, disk: 40 },
};

/** Flavors that a hint names. */
const FLAVORS_SHOWN = 6;

export function flavors(config: Config, facts: Facts): Check[] {
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
  const machines = (["seed", "controlPlane", "workers"] as const).map((role) => ({
    ...{ id: ids[role], name: names[role], minimum: MINIMUM[role], fact: facts.flavors[role] },
    fromVolume: roots[role].enabled,
  }));
  const groups = Object.entries(config.cluster.workerGroups).flatMap(([group, { flavor, rootVolume }]) => {
    const fact = facts.groupFlavors?.[group];
    if (flavor === undefined || fact === undefined) return [];
    const fromVolume = rootVolume !== undefined || roots.workers.enabled;
    return [{ id: `flavor.workers.${group}`, name: flavor, minimum: MINIMUM.workers, fact, fromVolume }];
  });
  return [...machines, ...groups].map(({ id, name, minimum, fact, fromVolume }) => {
    const disk = fromVolume ? 0 : minimum.disk;
    const want = `${name} with ${minimum.vcpus} vCPU, ${minimum.ram} MiB${disk === 0 ? "" : `, ${disk} GB`}`;
    const list = largeEnough(facts, { ...minimum, disk });
    if ("error" in fact) return unknown(id, want, fact.error, list);
    const found = fact.value;
    if (found === undefined) {
      const byId = "value" in facts.allFlavors && facts.allFlavors.value.some((flavor) => flavor.id === name);
      return byId
        ? fail(id, want, "an id", "Cluster API's provider takes a flavor by its name only")
        : fail(id, want, "no such flavor", list);
    }
    const have = `${found.vcpus} vCPU, ${found.ram} MiB, ${found.disk} GB`;
    if (found.vcpus < minimum.vcpus || found.ram < minimum.ram) return fail(id, want, have, list);
    // Many clouds have flavors without a disk on purpose; Nova then takes the image's size.
    if (found.disk < disk)
      return warn(id, want, have, "choose a flavor with a larger disk, or enable rootVolume");
    return pass(id, want, have);
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

export function images(config: Config, facts: Facts): Check[] {
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

export function loadBalancerProvider(config: Config, { loadBalancerProviders: fact }: Facts): Check {
  const want = config.cluster.apiServer.loadBalancerProvider;
  const hint =
    "set cluster.apiServer.loadBalancerProvider; openstack loadbalancer provider list names those there are";
  if ("error" in fact) return unknown("load-balancer.provider", want, fact.error, hint);
  const have = fact.value.join(", ") || "none";
  return fact.value.includes(want)
    ? pass("load-balancer.provider", want, have)
    : fail("load-balancer.provider", want, have, hint);
}

/** Volume types and availability zones that the configuration names. */
export function placement(config: Config, facts: Facts): Check[] {
  const list = (command: string) => `openstack ${command} names those there are`;
  return [
    ...named("volume-type", volumeTypes(config), facts.volumeTypes, list("volume type list")),
    ...named(
      "availability-zone.compute",
      computeZones(config),
      facts.computeZones,
      list("availability zone list --compute"),
    ),
    ...named(
      "availability-zone.volume",
      volumeZones(config),
      facts.volumeZones,
      list("availability zone list --volume"),
    ),
    // The chart asks Cinder for a zone of the machine's failure domain's name, which Nova alone may know.
    ...zonesOfFailureDomains(config).flatMap(({ zones, setting }) =>
      named(`failure-domain.${setting}`, zones, facts.volumeZones, `no Cinder zone: set ${setting}`),
    ),
  ];
}

function zonesOfFailureDomains({ cluster }: Config): { zones: readonly string[]; setting: string }[] {
  const { controlPlane, workers } = cluster;
  const uses = (enabled: boolean, zone: string | undefined) => enabled && zone === undefined;
  const { rootVolume, etcdVolume, failureDomains } = controlPlane;
  const ofWorkers = workers.failureDomain === undefined ? [] : [workers.failureDomain];
  return [
    ...(uses(rootVolume.enabled, rootVolume.availabilityZone)
      ? [{ zones: failureDomains, setting: "cluster.controlPlane.rootVolume.availabilityZone" }]
      : []),
    ...(uses(etcdVolume.sizeGb > 0, etcdVolume.availabilityZone)
      ? [{ zones: failureDomains, setting: "cluster.controlPlane.etcdVolume.availabilityZone" }]
      : []),
    ...(uses(workers.rootVolume.enabled, workers.rootVolume.availabilityZone)
      ? [{ zones: ofWorkers, setting: "cluster.workers.rootVolume.availabilityZone" }]
      : []),
    ...Object.entries(cluster.workerGroups).flatMap(([name, { rootVolume: own, failureDomain }]) => {
      const zone = own?.availabilityZone ?? workers.rootVolume.availabilityZone;
      const domain = failureDomain ?? workers.failureDomain;
      return uses(own !== undefined || workers.rootVolume.enabled, zone) && domain !== undefined
        ? [{ zones: [domain], setting: `cluster.workerGroups.${name}.rootVolume.availabilityZone` }]
        : [];
    }),
  ];
}

function volumeTypes({ seed, cluster }: Config): (string | undefined)[] {
  const { controlPlane, workers, storage } = cluster;
  return [
    seed.dataVolume.type,
    seed.rootVolume.enabled ? seed.rootVolume.type : undefined,
    controlPlane.rootVolume.enabled ? controlPlane.rootVolume.type : undefined,
    controlPlane.etcdVolume.sizeGb > 0 ? controlPlane.etcdVolume.type : undefined,
    workers.rootVolume.enabled ? workers.rootVolume.type : undefined,
    ...Object.values(cluster.workerGroups).map(({ rootVolume }) => rootVolume?.type),
    storage.volumeType,
  ];
}

function computeZones({ seed, cluster }: Config): (string | undefined)[] {
  return [
    ...[seed.availabilityZone, ...cluster.controlPlane.failureDomains, cluster.workers.failureDomain],
    ...Object.values(cluster.workerGroups).map(({ failureDomain }) => failureDomain),
  ];
}

function volumeZones({ seed, cluster }: Config): (string | undefined)[] {
  const { etcdVolume, rootVolume } = cluster.controlPlane;
  return [
    seed.dataVolume.availabilityZone,
    rootVolume.enabled ? rootVolume.availabilityZone : undefined,
    cluster.workers.rootVolume.enabled ? cluster.workers.rootVolume.availabilityZone : undefined,
    ...Object.values(cluster.workerGroups).map(({ rootVolume }) => rootVolume?.availabilityZone),
    etcdVolume.sizeGb > 0 ? etcdVolume.availabilityZone : undefined,
    cluster.storage.availabilityZone,
  ];
}
