/**
 * A site of another shape than the lab's file describes: the seed in a network that is there already, with a floating IP
 * and a key pair of the operator's; machines that boot from volumes, in a network that Cluster API makes; etcd on volumes
 * of its own; no way to mirror and registry but through a proxy, and none to the seed's port 22 but through a bastion. Deployed,
 * used, brought to a newer Kubernetes, destroyed; what was there before is there after.
 *
 * Comes after teardown.test.ts: nothing may be deployed. Starts the lab anew with nodes of two Kubernetes versions. Does not
 * prove that a machine's root file system lies on its volume (lab/README.md: a boot volume of the lab is empty), nor what a
 * newer Kubernetes changes: the lab's second version is the same code; nor the way to OpenStack through the proxy, or a proxy's TLS.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import ssh2 from "ssh2";
import { bastionAddress, startBastion } from "../support/bastion.ts";
import { ForwardProxy, outside, proxyUrl } from "../support/forwardProxy.ts";
import { registryMirrors } from "../../lab/services/registry.ts";
import { addresses, ports } from "../../lab/site.ts";
import { command, enterLab, lab, onSeed, openstack, output, writeKubeconfig } from "../support/lab.ts";
import { runWith } from "../support/labStack.ts";
import type { Sshd } from "../support/sshd.ts";

const CLUSTER = "capi-mgmt-lab";
const NEXT_KUBERNETES = "v1.36.4";
const NEXT_IMAGE = `ubuntu-noble-kube-${NEXT_KUBERNETES}`;
const OPERATOR = "operator-network";
const SEED_ROOT_GB = 12;
const NODE_ROOT_GB = 11;
const ETCD_GB = 3;

interface Server {
  readonly ID: string;
  readonly Name: string;
  readonly Status: string;
  readonly Networks: Readonly<Record<string, readonly string[]>>;
}
interface Volume {
  readonly ID: string;
  readonly Name: string;
  readonly Size: number;
  readonly Status: string;
}

describe("a site of another shape", { skip: process.getuid?.() === 0 ? false : "the lab needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "other-site-"));
  const keys = ssh2.utils.generateKeyPairSync("ecdsa", { bits: 256, comment: "operator" });
  let config: Record<string, unknown> = {};
  let floatingIp = "";
  let proxy: ForwardProxy | undefined;
  let bastion: Sshd | undefined;
  // The runner's own way out, for chart repositories.
  const runner = { HTTP_PROXY: proxyUrl, NO_PROXY: `${addresses.cidr},127.0.0.1,localhost` };
  const run = (operation: "up" | "destroy", more: Record<string, unknown> = config) =>
    runWith(operation, "lab", more, runner);

  const create = <T>(...args: string[]) => JSON.parse(output("openstack", [...args, "-f", "json"])) as T;
  const servers = () => openstack<Server>("server", "list");
  const volumes = () => openstack<Volume>("volume", "list");
  const mine = <T extends { Name: string }>(list: T[]) =>
    list.filter(({ Name }) => Name.startsWith(OPERATOR));

  before(async () => {
    const stopped = lab("stop");
    assert.equal(stopped.status, 0, stopped.stderr);
    process.env["CAPI_LAB_KUBERNETES"] = NEXT_KUBERNETES;
    enterLab();
    assert.deepEqual(servers(), [], "teardown.test.ts comes first");
    for (const { ID } of volumes()) output("openstack", ["volume", "delete", ID]); // data volumes that a destroy kept
    proxy = new ForwardProxy(scratch);
    bastion = await startBastion();
    const network = create<{ id: string }>("network", "create", OPERATOR);
    const subnet = create<{ id: string }>(
      ...["subnet", "create", `${OPERATOR}-subnet`, "--network", network.id],
      ...["--subnet-range", "10.77.0.0/24"],
    );
    output("openstack", ["router", "create", OPERATOR, "--external-gateway", "external"]);
    output("openstack", ["router", "add", "subnet", OPERATOR, subnet.id]);
    floatingIp = create<{ floating_ip_address: string }>(
      ...["floating", "ip", "create", "external", "--description", OPERATOR],
    ).floating_ip_address;
    const bytes = join(scratch, "image");
    writeFileSync(bytes, Buffer.alloc(65536));
    output("openstack", [
      ...["--os-cloud", "admin", "image", "create", NEXT_IMAGE, "--public", "--file", bytes],
      ...["--disk-format", "raw", "--container-format", "bare", "--property", "lab_machine=node"],
      ...["--property", `kube_version=${NEXT_KUBERNETES}`, "--min-disk", "1"],
    ]);
    const mirrors = registryMirrors(`http://${outside.registry}:${ports.registry}`);
    config = {
      "capi-mgmt:mirror": { url: `http://${outside.mirror}:${ports.mirror}` },
      "capi-mgmt:proxy": {
        http: proxyUrl,
        https: proxyUrl,
        // All but the two hosts by their names; the mirror's would be reached directly.
        noProxy: [
          ...[addresses.cidr, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"],
          ...[".svc", ".cluster.local", "localhost"],
        ],
      },
      "capi-mgmt:k3s": { registryMirrors: mirrors },
      "capi-mgmt:seed": {
        network: { networkId: network.id, subnetId: subnet.id },
        access: {
          floatingIpAddress: floatingIp,
          allowedCidrs: { ssh: [`${bastionAddress}/32`] },
        },
        ssh: { bastion: bastion.connection },
        keypair: { publicKey: keys.public, privateKey: keys.private },
        rootVolume: { enabled: true, sizeGb: SEED_ROOT_GB },
      },
      "capi-mgmt:cluster": {
        registryMirrors: mirrors,
        network: { useSeedNetwork: false, nodeCidr: "192.168.7.0/24" },
        controlPlane: {
          rootVolume: { enabled: true, sizeGb: NODE_ROOT_GB },
          etcdVolume: { sizeGb: ETCD_GB },
        },
        workers: { rootVolume: { enabled: true, sizeGb: NODE_ROOT_GB } },
      },
      // Its own rules are those of deploy.test.ts.
      "capi-mgmt:monitoring": { enabled: false },
    };
  });
  after(async () => {
    await proxy?.end();
    await bastion?.stop();
    output("openstack", ["floating", "ip", "delete", floatingIp]);
    output("openstack", ["router", "remove", "subnet", OPERATOR, `${OPERATOR}-subnet`]);
    output("openstack", ["router", "delete", OPERATOR]);
    output("openstack", ["network", "delete", OPERATOR]);
    output("openstack", ["--os-cloud", "admin", "image", "delete", NEXT_IMAGE]);
    for (const { ID } of volumes()) output("openstack", ["volume", "delete", ID]);
    rmSync(scratch, { recursive: true, force: true });
  });

  test("is deployed by one up", async () => {
    const began = Date.now();
    const up = await run("up");
    assert.equal(up.exitCode, 0, up.printed.slice(-6000));
    console.log(`up took ${((Date.now() - began) / 1000).toFixed(0)} s`);
    const again = await run("up");
    assert.equal(again.exitCode, 0, again.printed.slice(-4000));
    assert.deepEqual(
      Object.keys(again.counts).filter((op) => op !== "read"),
      ["same"],
    );
  });

  test("seed, machines and controllers got what they fetched through the proxy, which alone knows the hosts", () => {
    const unknown = command("getent", ["hosts", outside.mirror]);
    assert.notEqual(unknown.status, 0, unknown.stdout);
    const passed = proxy?.passed() ?? [];
    const askedBy = (url: RegExp) =>
      new Set(passed.filter((request) => url.test(request.url)).map(({ from }) => from));
    const seen = JSON.stringify([...new Set(passed.map(({ from, url }) => `${from} ${url.slice(0, 60)}`))]);
    const mirror = `^http://${outside.mirror}:${ports.mirror}/`;
    assert.ok(askedBy(new RegExp(`${mirror}.*/k3s$`)).has(floatingIp), `the seed's download: ${seen}`);
    assert.ok(
      askedBy(new RegExp(`${mirror}.*openstack-cluster`)).has(addresses.host),
      `the runner's chart: ${seen}`,
    );
    assert.ok(
      askedBy(new RegExp(`${mirror}.*openstack-cloud-controller-manager`)).has(floatingIp),
      `the addon provider's chart: ${seen}`,
    );
    const pulls = askedBy(new RegExp(`^http://${outside.registry}:${ports.registry}/v2/.*/manifests/`));
    assert.ok(pulls.has(floatingIp), `the seed's images: ${seen}`);
    assert.ok(
      [...pulls].some((from) => from !== floatingIp && from !== addresses.host),
      `the machines' images, by their router: ${seen}`,
    );
  });

  test("the seed's port 22 is reached through the bastion and not otherwise", () => {
    const before = bastion?.passedOn() ?? [];
    assert.deepEqual([...new Set(before)], [`${floatingIp}:22`], "what up did on the seed");
    assert.equal(onSeed("hostname").trim(), `${CLUSTER}-seed`);
    assert.equal(bastion?.passedOn().length, before.length + 1, "bin/seed-ssh");
    const key = join(scratch, "key");
    writeFileSync(key, keys.private, { mode: 0o600 });
    const options = [
      "StrictHostKeyChecking=no",
      `UserKnownHostsFile=${join(scratch, "known")}`,
      "ConnectTimeout=5",
    ];
    const direct = command("ssh", [
      ...options.flatMap((option) => ["-o", option]),
      ...["-i", key, `ubuntu@${floatingIp}`, "true"],
    ]);
    assert.equal(direct.status, 255);
    assert.match(direct.stderr, /timed out/);
  });

  test("the seed is where the operator wanted it, and answers to the operator's key", () => {
    const seed = servers().find(({ Name }) => Name === `${CLUSTER}-seed`);
    assert.ok(seed !== undefined);
    assert.deepEqual(Object.keys(seed.Networks), [OPERATOR]);
    assert.ok(seed.Networks[OPERATOR]?.includes(floatingIp));
    const seen = onSeed("kubectl", "get", "clusters", "--all-namespaces", "--no-headers");
    assert.match(seen, new RegExp(`${CLUSTER} .*Provisioned`));
    assert.deepEqual(
      openstack<{ Name: string }>("network", "list")
        .map(({ Name }) => Name)
        .filter((name) => name === `${CLUSTER}-seed`),
      [],
      "no network is made for the seed",
    );
  });

  test("the machines are in a network of their own and boot from volumes", () => {
    const nodes = servers().filter(({ Name }) => Name !== `${CLUSTER}-seed`);
    assert.equal(nodes.length, 6);
    for (const { Name, Status, Networks } of nodes) {
      assert.equal(Status, "ACTIVE", Name);
      const addresses = Object.values(Networks).flat();
      assert.ok(
        addresses.length === 1 && addresses[0]?.startsWith("192.168.7."),
        `${Name}: ${addresses.join()}`,
      );
      const { image } = create<{ image: unknown }>("server", "show", Name);
      assert.match(JSON.stringify(image), /booted from volume/, Name);
    }
    const sizes = volumes().map(({ Size, Status }) => `${Size} ${Status}`);
    const count = (gb: number) => sizes.filter((size) => size === `${gb} in-use`).length;
    assert.deepEqual([count(SEED_ROOT_GB), count(NODE_ROOT_GB), count(ETCD_GB)], [1, 6, 3], sizes.join(", "));
  });

  /** Name and version of the nodes that are Ready, as Magnum's kubeconfig shows them. */
  function readyNodes(): string[] {
    const file = join(scratch, "kubeconfig");
    writeKubeconfig("magnumKubeconfig", file);
    const nodes = output("kubectl", ["--kubeconfig", file, "get", "nodes", "--no-headers"]).trim();
    return nodes.split("\n").flatMap((line) => {
      const [name = "", status = "", , , version = ""] = line.split(/\s+/);
      return status === "Ready" ? [`${name} ${version}`] : [];
    });
  }

  test("the cluster answers with Magnum's kubeconfig", () => {
    assert.equal(readyNodes().length, 6);
  });

  test("a newer Kubernetes: every machine is replaced by one of the new image", async () => {
    const nodes = () => servers().filter(({ Name }) => Name !== `${CLUSTER}-seed`);
    const before = nodes().map(({ ID }) => ID);
    const began = Date.now();
    const up = await run("up", {
      ...config,
      "capi-mgmt:cluster": {
        ...(config["capi-mgmt:cluster"] as object),
        kubernetesVersion: NEXT_KUBERNETES,
      },
    });
    assert.equal(up.exitCode, 0, up.printed.slice(-6000));
    console.log(`the upgrade took ${((Date.now() - began) / 1000).toFixed(0)} s`);
    const now = nodes().map(({ ID }) => ID);
    assert.equal(now.length, 6);
    assert.deepEqual(
      now.filter((id) => before.includes(id)),
      [],
    );
    const ready = readyNodes();
    assert.deepEqual(
      ready.map((line) => line.split(" ")[1]),
      Array(6).fill(NEXT_KUBERNETES),
      ready.join("\n"),
    );
  });

  test("destroy takes what up made, and nothing of the operator's", async () => {
    const destroy = await run("destroy");
    assert.equal(destroy.exitCode, 0, destroy.printed.slice(-6000));
    assert.deepEqual(servers(), []);
    assert.deepEqual(openstack("loadbalancer", "list"), []);
    assert.deepEqual(
      volumes().map(({ Size }) => Size),
      [10],
      "the data volume, which is kept",
    );
    for (const kind of ["network", "subnet", "router", "keypair"]) {
      const left = openstack<{ Name: string }>(kind, "list").filter(({ Name }) => Name.includes(CLUSTER));
      assert.deepEqual(left, [], kind);
    }
    assert.equal(mine(openstack<{ Name: string }>("network", "list")).length, 1);
    assert.equal(mine(openstack<{ Name: string }>("router", "list")).length, 1);
    const addresses = openstack<Record<string, string | null>>("floating", "ip", "list");
    assert.deepEqual(
      addresses.map((item) => [item["Floating IP Address"], item["Fixed IP Address"]]),
      [[floatingIp, null]],
    );
    const check = lab("output", "--stack", "lab", "--json");
    assert.equal(check.stdout.trim(), "{}");
  });
});
