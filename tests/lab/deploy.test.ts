/**
 * The whole graph on the lab's site: deployed, looked at from outside, deployed again. It stays for the tests that
 * need it; teardown.test.ts destroys it.
 *
 * Nothing here reads our own state, but for its size. The stack `lab` is destroyed first if it is there.
 * Does not prove what lab/README.md says the stand-ins do not prove.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { paths } from "../../lab/site.ts";
import { command, enterLab, lab, openstack, output, project, type Ran } from "../support/lab.ts";
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
  status: { conditions: { type: string; status: string }[] };
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
  const onSeed = (...args: string[]) => output(join(project, "bin/seed-ssh"), ["lab", "--", ...args]);

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
    const charts = releases
      .filter(({ namespace }) => !namespace.startsWith("magnum-"))
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

  test("an alert reaches Slack: the real Alertmanager with the configuration as it is deployed", async () => {
    const values = JSON.parse(
      output("helm", [
        ...["get", "values", "kube-prometheus-stack", "--namespace", "monitoring-system", "--output", "json"],
        ...["--kubeconfig", kubeconfigs["ha"] ?? ""],
      ]),
    ) as { alertmanager: { config: object } };
    const secret = JSON.parse(
      kubectl("ha", "-n", "monitoring-system", "get", "secret", "alertmanager-slack-webhook", "-o", "json"),
    ) as { data: Record<string, string> };
    const folder = join(scratch, "alertmanager");
    mkdirSync(folder, { mode: 0o700 });
    for (const [name, content] of Object.entries(secret.data)) {
      writeFileSync(join(folder, name), Buffer.from(content, "base64"), { mode: 0o600 });
    }
    const mounted = "/etc/alertmanager/secrets/alertmanager-slack-webhook";
    // Where the operator mounts the secret, and half a minute's patience with what else may come.
    const text = JSON.stringify(values.alertmanager.config)
      .replaceAll(mounted, folder)
      .replaceAll('"group_wait":"30s"', '"group_wait":"1s"');
    assert.ok(text.includes(folder), "the webhook is read from the secret");
    writeFileSync(join(folder, "config.yaml"), text);
    const summary = `deploy-test-${process.pid}`;
    const slack = () => (existsSync(paths.slack) ? readFileSync(paths.slack, "utf8").trim().split("\n") : []);
    await withAlertmanager(folder, async (url) => {
      const alert = (alertname: string, severity: string) => ({
        labels: { alertname, severity, namespace: "default" },
        annotations: { summary, description: "from the lab" },
      });
      const alerts = [alert("CapiClusterNotAvailable", "critical"), alert("Watchdog", "none")];
      const headers = { "content-type": "application/json" };
      const post = { method: "POST", headers, body: JSON.stringify(alerts) };
      assert.equal((await fetch(`${url}/api/v2/alerts`, post)).status, 200);
      for (
        const end = Date.now() + 20_000;
        !slack().some((line) => line.includes(summary));
        await sleep(200)
      ) {
        assert.ok(Date.now() < end, "nothing reached the Slack receiver within 20 s");
      }
      const posts = slack().filter((line) => line.includes(summary));
      assert.equal(posts.length, 1, "the watchdog is not for people");
      const { body } = JSON.parse(posts[0] ?? "") as { body: { attachments: Record<string, unknown>[] } };
      assert.equal(body.attachments[0]?.["title"], "[CRITICAL:1] CapiClusterNotAvailable");
      assert.equal(body.attachments[0]["color"], "danger");
      assert.match(String(body.attachments[0]["text"]), /from the lab/);
    });
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

/** Runs the lab's Alertmanager with `folder`/config.yaml while `work` lasts. */
async function withAlertmanager(folder: string, work: (url: string) => Promise<void>): Promise<void> {
  const address = "127.0.0.1:19093";
  const program = output("which", ["alertmanager"]).trim();
  const options = [`--config.file=${join(folder, "config.yaml")}`, `--storage.path=${join(folder, "data")}`];
  const listen = [`--web.listen-address=${address}`, "--cluster.listen-address="];
  const child = spawn(program, [...options, ...listen], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (part: Buffer) => (said += part.toString()));
  try {
    const ready = () =>
      fetch(`http://${address}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    for (const end = Date.now() + 20_000; !(await ready()); await sleep(200)) {
      assert.ok(
        Date.now() < end && child.exitCode === null,
        `Alertmanager does not come up: ${said.slice(-2000)}`,
      );
    }
    await work(`http://${address}`);
  } finally {
    child.kill();
  }
}
