/**
 * k3s on the seed, installed by the real script with stand-ins for the programs that touch the system. Its data volume
 * is held in data-volume.test.ts; that systemd and k3s do what is expected of them is shown in the lab.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { volumeGuard } from "../../lib/k3s.ts";
import type { Variable } from "../../lib/shell.ts";
import { CURL, downloads, serve } from "../support/served.ts";
import { runShell, temporaryFolder } from "../support/shell.ts";

const ID = "5617d17e-fdc1-4aa1-a14b-b9b5136c65af";
const URL = "https://github.com/k3s-io/k3s/releases/download/v1.34.8%2Bk3s1";

/** k3s's binary, of which only the kubectl in it is used; $HOME is the run's folder. */
const K3S = `#!/bin/bash
echo "k3s $*" >> "$HOME/calls"
case "$*" in
  *"get --raw /readyz"*) [[ ! -e $HOME/api-away ]] ;;
  *"get node capi-mgmt-x-seed --output jsonpath={.status.conditions[?"*)
    echo x >> "$HOME/asked"
    if (($(wc -l < "$HOME/asked") > $(cat "$HOME/ready-after"))); then echo True; else echo False; fi ;;
  *"range .status.conditions"*) echo "Ready=False KubeletNotReady cni plugin not initialized" ;;
esac
`;

interface Given {
  readonly variables?: Readonly<Record<string, Variable>>;
  readonly programs?: Readonly<Record<string, string>>;
}

function seed(context: TestContext) {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, "etc/systemd/system"), { recursive: true });
  const sum = serve(folder, `${URL}/k3s`, K3S);
  serve(folder, `${URL}/k3s-arm64`, "for another machine");
  serve(folder, `${URL}/sha256sum-amd64.txt`, `${"0".repeat(64)}  k3s-airgap.tar\n${sum}  k3s\n`);
  writeFileSync(join(folder, "ready-after"), "0");
  const run = (action: string, { variables = {}, programs = {} }: Given = {}) => {
    writeFileSync(join(folder, "asked"), "");
    return runShell(folder, {
      files: ["data-volume", "k3s"],
      variables: {
        ...{ VOLUME_ID: ID, VOLUME_GB: 100, VOLUME_SECONDS: 1, MOUNT_POINT: join(folder, "data") },
        ...{ K3S_VERSION: "v1.34.8+k3s1", K3S_SHA256: "", READY_SECONDS: 30 },
        ...{ K3S_URL_AMD64: `${URL}/k3s`, K3S_SUMS_AMD64: `${URL}/sha256sum-amd64.txt` },
        ...{ K3S_URL_ARM64: `${URL}/k3s-arm64`, K3S_SUMS_ARM64: `${URL}/sha256sum-arm64.txt` },
        ...{ K3S_CONFIG: "config", K3S_REGISTRIES: "registries", K3S_UNIT: "unit", VOLUME_GUARD: "guard" },
        ...{ K3S_REGISTRY_CA_FILE: "/etc/rancher/k3s/registry-ca.pem", K3S_REGISTRY_CA: "", K3S_PROXY: "" },
        ...{ CERTIFICATE_CHECK: "check", CERTIFICATE_SERVICE: "service", CERTIFICATE_TIMER: "timer" },
        SYSCTLS: "fs.inotify.max_user_instances=8192",
        ...variables,
      },
      programs: {
        curl: CURL,
        uname: "echo x86_64",
        hostname: "echo Capi-mgmt-x-seed",
        sysctl: '[[ "$*" != "-n "* ]] || echo 8192',
        "systemd-detect-virt": "exit 1",
        journalctl: "echo the last lines of k3s",
        ...Object.fromEntries(
          ["systemctl", "sleep", "sync", "umount", "mountpoint", "pgrep"].map((name) => [name, ""]),
        ),
        ...programs,
      },
      instead: ["/etc/", "/usr/local/", "/proc/self/mounts"],
      run: `data_volume() { mkdir -p "$MOUNT_POINT"; echo "data volume" >> "$HOME/calls"; }\n${action}`,
    });
  };
  return { folder, run, at: (path: string) => join(folder, path) };
}

const systemctl = (calls: readonly string[]) => calls.filter((call) => call.startsWith("systemctl "));
const STARTED = ["systemctl daemon-reload", "systemctl enable --quiet k3s"];
/** The monthly look at k3s's certificates. */
const TIMER = ["systemctl daemon-reload", "systemctl enable --quiet --now capi-mgmt-k3s-certificates.timer"];

test("k3s is installed with its volume first, started at every boot, and its version told once its node is Ready", (context) => {
  const { run, at } = seed(context);
  const { code, stdout, stderr, calls } = run("on_create");
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "v1.34.8+k3s1\n");
  assert.deepEqual(downloads(calls), [`${URL}/sha256sum-amd64.txt`, `${URL}/k3s`]);
  assert.deepEqual(systemctl(calls), [...STARTED, "systemctl restart k3s", ...TIMER]);
  const order = ["data volume", "systemctl restart k3s"].map((call) => calls.indexOf(call));
  assert.ok(!order.includes(-1) && order[0]! < order[1]!, calls.join("\n"));
  const files = [
    ["etc/rancher/k3s/config.yaml", "config\n", 0o600],
    ["etc/rancher/k3s/registries.yaml", "registries\n", 0o600],
    ["usr/local/sbin/capi-mgmt-volume-guard", "guard\n", 0o755],
    ["etc/systemd/system/k3s.service", "unit\n", 0o644],
    ["usr/local/bin/k3s", K3S, 0o755],
  ] as const;
  for (const [path, content, mode] of files) {
    assert.equal(readFileSync(at(path), "utf8"), content, path);
    assert.equal(statSync(at(path)).mode & 0o777, mode, path);
  }
});

test("k3s that nothing has changed about goes on running", (context) => {
  const { run } = seed(context);
  run("on_create");
  const { code, calls, stderr } = run("on_update");
  assert.equal(code, 0, stderr);
  assert.deepEqual(systemctl(calls), [...STARTED, "systemctl start k3s", ...TIMER]);
  assert.ok(!downloads(calls).includes(`${URL}/k3s`));
});

for (const variable of [
  "K3S_CONFIG",
  "K3S_REGISTRIES",
  "K3S_REGISTRY_CA",
  "K3S_PROXY",
  "K3S_UNIT",
  "VOLUME_GUARD",
]) {
  test(`k3s is restarted when ${variable} changes: it reads it only when it starts`, (context) => {
    const { run } = seed(context);
    run("on_create");
    const { code, calls, stderr } = run("on_update", { variables: { [variable]: "new" } });
    assert.equal(code, 0, stderr);
    assert.deepEqual(systemctl(calls), [...STARTED, "systemctl restart k3s", ...TIMER]);
  });
}

test("another k3s binary is downloaded, and k3s restarted with it", (context) => {
  const { run, at } = seed(context);
  run("on_create");
  const newer = "https://github.com/k3s-io/k3s/releases/download/v1.35.1%2Bk3s1";
  const sum = serve(at(""), `${newer}/k3s`, `${K3S}# newer\n`);
  const variables = { K3S_VERSION: "v1.35.1+k3s1", K3S_URL_AMD64: `${newer}/k3s`, K3S_SHA256: sum };
  const { code, stdout, calls, stderr } = run("on_update", { variables });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "v1.35.1+k3s1\n");
  assert.deepEqual(downloads(calls), [`${newer}/k3s`], "a pinned sum needs no list of sums");
  assert.deepEqual(systemctl(calls), [...STARTED, "systemctl restart k3s", ...TIMER]);
});

test("k3s's node is waited for until it is Ready, by the name that k3s gives it", (context) => {
  const { run, at } = seed(context);
  writeFileSync(at("ready-after"), "2");
  const { code, stderr } = run("on_create");
  assert.equal(code, 0, stderr);
  assert.equal(readFileSync(at("asked"), "utf8"), "x\nx\nx\n");
});

test("a node that does not become Ready is an error, with its conditions and k3s's own last lines", (context) => {
  const { run, at } = seed(context);
  writeFileSync(at("ready-after"), "9");
  const { code, stdout, stderr } = run("on_create", { variables: { READY_SECONDS: 0 } });
  assert.deepEqual([code, stdout], [70, ""]);
  assert.match(stderr, /^Ready=False KubeletNotReady cni plugin not initialized$/m);
  assert.match(stderr, /^the last lines of k3s$/m);
  assert.match(stderr, /error: k3s's node capi-mgmt-x-seed has not become Ready within 0 s\n$/);
});

test("an API that does not answer counts as a node that is not Ready", (context) => {
  const { run, at } = seed(context);
  writeFileSync(at("api-away"), "");
  const { code, stderr } = run("on_create", { variables: { READY_SECONDS: 0 } });
  assert.equal(code, 70);
  assert.match(stderr, /has not become Ready within 0 s/);
});

test("a k3s that does not start is an error with its own last lines", (context) => {
  const { run } = seed(context);
  const programs = { systemctl: "[[ $1 != restart ]]" };
  const { code, stderr } = run("on_create", { programs });
  assert.equal(code, 70);
  assert.match(stderr, /^the last lines of k3s\nerror: k3s v1\.34\.8\+k3s1 does not start$/m);
});

test("a kernel setting is set now and at every boot; one that cannot be set is an error, in a container a warning", (context) => {
  const SYSCTL = 'case "$1" in -n) echo 128 ;; *) exit ${REFUSED:-0} ;; esac';
  const set = seed(context);
  const { code, calls, stderr } = set.run("on_create", { programs: { sysctl: SYSCTL } });
  assert.equal(code, 0, stderr);
  assert.ok(calls.includes("sysctl -q -w fs.inotify.max_user_instances=8192"));
  assert.equal(
    readFileSync(set.at("etc/sysctl.d/90-capi-mgmt.conf"), "utf8"),
    "fs.inotify.max_user_instances=8192\n",
  );
  const refused = { sysctl: SYSCTL.replace("${REFUSED:-0}", "255") };
  const machine = seed(context).run("on_create", { programs: refused });
  assert.equal(machine.code, 70);
  assert.match(
    machine.stderr,
    /^error: could not set kernel setting fs\.inotify\.max_user_instances to 8192$/m,
  );
  const container = seed(context).run("on_create", { programs: { ...refused, "systemd-detect-virt": "" } });
  assert.equal(container.code, 0, container.stderr);
  assert.match(
    container.stderr,
    /^warning: fs\.inotify\.max_user_instances stays 128: this machine is a container$/m,
  );
});

test("the node's password moves to the volume, where a new seed finds it: k3s refuses one that it does not know", (context) => {
  const { run, at } = seed(context);
  mkdirSync(at("etc/rancher/node"), { recursive: true });
  writeFileSync(at("etc/rancher/node/password"), "known to k3s");
  const { code, stderr } = run("on_create");
  assert.equal(code, 0, stderr);
  assert.equal(readlinkSync(at("etc/rancher/node")), at("data/seed/node"));
  assert.equal(readFileSync(at("etc/rancher/node/password"), "utf8"), "known to k3s");

  // The next seed: an empty root disk, the same volume.
  spawnSync("rm", ["-rf", at("etc/rancher")]);
  assert.equal(run("on_create").code, 0);
  assert.equal(readFileSync(at("etc/rancher/node/password"), "utf8"), "known to k3s");
});

test("k3s goes with all its containers and mounts, and its data stays on the volume", async (context) => {
  const { run, at } = seed(context);
  run("on_create");
  writeFileSync(at("data/state.db"), "data");
  const container = spawn("tail", ["--follow", "/dev/null"]);
  mkdirSync(at("proc/self"), { recursive: true });
  const inside = [at("data/agent/a"), at("data/agent/a/b"), "/run/k3s/x", "/var/lib/kubelet/pods/y"];
  const mounts = ["/", at("data"), at("datacenter"), "/run/lock", ...inside];
  writeFileSync(at("proc/self/mounts"), mounts.map((path) => `none ${path} xfs rw 0 0\n`).join(""));
  const { code, stderr, calls } = run("on_delete", {
    programs: { pgrep: `[[ $1 == -f ]] || exit 1; echo ${container.pid}` },
  });
  assert.equal(code, 0, stderr);
  const [, signal] = (await once(container, "exit")) as [number | null, string | null];
  assert.equal(signal, "SIGKILL");
  assert.deepEqual(calls.slice(0, 2), [
    "systemctl disable --quiet --now capi-mgmt-k3s-certificates.timer",
    "systemctl disable --quiet --now k3s",
  ]);
  assert.deepEqual(
    calls.filter((call) => call.startsWith("umount ")),
    // What is mounted in something goes before it.
    [
      ...inside
        .toSorted()
        .reverse()
        .map((path) => `umount -l ${path}`),
      `umount ${at("data")}`,
    ],
  );
  assert.equal(readFileSync(at("data/state.db"), "utf8"), "data");
});

test("k3s starts on its own volume only, which the guard mounts if need be", (context) => {
  const folder = temporaryFolder(context);
  const data = join(folder, "data");
  mkdirSync(data);
  const guard = (found: string | undefined, mounted: boolean) => {
    if (found !== undefined) writeFileSync(join(data, ".capi-mgmt-volume"), `${found}\n`);
    const run = runShell(folder, {
      files: [],
      programs: { mountpoint: mounted ? "" : "exit 1", mount: "" },
      run: `sh << 'END'\n${volumeGuard(ID).replaceAll("/var/lib/rancher/k3s", data)}\nEND`,
    });
    return { ...run, mounts: run.calls.filter((call) => call.startsWith("mount ")) };
  };
  const empty = guard(undefined, true);
  assert.notEqual(empty.code, 0);
  assert.match(empty.stderr, new RegExp(`${data} is not on volume ${ID}\n`));
  assert.notEqual(guard("another", true).code, 0);
  assert.deepEqual([guard(ID, true).code, guard(ID, true).mounts], [0, []]);
  assert.deepEqual([guard(ID, false).code, guard(ID, false).mounts], [0, [`mount ${data}`]]);
});

test("nothing is unmounted on a seed where nothing was mounted", (context) => {
  const { run, at } = seed(context);
  mkdirSync(at("proc/self"), { recursive: true });
  writeFileSync(at("proc/self/mounts"), "none / ext4 rw 0 0\n");
  const { code, calls, stderr } = run("on_delete", { programs: { mountpoint: "exit 1", pgrep: "exit 1" } });
  assert.equal(code, 0, stderr);
  assert.ok(!calls.some((call) => /^umount |^systemctl .*k3s$/.test(call)), calls.join("\n"));
  assert.ok(!existsSync(at("data")));
});
