/**
 * Component K3s: what its scripts are told and when they run again. What they do is held in tests/lib; that k3s comes up
 * is shown in the lab.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { K3s, type K3sArgs } from "../../components/k3s.ts";
import { CONNECTION } from "../support/component.ts";
import { configOf } from "../support/config.ts";
import { record } from "../support/mocks.ts";

const { k3s: SECTION, tools } = configOf("dev");

async function registered(changes: Partial<K3sArgs> = {}) {
  const recording = await record();
  new K3s("k3s", {
    connection: CONNECTION,
    serverId: "server-id",
    serverName: "capi-mgmt-x-seed",
    user: "ubuntu",
    dataVolumeId: "volume-id",
    dataVolumeGb: 123,
    address: "203.0.113.102",
    fixedAddress: "192.168.100.5",
    k3s: SECTION,
    tools,
    mirror: {},
    registries: { auth: {} },
    kubeconfigs: { rotation: 1 },
    ...changes,
  });
  await recording.settled();
  return recording;
}

const stdin = async (name: string, changes: Partial<K3sArgs> = {}) =>
  String((await registered(changes)).get(name).inputs["stdin"]);

test("another seed is set up anew as a whole, and nothing runs again where nothing changed", async () => {
  for (const name of ["k3s-install", "k3s-tools", "k3s-kubeconfig"]) {
    assert.equal(await stdin(name), await stdin(name), name);
    assert.notEqual(await stdin(name, { serverId: "another" }), await stdin(name), name);
  }
});

test("the kubeconfig is read anew in time, before the certificate in it ends", async () => {
  assert.notEqual(
    await stdin("k3s-kubeconfig", { kubeconfigs: { rotation: 2 } }),
    await stdin("k3s-kubeconfig"),
  );
});

test("k3s is stopped before the seed goes, tools and kubeconfig just go", async () => {
  const recording = await registered();
  const deletes = ["k3s-install", "k3s-tools", "k3s-kubeconfig"].map(
    (name) => recording.get(name).inputs["delete"],
  );
  assert.deepEqual(deletes, ["sudo -n bash -s -- delete", undefined, undefined]);
});

test("the configuration reaches the script: size, names, kernel settings, pinned sum", async () => {
  const sha256 = "a".repeat(64);
  const k3s = {
    ...SECTION,
    sha256,
    tlsSans: ["k3s.example.org"],
    sysctls: { "fs.inotify.max_user_watches": 524288, "fs.inotify.max_user_instances": 8192 },
  };
  const script = await stdin("k3s-install", { k3s });
  assert.match(script, /^VOLUME_ID='volume-id'\nVOLUME_GB='123'$/m);
  assert.match(script, /^ {2}- k3s\.example\.org$/m);
  assert.match(script, new RegExp(`^K3S_SHA256='${sha256}'$`, "m"));
  assert.match(
    script,
    /^SYSCTLS='fs\.inotify\.max_user_instances=8192\nfs\.inotify\.max_user_watches=524288'$/m,
  );
});

test("binary and sums come from the mirror where one is set, trusted by its authority", async () => {
  const mirror = { url: "https://mirror.example.org", caCert: "PEM" };
  for (const name of ["k3s-install", "k3s-tools"]) {
    const script = await stdin(name, { mirror });
    const addresses = [...script.matchAll(/^[A-Z0-9]+_(?:URL|SUMS|BASE)\w*='(.*)'$/gm)].map(
      ([, url]) => url ?? "",
    );
    assert.ok(addresses.length >= 2, name);
    for (const url of addresses) assert.match(url, /^https:\/\/mirror\.example\.org\//);
    assert.match(script, /^MIRROR_CA='PEM'$/m);
  }
});
