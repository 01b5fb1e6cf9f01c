/**
 * What a load balancer makes on the host, from its own Python code, and that Octavia finds the drivers it is told to use.
 * Does not prove that HAProxy takes its configuration or that anything answers: tests/lab/balancer.test.ts asks it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openstackConfigs } from "../../lab/openstack/config.ts";

const plugins = join(import.meta.dirname, "../../lab/openstack/plugins");

/** Runs Python with the balancer's module and takes what it prints as JSON. */
function python(...lines: string[]): unknown {
  const script = ["import json, os, subprocess, sys, tempfile, capi_lab_balancer as balancer", ...lines].join(
    "\n",
  );
  const env = { ...process.env, PYTHONPATH: plugins, PYTHONDONTWRITEBYTECODE: "1" };
  const done = spawnSync("python3", ["-c", script], { encoding: "utf8", env });
  assert.equal(done.status, 0, done.stderr);
  return JSON.parse(done.stdout);
}

/** The VIP port as the network driver records it. */
const port = (gateway: string) =>
  `{"id": "aaaaaaaa-bbbb-cccc", "mac": "fa:16:3e:00:00:01", "address": "10.0.0.9/24", "gateway": ${gateway},
    "bridge": "lbrffffffff-00", "mtu": 1442}`.replaceAll("\n", "");

test("a balancer is plugged in as its VIP port: the tap that the security groups look for, MAC, address, MTU", () => {
  const commands = (gateway: string) =>
    (python(`print(json.dumps(balancer.plug_commands("labb-1", ${port(gateway)})))`) as string[][]).map(
      (words) => words.join(" "),
    );
  const made = commands('"10.0.0.1"');
  assert.ok(
    made.includes(
      "ip link add tapaaaaaaaa-bb mtu 1442 type veth peer name eth0 address fa:16:3e:00:00:01 mtu 1442 netns labb-1",
    ),
  );
  assert.ok(made.includes("ip link set tapaaaaaaaa-bb master lbrffffffff-00 up"));
  assert.ok(made.includes("ip -n labb-1 addr add 10.0.0.9/24 dev eth0"));
  assert.equal(made.at(-1), "ip -n labb-1 route add default via 10.0.0.1");
  assert.ok(!commands("None").some((words) => words.includes("default")));
});

test("what does not run has no process id, also when another process has the number by now", () => {
  const found = python(
    'one = balancer.Balancer((folder := tempfile.TemporaryDirectory()).name, "1")',
    "os.mkdir(one.dir)",
    'one.write("haproxy.pid", str(os.getpid()))',
    "other = [one.pid(), one.worker()]",
    "os.environ[balancer.SERVICE_VARIABLE] = one.service",
    'started = [sys.executable, "-c", "import sys; sys.stdin.read()"]',
    "with subprocess.Popen(started, stdin=subprocess.PIPE) as process:",
    '    one.write("haproxy.pid", str(process.pid))',
    "    own = one.pid() == process.pid",
    "print(json.dumps([*other, own]))",
  );
  assert.deepEqual(found, [null, null, true]);
});

test("every driver that octavia.conf names is one of upstream's or registered by the plugins", () => {
  const settings = { data: "/d", log: "/l", etc: "/e", upstreamEtc: "/u", servicePassword: "p" };
  const octavia = openstackConfigs({ ...settings, octaviaPassphrase: "0".repeat(32) })["octavia.conf"];
  const registered = readFileSync(join(plugins, "capi_lab-1.0.dist-info/entry_points.txt"), "utf8");
  for (const [kind, group] of [
    ["amphora_driver", "octavia.amphora.drivers"],
    ["network_driver", "octavia.network.drivers"],
  ] as const) {
    const name = String(octavia?.["controller_worker"]?.[kind]);
    assert.match(registered, new RegExp(`\\[${group}\\]\\n${name} = capi_lab_octavia:`), kind);
  }
});
