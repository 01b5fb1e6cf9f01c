/**
 * Destroying what deploy.test.ts deployed: every OpenStack object is gone but the data volume, seen from outside.
 *
 * With nothing deployed it still proves that nothing is left over.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { enterLab, lab, openstack, output } from "../support/lab.ts";
import { outputSecrets, siteSecrets } from "../support/labSecrets.ts";
import { assertClean } from "../support/secretScan.ts";

const root = process.getuid?.() === 0;
const CLUSTER = "capi-mgmt-lab";

describe("the end of the management cluster", { skip: root ? false : "needs root" }, () => {
  before(() => enterLab());

  test("destroy leaves nothing but the data volume", () => {
    const shown = lab("output", "--stack", "lab", "--json", "--show-secrets");
    const outputs = JSON.parse(shown.stdout || "{}") as Record<string, unknown>;
    const deployed = "magnumKubeconfig" in outputs;
    const secrets = { ...siteSecrets(), ...(deployed ? outputSecrets(outputs) : {}) };
    const destroy = lab("destroy", "--stack", "lab");
    assert.equal(destroy.status, 0, destroy.stdout.slice(-6000) + destroy.stderr.slice(-3000));
    assertClean(destroy.stdout + destroy.stderr, secrets, "the output of destroy");
    console.log(`destroy took ${destroy.seconds.toFixed(1)} s`);
    const ours = (kind: string[], column = "Name") =>
      openstack(...kind, "list").filter((item) => String(item[column] ?? item["name"]).includes(CLUSTER));
    for (const kind of [
      ["server"],
      ["loadbalancer"],
      ["router"],
      ["network"],
      ["subnet"],
      ["port"],
      ["security", "group"],
      ["keypair"],
      ["server", "group"],
    ]) {
      assert.deepEqual(ours(kind), [], kind.join(" "));
    }
    const addresses = openstack<{ "Fixed IP Address": string | null }>("floating", "ip", "list");
    assert.deepEqual(
      addresses.filter((item) => item["Fixed IP Address"] !== null),
      [],
    );
    // All there are: those of the cluster's own claims have names of their own.
    const volumes = openstack("volume", "list");
    assert.deepEqual(
      volumes.map(({ Name, Status }) => [Name, Status]),
      Array(volumes.length).fill([`${CLUSTER}-seed-data`, "available"]),
    );
    assert.ok(volumes.length >= 1, "the data volume is kept");
    for (const { ID } of volumes as { ID: string }[]) output("openstack", ["volume", "delete", ID]);
  });
});
