/**
 * Who may reach the cluster's API, on the lab's data path: Octavia puts a listener's allowed sources into the security
 * group of the load balancer's address, and the kernel drops the rest.
 *
 * The lab's allow list leaves out floating IPs and routers (config/layers/lab.yaml), so that machines get through only by
 * what the program adds. Works on stack `lab` as deploy.test.ts left it, changes nothing of it.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { addresses, externalBridge, namespace } from "../../lab/site.ts";
import { command, enterDeployedLab, lab, openstack, output } from "../support/lab.ts";

/** A namespace that stands for one more machine on the site's network. */
const MACHINE = "allow-list-machine";
/** On the external network, but neither in the allow list nor anybody's. */
const STRANGER = "203.0.113.60";
const NETWORK = "capi-mgmt-lab-seed";

describe(
  "the API's allowed sources",
  { skip: process.getuid?.() === 0 ? false : "the lab needs root" },
  () => {
    let api = "";
    let port = "";

    before(() => {
      enterDeployedLab();
      const shown = ["output", "apiServerAddress", "--stack", "lab"];
      api = lab(...shown).stdout.trim();
      assert.match(api, /^203\.0\.113\.\d+$/);

      // A port, so that nobody else gets its address; plugged in as the lab plugs in servers.
      const [networkId = ""] = openstack<{ ID: string }>("network", "list", "--name", NETWORK).map(
        ({ ID }) => ID,
      );
      const made = JSON.parse(
        output("openstack", ["port", "create", MACHINE, "--network", networkId, "-f", "json"]),
      ) as { id: string; mac_address: string; fixed_ips: { ip_address: string; subnet_id: string }[] };
      port = made.id;
      const [fixed] = made.fixed_ips;
      const subnet = JSON.parse(
        output("openstack", ["subnet", "show", fixed?.subnet_id ?? "", "-f", "json"]),
      ) as { cidr: string; gateway_ip: string };
      const inLab = ["-n", namespace];
      const inside = ["-n", MACHINE];
      const bridge = `lbr${networkId.slice(0, 11)}`;
      const tap = `tst${port.slice(0, 11)}`;
      output("ip", ["netns", "add", MACHINE]);
      output("ip", [
        ...[...inLab, "link", "add", tap, "mtu", "1442", "type", "veth", "peer", "name", "eth0"],
        ...["address", made.mac_address, "mtu", "1442", "netns", MACHINE],
      ]);
      output("ip", [...inLab, "link", "set", tap, "master", bridge, "up"]);
      output("ip", [
        ...inside,
        "addr",
        "add",
        `${fixed?.ip_address}/${subnet.cidr.split("/")[1]}`,
        "dev",
        "eth0",
      ]);
      output("ip", [...inside, "link", "set", "eth0", "up"]);
      output("ip", [...inside, "route", "add", "default", "via", subnet.gateway_ip]);
      output("ip", [...inLab, "addr", "add", `${STRANGER}/32`, "dev", externalBridge]);
    });
    after(() => {
      command("ip", ["-n", namespace, "addr", "del", `${STRANGER}/32`, "dev", externalBridge]);
      command("ip", ["netns", "del", MACHINE]);
      if (port !== "") command("openstack", ["port", "delete", port]);
    });

    /** Whether the API answers, whatever it says; a dropped packet is a time-out. */
    const reaches = (where: string, ...from: string[]) =>
      command("ip", [
        ...["netns", "exec", where, "curl", "-sk", "-o", "/dev/null", "--connect-timeout", "5", ...from],
        `https://${api}:6443/version`,
      ]).status;

    test("a machine behind the router reaches the API's floating IP, though the list has not its router", () => {
      assert.equal(reaches(MACHINE), 0);
    });

    test("the site's services reach it, which the list names", () => {
      assert.equal(reaches(namespace, "--interface", addresses.gateway), 0);
    });

    test("another address of the external network is dropped", () => {
      // 28: no answer in time. A refused connection would be 7.
      assert.equal(reaches(namespace, "--interface", STRANGER), 28);
    });

    test("the listener names the router and the seed, each as one address, and not the external network", () => {
      const [listener] = openstack<{ id: string; name: string }>("loadbalancer", "listener", "list").filter(
        ({ name }) => name.includes("default-capi-mgmt-lab-kubeapi"),
      );
      const { allowed_cidrs: cidrs } = JSON.parse(
        output("openstack", ["loadbalancer", "listener", "show", listener?.id ?? "", "-f", "json"]),
      ) as { allowed_cidrs: string };
      const router = JSON.parse(output("openstack", ["router", "show", NETWORK, "-f", "json"])) as {
        external_gateway_info: { external_fixed_ips: { ip_address: string }[] };
      };
      const seed = lab("output", "seedAddress", "--stack", "lab").stdout.trim();
      const own = router.external_gateway_info.external_fixed_ips.map(({ ip_address }) => ip_address);
      for (const address of [...own, seed])
        assert.ok(cidrs.includes(`${address}/32`), `${address}: ${cidrs}`);
      assert.ok(!cidrs.includes(addresses.cidr), cidrs);
    });
  },
);
