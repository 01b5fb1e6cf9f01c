/**
 * The lab's network namespace: loopback, the external bridge, and the veth pair that joins it to the host.
 * Nothing in it has a default route out, so nothing that runs there can reach the world by mistake.
 */
import { existsSync, readdirSync } from "node:fs";
import { BlockList } from "node:net";
import { run } from "../run.ts";
import { addresses, externalBridge, hostInterface, namespace } from "../site.ts";

const innerInterface = "capi-lab1";

/** Makes what is missing of namespace, bridge and veth pair; safe to run again. */
export async function ensureNetwork(): Promise<void> {
  await refuseOverlap();
  if (!existsSync(`/run/netns/${namespace}`)) await run("ip", ["netns", "add", namespace]);
  const inside = ["-n", namespace];
  await run("ip", [...inside, "link", "set", "lo", "up"]);
  if (!(await exists(externalBridge, inside))) {
    // forward_delay 0: a port forwards at once instead of learning for 15 s
    await run("ip", [
      ...[...inside, "link", "add", externalBridge, "type", "bridge"],
      ...["forward_delay", "0", "nf_call_iptables", "1", "mcast_snooping", "0"],
    ]);
  }
  for (const address of [addresses.gateway, addresses.services]) {
    await run("ip", [
      ...[...inside, "addr", "replace", `${address}/${addresses.prefixLength}`, "dev", externalBridge],
    ]);
  }
  await run("ip", [...inside, "link", "set", externalBridge, "up"]);
  if (!(await exists(hostInterface, []))) {
    await run("ip", [
      "link",
      "add",
      hostInterface,
      "type",
      "veth",
      "peer",
      "name",
      innerInterface,
      "netns",
      namespace,
    ]);
  }
  await run("ip", [...inside, "link", "set", innerInterface, "master", externalBridge, "up"]);
  await run("ip", ["addr", "replace", `${addresses.host}/32`, "dev", hostInterface]);
  await run("ip", ["link", "set", hostInterface, "up"]);
  for (const route of addresses.routes) {
    await run("ip", ["route", "replace", route, "dev", hostInterface, "src", addresses.host]);
  }
}

/** Removes the namespaces and what lives in them; the host's end of the veth pair goes with its peer. */
export async function removeNetwork(): Promise<void> {
  for (const name of labNamespaces()) await run("ip", ["netns", "del", name], { allowFailure: true });
  if (await exists(hostInterface, []))
    await run("ip", ["link", "del", hostInterface], { allowFailure: true });
}

/** Namespaces of this kind of lab: the site, its routers (labr-) and load balancers (labb-). */
function labNamespaces(): string[] {
  if (!existsSync("/run/netns")) return [];
  return readdirSync("/run/netns").filter((name) => name === namespace || /^lab[rb]-/.test(name));
}

async function exists(device: string, options: string[]): Promise<boolean> {
  return (await run("ip", [...options, "link", "show", device], { allowFailure: true })).code === 0;
}

interface Link {
  ifname: string;
  addr_info?: { family: string; local: string }[];
}

/** @throws Error if the host already uses an address on the lab's routes on another device. */
async function refuseOverlap(): Promise<void> {
  const used = new BlockList();
  for (const route of addresses.routes) {
    const [base, length] = route.split("/") as [string, string];
    used.addSubnet(base, Number(length));
  }
  const links = JSON.parse((await run("ip", ["-j", "addr"])).stdout) as Link[];
  for (const link of links) {
    if (link.ifname === hostInterface) continue;
    for (const address of link.addr_info ?? []) {
      if (address.family === "inet" && used.check(address.local)) {
        throw new Error(
          `${link.ifname} has ${address.local}: the lab's own network needs ${addresses.routes.join(", ")}`,
        );
      }
    }
  }
}
