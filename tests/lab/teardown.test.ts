/**
 * Destroying what deploy.test.ts deployed, first with a Ctrl-C in a terminal: every OpenStack object is gone but the data volume,
 * seen from outside.
 *
 * Deploys stack `lab` if it is not there.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { before, describe, test } from "node:test";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { bucket } from "../../lab/site.ts";
import {
  enterDeployedLab,
  enterLab,
  lab,
  labEnvironment,
  openstack,
  output,
  project,
} from "../support/lab.ts";
import { labS3 } from "../support/labS3.ts";
import { outputSecrets, siteSecrets } from "../support/labSecrets.ts";
import { assertClean } from "../support/secretScan.ts";

const root = process.getuid?.() === 0;
const CLUSTER = "capi-mgmt-lab";

describe("the end of the management cluster", { skip: root ? false : "needs root" }, () => {
  let secrets: Record<string, string> = {};

  before(() => {
    enterLab();
    const read = () => {
      const shown = lab("output", "--stack", "lab", "--json", "--show-secrets");
      return JSON.parse(shown.stdout || "{}") as Record<string, unknown>;
    };
    let outputs = read();
    if (!("magnumKubeconfig" in outputs)) {
      enterDeployedLab();
      outputs = read();
    }
    secrets = { ...siteSecrets(), ...outputSecrets(outputs) };
  });

  test("Ctrl-C in a terminal: what runs is finished and saved, the lock is released", async () => {
    // script(1) is the terminal: the key reaches npm, the lab's command and the CLI as a shell's does.
    const words = ["--quiet", "--flush", "--return", "--command", "npm run lab -- destroy", "/dev/null"];
    const child = spawn("script", words, { cwd: project, env: labEnvironment() });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const before = said;
      said += text;
      // The first resource is gone, others are on their way.
      if (!/\bdeleted\b/.test(before) && /\bdeleted\b/.test(said)) child.stdin.write("\u0003");
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 130, said.slice(-4000));
    assert.match(said, /interrupted: the running steps are finished and saved/);
    assertClean(said, secrets, "the output of an interrupted destroy");
    const s3 = labS3();
    const { KeyCount } = await s3.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: ".pulumi/locks/" }),
    );
    s3.destroy();
    assert.equal(KeyCount, 0, "no lock is left");
    const still = openstack("server", "list").length;
    assert.ok(still > 0, "it was over before it was interrupted");
  });

  test("destroy leaves nothing but the data volume", () => {
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
