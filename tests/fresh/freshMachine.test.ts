/**
 * The fresh machine itself, as root: what somebody put by hand into a folder that programs look into is not there, and
 * Keystone, told nothing of its receipts' keys, misses them there and only there (the defect that this was made for).
 * Does not prove that the lab starts: `.ci/run` runs the lab's tests in it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openstackConfigs, renderIni } from "../../lab/openstack/config.ts";
import { ensurePart } from "../../lab/prepare/cache.ts";
import { pythonPart } from "../../lab/prepare/parts.ts";

const freshMachine = join(import.meta.dirname, "../../.ci/fresh-machine");
const scratch = mkdtempSync(join(tmpdir(), "fresh-machine-test-"));
after(() => rmSync(scratch, { recursive: true }));

/** Runs a script where /etc and /srv are copies with what `plant` puts there, so that the real ones stay as they are. */
function onUsedMachine(plant: string, script: string, ...args: string[]) {
  const prepare = `
    cp -a /etc ${scratch}/etc && mount --bind ${scratch}/etc /etc && mount -t tmpfs planted /srv
    ${plant}
    ${script}`;
  const run = ["--mount", "--propagation", "private", "bash", "-euc", prepare, "used-machine", ...args];
  try {
    return spawnSync("unshare", run, { encoding: "utf8" });
  } finally {
    rmSync(join(scratch, "etc"), { recursive: true, force: true });
  }
}

const plant =
  "mkdir -p /etc/keystone/fernet-keys /srv/tool; echo key >/etc/keystone/fernet-keys/0; echo x >/srv/tool/x";

void test("what was put there by hand is not there; what packages and Debian put there is", () => {
  const script = `
    [ -e /etc/keystone/fernet-keys/0 ] && [ -e /srv/tool/x ] && echo planted
    ${freshMachine} bash -c '
      [ ! -e /etc/keystone ] && [ ! -e /srv/tool ] && echo hidden
      [ -s /etc/passwd ] && [ -d /etc/ssl/certs ] && [ -d /var/lib/dpkg/info ] && echo kept
      go version >/dev/null && npm --version >/dev/null && python3 --version >/dev/null && echo tools
      echo forgotten >/etc/written && mkdir /opt/written; exit 7'
    echo "exit code $?"; [ ! -e /etc/written ] && [ ! -e /opt/written ] && echo forgotten`;
  const { stdout, stderr } = onUsedMachine(plant, `set +e; ${script}`);
  assert.deepEqual(
    stdout.trim().split("\n"),
    ["planted", "hidden", "kept", "tools", "exit code 7", "forgotten"],
    stderr,
  );
});

void test("Keystone without a folder for its receipts' keys starts on a used machine only", async () => {
  const python = join(await ensurePart(await pythonPart(), () => undefined), "venv");
  const data = join(scratch, "data");
  for (const kind of ["fernet", "credential"]) {
    mkdirSync(join(data, "keystone", kind), { recursive: true });
    writeFileSync(join(data, "keystone", kind, "0"), `${Buffer.alloc(32).toString("base64url")}=`);
  }
  const passwords = { servicePassword: "-", octaviaPassphrase: "-".repeat(32) };
  const upstreamEtc = join(python, "etc");
  const { "keystone.conf": asItIs = {} } = openstackConfigs({
    ...{ data, log: scratch, etc: scratch, upstreamEtc },
    ...passwords,
  });
  const asItWas = Object.fromEntries(Object.entries(asItIs).filter(([name]) => name !== "fernet_receipts"));
  // What Keystone's API does at its start with tokens and receipts, without its database.
  const start = `
import sys, keystone.conf
from keystone.receipt.providers import fernet
keystone.conf.configure()
keystone.conf.CONF(["--config-file", sys.argv[1]], project="keystone")
fernet.Provider()
print("started")`;
  writeFileSync(join(scratch, "start.py"), start);
  const starts = (ini: typeof asItIs, prefix: string) => {
    writeFileSync(join(scratch, "keystone.conf"), renderIni(ini));
    const script = `${prefix} ${python}/bin/python -W ignore ${scratch}/start.py ${scratch}/keystone.conf`;
    return onUsedMachine(plant, script);
  };
  assert.equal(starts(asItWas, "").stdout, "started\n", "on the machine where the folder was made by hand");
  const caught = starts(asItWas, freshMachine);
  assert.notEqual(caught.status, 0);
  assert.match(caught.stderr, /\/etc\/keystone\/fernet-keys\/ does not exist/);
  const mended = starts(asItIs, freshMachine);
  assert.equal(mended.stdout, "started\n", mended.stderr);
});

void test("usage and a running lab are told in one line", () => {
  const usage = spawnSync(freshMachine, [], { encoding: "utf8" });
  assert.deepEqual(
    [usage.status, usage.stderr],
    [64, "fresh-machine: usage: .ci/fresh-machine COMMAND...\n"],
  );
  const script = `mount -t tmpfs none /run; mkdir -p /run/netns; touch /run/netns/capi-lab; ${freshMachine} true`;
  const running = spawnSync("unshare", ["--mount", "bash", "-c", script], { encoding: "utf8" });
  assert.deepEqual(
    [running.status, running.stderr],
    [1, "fresh-machine: a lab runs on this machine: npm run lab -- stop\n"],
  );
});
