/**
 * What a cloud's operator provides before anyone deploys: flavors, images, the external network, quotas, the state bucket.
 * Each is made if it is missing, so a start after an interrupted one ends in the same state.
 */
import { sleep } from "../run.ts";
import { type ApiName, addresses, kubernetesVersion, projectName } from "../site.ts";
import type { Cloud } from "./cloud.ts";

interface Named {
  id: string;
  name: string;
}

/** Flavors as the quota list sizes them; lab:machine lets an image uploaded by the program be a machine, too. */
const flavors = [
  { name: "lab.seed", vcpus: 2, ram: 8192, disk: 20, machine: "nspawn" },
  { name: "lab.control-plane", vcpus: 2, ram: 8192, disk: 40, machine: "node" },
  { name: "lab.worker", vcpus: 2, ram: 8192, disk: 40, machine: "node" },
  // below the documented minimum: for tests of the program's preflight
  { name: "lab.small", vcpus: 1, ram: 1024, disk: 5, machine: undefined },
];

const images = [
  { name: "ubuntu-noble", properties: { lab_machine: "nspawn", os_distro: "ubuntu", os_version: "24.04" } },
  {
    name: `ubuntu-noble-kube-${kubernetesVersion}`,
    properties: {
      lab_machine: "node",
      os_distro: "ubuntu",
      os_version: "24.04",
      kube_version: kubernetesVersion,
    },
  },
];

/** One part of the content and the services that must answer before it can be made. */
interface ContentTask {
  name: string;
  needs: string[];
  make: (cloud: Cloud) => Promise<void>;
}

/** Every part of the content; each waits only for its own services. */
export const contentTasks: readonly ContentTask[] = [
  { name: "flavors", needs: ["nova"], make: ensureFlavors },
  { name: "images", needs: ["glance"], make: ensureImages },
  { name: "external network", needs: ["neutron"], make: ensureExternalNetwork },
  { name: "quotas", needs: ["nova", "neutron", "cinder"], make: ensureQuotas },
  {
    name: "volume backend",
    needs: ["cinder", "cinder-volume", "cinder-scheduler"],
    make: awaitVolumeBackend,
  },
  { name: "hypervisor", needs: ["nova", "nova-compute", "nova-scheduler"], make: awaitHypervisor },
];

async function ensureFlavors(cloud: Cloud): Promise<void> {
  const { flavors: present } = await cloud.get<{ flavors: Named[] }>("nova", "/v2.1/flavors?is_public=None");
  for (const { machine, ...flavor } of flavors) {
    let id = present.find((other) => other.name === flavor.name)?.id;
    id ??= (await cloud.post<{ flavor: Named }>("nova", "/v2.1/flavors", { flavor })).flavor.id;
    if (machine) {
      await cloud.post("nova", `/v2.1/flavors/${id}/os-extra_specs`, {
        extra_specs: { "lab:machine": machine },
      });
    }
  }
}

async function ensureImages(cloud: Cloud): Promise<void> {
  const { images: present } = await cloud.get<{ images: (Named & { status: string })[] }>(
    "glance",
    "/v2/images",
  );
  for (const image of images) {
    const found = present.find((other) => other.name === image.name);
    if (found?.status === "active") continue;
    const disk = { hw_disk_bus: "virtio", root_device_name: "/dev/vda", min_disk: 1 };
    const formats = { container_format: "bare", disk_format: "raw", visibility: "public" };
    const id =
      found?.id ??
      (
        await cloud.post<Named>("glance", "/v2/images", {
          name: image.name,
          ...formats,
          ...disk,
          ...image.properties,
        })
      ).id;
    // an image's bytes are never read in the lab: the machine's tree comes from the base tree
    await cloud.call("glance", "PUT", `/v2/images/${id}/file`, Buffer.alloc(65536), {
      "content-type": "application/octet-stream",
    });
  }
}

async function ensureExternalNetwork(cloud: Cloud): Promise<void> {
  const { networks } = await cloud.get<{ networks: Named[] }>("neutron", "/v2.0/networks?name=external");
  let id = networks[0]?.id;
  if (!id) {
    const network = {
      name: "external",
      "router:external": true,
      "provider:network_type": "flat",
      "provider:physical_network": "external",
    };
    id = (await cloud.post<{ network: Named }>("neutron", "/v2.0/networks", { network })).network.id;
  }
  const { subnets } = await cloud.get<{ subnets: Named[] }>("neutron", `/v2.0/subnets?network_id=${id}`);
  if (subnets.length > 0) return;
  await cloud.post("neutron", "/v2.0/subnets", {
    subnet: {
      network_id: id,
      name: "external",
      ip_version: 4,
      cidr: addresses.cidr,
      gateway_ip: addresses.gateway,
      enable_dhcp: false,
      allocation_pools: [{ start: addresses.poolStart, end: addresses.poolEnd }],
    },
  });
}

/** Twice the documented need of one management cluster and some tenants, so that several stacks fit. */
async function ensureQuotas(cloud: Cloud): Promise<void> {
  const path = `/v3/projects?name=${projectName}&domain_id=default`;
  const project = (await cloud.get<{ projects: Named[] }>("keystone", path)).projects[0]?.id;
  if (!project) throw new Error(`Keystone has no project ${projectName}`);
  await cloud.call("nova", "PUT", `/v2.1/os-quota-sets/${project}`, {
    quota_set: { instances: 60, cores: 240, ram: 1_000_000, server_groups: 50, key_pairs: 50 },
  });
  await cloud.call("neutron", "PUT", `/v2.0/quotas/${project}`, {
    quota: {
      network: 50,
      subnet: 50,
      router: 30,
      port: 500,
      floatingip: 60,
      security_group: 100,
      security_group_rule: 1000,
    },
  });
  await cloud.call("cinder", "PUT", `/v3/os-quota-sets/${project}`, {
    quota_set: { volumes: 60, gigabytes: 4000, snapshots: 40 },
  });
}

/** Nova can place servers: the compute host is mapped to its cell (the scheduler discovers it every five seconds). */
function awaitHypervisor(cloud: Cloud): Promise<void> {
  return awaitAny(cloud, "nova", "/v2.1/os-hypervisors", "Nova lists no hypervisor", "nova-scheduler");
}

/** Until cinder-volume has told the scheduler of its backend, every volume would fail. */
function awaitVolumeBackend(cloud: Cloud): Promise<void> {
  const path = "/v3/scheduler-stats/get_pools";
  return awaitAny(cloud, "cinder", path, "Cinder's scheduler knows no backend", "cinder-scheduler");
}

/** Waits until a list, which is all that the API answers there, has an entry. */
async function awaitAny(
  cloud: Cloud,
  api: ApiName,
  path: string,
  problem: string,
  service: string,
): Promise<void> {
  for (let attempt = 0; attempt < 180; attempt++) {
    // A question that meets a daemon which does not listen yet is lost: the API would wait for its answer for a minute.
    const answer = cloud.get<Record<string, unknown[]>>(api, path).catch(() => ({}));
    const [list = []] = Object.values(await Promise.race([answer, sleep(5000).then(() => ({}))]));
    if (list.length > 0) return;
    await sleep(500);
  }
  throw new Error(`${problem}: see \`npm run lab -- logs ${service}\``);
}
