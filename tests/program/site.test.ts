/**
 * How the parts of a site hang together in index.ts: what goes where, and what outlives what. Parts are held in
 * tests/components, and the whole as text in the golden files; does not prove that a cloud makes it so.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { kubeconfigServer } from "../../lib/kubeconfig.ts";
import { outlivedBy, PLANTED, type Recording, unwrapped } from "../support/mocks.ts";
import { runSite } from "../support/program.ts";

process.env["CAPI_MGMT_OFFLINE"] = "0";
process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";

let site: Promise<Recording> | undefined;

/** The sample of a production site, run once. */
const prod = () => (site ??= runSite("prod"));

const of = ({ resources }: Recording, component: string) =>
  resources.filter(({ parent, type }) => parent === component && /^(kubernetes|openstack):/.test(type));

test("each part is made on its own cluster: what makes the HA cluster on k3s, what serves Magnum on the HA cluster", async () => {
  const recording = await prod();
  const places = { bootstrap: "k3s", cluster: "k3s", management: "management", magnum: "management" };
  for (const [component, provider] of Object.entries({ ...places, monitoring: "management" })) {
    const made = of(recording, component).filter(({ type }) => type.startsWith("kubernetes:"));
    assert.ok(made.length > 0, component);
    for (const one of made) assert.equal(one.provider, provider, one.name);
  }
  const identity = (name: string) => recording.get(name, ":kubernetes").inputs["clusterIdentifier"];
  assert.deepEqual([identity("k3s"), identity("management")], ["capi-mgmt-prod-seed", "capi-mgmt-prod"]);
  const server = (name: string) =>
    kubeconfigServer(String(unwrapped(recording.get(name, ":kubernetes").inputs["kubeconfig"])));
  assert.deepEqual(
    [server("k3s"), server("management")],
    ["https://203.0.113.102:6443", "https://203.0.113.103:6443"],
  );
});

test("Cluster API is installed on k3s by its own kubeconfig, on the HA cluster by the one that the seed was given", async () => {
  const recording = await prod();
  const variables = (name: string) => {
    const text = String(recording.get(name).inputs["stdin"]);
    return ["INSTANCE", "KUBECONFIG_FILE"].map((key) => new RegExp(`^${key}='(.*)'$`, "m").exec(text)?.[1]);
  };
  assert.deepEqual(variables("bootstrap-controllers"), ["bootstrap", ""]);
  assert.deepEqual(variables("management-controllers"), ["management", "seed-access-kubeconfig done"]);
});

test("the janitor runs beside Magnum's clusters only: on k3s it would clean up after the HA cluster itself", async () => {
  const recording = await prod();
  const janitors = recording.resources.filter(
    ({ inputs }) => inputs["chart"] === "cluster-api-janitor-openstack",
  );
  assert.deepEqual(
    janitors.map(({ name, provider }) => [name, provider]),
    [["management-janitor", "management"]],
  );
});

test("the HA cluster goes before all that it takes to delete it, and after all that is on it", async () => {
  const recording = await prod();
  const after = outlivedBy(recording, "cluster-teardown");
  for (const name of [
    ...["cluster-credentials", "cluster-floating-ip"],
    ...["bootstrap-controllers", "bootstrap-addon-provider", "bootstrap-cert-manager"],
    ...["k3s-install", "k3s-tools", "seed-server", "seed-data-attachment", "seed-data"],
    ...["seed-network-network", "seed-network-router-interface", "seed-network-router"],
    ...["seed-address-floating-ip-association", "seed-firewall-group", "seed-keypair"],
  ]) {
    assert.ok(after.has(name), `${name} must outlive the cluster`);
  }
  for (const name of ["management-controllers", "management-janitor", "monitoring-release", "magnum-token"]) {
    const before = outlivedBy(recording, name);
    assert.ok(before.has("cluster-ready") && before.has("cluster-release"), `${name} is on the cluster`);
    assert.ok(before.has("cluster-teardown"), `${name} must go before the cluster`);
  }
});

test("while Magnum has clusters a destroy takes nothing: their guard goes before whatever the site has made", async () => {
  const recording = await runSite("prod", {
    change: (config) => {
      const image = { id: "5617d17e-fdc1-4aa1-a14b-b9b5136c65af" };
      const list = [{ kubernetesVersion: "v1.34.8", chartVersion: "0.27.0", image }];
      config["capi-mgmt:magnum"] = { ...config["capi-mgmt:magnum"], templates: { enabled: true, list } };
      config["capi-mgmt:logs"] = { enabled: true };
      const extra = (on: string) => ({ on, commands: { run: "true", remove: "true" } });
      config["capi-mgmt:extras"] = { a: extra("seed"), b: extra("k3s"), c: extra("cluster") };
    },
  });
  const after = outlivedBy(recording, "magnum-clusters-guard");
  const made = recording.resources.filter(({ type }) => !type.startsWith("capi-mgmt:"));
  assert.deepEqual(
    made.map(({ name }) => name).filter((name) => !after.has(name)),
    ["magnum-clusters-guard"],
  );
  const { inputs } = recording.get("magnum-clusters-guard");
  assert.match(String(inputs["delete"]), /-- delete$/);
  assert.match(String(inputs["stdin"]), /^KUBECONFIG_FILE='seed-access-kubeconfig done'$/m);
});

test("Magnum gets the cluster when its control plane is complete; what runs on it is made before", async () => {
  const recording = await prod();
  assert.ok(outlivedBy(recording, "magnum-works").has("cluster-complete"));
  for (const name of ["management-controllers", "monitoring-release", "magnum-token"])
    assert.ok(!outlivedBy(recording, name).has("cluster-complete"), name);
});

test("nothing is asked of k3s before its node is Ready, of the seed before its first boot is over", async () => {
  const recording = await prod();
  const scripts = recording.resources.filter(({ type }) => type === "command:remote:Command");
  for (const { name } of scripts.filter((one) => one.name !== "seed-ready"))
    assert.ok(outlivedBy(recording, name).has("seed-ready"), name);
  const onK3s = recording.resources.filter(({ provider }) => provider === "k3s");
  for (const { name } of onK3s) assert.ok(outlivedBy(recording, name).has("k3s-install"), name);
});

test("the seed is let in to the API of the cluster that it waits for", async () => {
  const recording = await prod();
  const values = recording.get("cluster-release").inputs["values"] as Record<string, Record<string, unknown>>;
  assert.ok((values["apiServer"]?.["allowedCIDRs"] as string[]).includes("203.0.113.102/32"));
});

test("protection is what the configuration says, for every part", async () => {
  const protectedNames = async (on: boolean) => {
    const protect = Object.fromEntries(
      ["dataVolume", "retainDataVolume", "seed", "cluster", "network"].map((key) => [key, on]),
    );
    const recording = await runSite("prod", {
      change: (config) => Object.assign(config, { "capi-mgmt:protect": protect }),
    });
    return recording.resources.filter((one) => one.protect || one.retainOnDelete).map(({ name }) => name);
  };
  assert.deepEqual(await protectedNames(false), []);
  const found = await protectedNames(true);
  for (const name of [
    ...["seed-data", "seed-server", "seed-keypair", "seed-address-floating-ip"],
    ...["seed-network-network", "seed-network-subnet", "seed-network-router"],
    ...["cluster-release", "cluster-teardown", "cluster-credentials", "cluster-floating-ip"],
  ]) {
    assert.ok(found.includes(name), name);
  }
});

test("the outputs are each what their name says", async () => {
  const { stackOutputs } = await prod();
  const value = (name: string) => unwrapped(stackOutputs[name]);
  assert.match(String(value("haKubeconfig")), /203\.0\.113\.103:6443/);
  assert.match(String(value("k3sKubeconfig")), /203\.0\.113\.102:6443/);
  assert.equal(value("seedSshPrivateKey"), PLANTED.privateKey);
  assert.ok("janitor" in (value("versions") as Record<string, string>));
});

test("monitoring and templates are made where they are asked for only", async () => {
  const parents = async (enabled: boolean) => {
    const recording = await runSite("dev", {
      change: (config) => {
        config["capi-mgmt:monitoring"] = { ...config["capi-mgmt:monitoring"], enabled };
        const image = { id: "5617d17e-fdc1-4aa1-a14b-b9b5136c65af" };
        const list = [{ kubernetesVersion: "v1.34.8", chartVersion: "0.27.0", image }];
        config["capi-mgmt:magnum"] = { ...config["capi-mgmt:magnum"], templates: { enabled, list } };
      },
    });
    const names = new Set(recording.resources.map(({ name }) => name));
    return ["monitoring", "templates"].map((name) => names.has(name));
  };
  assert.deepEqual(await parents(true), [true, true]);
  assert.deepEqual(await parents(false), [false, false]);
});

/** What the program refuses, and the names of the resources that it registered before. */
async function refused(run: (started: (recording: Recording) => void) => Promise<unknown>) {
  let recording: Recording | undefined;
  const error = await run((started) => (recording = started)).then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  return { message: error?.message ?? "", made: recording?.resources.map(({ name }) => name) };
}

test("a wrong configuration is told as a whole, before the first resource", async () => {
  const { message, made } = await refused((started) =>
    runSite(
      "dev",
      {
        change: (config) => {
          config["capi-mgmt:k3s"] = { version: "newest" };
          config["capi-mgmt:monitoring"] = { enabeld: true };
        },
      },
      started,
    ),
  );
  assert.match(message, /k3s\.version/);
  assert.match(message, /monitoring\.enabeld/);
  assert.deepEqual(made, []);
});

test("an up that preflight fails does not begin", async () => {
  // Refuses the credential: an answer, so that nothing is asked again.
  const keystone = createServer((_asked, answer) => answer.writeHead(401).end("{}")).listen(0, "127.0.0.1");
  await once(keystone, "listening");
  const authUrl = `http://127.0.0.1:${(keystone.address() as AddressInfo).port}/v3`;
  delete process.env["CAPI_MGMT_SKIP_PREFLIGHT"];
  try {
    const { message, made } = await refused((started) =>
      runSite(
        "dev",
        {
          change: (config) => {
            config["capi-mgmt:openstack"] = { ...config["capi-mgmt:openstack"], authUrl };
            config["capi-mgmt:mirror"] = { url: authUrl };
            delete config["capi-mgmt:sample"];
          },
        },
        started,
      ),
    );
    assert.match(message, /^preflight failed; nothing was changed/);
    assert.deepEqual(made, []);
  } finally {
    process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";
    keystone.close();
  }
});
