/**
 * A cloud that refuses: wrong credentials, no such flavor, no quota, a load balancer that cannot be had. Preflight says so before
 * anything is made; without it the resource, the cloud's own words and what was kept are told; and the run after the
 * cause is gone ends with each thing once.
 *
 * Destroys the stack `lab` first if it is there, and leaves it deployed. Does not prove what other clouds say.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { paths } from "../../lab/site.ts";
import { enterLab, lab, openstack, output } from "../support/lab.ts";
import { runWith } from "../support/labStack.ts";

const root = process.getuid?.() === 0;
const CLUSTER = "capi-mgmt-lab";
const PROJECT = "capi-mgmt";
const UNCHECKED = { CAPI_MGMT_SKIP_PREFLIGHT: "1" };

describe("a cloud that refuses", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "refusals-test-"));

  before(() => {
    enterLab();
    const gone = lab("destroy", "--stack", "lab");
    assert.equal(gone.status, 0, `destroying what was there: ${gone.stdout}${gone.stderr}`);
    for (const { ID } of ours(["volume"]) as { ID: string }[]) output("openstack", ["volume", "delete", ID]);
  });
  after(() => {
    lab("fault", "clear");
    rmSync(scratch, { recursive: true, force: true });
  });

  test("wrong credentials: nothing is made, and Keystone's words are told without the secret", async () => {
    const clouds = join(scratch, "clouds.yaml");
    const wrong = "wrong-application-credential-secret";
    const text = readFileSync(paths.clouds, "utf8");
    writeFileSync(clouds, text.replace(/(application_credential_secret: ).*/, `$1${wrong}`), { mode: 0o600 });
    for (const more of [{}, UNCHECKED]) {
      const up = await runWith("up", "lab", {}, { ...more, OS_CLIENT_CONFIG_FILE: clouds });
      assert.equal(up.exitCode, 1, up.printed);
      assert.match(up.printed, /401|authentication/i);
      assert.ok(!up.printed.includes(wrong));
    }
    assert.deepEqual(existing(), {});
  });

  test("no such flavor: preflight names it; without preflight Nova does, and the rest is kept", async () => {
    const config = { "capi-mgmt:seed": { flavor: "lab.none" } };
    const checked = await runWith("up", "lab", config);
    assert.equal(checked.exitCode, 1, checked.printed);
    assert.match(checked.printed, /flavor\.seed +lab\.none with .* no such flavor +FAIL/i);
    assert.match(checked.printed, /choose lab\.\S+, lab\.\S+/, "the legal ones are named");
    assert.deepEqual(existing(), {});

    const up = await runWith("up", "lab", config, UNCHECKED);
    assert.equal(up.exitCode, 1, up.printed);
    assert.match(up.printed, /seed-server \(create\)\n[^]*lab\.none/);
    assert.match(up.printed, /run up again/);
    const kept = existing();
    assert.equal(kept["server"], undefined);
    assert.deepEqual(
      [kept["network"], kept["router"], kept["keypair"]],
      [1, 1, 1],
      "what does not need it is made",
    );
  });

  test("no quota: preflight counts what is missing; without it Nova's refusal is reported, and nothing is made twice", async () => {
    const before = existing();
    const quota = (instances: number) =>
      output("openstack", ["--os-cloud", "admin", "quota", "set", "--instances", String(instances), PROJECT]);
    quota(0);
    try {
      const checked = await runWith("up", "lab", {});
      assert.equal(checked.exitCode, 1, checked.printed);
      assert.match(checked.printed, /instances/);
      const up = await runWith("up", "lab", {}, UNCHECKED);
      assert.equal(up.exitCode, 1, up.printed);
      assert.match(up.printed, /seed-server \(create\)\n[^]*[Qq]uota exceeded for instances/);
      assert.deepEqual(existing(), before);
    } finally {
      quota(QUOTA);
    }
  });

  test("no load balancer: the failing conditions and events are told; afterwards the cluster comes up", async () => {
    const refusal = ["--service", "octavia", "--method", "POST", "--path", "/lbaas/loadbalancers"];
    assert.equal(lab("fault", "add", ...refusal, "--status", "503").status, 0);
    const config = { "capi-mgmt:cluster": { timeouts: { ready: "90s" } } };
    const failed = await runWith("up", "lab", config);
    assert.equal(failed.exitCode, 1, failed.printed);
    assert.match(failed.printed, /cluster-ready \(create\)/);
    assert.match(
      failed.printed,
      /cluster capi-mgmt-lab is not ready after 90 s \(setting cluster\.timeouts\.ready\)/,
    );
    assert.match(
      failed.printed,
      /OpenStackCluster capi-mgmt-lab:\n +Ready OpenStackError: failed to reconcile load balancer/,
    );
    assert.match(failed.printed, /last events in default:\n[^]*Failedcreateloadbalancer/);
    assert.doesNotMatch(failed.printed, /NodeHasSufficientMemory/, "the seed's own events");
    assert.equal(lab("fault", "clear").status, 0);

    const up = await runWith("up", "lab", {});
    assert.equal(up.exitCode, 0, up.printed.slice(-6000));
    const { port, ...once } = existing();
    assert.ok((port ?? 0) >= 7, `${port} ports`);
    assert.deepEqual(once, {
      ...{ server: 7, network: 1, subnet: 1, router: 1, keypair: 1, volume: 1, loadbalancer: 1 },
      "security group": once["security group"],
      "floating ip": 2,
    });
    const names = openstack<{ Name: string }>("server", "list").map(({ Name }) => Name);
    assert.equal(new Set(names).size, names.length, "no server is there twice");
    const again = lab("up", "--stack", "lab", "--expect-no-changes");
    assert.equal(again.status, 0, again.stdout.slice(-3000));
  });
});

/** Nova's quota of instances in the lab (lab/services/content.ts). */
const QUOTA = 60;

function ours(kind: string[]): Record<string, unknown>[] {
  return openstack(...kind, "list").filter((item) => String(item["Name"] ?? item["name"]).includes(CLUSTER));
}

/** How many there are of each kind of the stack's objects; a kind with none is left out. */
function existing(): Record<string, number> {
  const kinds = [
    "server",
    "loadbalancer",
    "router",
    "network",
    "subnet",
    "port",
    "security group",
    "keypair",
    "volume",
  ];
  const counts = kinds.map((kind) => [kind, ours(kind.split(" ")).length] as const);
  const addresses = openstack("floating", "ip", "list").length;
  return Object.fromEntries(
    [...counts, ["floating ip", addresses] as const].filter(([, count]) => count > 0),
  );
}
