/**
 * Octavia's load balancer on the lab's data path: HAProxy on the VIP port, with members that are namespaces of this test's
 * own network. Seen by the openstack client, curl and ip.
 *
 * Needs no stack, makes and removes what it needs. Does not prove: two amphorae with VRRP, TLS ends, UDP, OVN's provider.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { addresses, externalBridge, namespace } from "../../lab/site.ts";
import { command, enterLab, lab, output, project } from "../support/lab.ts";

const NAME = "balancer-test";
/** On the external network, but not in the listener's allow list. */
const STRANGER = "203.0.113.60";
const PORT = "8000";

const members = ["one", "two"] as const;
type Member = (typeof members)[number];
const namespaceOf = (member: Member) => `${NAME}-${member}`;

function show<T>(...args: string[]): T {
  return JSON.parse(output("openstack", [...args, "-f", "json"])) as T;
}

async function eventually(what: string, seconds: number, ask: () => boolean): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!ask()) {
    assert.ok(Date.now() < deadline, `${what}: not within ${seconds} s`);
    await sleep(200);
  }
}

interface Status {
  name: string;
  operating_status: string;
}
interface Listener {
  pools: (Status & { members: Status[] })[];
}

describe(
  "a load balancer",
  { skip: process.getuid?.() === 0 ? false : "the lab needs root", timeout: 20 * 60_000 },
  () => {
    const servers = new Map<Member, ChildProcess>();
    let id = "";
    let vip = "";
    let floating = "";
    const balancer = () => `labb-${id.slice(0, 11)}`;

    /** Answers each request with the member's name. */
    const serve = (member: Member) => {
      const script = `require("node:http").createServer((_, answer) => answer.end("${member}")).listen(${PORT})`;
      const inside = [`--net=/run/netns/${namespaceOf(member)}`, process.execPath, "-e", script];
      servers.set(member, spawn("nsenter", inside, { stdio: "ignore" }));
    };
    const end = async (member: Member) => {
      const server = servers.get(member);
      if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
      const ended = new Promise((done) => server.once("exit", done));
      server.kill("SIGKILL");
      await ended;
    };
    const curl = (where: string, url: string, ...from: string[]) =>
      command("nsenter", [`--net=/run/netns/${where}`, "curl", "-s", "--max-time", "8", ...from, url]);
    const ask = () => curl(namespace, `http://${floating}/`, "--interface", addresses.gateway);
    /** Operating status of the balancer, its pool, members one and two: in one call, because the client takes seconds. */
    const states = () => {
      const text = output("openstack", ["loadbalancer", "status", "show", NAME]);
      const { loadbalancer: top } = JSON.parse(text) as { loadbalancer: Status & { listeners: Listener[] } };
      const [pool] = top.listeners[0]?.pools ?? [];
      const ordered = (pool?.members ?? []).sort((a, b) => a.name.localeCompare(b.name));
      return [top, pool, ...ordered].map((each) => each?.operating_status).join(" ");
    };
    const haproxy = () => command("ip", ["netns", "pids", balancer()]).stdout.trim().split("\n");

    /** A machine on the network: a port, and a namespace plugged in as the lab plugs in servers. */
    const plug = (member: Member, networkId: string): string => {
      const port = show<{ id: string; mac_address: string; fixed_ips: { ip_address: string }[] }>(
        ...["port", "create", "--network", NAME, namespaceOf(member)],
      );
      const address = port.fixed_ips[0]?.ip_address ?? "";
      const inLab = ["-n", namespace, "link"];
      const inside = ["-n", namespaceOf(member)];
      const tap = `tst${port.id.slice(0, 11)}`;
      const peer = ["address", port.mac_address, "netns", namespaceOf(member)];
      output("ip", ["netns", "add", namespaceOf(member)]);
      output("ip", [...inLab, "add", tap, "type", "veth", "peer", "name", "eth0", ...peer]);
      output("ip", [...inLab, "set", tap, "master", `lbr${networkId.slice(0, 11)}`, "up"]);
      output("ip", [...inside, "addr", "add", `${address}/24`, "dev", "eth0"]);
      output("ip", [...inside, "link", "set", "eth0", "up"]);
      return address;
    };

    before(async () => {
      enterLab();
      const network = show<{ id: string }>("network", "create", NAME);
      show("subnet", "create", "--network", NAME, "--subnet-range", "10.67.0.0/24", NAME);
      show("router", "create", "--external-gateway", "external", NAME);
      output("openstack", ["router", "add", "subnet", NAME, NAME]);
      const bridge = ["-n", namespace, "link", "show", `lbr${network.id.slice(0, 11)}`];
      await eventually("the bridge", 20, () => command("ip", bridge).status === 0);
      const [one = "", two = ""] = members.map((member) => plug(member, network.id));
      for (const member of members) serve(member);
      output("ip", ["-n", namespace, "addr", "add", `${STRANGER}/32`, "dev", externalBridge]);

      const create = (kind: string[], ...args: string[]) =>
        show<Record<string, string>>("loadbalancer", ...kind, "create", "--wait", ...args);
      const made = create([], "--name", NAME, "--vip-subnet-id", NAME);
      id = made["id"] ?? "";
      vip = made["vip_address"] ?? "";
      const listener = ["--protocol", "TCP", "--protocol-port", "80", "--timeout-client-data", "2000"];
      create(["listener"], "--name", NAME, ...listener, "--allowed-cidr", `${addresses.gateway}/32`, NAME);
      const pool = ["--protocol", "TCP", "--lb-algorithm", "ROUND_ROBIN", "--listener", NAME];
      create(["pool"], "--name", NAME, ...pool);
      const monitor = ["--type", "TCP", "--delay", "1", "--timeout", "1", "--max-retries", "1"];
      create(["healthmonitor"], "--name", NAME, ...monitor, "--max-retries-down", "1", NAME);
      create(["member"], "--name", "one", "--address", one, "--protocol-port", PORT, NAME);
      create(["member"], "--name", "two", "--address", two, "--protocol-port", PORT, NAME);
      const address = ["floating", "ip", "create", "--port", made["vip_port_id"] ?? "", "external"];
      floating = show<{ floating_ip_address: string }>(...address).floating_ip_address;
      await eventually("an answer", 20, () => ask().status === 0);
    });

    after(async () => {
      for (const member of members) await end(member);
      command("ip", ["-n", namespace, "addr", "del", `${STRANGER}/32`, "dev", externalBridge]);
      const openstack = (...args: string[]) => command("openstack", args);
      if (floating) openstack("floating", "ip", "delete", floating);
      openstack("loadbalancer", "delete", "--cascade", "--wait", NAME);
      for (const member of members) {
        command("ip", ["netns", "del", namespaceOf(member)]);
        openstack("port", "delete", namespaceOf(member));
      }
      openstack("router", "remove", "subnet", NAME, NAME);
      openstack("router", "delete", NAME);
      openstack("network", "delete", NAME);
    });

    test("its members answer in turn, through its floating IP", () => {
      const answers = Array.from({ length: 4 }, () => ask().stdout);
      assert.deepEqual(answers.sort(), ["one", "one", "two", "two"]);
    });

    test("who is not in the allow list is dropped: through the floating IP and on its own network", () => {
      const stranger = ["--interface", STRANGER, "--connect-timeout", "3"];
      // 28: no answer in time. A refused connection would be 7.
      assert.equal(curl(namespace, `http://${floating}/`, ...stranger).status, 28);
      const neighbour = namespaceOf("one");
      assert.equal(curl(neighbour, `http://${vip}/`, "--connect-timeout", "3").status, 28);
      output("openstack", ["loadbalancer", "listener", "set", "--wait", NAME, "--allowed-cidr", "0.0.0.0/0"]);
      assert.equal(curl(namespace, `http://${floating}/`, ...stranger).status, 0);
      assert.equal(curl(neighbour, `http://${vip}/`).status, 0);
    });

    test("a silent client is cut off after the listener's time", () => {
      const script = `import socket, time; began = time.time(); socket.create_connection(("${floating}", 80)).recv(1); print(time.time() - began)`;
      const run = ["--net=/run/netns/" + namespace, "python3", "-c", script];
      const seconds = Number(output("nsenter", run, { timeout: 20_000 }));
      assert.ok(seconds > 1.5 && seconds < 5, `${seconds} s`);
    });

    test("everything is ONLINE; with one member down nobody notices, and Octavia says which", async () => {
      await eventually("ONLINE", 60, () => states() === "ONLINE ONLINE ONLINE ONLINE");
      await end("one");
      for (let request = 0; request < 20; request += 1) {
        assert.equal(ask().stdout, "two");
        await sleep(100);
      }
      await eventually("DEGRADED", 60, () => states() === "DEGRADED DEGRADED ERROR ONLINE");
      serve("one");
      await eventually("ONLINE again", 60, () => states() === "ONLINE ONLINE ONLINE ONLINE");
    });

    test("without any member the pool is in ERROR", async () => {
      for (const member of members) await end(member);
      await eventually("ERROR", 60, () => states() === "ERROR ERROR ERROR ERROR");
      for (const member of members) serve(member);
      await eventually("ONLINE again", 60, () => states() === "ONLINE ONLINE ONLINE ONLINE");
    });

    test("its statistics count what went through", async () => {
      const count = () =>
        show<{ total_connections: string; bytes_out: string }>("loadbalancer", "stats", "show", NAME);
      await sleep(3000);
      const before = Number(count().total_connections);
      for (let request = 0; request < 5; request += 1) assert.equal(ask().status, 0);
      await eventually("the statistics", 60, () => Number(count().total_connections) === before + 5);
      assert.ok(Number(count().bytes_out) > 500);
    });

    test("HAProxy outlives Octavia's worker, and comes back when it was killed", async () => {
      const first = haproxy();
      const rows = JSON.parse(lab("status", "--json").stdout) as { service: string; pid: number }[];
      const worker = rows.find(({ service }) => service === "octavia-worker")?.pid ?? 0;
      assert.ok(worker > 1);
      process.kill(worker, "SIGTERM");
      await eventually("the worker's end", 30, () => !existsSync(`/proc/${worker}`));
      assert.equal(ask().status, 0);
      assert.equal(lab("start").status, 0);
      assert.deepEqual(haproxy(), first);
      for (const pid of first) process.kill(Number(pid), "SIGKILL");
      await eventually("HAProxy", 20, () => ask().status === 0);
    });

    test("a failover starts another HAProxy", () => {
      const first = haproxy();
      output("openstack", ["--os-cloud", "admin", "loadbalancer", "failover", "--wait", id]);
      assert.equal(ask().status, 0);
      const second = haproxy();
      assert.ok(
        first.every((pid) => !second.includes(pid)),
        `${first.join()} and ${second.join()}`,
      );
    });

    test("a cascading delete leaves nothing", async () => {
      const pids = haproxy();
      const { vip_port_id: port } = show<{ vip_port_id: string }>("loadbalancer", "show", NAME);
      output("openstack", ["loadbalancer", "delete", "--cascade", "--wait", NAME]);
      for (const pid of pids) assert.ok(!existsSync(`/proc/${pid}`), `process ${pid}`);
      assert.ok(!command("ip", ["netns"]).stdout.includes(balancer()));
      assert.notEqual(command("ip", ["-n", namespace, "link", "show", `tap${port.slice(0, 11)}`]).status, 0);
      assert.ok(!existsSync(join(project, ".lab/data/octavia/balancers", id)));
      assert.notEqual(command("openstack", ["port", "show", port]).status, 0);
      assert.notEqual(command("openstack", ["security", "group", "show", `lb-${id}`]).status, 0);
      await eventually("the rules", 5, () => {
        const rules = command("nsenter", [`--net=/run/netns/${namespace}`, "nft", "list", "ruleset"]).stdout;
        return !rules.includes(vip);
      });
    });
  },
);
