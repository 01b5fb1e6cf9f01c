/**
 * A new application credential in the place of the old one (docs/credentials.md), and what is left to do when the old one
 * is gone first.
 *
 * Works on stack `lab`: deploys it if it is not there, and ends with the lab's own credential. What restarts the cloud
 * controller manager and Cinder's driver in the cluster is the lab's stand-in for Reloader.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { pauseImage } from "../../lab/kubernetes/images.ts";
import { loadSecrets } from "../../lab/services/secrets.ts";
import { paths, projectName } from "../../lab/site.ts";
import { command, enterLab, lab, openstack, output, project } from "../support/lab.ts";
import { runWith } from "../support/labStack.ts";

/** A claim and who asks for it. */
const CLAIM = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: claim-test }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
---
apiVersion: v1
kind: Pod
metadata: { name: claim-test }
spec:
  containers: [{ name: pause, image: "${pauseImage}", volumeMounts: [{ name: data, mountPath: /data }] }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: claim-test } }]
`;

interface Clouds {
  clouds: Record<string, { auth: Record<string, string>; auth_type?: string }>;
}

describe("a new credential", { skip: process.getuid?.() === 0 ? false : "the lab needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "credentials-test-"));
  const made: string[] = [];
  /** clouds.yaml with the project's user by password: an application credential may make no other. */
  const user = join(scratch, "user.yaml");
  const asUser = (...args: string[]) =>
    output("openstack", ["--os-cloud", "user", ...args], { env: { OS_CLIENT_CONFIG_FILE: user } });

  before(() => {
    enterLab();
    const { clouds } = parse(readFileSync(paths.clouds, "utf8")) as Clouds;
    const entry = clouds["openstack"];
    assert.ok(entry !== undefined);
    const auth = {
      auth_url: entry.auth["auth_url"] ?? "",
      username: projectName,
      password: loadSecrets().userPassword,
      project_name: projectName,
      user_domain_id: "default",
      project_domain_id: "default",
    };
    const byPassword = { ...entry, auth_type: "password", auth };
    writeFileSync(user, stringify({ clouds: { user: byPassword } }), { mode: 0o600 });
    const up = lab("up", "--stack", "lab");
    assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
  });
  after(async () => {
    const up = await runWith("up", "lab", {});
    for (const id of made) {
      command("openstack", ["--os-cloud", "user", "application", "credential", "delete", id], {
        env: { OS_CLIENT_CONFIG_FILE: user },
      });
    }
    rmSync(scratch, { recursive: true, force: true });
    assert.equal(up.exitCode, 0, up.printed.slice(-4000));
  });

  /** A clouds.yaml with a credential that has just been made. */
  function create(name: string): { id: string; file: string } {
    const text = asUser("application", "credential", "create", `${name}-${process.pid}`, "-f", "json");
    const { ID: id, Secret: secret } = JSON.parse(text) as { ID: string; Secret: string };
    assert.ok(id !== undefined && secret !== undefined, "the client prints other fields than ID and Secret");
    made.push(id);
    const document = parse(readFileSync(paths.clouds, "utf8")) as Clouds;
    const auth = document.clouds["openstack"]?.auth;
    assert.ok(auth !== undefined);
    auth["application_credential_id"] = id;
    auth["application_credential_secret"] = secret;
    const file = join(scratch, `${name}.yaml`);
    writeFileSync(file, stringify(document), { mode: 0o600 });
    return { id, file };
  }
  const remove = (id: string) => asUser("application", "credential", "delete", id);
  const up = (file: string) =>
    // As a site in production is: what is protected cannot be replaced.
    runWith("up", "lab", { "capi-mgmt:protect": { cluster: true } }, { OS_CLIENT_CONFIG_FILE: file });
  /** On a machine whose environment names no cloud. */
  const refresh = () => runWith("refresh", "lab", {}, { OS_CLOUD: "" });
  const kubeconfig = join(scratch, "kubeconfig");
  const kubectl = (args: readonly string[], input?: string) =>
    output("kubectl", ["--kubeconfig", kubeconfig, ...args], { input, timeout: 6 * 60_000 });

  let second = { id: "", file: "" };

  test("is taken over by one up, and rolls no machine", async () => {
    const machines = () =>
      output(join(project, "bin/seed-ssh"), ["lab", "--", "kubectl", "get", "machines", "-A", "-o", "name"]);
    const before = machines();
    const first = create("first");
    second = create("second");
    for (const { file } of [first, second]) {
      const done = await up(file);
      assert.equal(done.exitCode, 0, done.printed.slice(-6000));
    }
    remove(first.id);
    assert.equal(machines(), before);
    const secret = "capi-mgmt-lab-cloud-credentials";
    const kept = output(join(project, "bin/seed-ssh"), [
      ...["lab", "--", "kubectl", "get", "secret", secret, "-o", "jsonpath='{.data.clouds\\.yaml}'"],
    ]);
    assert.ok(Buffer.from(kept, "base64").toString().includes(second.id));
  });

  test("serves alone once the old one is deleted: nothing to do, and a refresh works", async () => {
    const again = await up(second.file);
    assert.equal(again.exitCode, 0, again.printed.slice(-4000));
    assert.deepEqual(
      Object.keys(again.counts).filter((op) => op !== "read"),
      ["same"],
    );
    const done = await refresh();
    assert.equal(done.exitCode, 0, done.printed.slice(-3000));
  });

  test("is what the cluster's volumes are made and deleted with", async () => {
    const cli = ["--no-warnings", "lab/cli.ts", "output", "haKubeconfig", "--show-secrets"];
    writeFileSync(kubeconfig, output(process.execPath, cli), { mode: 0o600 });
    const cloudConfig = ["-n", "openstack-system", "get", "secret", "cloud-config"];
    const inCluster = () =>
      Buffer.from(kubectl([...cloudConfig, "-o", "jsonpath={.data.clouds\\.yaml}"]), "base64").toString();
    const end = Date.now() + 120_000;
    while (!inCluster().includes(second.id)) {
      assert.ok(Date.now() < end, "the addon provider has not taken it over");
      await sleep(1000);
    }
    kubectl(["apply", "-f", "-"], CLAIM);
    try {
      kubectl(["wait", "pod/claim-test", "--for=condition=Ready", "--timeout=5m"]);
      const volume = kubectl(["get", "pvc", "claim-test", "-o", "jsonpath={.spec.volumeName}"]);
      const there = () => openstack<{ Name: string }>("volume", "list").some(({ Name }) => Name === volume);
      assert.ok(there(), volume);
      kubectl(["delete", "pod/claim-test", "pvc/claim-test", "--grace-period=1"]);
      kubectl(["wait", `pv/${volume}`, "--for=delete", "--timeout=5m"]);
      assert.ok(!there(), `${volume} is left in Cinder`);
    } finally {
      kubectl(["delete", "--ignore-not-found", "--wait=false", "pod/claim-test", "pvc/claim-test"]);
    }
  });

  test("one that is deleted first stops a refresh, which reads it from the state; one up leads out", async () => {
    remove(second.id);
    const stopped = await refresh();
    assert.equal(stopped.exitCode, 1, stopped.printed);
    assert.match(stopped.printed, /Could not find Application Credential/);
    // By OS_CLOUD the provider takes the entry of clouds.yaml over what the state holds.
    assert.equal(lab("refresh", "--stack", "lab").status, 0);
    const third = create("third");
    const done = await up(third.file);
    assert.equal(done.exitCode, 0, done.printed.slice(-6000));
    const after = await refresh();
    assert.equal(after.exitCode, 0, after.printed.slice(-3000));
  });
});
