/**
 * The hand-over with its real consumers: ansible-vault opens what we write, kolla-ansible's role magnum renders it, and
 * Magnum's own API and conductor with magnum-capi-helm make, scale, upgrade and delete a tenant's cluster with it, from
 * the templates and images that the stack made.
 *
 * Deploys stack `lab` if it is not there, and leaves it as its file says. Magnum runs for this test only; lab/README.md
 * says what that leaves unproved.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { asTemplate } from "../../kayobe/kollaTemplate.ts";
import { Vault } from "../../kayobe/vault.ts";
import { magnumUser, stopMagnum } from "../../lab/consumers/magnum.ts";
import { mirrored } from "../../lab/kubernetes/mirror.ts";
import { kubernetesVersion } from "../../lab/site.ts";
import { tokenKubeconfig } from "../../lib/kubeconfig.ts";
import { HandOver } from "../support/handOver.ts";
import { renderTemplate } from "../support/kolla.ts";
import { command, enterLab, lab, openstack, output, project } from "../support/lab.ts";
import { runWith } from "../support/labStack.ts";
import {
  askForTenant,
  removeTenant,
  type TenantCluster,
  tenantHas,
  tenantServers,
} from "../support/tenants.ts";

interface Template {
  readonly uuid: string;
  readonly name: string;
  readonly hidden: boolean;
  readonly image_id: string;
  readonly cluster_distro: string;
  readonly driver?: string;
  readonly labels: Readonly<Record<string, string>>;
}

const CHART = "0.27.0";
const FIRST = `kubernetes-${kubernetesVersion}-chart-${CHART}`;
const SECOND = `${FIRST}-2`;

const root = process.getuid?.() === 0;

describe("the hand-over and its consumers", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "handover-test-"));
  let handOver: HandOver;
  let magnumRuns = false;
  /** The cluster that Magnum was asked for and has not deleted. */
  let made: string | undefined;
  let tenant: TenantCluster | undefined;

  const outputs = () =>
    JSON.parse(
      output(process.execPath, ["--no-warnings", "lab/cli.ts", "output", "--json", "--show-secrets"]),
    ) as Record<string, string>;
  const kubectl = (kubeconfig: string, ...args: string[]) =>
    command("kubectl", ["--kubeconfig", kubeconfig, ...args]);
  /** A kubeconfig in a file of its own. */
  const kept = (name: string, content: string): string => {
    const file = join(scratch, name);
    writeFileSync(file, content, { mode: 0o600 });
    return file;
  };
  /** `up` with other settings for Magnum; answers what was printed. */
  const deployMagnum = async (magnum: object, exitCode = 0): Promise<string> => {
    const began = Date.now();
    const done = await runWith("up", "lab", { "capi-mgmt:magnum": magnum });
    console.log(`up took ${((Date.now() - began) / 1000).toFixed(1)} s`);
    assert.equal(done.exitCode, exitCode, done.printed.slice(-5000));
    return done.printed;
  };

  before(async () => {
    handOver = await HandOver.make(scratch);
    enterLab();
    if (outputs()["magnumKubeconfig"] === undefined) {
      const up = lab("up");
      assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
    }
  });
  after(async () => {
    // After a failure: the management cluster cannot be destroyed while it has a cluster.
    if (made !== undefined) await removeTenant(made).catch((error: unknown) => console.error(error));
    if (magnumRuns) {
      // Templates that a failure left can only go while Magnum is there.
      const back = lab("up");
      await stopMagnum();
      assert.equal(back.status, 0, back.stdout.slice(-4000));
    }
    rmSync(scratch, { recursive: true, force: true });
  });

  test("bin/kayobe-export writes it, having reached the API from here and OpenStack from the seed", () => {
    assert.equal(handOver.export("--check").status, 2);
    const done = handOver.export("--check-reachable");
    assert.equal(done.status, 0, done.stderr);
    assert.match(
      done.stdout,
      /^https:\/\/203\.0\.113\.\d+:6443: reached from this machine, Kubernetes v1\.36\.3$/m,
    );
    assert.match(
      done.stdout,
      /^OpenStack: reached from the seed: identity, compute, image, network, load-balancer, volumev3$/m,
    );
    assert.match(done.stdout, /kubeconfig: written/);
    assert.match(
      done.stdout,
      /\nsource kayobe-env --environment lab\nkayobe overcloud service reconfigure -kt magnum\n$/,
    );
    const before = readFileSync(handOver.vaulted, "utf8");
    assert.match(handOver.export().stdout, /kubeconfig: unchanged/);
    assert.equal(readFileSync(handOver.vaulted, "utf8"), before);
    assert.equal(statSync(handOver.vaulted).mode & 0o777, 0o600);
    assert.equal(handOver.export("--check").status, 0);
  });

  test("the real ansible-vault opens it", () => {
    assert.match(readFileSync(handOver.vaulted, "utf8"), /^\$ANSIBLE_VAULT;1\.1;AES256\n/);
    assert.equal(handOver.decrypted().trimEnd(), outputs()["magnumKubeconfig"]?.trimEnd());
  });

  test("an API that is away, another password, another stack: told, and the file stays", () => {
    const before = readFileSync(handOver.vaulted, "utf8");
    const given = JSON.parse(JSON.stringify(outputs())) as Record<string, string>;
    // Nothing listens there; the seed's part is as it was.
    given["magnumKubeconfig"] = (given["magnumKubeconfig"] ?? "").replace(/203\.0\.113\.\d+/, "203.0.113.10");
    const away = handOver.export("--check-reachable", "--outputs", kept("away.json", JSON.stringify(given)));
    assert.equal(away.status, 1);
    assert.match(
      away.stderr,
      /^bin\/kayobe-export: https:\/\/203\.0\.113\.10:6443: connection refused: the cluster's API is down$/m,
    );
    const password = kept("other-password", "other\n");
    const wrong = handOver.bin(
      "kayobe-export",
      ...["lab", "--kayobe-config", handOver.repository, "--environment", "lab"],
      ...["--vault-password-file", password],
    );
    assert.equal(wrong.status, 3);
    assert.match(wrong.stderr, /was encrypted with another vault password/);
    const none = handOver.bin(
      "kayobe-export",
      ...["none", "--kayobe-config", handOver.repository, "--vault-password-file", handOver.passwordFile],
    );
    assert.equal(none.status, 1);
    assert.match(none.stderr, /none/);
    assert.equal(readFileSync(handOver.vaulted, "utf8"), before);
  });

  test("kolla-ansible's role renders it to exactly the kubeconfig, and our settings into magnum.conf", () => {
    handOver.render();
    assert.equal(handOver.conductorKubeconfig(), outputs()["magnumKubeconfig"]);
    const conf = readFileSync(join(handOver.conductor, "magnum.conf"), "utf8");
    assert.match(conf, /^default_helm_chart_version = 0\.27\.0$/m);
    assert.match(conf, /^disabled_drivers = k8s_cluster_api_flatcar,/m);
    assert.match(conf, /^\[keystone_authtoken\]$/m, "the role's own sections are there");
    // Magnum's entry points name the drivers that a disabled one is compared with.
    assert.doesNotMatch(conf, /disabled_drivers = .*k8s_capi_helm_v1/);
  });

  test("a kubeconfig with Jinja's delimiters in it renders to itself too", async () => {
    const kubeconfig = tokenKubeconfig({
      name: "{{ lookup('env', 'HOME') }} {% raw %} {# gone #}",
      server: "https://192.0.2.1:6443",
      caCert: "x",
      token: "t",
    });
    const { venv, passwordFile } = handOver;
    const vault = new Vault({ passwordFile, program: join(venv, "bin/ansible-vault") });
    const source = kept("braces", await vault.encrypt(asTemplate(kubeconfig)));
    const target = join(scratch, "braces-rendered");
    renderTemplate({ venv, source, target, passwordFile });
    assert.equal(readFileSync(target, "utf8"), kubeconfig);
  });

  test("check-releases and openstack-config-export follow what the mirror has of upstream's releases", () => {
    const releases = handOver.bin("check-releases", "lab", "--json");
    assert.equal(releases.status, 0, releases.stdout + releases.stderr);
    const found = JSON.parse(releases.stdout) as {
      releases: { component: string; verdict: string; upstream: string }[];
      images: { kubernetesVersion: string; fits: boolean }[];
    };
    assert.ok(found.releases.length >= 7, releases.stdout);
    assert.deepEqual([...new Set(found.releases.map(({ verdict }) => verdict))], ["current"]);
    assert.equal(
      found.releases.find(({ component }) => component === "cluster-api")?.upstream,
      mirrored.clusterApi,
    );
    assert.deepEqual(
      found.images.map((image) => [image.kubernetesVersion, image.fits]),
      [[kubernetesVersion, true]],
    );

    const file = join(scratch, "magnum.yml");
    const written = handOver.bin("openstack-config-export", "lab", "--output", file);
    assert.equal(written.status, 0, written.stderr);
    assert.equal(handOver.bin("openstack-config-export", "lab", "--output", file, "--check").status, 0);
  });

  test("with a certificate: its end is an output; the stack's templates and images are in Magnum and Glance", async () => {
    magnumRuns = true;
    await handOver.startMagnum();
    await deployMagnum({ kubeconfig: { kind: "certificate" }, templates: templates() });
    const now = outputs();
    const end = Date.parse(now["magnumKubeconfigExpiry"] ?? "");
    const days = (end - Date.now()) / 86_400_000;
    assert.ok(days > 300 && days < 370, `${now["magnumKubeconfigExpiry"]}`);
    assert.match(handOver.export("--check").stdout, /kubeconfig: stale\n {2}other token/);
    const done = handOver.export("--check-reachable");
    assert.equal(done.status, 0, done.stderr);
    assert.match(handOver.decrypted(), /client-certificate-data: /);
    assert.doesNotMatch(handOver.decrypted(), /token:/);
    const file = kept("certificate", handOver.decrypted());
    assert.equal(kubectl(file, "auth", "can-i", "*", "*", "--all-namespaces").stdout.trim(), "yes");
    await handOver.reconfigure();

    const found = await templatesOfMagnum();
    assert.deepEqual(found.map(({ name }) => name).sort(), [FIRST, SECOND]);
    for (const template of found) {
      assert.deepEqual(
        [template.cluster_distro, template.hidden, template.labels["capi_helm_chart_version"]],
        ["ubuntu", false, CHART],
      );
      if (template.driver !== undefined) assert.equal(template.driver, "k8s_capi_helm_v1");
    }
    const uploaded = found.find(({ name }) => name === FIRST)?.image_id ?? "";
    const image = JSON.parse(output("openstack", ["image", "show", uploaded, "-f", "json"])) as {
      status: string;
      disk_format: string;
      properties: Record<string, string>;
    };
    assert.deepEqual(
      [image.status, image.disk_format, image.properties["kube_version"], image.properties["os_distro"]],
      ["active", "qcow2", kubernetesVersion, "ubuntu"],
    );
  });

  test("a tenant's cluster comes up with the certificate; its servers are in OpenStack", async () => {
    const uuid = await askForTenant(FIRST);
    made = uuid;
    tenant = await tenantHas(uuid, "CREATE_COMPLETE");
    assert.match(tenant.api_address ?? "", /^https:\/\/203\.0\.113\.\d+:6443$/);
    assert.equal(tenant.coe_version, kubernetesVersion);
    assert.deepEqual(
      tenantServers().map(({ Status }) => Status),
      ["ACTIVE", "ACTIVE"],
    );
    const release = JSON.parse(
      output("helm", [
        ...[
          "--kubeconfig",
          join(handOver.conductor, "kubeconfig"),
          "list",
          "--namespace",
          `magnum-${tenant.project_id}`,
        ],
        ...["--output", "json"],
      ]),
    ) as { name: string; chart: string }[];
    assert.deepEqual(
      release.map(({ chart }) => chart),
      [`openstack-cluster-${CHART}`],
    );
    // The driver's name for it: the cluster's, and twelve characters that tell it from an older one.
    assert.match(release[0]?.name ?? "", /^tenant-[a-z0-9]{12}$/);
  });

  test("a destroy is refused while Magnum has a cluster, and has taken nothing", () => {
    const destroyed = lab("destroy");
    assert.equal(destroyed.status, 1, destroyed.stdout.slice(-3000));
    const printed = destroyed.stdout + destroyed.stderr;
    assert.match(printed, /the HA cluster still manages magnum-[0-9a-f]+\/tenant-\w+, which cannot move/);
    assert.doesNotMatch(printed, /\bdeleted\b/);
    const clusters = kubectl(join(handOver.conductor, "kubeconfig"), "get", "clusters", "--all-namespaces");
    assert.match(clusters.stdout, /^magnum-\w+ +tenant-/m, clusters.stderr);
  });

  test("with a token again: a template that is hidden changes in nothing else, and what clusters use stays", async () => {
    const before = await templatesOfMagnum();
    await deployMagnum({
      kubeconfig: { rotation: 2 },
      templates: templates({ hidden: true, label: "changed" }),
    });
    const after = await templatesOfMagnum();
    assert.deepEqual(
      after,
      before.map((template) => ({ ...template, hidden: template.name === FIRST })),
    );
    const first = after.find(({ name }) => name === FIRST)?.uuid ?? "";
    const magnum = await magnumUser();
    await assert.rejects(
      magnum.call("DELETE", `/clustertemplates/${first}`),
      /answered 400: .*ClusterTemplate .* is referenced by one or multiple clusters/i,
    );
    assert.equal(handOver.export().status, 0);
    assert.match(handOver.decrypted(), /token: /);
    await handOver.reconfigure();
  });

  test("with the token it is scaled, moved to the other template, and deleted", async () => {
    assert.ok(tenant, "there is no cluster");
    const { uuid, project_id: owner } = tenant;
    const magnum = await magnumUser();
    const images = () => new Set(tenantServers().map(({ Image }) => Image));
    await magnum.call("PATCH", `/clusters/${uuid}`, [{ op: "replace", path: "/node_count", value: 2 }]);
    await tenantHas(uuid, "UPDATE_COMPLETE");
    assert.equal(tenantServers().length, 3);
    const old = images();
    await magnum.call("POST", `/clusters/${uuid}/actions/upgrade`, {
      cluster_template: SECOND,
      max_batch_size: 1,
    });
    await tenantHas(
      uuid,
      "UPDATE_COMPLETE",
      () => tenantServers().length === 3 && [...images()].every((name) => !old.has(name)),
    );
    await removeTenant(uuid);
    made = undefined;
    assert.deepEqual(tenantServers(), []);
    const kubeconfig = join(handOver.conductor, "kubeconfig");
    assert.deepEqual(
      kubectl(kubeconfig, "get", "secrets", "--namespace", `magnum-${owner}`, "-o", "name").stdout.trim(),
      "",
      "nothing of it is left",
    );
    const removed = kubectl(kubeconfig, "delete", "namespace", `magnum-${owner}`);
    assert.equal(removed.status, 0, removed.stderr);
    tenant = undefined;
  });

  test("a rotation that the seed cannot try leaves the old token, and says why", async () => {
    const old = kept("second", outputs()["magnumKubeconfig"] ?? "");
    const address = outputs()["apiServerAddress"] ?? "";
    const onSeed = (...args: string[]) =>
      output(join(project, "bin/seed-ssh"), ["lab", "--", "sudo", ...args]);
    onSeed("ip", "route", "add", "unreachable", address);
    try {
      const printed = await deployMagnum({ kubeconfig: { rotation: 3 } }, 1);
      assert.match(printed, /the seed does not reach the API of cluster capi-mgmt-lab: /);
      assert.equal(kubectl(old, "get", "namespaces").status, 0, "the old token works");
      assert.ok(outputs()["magnumKubeconfig"] === readFileSync(old, "utf8"), "and is still the output");
    } finally {
      onSeed("ip", "route", "del", "unreachable", address);
    }
  });

  test("a rotation makes a token that works, and then the old one is refused; unused templates go with their images", async () => {
    const before = kept("before", outputs()["magnumKubeconfig"] ?? "");
    const seen = watchSecrets(kept("admin", outputs()["haKubeconfig"] ?? ""));
    const back = await runWith("up", "lab", {});
    const events = await seen();
    assert.equal(back.exitCode, 0, back.printed.slice(-4000));
    const filled = events.lastIndexOf("MODIFIED capi-mgmt-service-account-1");
    const revoked = events.indexOf("DELETED capi-mgmt-service-account-2");
    assert.ok(filled >= 0 && revoked > filled, events.join("\n"));

    // The API server remembers for ten seconds that a token was good.
    let refused = kubectl(before, "get", "namespaces");
    for (const end = Date.now() + 30_000; refused.status === 0 && Date.now() < end; await sleep(500)) {
      refused = kubectl(before, "get", "namespaces");
    }
    assert.match(refused.stderr, /Unauthorized|must be logged in/);
    const check = handOver.export("--check");
    assert.equal(check.status, 2);
    assert.match(check.stdout, /kubeconfig: stale\n {2}other token/);
    assert.match(handOver.export("--check-reachable").stdout, /reached from this machine/);
    assert.equal(kubectl(kept("rotated", handOver.decrypted()), "get", "namespaces").status, 0);
    assert.deepEqual(await templatesOfMagnum(), []);
    assert.deepEqual(
      openstack<{ Name: string }>("image", "list").filter(({ Name }) => Name.startsWith(FIRST)),
      [],
    );
  });

  /** What the tests ask of the program: the image as the mirror's manifest has it, and one of the lab's own. */
  function templates({ hidden = false, label }: { hidden?: boolean; label?: string } = {}): object {
    const text = readFileSync(join(scratch, "magnum.yml"), "utf8");
    const exported = parse(text) as { openstack_images: { image_url: string; checksum: string }[] };
    const image = exported.openstack_images[0];
    return {
      enabled: true,
      ...(label === undefined ? {} : { labels: { note: label } }),
      list: [
        {
          kubernetesVersion,
          chartVersion: CHART,
          image: { url: image?.image_url, checksum: image?.checksum },
          ...(hidden ? { hidden } : {}),
        },
        {
          kubernetesVersion,
          chartVersion: CHART,
          revision: 2,
          image: { name: `ubuntu-noble-kube-${kubernetesVersion}` },
        },
      ],
    };
  }

  async function templatesOfMagnum(): Promise<Template[]> {
    const magnum = await magnumUser();
    const { clustertemplates: list } = await magnum.call<{ clustertemplates: Template[] }>(
      "GET",
      "/clustertemplates/detail",
    );
    return list
      .map(({ uuid, name, hidden, image_id, cluster_distro, driver, labels }) => ({
        ...{ uuid, name, hidden, image_id, cluster_distro, labels },
        ...(driver === undefined ? {} : { driver }),
      }))
      .sort((one, other) => one.name.localeCompare(other.name));
  }

  /** Watches the tokens' secrets; the answer ends it and gives what happened to them, in order. */
  function watchSecrets(kubeconfig: string): () => Promise<string[]> {
    const args = ["--kubeconfig", kubeconfig, "get", "secrets", "--namespace", "capi-mgmt", "--watch"];
    const child = spawn(
      output("which", ["kubectl"]).trim(),
      [...args, "--output-watch-events", "-o", "jsonpath={.type} {.object.metadata.name}{'\\n'}"],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    return async () => {
      await sleep(1000);
      child.kill();
      return text.trim().split("\n");
    };
  }
});
