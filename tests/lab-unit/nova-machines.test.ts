/**
 * What the Nova driver decides and writes for a machine, from its own Python code with Nova's package stubbed, and the parts
 * of a node's tree that are scripts. Does not prove that a machine boots: tests/lab/site.test.ts boots one.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { nodeBasePart } from "../../lab/prepare/nodeBase.ts";

const lab = join(import.meta.dirname, "../../lab");
const scratch = mkdtempSync(join(tmpdir(), "nova-machines-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const preamble = `
import json, sys, types
def module(name, **names):
    made = sys.modules[name] = types.ModuleType(name)
    made.__dict__.update(names)
    return made
class NovaException(Exception): pass
exception = module("nova.exception", NovaException=NovaException)
module("nova", exception=exception, context=None, objects=None)
module("nova.virt")
module("nova.virt.capilab").__path__ = [sys.argv[1]]
from nova.virt.capilab import cloud_init, trees, volumes
given = json.load(sys.stdin)
class Instance(types.SimpleNamespace):
    def __getattr__(self, name): return None
def instance(fields):
    flavor = types.SimpleNamespace(**fields.pop("flavor")) if "flavor" in fields else None
    return Instance(flavor=flavor, **fields)
`;

/** The JSON value of a Python expression over the driver's modules, or the exception's words. */
function evaluate(expression: string, given: unknown): unknown {
  const script = `${preamble}
try: print(json.dumps(${expression}))
except NovaException as error: print(json.dumps(str(error)))`;
  const done = spawnSync("python3", ["-c", script, join(lab, "openstack/nova_path/nova/virt/capilab")], {
    input: JSON.stringify(given),
    encoding: "utf8",
    env: { ...process.env, CAPI_LAB_STATE: scratch, PYTHONDONTWRITEBYTECODE: "1" },
  });
  assert.equal(done.status, 0, done.stderr);
  return JSON.parse(done.stdout);
}

test("the image says what a server becomes, else the flavor, else nothing boots", () => {
  const flavor = (machine?: string) => ({ extra_specs: machine ? { "lab:machine": machine } : {} });
  const image = (machine: string) => ({ system_metadata: { image_lab_machine: machine } });
  const table: [object, string][] = [
    [{ ...image("nspawn"), flavor: flavor("node") }, "nspawn"],
    [{ system_metadata: {}, flavor: flavor("node") }, "node"],
    [{ flavor: flavor() }, "fake"],
    [{ ...image("else"), flavor: flavor("node") }, "fake"],
    [{}, "fake"],
  ];
  const kinds = evaluate("[trees.kind_of(instance(fields)) for fields in given]", table.map(([input]) => input)); // prettier-ignore
  assert.deepEqual(
    kinds,
    table.map(([, expected]) => expected),
  );
});

test("the image's Kubernetes version chooses the tree; without one the newest; a missing one is named", () => {
  const choose = (wanted: string | null, ...present: string[]) =>
    evaluate("trees.release(*given)", [wanted, present]);
  assert.equal(choose("v1.36.3", "v1.36.4", "v1.36.3"), "v1.36.3");
  assert.equal(choose("1.36.4", "v1.36.4", "v1.36.3"), "v1.36.4");
  assert.equal(choose(null, "v1.36.9", "v1.36.10"), "v1.36.10");
  assert.equal(
    choose("v1.37.0", "v1.36.4", "v1.36.3"),
    "no node tree of Kubernetes v1.37.0; there are: v1.36.3, v1.36.4",
  );
});

test("a volume has its device, udev's link and its tag's, at boot and in the running machine", () => {
  const id = "11111111-2222-3333-4444-555555555555";
  const volume = { dev: "/dev/vdb", loop: "/dev/loop7", mm: "7:7", tag: "etcd" };
  const lines = String(evaluate("volumes.tmpfiles({given[0]: given[1]})", [id, volume])).split("\n");
  for (const line of [
    "b /dev/vdb 0660 root disk - 7:7",
    "b /dev/loop7 0660 root disk - 7:7",
    "d /dev/disk/openstack/by-tag 0755 root root -",
    "L+ /dev/disk/by-id/virtio-11111111-2222-3333-4 - - - - /dev/vdb",
    "L+ /dev/disk/openstack/by-tag/etcd - - - - /dev/vdb",
  ])
    assert.ok(lines.includes(line), line);
  const script = (add: boolean) => String(evaluate("volumes.plug_script(*given)", [id, volume, add]));
  assert.match(script(true), /mknod \$d b 7 7/);
  assert.match(script(true), /ln -sfn \/dev\/vdb \/dev\/disk\/openstack\/by-tag\/etcd$/);
  assert.match(script(false), /^rm -f .*virtio-11111111-2222-3333-4 .*by-tag\/etcd \/dev\/vdb \/dev\/loop7$/);
});

test("templates in user data find OpenStack's names", () => {
  const server = { uuid: "u", hostname: "one", display_name: "One", project_id: "p", availability_zone: "z" };
  assert.deepEqual(
    evaluate("cloud_init.metadata(instance(given))", { ...server, key_data: "ssh-ed25519 A\n" }),
    {
      "instance-id": "u",
      "local-hostname": "one",
      uuid: "u",
      hostname: "one",
      name: "One",
      project_id: "p",
      availability_zone: "z",
      launch_index: 0,
      meta: {},
      "public-keys": ["ssh-ed25519 A"],
    },
  );
});

test("a machine has its subnet's name servers, or else the gateway as one", () => {
  const subnet = { cidr: "10.0.0.0/24", version: 4, ips: [{ address: "10.0.0.5" }], routes: [], gateway: { address: "10.0.0.1" } }; // prettier-ignore
  const servers = (...dns: string[]) =>
    evaluate("cloud_init.ethernet({'subnets': [given]}, 1442, True)['nameservers']['addresses']", {
      ...subnet,
      dns: dns.map((address) => ({ address })),
    });
  assert.deepEqual(servers("192.0.2.53"), ["192.0.2.53"]);
  assert.deepEqual(servers(), ["10.0.0.1"]);
});

test("an image store costs a machine its data bases only", () => {
  const store = join(scratch, "store");
  mkdirSync(join(store, "meta"), { recursive: true });
  writeFileSync(join(store, "layer"), "layer");
  writeFileSync(join(store, "meta/metadata.db"), "data base");
  const target = join(scratch, "linked");
  for (let time = 0; time < 2; time++) evaluate("trees.link_store(*given)", [store, target]);
  assert.equal(statSync(join(target, "layer")).ino, statSync(join(store, "layer")).ino);
  assert.notEqual(
    statSync(join(target, "meta/metadata.db")).ino,
    statSync(join(store, "meta/metadata.db")).ino,
  );
  assert.equal(readFileSync(join(target, "meta/metadata.db"), "utf8"), "data base");
});

/** Runs the image's kubeadm, with `config` as --config, over a program that prints its arguments. */
function kubeadm(config: string, ...words: string[]): { said: string; config: string } {
  const [program, script, file] = ["kubeadm", "wrapper", "config"].map((name) => join(scratch, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(program, '#!/bin/sh\necho "$@"\n', { mode: 0o755 });
  const text = readFileSync(join(lab, "node/kubernetes/usr/bin/kubeadm"), "utf8");
  writeFileSync(script, text.replace("kubeadm=/usr/libexec/kubernetes/kubeadm", `kubeadm=${program}`));
  writeFileSync(file, config);
  const done = spawnSync("sh", [script, ...words, ...(words.length > 0 ? ["--config", file] : [])], {
    encoding: "utf8",
  });
  assert.equal(done.status, 0, done.stderr);
  return { said: done.stdout.replace(file, "FILE").trim(), config: readFileSync(file, "utf8") };
}

test("kubeadm init leaves nf_conntrack_max alone, whatever else kube-proxy is told", () => {
  const proxy = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
  const limit = "conntrack: {maxPerCore: 0}\n";
  assert.equal(kubeadm("a: b\n", "init").config, `a: b\n---\n${proxy}${limit}`);
  const told = `---\n${proxy}metricsBindAddress: 0.0.0.0:10249\n`;
  assert.equal(kubeadm(told, "init").config, `---\n${proxy}${limit}metricsBindAddress: 0.0.0.0:10249\n`);
  const own = `${proxy}conntrack:\n  maxPerCore: 5\n`;
  assert.equal(kubeadm(own, "init").config, own);
  assert.equal(kubeadm("a: b\n", "join").config, "a: b\n");
});

test("kubeadm ignores its check of the system on control groups of version 1 only", () => {
  const old = !existsSync("/sys/fs/cgroup/cgroup.controllers");
  const ignored = old ? "--ignore-preflight-errors=SystemVerification " : "";
  assert.equal(kubeadm("", "join").said, `join ${ignored}--config FILE`);
  assert.equal(kubeadm("", "token", "list").said, "token list --config FILE");
});

test("the layer of every machine enables and masks units, with modes that do not depend on the checkout", async () => {
  const dir = join(scratch, "node-base");
  await nodeBasePart([]).build(dir, () => undefined);
  const system = join(dir, "layers/machine/etc/systemd/system");
  const link = join(system, "sysinit.target.wants/machine-prepare.service");
  assert.equal(readlinkSync(link), "../machine-prepare.service");
  assert.ok(existsSync(link), "the unit that is enabled is there");
  assert.equal(readlinkSync(join(system, "e2scrub_reap.service")), "/dev/null");
  assert.equal(lstatSync(system).mode & 0o777, 0o755);
  assert.equal(statSync(join(dir, "layers/machine/usr/local/lib/machine/prepare.sh")).mode & 0o777, 0o755);
});

/** A part of the cache with every program of a node, all of one content. */
function programs(name: string, content: string): string {
  const dir = join(scratch, name);
  const places = ["kubelet kubeadm kubectl", "containerd containerd-shim-runc-v2 ctr"];
  const names = [...places, "bridge loopback host-local portmap"].flatMap((line) => line.split(" "));
  mkdirSync(dir);
  for (const file of names) writeFileSync(join(dir, file), content);
  const files = Object.fromEntries(names.map((file) => [file, content]));
  writeFileSync(join(dir, "complete.json"), JSON.stringify({ files }));
  return dir;
}

test("a node's tree is made anew for other programs or images, not for another build of the same", () => {
  const key = (folder: string, archive = "/b") =>
    nodeBasePart([{ version: "v1.36.3", programs: [folder], archive }]).key;
  const first = programs("build-1", "a");
  assert.equal(key(programs("build-2", "a")), key(first));
  assert.notEqual(key(programs("build-3", "b")), key(first));
  assert.notEqual(key(first, "/c"), key(first));
});
