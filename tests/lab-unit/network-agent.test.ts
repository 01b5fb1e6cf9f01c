/**
 * What the network agent would load into nftables, from its own Python code. Does not prove that the kernel acts on it:
 * tests/lab/site.test.ts opens and shuts a port.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const openstack = join(import.meta.dirname, "../../lab/openstack");

/** Runs an expression with the agent's modules; `given` is the JSON input. */
function evaluate(expression: string, given: unknown): unknown {
  const script = `import json, sys, groups, routers; given = json.load(sys.stdin); print(json.dumps(${expression}))`;
  const done = spawnSync("python3", ["-c", script], {
    input: JSON.stringify(given),
    encoding: "utf8",
    env: {
      ...process.env,
      PYTHONPATH: `${join(openstack, "agent")}:${join(openstack, "plugins")}`,
      PYTHONDONTWRITEBYTECODE: "1",
    },
  });
  assert.equal(done.status, 0, done.stderr);
  return JSON.parse(done.stdout);
}

test("rules of a security group become matches", () => {
  const rule = { direction: "ingress", ethertype: "IPv4" };
  const table: [object, string | null][] = [
    [{ ...rule }, ""],
    [{ ...rule, protocol: "tcp", port_range_min: 22, port_range_max: 22 }, "tcp dport 22-22"],
    [{ ...rule, protocol: "6", remote_ip_prefix: "192.0.2.0/24" }, "ip saddr 192.0.2.0/24 meta l4proto 6"],
    [{ ...rule, protocol: "icmp", port_range_min: 8, port_range_max: 0 }, "icmp type 8 icmp code 0"],
    [{ ...rule, remote_ip_prefix: "0.0.0.0/0", protocol: "udp" }, "meta l4proto 17"],
    [{ ...rule, remote_group_id: "g" }, "ip saddr { 10.0.0.2, 10.0.0.3 }"],
    [{ ...rule, remote_group_id: "empty" }, null],
    [{ ...rule, direction: "egress", remote_ip_prefix: "192.0.2.0/24" }, "ip daddr 192.0.2.0/24"],
    [{ ...rule, protocol: "112" }, "meta l4proto 112"],
    [{ ...rule, protocol: "ipip" }, "meta l4proto 4"],
    [{ ...rule, protocol: "any" }, ""],
    // what Cluster API's provider makes for a control plane and for flannel's VXLAN between the nodes
    [
      { ...rule, protocol: "tcp", port_range_min: 2379, port_range_max: 2380, remote_group_id: "g" },
      "ip saddr { 10.0.0.2, 10.0.0.3 } tcp dport 2379-2380",
    ],
    [{ ...rule, protocol: "17", port_range_min: 8472, port_range_max: 8472 }, "udp dport 8472-8472"],
  ];
  const given = {
    rules: table.map(([input]) => input),
    members: { g: ["10.0.0.3", "10.0.0.2", "10.0.0.3"] },
  };
  assert.deepEqual(
    evaluate("[groups.match(rule, given['members']) for rule in given['rules']]", given),
    table.map(([, expected]) => expected),
  );
});

test("only ports with a tap here are filtered, what no rule allows is dropped", () => {
  const port = {
    network_id: "11111111-aaaa",
    device_owner: "compute:nova",
    port_security_enabled: true,
    security_groups: ["g"],
    fixed_ips: [{ ip_address: "10.0.0.5" }, { ip_address: "2001:db8::5" }],
    allowed_address_pairs: [{ ip_address: "10.0.0.100" }],
  };
  const ports = [
    { ...port, id: "aaaaaaaa-0000", tap_here: true },
    { ...port, id: "bbbbbbbb-0000", tap_here: false },
    { ...port, id: "cccccccc-0000", tap_here: true, port_security_enabled: false },
  ];
  const rules = { g: { security_group_rules: [{ direction: "egress", ethertype: "IPv4" }] } };
  const text = String(
    evaluate("groups.table(given['ports'], given['rules'], lambda network: 'lbr' + network[:11])", {
      ports,
      rules,
    }),
  );
  assert.match(text, /iifname "lbr11111111-aa" ip daddr 10\.0\.0\.5 jump ingress_aaaaaaaa-00/);
  assert.match(text, /ip saddr 10\.0\.0\.100 jump egress_aaaaaaaa-00/);
  assert.match(text, /chain ingress_aaaaaaaa-00 \{\n {2}counter drop/);
  assert.doesNotMatch(text, /bbbbbbbb|cccccccc|2001:db8/);
});

test("a remote group's members are its ports' addresses and their allowed address pairs", () => {
  const port = {
    network_id: "n",
    tap_here: true,
    port_security_enabled: true,
    security_groups: ["g"],
    allowed_address_pairs: [],
  };
  const ports = [
    { ...port, id: "a", fixed_ips: [{ ip_address: "10.0.0.5" }] },
    {
      ...port,
      id: "b",
      fixed_ips: [{ ip_address: "10.0.0.6" }],
      allowed_address_pairs: [{ ip_address: "10.0.0.9" }],
    },
  ];
  const rule = { direction: "ingress", ethertype: "IPv4", remote_group_id: "g", protocol: "tcp" };
  const groups = { g: { security_group_rules: [rule] } };
  const text = evaluate("groups.table(given['ports'], given['groups'], lambda network: 'lbr')", {
    ports,
    groups,
  });
  assert.match(String(text), /ip saddr \{ 10\.0\.0\.5, 10\.0\.0\.6, 10\.0\.0\.9 \} meta l4proto 6 return/);
});

test("floating IPs are translated in both directions, and tenants share the gateway's address", () => {
  const rules = (gateway: string | null, snat: boolean) =>
    String(
      evaluate("routers.nat_rules([tuple(p) for p in given['floating']], given['gateway'], given['snat'])", {
        floating: [["203.0.113.150", "10.0.0.5"]],
        gateway,
        snat,
      }),
    );
  const text = rules("203.0.113.120", true);
  assert.match(text, /ip daddr 203\.0\.113\.150 dnat to 10\.0\.0\.5/);
  assert.match(text, /oifname "qg" ip saddr 10\.0\.0\.5 snat to 203\.0\.113\.150/);
  assert.match(text, /iifname "qr-\*" oifname "qg" snat to 203\.0\.113\.120/);
  assert.doesNotMatch(rules("203.0.113.120", false), /iifname "qr-\*" oifname "qg"/);
  assert.doesNotMatch(rules(null, true), /snat/);
});

test("launch.py waits for its needs and then runs the program under its own name", () => {
  const script = [
    "import sys, types, threading, socket, time",
    "module = types.ModuleType('fake_daemon'); module.main = lambda: print(sys.argv) or 0",
    "sys.modules['fake_daemon'] = module",
    "server = socket.socket(); server.bind(('127.0.0.1', 0)); port = server.getsockname()[1]",
    "threading.Timer(0.4, server.listen).start()",
    "started = time.monotonic()",
    `sys.argv = ['launch.py', '/bin/fake-daemon', 'fake_daemon', '--port', str(port), '--', '--config-file', 'x']`,
    "import runpy",
    "try: runpy.run_path(sys.stdin.readline().strip(), run_name='__main__')",
    "except SystemExit as end: print(end.code, time.monotonic() - started >= 0.3)",
  ].join("\n");
  const done = spawnSync("python3", ["-c", script], {
    input: `${join(openstack, "launch.py")}\n`,
    encoding: "utf8",
  });
  assert.equal(done.stdout, "['/bin/fake-daemon', '--config-file', 'x']\n0 True\n", done.stderr);
});
