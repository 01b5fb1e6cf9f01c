/**
 * The lab's site seen from outside: the openstack client, ip, ss, losetup, ssh and curl, not the lab's own state.
 *
 * Starts the site if it does not run and leaves it running; makes and removes objects whose names begin with `site-test`.
 * `reset` is tried only with CAPI_MGMT_TEST_LAB_RESET=1, because it removes whatever is deployed.
 * Does not prove: anything about kernels, virtual hardware or several hosts (lab/README.md).
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Ran, command, enterLab, lab, output, project } from "../support/lab.ts";

const root = process.getuid?.() === 0;
const prefix = `site-test-${process.pid}`;

function openstack<T>(...args: string[]): T {
  return JSON.parse(output("openstack", [...args, "-f", "json"])) as T;
}

/** For commands that print nothing. */
const quiet = (...args: string[]): void => void output("openstack", args);

async function eventually(what: string, seconds: number, ask: () => boolean): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!ask()) {
    assert.ok(Date.now() < deadline, `${what}: not within ${seconds} s`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

describe("the lab's site", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "site-test-"));
  const key = join(scratch, "id");
  let address = "";

  before(() => {
    enterLab();
    assert.equal(command("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]).status, 0);
  });

  after(() => {
    const cleanup: [string, string[]][] = [
      ["server", ["server", "delete", "--wait", prefix]],
      ["volume", ["volume", "delete", prefix]],
      ["floating ip", address ? ["floating", "ip", "delete", address] : []],
      ["port", ["port", "delete", prefix]],
      ["interface", ["router", "remove", "subnet", prefix, prefix]],
      ["router", ["router", "delete", prefix]],
      ["network", ["network", "delete", prefix]],
      ["security group", ["security", "group", "delete", prefix]],
      ["keypair", ["keypair", "delete", prefix]],
    ];
    for (const [, args] of cleanup) if (args.length > 0) command("openstack", args);
    rmSync(scratch, { recursive: true, force: true });
  });

  const ssh = (script: string): Ran =>
    command(
      "ssh",
      [
        ...[
          "-i",
          key,
          "-o",
          "StrictHostKeyChecking=no",
          "-o",
          "UserKnownHostsFile=/dev/null",
          "-o",
          "LogLevel=ERROR",
        ],
        ...["-o", "ConnectTimeout=2", "-o", "BatchMode=yes", `ubuntu@${address}`, script],
      ],
      { timeout: 30_000, input: "" },
    );

  test("every service answers, and says so", () => {
    const rows = JSON.parse(lab("status", "--json").stdout) as { service: string; state: string }[];
    assert.ok(rows.length >= 19);
    assert.deepEqual(
      rows.filter((row) => row.state !== "ok"),
      [],
    );
  });

  test("a second start changes nothing", () => {
    const pids = () =>
      (JSON.parse(lab("status", "--json").stdout) as { pid: number }[]).map((row) => row.pid);
    const first = pids();
    assert.equal(lab("start").status, 0);
    assert.deepEqual(pids(), first);
  });

  test("nothing of the lab listens in the host's namespace, and the lab has no way out", () => {
    const host = command("ss", ["-Hltn"]).stdout;
    for (const port of [3306, 5672, 5000, 9696]) assert.doesNotMatch(host, new RegExp(`:${port}\\s`));
    const routes = command("ip", ["-n", "capi-lab", "route"]).stdout;
    assert.doesNotMatch(routes, /^default/m);
    assert.match(command("ip", ["-br", "addr", "show", "capi-lab0"]).stdout, /203\.0\.113\.254\/32/);
    const bridges = command("ip", ["-br", "link", "show", "type", "bridge"]).stdout;
    assert.doesNotMatch(bridges, /^(lbr|labex)/m);
  });

  test("the public endpoints present the lab's certificate and hand out public links", () => {
    const url = "https://203.0.113.10";
    const strict = command("curl", [
      "-sS",
      "--cacert",
      "/etc/ssl/certs/ca-certificates.crt",
      `${url}:5000/v3`,
    ]);
    assert.notEqual(strict.status, 0, "a certificate that the system's CAs vouch for");
    for (const port of [5000, 9292, 8774, 9696, 8776, 9876]) {
      const answer = command("curl", ["-sS", "--cacert", ".lab/ca.pem", `${url}:${port}/`]);
      assert.equal(answer.status, 0, answer.stderr);
      for (const [link] of answer.stdout.matchAll(/https?:\/\/[^"\s]+/g)) {
        if (/docs\.openstack\.org/.test(link)) continue;
        assert.ok(link.startsWith(`${url}:${port}`), `port ${port} hands out ${link}`);
      }
    }
  });

  test("the operator's content is there", () => {
    const names = (kind: string) => openstack<{ Name: string }[]>(kind, "list").map((row) => row.Name);
    for (const name of ["lab.seed", "lab.control-plane", "lab.worker"])
      assert.ok(names("flavor").includes(name));
    for (const name of ["ubuntu-noble", "ubuntu-noble-kube-v1.36.3"])
      assert.ok(names("image").includes(name));
    const network = openstack<{ id: string; "router:external": boolean }>("network", "show", "external");
    assert.equal(network.id, "e4f1c0de-0000-4000-8000-000000000113");
    assert.equal(network["router:external"], true);
    const services = openstack<{ Type: string }[]>("catalog", "list").map((row) => row.Type);
    for (const type of ["volumev3", "block-storage", "load-balancer"])
      assert.ok(services.includes(type), type);
  });

  test("secrets are readable by root only and no command line holds one", () => {
    for (const file of [".lab/clouds.yaml", ".lab/passphrase", ".lab/secrets.json"]) {
      assert.equal(statSync(join(project, file)).mode & 0o077, 0, file);
    }
    const commands = command("ps", ["-eo", "args"]).stdout;
    const secrets = JSON.parse(readFileSync(join(project, ".lab/secrets.json"), "utf8")) as Record<
      string,
      string
    >;
    for (const [name, value] of Object.entries(secrets)) assert.ok(!commands.includes(value), name);
  });

  test("a server is a machine: ssh over its floating IP, user data, a volume by its id", async () => {
    const userData = join(scratch, "user-data");
    writeFileSync(
      userData,
      "#cloud-config\nwrite_files:\n- {path: /etc/site-test, content: from user data}\n",
    );
    quiet("network", "create", "--mtu", "1400", prefix, "-f", "json");
    quiet("subnet", "create", "--network", prefix, "--subnet-range", "10.66.0.0/24", prefix, "-f", "json");
    quiet("router", "create", "--external-gateway", "external", prefix, "-f", "json");
    quiet("router", "add", "subnet", prefix, prefix);
    quiet("security", "group", "create", prefix, "-f", "json");
    const rule = ["security", "group", "rule", "create", "--ingress", "--protocol", "tcp"];
    quiet(...rule, "--dst-port", "22", prefix, "-f", "json");
    quiet("keypair", "create", "--public-key", `${key}.pub`, prefix, "-f", "json");
    quiet("port", "create", "--network", prefix, "--security-group", prefix, prefix, "-f", "json");
    address = openstack<{ floating_ip_address: string }>(
      "floating",
      "ip",
      "create",
      "--port",
      prefix,
      "external",
    ).floating_ip_address;
    const server = [
      "server",
      "create",
      "--flavor",
      "lab.seed",
      "--image",
      "ubuntu-noble",
      "--key-name",
      prefix,
    ];
    quiet(...server, "--port", prefix, "--user-data", userData, "--wait", prefix, "-f", "json");
    await eventually("ssh", 60, () => ssh("true").status === 0);
    assert.equal(ssh("cloud-init status --wait >/dev/null; cat /etc/site-test").stdout, "from user data");
    assert.equal(ssh("cat /sys/class/net/ens3/mtu").stdout.trim(), "1400");

    const volume = openstack<{ id: string }>("volume", "create", "--size", "1", prefix).id;
    await eventually(
      "volume",
      30,
      () => openstack<{ status: string }>("volume", "show", volume).status === "available",
    );
    quiet("server", "add", "volume", prefix, volume, "-f", "json");
    const device = `/dev/disk/by-id/virtio-${volume.slice(0, 20)}`;
    await eventually("the device", 15, () => ssh(`test -b ${device}`).status === 0);
    assert.equal(ssh(`sudo blockdev --getsize64 ${device}`).stdout.trim(), String(2 ** 30));
    assert.match(command("losetup", ["-l", "-n", "-O", "BACK-FILE"]).stdout, new RegExp(`${volume}\\.img`));
    assert.match(ssh("curl -sS --max-time 5 -k https://203.0.113.10:5000/v3").stdout, /"status": "stable"/);
  });

  test("a security group's rule opens and shuts a port within two seconds", async () => {
    assert.equal(ssh("sudo systemd-run -q --unit=web python3 -m http.server 8000").status, 0);
    const open = () =>
      command("curl", ["-s", "-o", "/dev/null", "-m", "1", `http://${address}:8000/`]).status === 0;
    await new Promise((done) => setTimeout(done, 2000));
    assert.equal(open(), false);
    const rule = [
      "security",
      "group",
      "rule",
      "create",
      "--ingress",
      "--protocol",
      "tcp",
      "--dst-port",
      "8000",
    ];
    const { id } = openstack<{ id: string }>(...rule, prefix);
    await eventually("open", 2, open);
    quiet("security", "group", "rule", "delete", id);
    await eventually("shut", 2, () => !open());
  });

  test("a fault hits as often as asked, and only what it names; the lab's own checks not at all", () => {
    // a path of this test's own: whoever else uses the site meanwhile is not hit
    const answer = () => {
      const url = `https://203.0.113.10:9696/${prefix}`;
      return command("curl", ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", ".lab/ca.pem", url])
        .stdout;
    };
    const rule = ["fault", "add", "--service", "neutron", "--path", prefix];
    const normal = answer();
    assert.equal(lab(...rule, "--status", "503", "--count", "2").status, 0);
    assert.deepEqual([answer(), answer(), answer()], ["503", "503", normal]);
    assert.match(lab("fault", "list").stdout, /answers 503; 2 of 2 hit/);
    const dropping = lab(...rule, "--drop").stdout;
    assert.equal(answer(), "000");
    const own = JSON.parse(lab("status", "--json").stdout) as { service: string; state: string }[];
    assert.equal(own.find((row) => row.service === "neutron")?.state, "ok");
    for (const line of dropping.split("\n").filter((text) => text.includes(prefix))) {
      assert.equal(lab("fault", "clear", line.split(" ")[0] as string).status, 0);
    }
    assert.equal(answer(), normal);
  });

  test("the state bucket is there and versioned; the mirror and the Slack receiver answer", () => {
    assert.ok(existsSync(join(project, ".lab/data/s3/capi-mgmt-state")));
    const index = "http://203.0.113.10:8080/charts.jetstack.io/index.yaml";
    assert.match(command("curl", ["-s", index]).stdout, /cert-manager/);
    assert.equal(
      command("curl", ["-s", "-d", `{"text":"${prefix}"}`, "http://203.0.113.10:8081/services/T/B/X"]).stdout,
      "ok",
    );
    assert.match(readFileSync(join(project, ".lab/slack.jsonl"), "utf8"), new RegExp(prefix));
  });

  test("a killed machine comes back by a start, with its volume", async () => {
    assert.equal(lab("fault", "seed-kill", prefix).status, 0);
    await eventually("gone", 5, () => ssh("true").status !== 0);
    await eventually(
      "SHUTOFF",
      60,
      () => openstack<{ status: string }>("server", "show", prefix).status === "SHUTOFF",
    );
    quiet("server", "start", prefix);
    await eventually("ssh", 60, () => ssh("ls /dev/disk/by-id/virtio-*").status === 0);
  });

  test("deleting leaves no process, device, namespace or loop device", async () => {
    const { id } = openstack<{ id: string }>("server", "show", prefix);
    const router = openstack<{ id: string }>("router", "show", prefix).id;
    quiet("server", "delete", "--wait", prefix);
    assert.doesNotMatch(command("ps", ["-eo", "args"]).stdout, new RegExp(id));
    quiet("volume", "delete", prefix);
    quiet("floating", "ip", "delete", address);
    quiet("port", "delete", prefix);
    quiet("router", "remove", "subnet", prefix, prefix);
    quiet("router", "delete", prefix);
    const network = openstack<{ id: string }>("network", "show", prefix).id;
    quiet("network", "delete", prefix);
    await eventually(
      "namespace",
      5,
      () => !command("ip", ["netns"]).stdout.includes(`labr-${router.slice(0, 11)}`),
    );
    await eventually(
      "bridge",
      5,
      () => !command("ip", ["-n", "capi-lab", "-br", "link"]).stdout.includes(`lbr${network.slice(0, 11)}`),
    );
    await eventually(
      "loop device",
      10,
      () => !/\.lab\/volumes.*deleted/.test(command("losetup", ["-l", "-n", "-O", "BACK-FILE"]).stdout),
    );
  });

  test("wrong arguments are refused with exit code 64 and touch nothing", () => {
    for (const args of [
      ["bogus"],
      ["up", "--no-such-option"],
      ["fault", "add", "--service", "glace", "--drop"],
      ["logs", "x"],
    ]) {
      const done = lab(...args);
      assert.equal(done.status, 64, args.join(" "));
      assert.match(done.stderr, /usage: npm run lab/);
    }
  });

  test("reset leaves nothing behind", { skip: process.env["CAPI_MGMT_TEST_LAB_RESET"] !== "1" }, () => {
    assert.equal(lab("reset").status, 0);
    assert.ok(!existsSync(join(project, ".lab")));
    assert.doesNotMatch(command("ip", ["netns"]).stdout, /^(capi-lab|lab[rc]-)/m);
    assert.doesNotMatch(command("ip", ["-br", "link"]).stdout, /capi-lab0/);
    assert.doesNotMatch(command("losetup", ["-l", "-n", "-O", "BACK-FILE"]).stdout, /\.lab\//);
    assert.doesNotMatch(command("ps", ["-eo", "args"]).stdout, /\.lab\/|lab-keystone|labc-/);
    assert.doesNotMatch(readFileSync("/proc/mounts", "utf8"), /\.lab\//);
  });
});
