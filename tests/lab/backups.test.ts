/**
 * Backups of the HA cluster: Velero with its plugin, installed by the program, writes into the lab's S3, and what it wrote is
 * listed there. Then it is switched off again.
 *
 * Deploys stack `lab` if it is not there, and leaves it as its file says. Builds Velero the first time. Does not prove a restore,
 * nor what Velero's own chart does beyond the lab's.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectsV2Command,
} from "@aws-sdk/client-s3";
import { prepareVelero } from "../../lab/prepare/velero.ts";
import { loadSecrets } from "../../lab/services/secrets.ts";
import { addresses, ports } from "../../lab/site.ts";
import { command, enterDeployedLab, lab, output, writeKubeconfig } from "../support/lab.ts";
import { labS3 } from "../support/labS3.ts";
import { runWith } from "../support/labStack.ts";

const root = process.getuid?.() === 0;
const BUCKET = "velero-test";
const MINUTES = 60_000;

interface Status {
  status?: { phase?: string; errors?: number; progress?: { itemsBackedUp?: number } };
}

describe("backups of the HA cluster", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "backups-test-"));
  const kubeconfig = join(scratch, "kubeconfig");
  const s3 = () => labS3();

  before(async () => {
    enterDeployedLab();
    await prepareVelero(() => undefined);
    writeKubeconfig("magnumKubeconfig", kubeconfig);
    await s3().send(new CreateBucketCommand({ Bucket: BUCKET }));
  });
  after(async () => {
    const back = lab("up", "--stack", "lab");
    const { Contents = [] } = await s3().send(new ListObjectsV2Command({ Bucket: BUCKET }));
    const Objects = Contents.map(({ Key }) => ({ Key }));
    if (Objects.length > 0)
      await s3().send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects } }));
    await s3().send(new DeleteBucketCommand({ Bucket: BUCKET }));
    rmSync(scratch, { recursive: true, force: true });
    assert.equal(back.status, 0, back.stdout.slice(-4000));
  });

  const kubectl = (args: string[], input?: string) =>
    output("kubectl", ["--kubeconfig", kubeconfig, "--namespace", "velero", ...args], {
      ...(input === undefined ? {} : { input }),
    });
  const velero = (kind: string, name: string) =>
    JSON.parse(kubectl(["get", `${kind}.velero.io`, name, "--output", "json"])) as Status & {
      spec: Record<string, unknown>;
    };

  /** The object once it has a phase, which is told if it is another. */
  async function reaches(phase: string, kind: string, name: string) {
    const end = Date.now() + 5 * MINUTES;
    for (;;) {
      const object = velero(kind, name);
      const now = object.status?.phase;
      if (now === phase) return object;
      assert.ok(!/Failed|Unavailable/.test(now ?? "") && Date.now() < end, JSON.stringify(object.status));
      await sleep(2000);
    }
  }

  test("one up installs Velero, and it finds its store", async () => {
    const { s3AccessKey, s3SecretKey } = loadSecrets();
    const up = await runWith("up", "lab", {
      "capi-mgmt:backups": {
        enabled: true,
        schedule: "17 3 * * *",
        store: {
          url: `http://${addresses.services}:${ports.s3}`,
          bucket: BUCKET,
          prefix: "lab",
          region: "us-east-1",
          accessKeyId: s3AccessKey,
          secretAccessKey: s3SecretKey,
        },
      },
    });
    assert.equal(up.exitCode, 0, up.printed.slice(-6000));
    assert.ok(!up.printed.includes(s3SecretKey));
    await reaches("Available", "backupstoragelocations", "default");
    assert.equal(velero("schedules", "velero-default").spec["schedule"], "17 3 * * *");
    assert.equal(
      command("kubectl", ["--kubeconfig", kubeconfig, "-n", "velero", "get", "servicemonitor", "velero"])
        .status,
      0,
    );
  });

  test("a backup of the schedule's template is taken, and lies in the bucket", async () => {
    const { template } = velero("schedules", "velero-default").spec;
    const backup = {
      apiVersion: "velero.io/v1",
      kind: "Backup",
      metadata: { name: "by-hand" },
      spec: template,
    };
    kubectl(["create", "--filename", "-"], JSON.stringify(backup));
    const done = await reaches("Completed", "backups", "by-hand");
    assert.ok((done.status?.progress?.itemsBackedUp ?? 0) > 100, JSON.stringify(done.status));
    const { Contents = [] } = await s3().send(
      new ListObjectsV2Command({ Bucket: BUCKET, Prefix: "lab/backups/by-hand/" }),
    );
    const names = Contents.filter(({ Size = 0 }) => Size > 0).map(({ Key = "" }) => Key.split("/").at(-1));
    for (const name of ["velero-backup.json", "by-hand.tar.gz", "by-hand-logs.gz"])
      assert.ok(names.includes(name), `${name}: ${names.join(" ")}`);
  });

  test("switched off, Velero goes and what it wrote stays", async () => {
    const up = await runWith("up", "lab", {});
    assert.equal(up.exitCode, 0, up.printed.slice(-6000));
    assert.notEqual(command("kubectl", ["--kubeconfig", kubeconfig, "get", "namespace", "velero"]).status, 0);
    const { KeyCount = 0 } = await s3().send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: "lab/" }));
    assert.ok(KeyCount > 0);
  });
});
