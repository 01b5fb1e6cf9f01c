/**
 * The whole graph on the lab's site: deployed, looked at from outside, deployed again. It stays for the tests that
 * need it; teardown.test.ts destroys it.
 *
 * Nothing here reads our own state, but for its size. The stack `lab` is destroyed first if it is there.
 * Does not prove what lab/README.md says the stand-ins do not prove.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { kubernetesVersion, paths } from "../../lab/site.ts";
import { command, enterLab, lab, onSeed, openstack, output, project, type Ran } from "../support/lab.ts";
import { labS3 } from "../support/labS3.ts";

const root = process.getuid?.() === 0;
/** Limit for the state of a deployed stack as it lies in the bucket, in bytes: docs/decisions/0027. */
const STATE_LIMIT = 150_000;
const CLUSTER = "capi-mgmt-lab";

interface Server {
  Name: string;
  Status: string;
  Flavor: string;
}
interface Node {
  metadata: { name: string; labels: Record<string, string> };
  spec: { providerID: string; taints?: { key: string }[] };
  status: {
    conditions: { type: string; status: string }[];
    nodeInfo: { containerRuntimeVersion: string; kubeletVersion: string };
  };
}
interface Pod {
  metadata: { name: string; namespace: string };
  spec: { nodeName: string; containers: { readinessProbe?: { periodSeconds: number } }[] };
  status: { phase: string };
}

describe("the management cluster on the lab's site", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "deploy-test-"));
  const kubeconfigs: Record<string, string> = {};
  /** Everything a deployment printed, to be searched for secrets. */
  const printed: string[] = [];
  let outputs: Record<string, unknown> = {};

  const deploy = (...args: string[]): Ran => {
    const done = lab(...args, "--stack", "lab");
    printed.push(done.stdout, done.stderr);
    return done;
  };
  const kubectl = (cluster: "k3s" | "ha" | "magnum", ...args: string[]) =>
    output("kubectl", ["--kubeconfig", kubeconfigs[cluster] ?? "", ...args]);
  const podsOf = (cluster: "k3s" | "ha", ...args: string[]) =>
    (JSON.parse(kubectl(cluster, "get", "pods", ...args, "-o", "json")) as { items: Pod[] }).items;

  before(() => {
    enterLab();
    // While writing tests: takes what is deployed as it is.
    if (process.env["CAPI_MGMT_TEST_REUSE"] === "1") return;
    const gone = deploy("destroy");
    assert.equal(gone.status, 0, `destroying what was there: ${gone.stdout}${gone.stderr}`);
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  test("one `up` deploys everything and says where the time went", () => {
    const up = deploy("up");
    assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
    console.log(`up took ${up.seconds.toFixed(1)} s`);
    const path = /critical path.*/.exec(up.stdout)?.[0];
    assert.ok(path, "no critical path was printed");
    console.log(path);
    outputs = JSON.parse(
      output(process.execPath, ["--no-warnings", "lab/cli.ts", "output", "--json", "--show-secrets"]),
    ) as Record<string, unknown>;
    for (const [cluster, name] of [
      ["k3s", "k3sKubeconfig"],
      ["ha", "haKubeconfig"],
      ["magnum", "magnumKubeconfig"],
    ] as const) {
      const file = join(scratch, `${cluster}.yaml`);
      writeFileSync(file, String(outputs[name]), { mode: 0o600 });
      kubeconfigs[cluster] = file;
    }
  });

  test("Magnum's kubeconfig lists three control plane nodes and three workers, all Ready", () => {
    const { items } = JSON.parse(kubectl("magnum", "get", "nodes", "-o", "json")) as { items: Node[] };
    const ready = items.filter((node) =>
      node.status.conditions.some(({ type, status }) => type === "Ready" && status === "True"),
    );
    const controlPlane = ready.filter(
      (node) => "node-role.kubernetes.io/control-plane" in node.metadata.labels,
    );
    assert.deepEqual([items.length, ready.length, controlPlane.length], [6, 6, 3]);
  });

  test("each node is a server of OpenStack with kubeadm's Kubernetes on containerd", () => {
    const { items } = JSON.parse(kubectl("ha", "get", "nodes", "-o", "json")) as { items: Node[] };
    const servers = openstack<{ ID: string; Name: string }>("server", "list");
    for (const { metadata, spec, status } of items) {
      const server = servers.find(({ Name }) => Name === metadata.name);
      assert.equal(spec.providerID, `openstack:///${server?.ID}`, metadata.name);
      assert.match(status.nodeInfo.containerRuntimeVersion, /^containerd:\/\/2\./);
      assert.equal(status.nodeInfo.kubeletVersion, kubernetesVersion);
      const foreign = (spec.taints ?? []).filter(({ key }) => !key.startsWith("node-role.kubernetes.io/"));
      assert.deepEqual(foreign, [], metadata.name);
    }
  });

  test("three members of etcd, each in a control plane machine's static pod, agree", () => {
    const pods = podsOf("ha", "-n", "kube-system", "-l", "component=etcd");
    assert.equal(new Set(pods.map(({ spec }) => spec.nodeName)).size, 3);
    const tls = ["ca.crt", "server.crt", "server.key"].map((file) => `/etc/kubernetes/pki/etcd/${file}`);
    const members = kubectl(
      ...(["ha", "-n", "kube-system", "exec", pods[0]?.metadata.name ?? "", "--", "etcdctl"] as const),
      ...[`--cacert=${tls[0]}`, `--cert=${tls[1]}`, `--key=${tls[2]}`],
      ...["endpoint", "health", "--cluster", "--write-out=json"],
    );
    const healthy = (JSON.parse(members) as { health: boolean }[]).filter(({ health }) => health);
    assert.equal(healthy.length, 3, members);
  });

  test("the node image's patches of kubeadm hold: nothing of the control plane is probed every second", () => {
    const pods = podsOf("ha", "-n", "kube-system", "-l", "tier=control-plane");
    assert.ok(pods.length >= 12, `${pods.length} pods`);
    const seconds = pods.flatMap(({ spec }) => spec.containers[0]?.readinessProbe?.periodSeconds ?? []);
    assert.deepEqual([...new Set(seconds)], [5]);
  });

  test("the controllers are containers, on the seed and on the cluster", () => {
    const onTheSeed = JSON.parse(onSeed("sudo", "k3s", "crictl", "ps", "-o", "json")) as {
      containers: { labels: Record<string, string> }[];
    };
    const seedPods = onTheSeed.containers.map(({ labels }) => labels["io.kubernetes.pod.namespace"]);
    for (const namespace of ["capi-system", "capo-system", "orc-system", "cert-manager"]) {
      assert.ok(seedPods.includes(namespace), `${namespace}: ${seedPods.join(" ")}`);
      const pods = podsOf("ha", "-n", namespace);
      assert.ok(pods.length > 0 && pods.every(({ status }) => status.phase === "Running"), namespace);
    }
  });

  test("Cluster API's webhooks refuse what they refuse on a real site: two members of etcd", () => {
    const patch = ["--type=merge", "--patch", '{"spec":{"replicas":2}}'];
    const refused = command("kubectl", [
      ...["--kubeconfig", kubeconfigs["k3s"] ?? "", "-n", "default", "patch", "kubeadmcontrolplane"],
      ...[`${CLUSTER}-control-plane`, ...patch],
    ]);
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, /Forbidden: cannot be an even number when etcd is stacked/);
  });

  test("Magnum's kubeconfig holds a token and no client certificate, and everything inline", () => {
    const text = readFileSync(kubeconfigs["magnum"] ?? "", "utf8");
    assert.match(text, /token:/);
    assert.match(text, /certificate-authority-data:/);
    assert.doesNotMatch(text, /client-certificate|client-key|certificate-authority: /);
    assert.equal(kubectl("magnum", "auth", "can-i", "*", "*", "--all-namespaces").trim(), "yes");
  });

  test("OpenStack has the seed and six cluster servers, of the flavors asked for", () => {
    const servers = openstack<Server>("server", "list").filter(({ Name }) => Name.startsWith(CLUSTER));
    assert.ok(
      servers.every(({ Status }) => Status === "ACTIVE"),
      JSON.stringify(servers),
    );
    const flavors = servers.map(({ Flavor }) => Flavor).sort();
    assert.deepEqual(flavors, [
      ...Array<string>(3).fill("lab.control-plane"),
      "lab.seed",
      ...Array<string>(3).fill("lab.worker"),
    ]);
  });

  test("OpenStack has one load balancer, and a floating IP for the seed and one for the API", () => {
    const balancers = openstack<{ name: string; provisioning_status: string }>("loadbalancer", "list");
    const mine = balancers.filter(({ name }) => name.includes(CLUSTER));
    assert.deepEqual(
      mine.map((item) => item.provisioning_status),
      ["ACTIVE"],
    );
    const addresses = openstack<{ "Floating IP Address": string; "Fixed IP Address": string | null }>(
      "floating",
      "ip",
      "list",
    );
    const bound = addresses
      .filter((item) => item["Fixed IP Address"] !== null)
      .map((item) => item["Floating IP Address"]);
    assert.ok(bound.includes(String(outputs["seedAddress"])));
    assert.ok(
      bound.includes(new URL(String(/server: (\S+)/.exec(String(outputs["haKubeconfig"]))?.[1])).hostname),
    );
  });

  test("bin/seed-ssh opens a shell on the seed, where kubectl and helm talk to k3s", () => {
    const clusters = onSeed("kubectl", "get", "clusters", "-A", "--no-headers");
    assert.match(clusters, new RegExp(`\\s${CLUSTER}\\s`));
    assert.match(onSeed("helm", "list", "-A"), new RegExp(`^${CLUSTER}\\s`, "m"));
    assert.equal(command(join(project, "bin/seed-ssh"), ["lab", "--", "exit", "7"]).status, 7);
  });

  test("k3s keeps all its data on the Cinder volume, on xfs, mounted by UUID before it starts", () => {
    const mount = onSeed("findmnt", "-n", "-o", "FSTYPE,TARGET", "/var/lib/rancher/k3s").trim().split(/\s+/);
    assert.deepEqual(mount, ["xfs", "/var/lib/rancher/k3s"]);
    assert.match(onSeed("cat", "/etc/fstab"), /^UUID=[0-9a-f-]+\s+\/var\/lib\/rancher\/k3s\s+xfs/m);
    assert.match(
      onSeed("systemctl", "show", "k3s", "-p", "RequiresMountsFor", "--value"),
      /\/var\/lib\/rancher\/k3s/,
    );
  });

  test("the HA cluster's kubeconfig is in the seed's home, for its user alone, and works there", () => {
    const file = `kubeconfig-${CLUSTER}.yaml`;
    assert.equal(onSeed("stat", "-c", "%a %U", file).trim(), "600 ubuntu");
    const nodes = onSeed("kubectl", "--kubeconfig", file, "get", "nodes", "--no-headers").trim().split("\n");
    assert.equal(nodes.length, 6);
  });

  test("the HA cluster runs Cluster API, the janitor and the monitoring stack", () => {
    const releases = JSON.parse(
      output("helm", ["list", "-A", "-o", "json", "--kubeconfig", kubeconfigs["ha"] ?? ""]),
    ) as {
      chart: string;
      namespace: string;
      status: string;
    }[];
    assert.ok(
      releases.every(({ status }) => status === "deployed"),
      JSON.stringify(releases),
    );
    // The others are addons, which the addon provider on the seed installs.
    const ours = ["cert-manager", "monitoring-system"];
    const charts = releases
      .filter(({ namespace }) => namespace.startsWith("capi-") || ours.includes(namespace))
      .map(({ chart }) => chart.replace(/-v?\d.*$/, ""))
      .sort();
    assert.deepEqual(charts, [
      "cert-manager",
      "cluster-api-addon-provider",
      "cluster-api-janitor-openstack",
      "kube-prometheus-stack",
    ]);
    for (const [namespace, deployment] of [
      ["capi-system", "capi-controller-manager"],
      ["capi-kubeadm-bootstrap-system", "capi-kubeadm-bootstrap-controller-manager"],
      ["capi-kubeadm-control-plane-system", "capi-kubeadm-control-plane-controller-manager"],
      ["capo-system", "capo-controller-manager"],
    ] as const) {
      for (const cluster of ["k3s", "ha"] as const) {
        kubectl(
          cluster,
          "-n",
          namespace,
          "wait",
          "--for=condition=Available",
          `deployment/${deployment}`,
          "--timeout=5s",
        );
      }
    }
  });

  test("an alert reaches Slack: Prometheus finds it, Alertmanager tells the receiver", async () => {
    const summary = `deploy-test-${process.pid}`;
    const rule = (alert: string, severity: string) => ({
      alert,
      expr: "vector(1)",
      labels: { severity, namespace: "default" },
      annotations: { summary, description: "from the lab" },
    });
    const rules = [rule("CapiClusterNotAvailable", "critical"), rule("Watchdog", "none")];
    const file = join(scratch, "rule.json");
    const metadata = { name: "deploy-test", labels: { release: "kube-prometheus-stack" } };
    const manifest = { apiVersion: "monitoring.coreos.com/v1", kind: "PrometheusRule", metadata };
    writeFileSync(file, JSON.stringify({ ...manifest, spec: { groups: [{ name: "deploy-test", rules }] } }));
    kubectl("ha", "-n", "monitoring-system", "apply", "-f", file);
    const slack = () => (existsSync(paths.slack) ? readFileSync(paths.slack, "utf8").trim().split("\n") : []);
    const mine = () => slack().filter((line) => line.includes(summary));
    try {
      for (const end = Date.now() + 240_000; mine().length === 0; await sleep(1000)) {
        assert.ok(Date.now() < end, "nothing reached the Slack receiver within 4 minutes");
      }
    } finally {
      kubectl("ha", "-n", "monitoring-system", "delete", "-f", file);
    }
    const posts = mine().map(
      (line) => JSON.parse(line) as { body: { attachments: Record<string, unknown>[] } },
    );
    assert.equal(posts.length, 1, "the watchdog is not for people");
    const [attachment] = posts[0]?.body.attachments ?? [];
    assert.equal(attachment?.["title"], "[CRITICAL:1] CapiClusterNotAvailable");
    assert.equal(attachment["color"], "danger");
    assert.match(String(attachment["text"]), /from the lab/);
  });

  test("the cluster's credentials are an application credential with project and certificates inline", () => {
    const secret = JSON.parse(kubectl("k3s", "get", "secrets", "-A", "-o", "json")) as {
      items: { data?: Record<string, string> }[];
    };
    const clouds = secret.items
      .map(({ data }) => Buffer.from(data?.["clouds.yaml"] ?? "", "base64").toString())
      .filter((text) => text !== "");
    assert.equal(clouds.length, 1);
    assert.match(clouds[0] ?? "", /project_id: /);
    assert.match(clouds[0] ?? "", /v3applicationcredential/);
    const authorities = secret.items.map(({ data }) =>
      Buffer.from(data?.["cacert"] ?? "", "base64").toString(),
    );
    assert.ok(authorities.some((text) => text.includes("BEGIN CERTIFICATE")));
  });

  test("the API's load balancer lets in only the networks of the configuration", () => {
    const listeners = openstack<{ id: string; name: string }>("loadbalancer", "listener", "list");
    const ours = listeners.filter(({ name }) => name.includes(CLUSTER));
    assert.equal(ours.length, 1);
    const shown = JSON.parse(
      output("openstack", ["loadbalancer", "listener", "show", ours[0]?.id ?? "", "-f", "json"]),
    ) as { allowed_cidrs: string[] };
    const networks = shown.allowed_cidrs.join(" ");
    assert.match(networks, /203\.0\.113\./);
    assert.doesNotMatch(networks, /0\.0\.0\.0\/0/);
  });

  test("the second `up` sees no change", () => {
    const again = deploy("up", "--expect-no-changes");
    assert.equal(again.status, 0, again.stdout.slice(-6000) + again.stderr.slice(-3000));
    console.log(`up without changes took ${again.seconds.toFixed(1)} s`);
  });

  test("what a refresh finds out is nothing that the program wants otherwise", () => {
    const refresh = deploy("refresh");
    assert.equal(refresh.status, 0, refresh.stdout.slice(-6000) + refresh.stderr.slice(-3000));
    console.log(`refresh took ${refresh.seconds.toFixed(1)} s`);
    const preview = deploy("preview", "--expect-no-changes");
    assert.equal(preview.status, 0, preview.stdout.slice(-6000) + preview.stderr.slice(-3000));
    console.log(`preview without changes took ${preview.seconds.toFixed(1)} s`);
  });

  test("the state is small and holds no secret in plain", async () => {
    const client = labS3();
    const object = await client.send(
      new GetObjectCommand({ Bucket: "capi-mgmt-state", Key: ".pulumi/stacks/capi-mgmt/lab.json.gz" }),
    );
    const stored = Buffer.from((await object.Body?.transformToByteArray()) ?? []);
    const state = gunzipSync(stored).toString();
    client.destroy();
    console.log(`the state has ${stored.length} bytes in the bucket, ${state.length} unpacked`);
    assert.ok(state.length > 10_000 && stored.length < STATE_LIMIT, `${stored.length} bytes`);
    assertNoSecret(state, "the state");
  });

  test("no secret was printed", () => {
    assert.ok(printed.join("").length > 1000);
    assertNoSecret(printed.join("\n"), "the output of a deployment");
  });

  /** Private keys, tokens, the application credential and the passphrase, as they would stand in plain. */
  function assertNoSecret(text: string, where: string): void {
    const clouds = readFileSync(join(project, ".lab/clouds.yaml"), "utf8");
    const secrets = {
      "the application credential": /application_credential_secret: "?([^"\n]+)/.exec(clouds)?.[1],
      "the passphrase": readFileSync(join(project, ".lab/passphrase"), "utf8").trim(),
      "Magnum's token": /token: (\S+)/.exec(String(outputs["magnumKubeconfig"]))?.[1],
      "the HA cluster's client key": /client-key-data: (\S+)/.exec(String(outputs["haKubeconfig"]))?.[1],
      "k3s's client key": /client-key-data: (\S+)/.exec(String(outputs["k3sKubeconfig"]))?.[1],
      "the seed's SSH key": String(outputs["seedSshPrivateKey"]).split("\n")[3],
    };
    for (const [name, secret] of Object.entries(secrets)) {
      assert.ok(secret !== undefined && secret.length > 7, `${name} is not known`);
      assert.ok(!text.includes(secret), `${name} stands in ${where}`);
    }
  }
});
