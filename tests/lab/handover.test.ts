/**
 * The hand-over with its real consumers: ansible-vault opens what we write, kolla-ansible's role magnum renders it,
 * magnum-capi-helm's driver makes, scales and deletes a tenant's cluster with it, whose servers appear in OpenStack.
 *
 * Deploys stack `lab` if it is not there. Does not prove Magnum's API, trusts and certificates: the lab has no Magnum.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { prepareConsumers } from "../../lab/prepare/consumers.ts";
import { asTemplate } from "../../handover/kollaTemplate.ts";
import { tokenKubeconfig } from "../../lib/kubeconfig.ts";
import { Vault } from "../../handover/vault.ts";
import { kayobeConfig } from "../handover/support.ts";
import { renderMagnum } from "../support/kolla.ts";
import { command, enterLab, lab, openstack, output, project } from "../support/lab.ts";
import { deployWith } from "../support/labStack.ts";

/** What lab/consumers/tenant.py prints. */
interface Tenant {
  namespace: string;
  status: string;
  apiAddress: string | null;
  version: string | null;
  cluster: string | null;
  chart: string;
  secret: boolean;
  nodeGroups: Record<string, string>;
}

/** A cluster of two machines is up in a minute in the lab's fast profile; ten leave room for a busy machine. */
const PATIENCE = 10 * 60_000;

const root = process.getuid?.() === 0;

describe("the hand-over and its consumers", { skip: root ? false : "needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "handover-test-"));
  const repository = kayobeConfig(join(scratch, "kayobe-config"), "lab");
  const kollaConfig = join(repository, "etc/kayobe/environments/lab/kolla/config");
  const passwordFile = join(scratch, "password");
  const stackId = `handover-${randomUUID().slice(0, 8)}`;
  let venv = "";
  let rendered = "";

  const outputs = () =>
    JSON.parse(
      output(process.execPath, ["--no-warnings", "lab/cli.ts", "output", "--json", "--show-secrets"]),
    ) as Record<string, string>;
  const kayobeExport = (...more: string[]) =>
    command(
      join(project, "bin/kayobe-export"),
      [
        "lab",
        "--kayobe-config",
        repository,
        "--environment",
        "lab",
        "--vault-password-file",
        passwordFile,
        ...more,
      ],
      { env: { ANSIBLE_VAULT: join(venv, "bin", "ansible-vault") } },
    );
  const conductor = (file: string) => join(rendered, "magnum-conductor", file);
  const kubectl = (kubeconfig: string, ...args: string[]) =>
    command("kubectl", ["--kubeconfig", kubeconfig, ...args]);

  before(async () => {
    venv = await prepareConsumers(() => undefined);
    writeFileSync(passwordFile, "of the test\n", { mode: 0o600 });
    enterLab();
    if (outputs()["magnumKubeconfig"] === undefined) {
      const up = lab("up");
      assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
    }
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  test("bin/kayobe-export writes it, having reached the API from here and OpenStack from the seed", () => {
    assert.equal(kayobeExport("--check").status, 2);
    const done = kayobeExport("--check-reachable");
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
    const file = join(kollaConfig, "magnum/kubeconfig");
    const before = readFileSync(file, "utf8");
    assert.match(kayobeExport().stdout, /kubeconfig: unchanged/);
    assert.equal(readFileSync(file, "utf8"), before);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(kayobeExport("--check").status, 0);
  });

  test("the real ansible-vault opens it", () => {
    const file = join(kollaConfig, "magnum/kubeconfig");
    assert.match(readFileSync(file, "utf8"), /^\$ANSIBLE_VAULT;1\.1;AES256\n/);
    const plain = output(join(venv, "bin/ansible-vault"), [
      "view",
      "--vault-password-file",
      passwordFile,
      file,
    ]);
    assert.equal(plain.trimEnd(), outputs()["magnumKubeconfig"]?.trimEnd());
  });

  test("kolla-ansible's role renders it to exactly the kubeconfig, and our settings into magnum.conf", () => {
    const folder = join(scratch, "kolla");
    mkdirSync(folder);
    rendered = renderMagnum({ venv, scratch: folder, kollaConfig, passwordFile });
    assert.equal(readFileSync(conductor("kubeconfig"), "utf8"), outputs()["magnumKubeconfig"]);
    const conf = readFileSync(conductor("magnum.conf"), "utf8");
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
    const other = kayobeConfig(join(scratch, "braces"));
    const config = join(other, "etc/kayobe/kolla/config");
    mkdirSync(join(config, "magnum"), { recursive: true });
    const vault = new Vault({ passwordFile, program: join(venv, "bin/ansible-vault") });
    writeFileSync(join(config, "magnum/kubeconfig"), await vault.encrypt(asTemplate(kubeconfig)));
    const folder = join(scratch, "kolla-braces");
    mkdirSync(folder);
    const out = renderMagnum({ venv, scratch: folder, kollaConfig: config, passwordFile });
    assert.equal(readFileSync(join(out, "magnum-conductor/kubeconfig"), "utf8"), kubeconfig);
  });

  test("magnum-capi-helm makes a tenant's cluster, scales and deletes it; its servers come and go in OpenStack", async () => {
    const [image] = openstack<{ ID: string; Name: string }>("image", "list").filter(
      ({ Name }) => Name === "ubuntu-noble-kube-v1.36.3",
    );
    const clouds = readFileSync(join(project, ".lab/clouds.yaml"), "utf8");
    const given = {
      uuid: randomUUID(),
      name: stackId,
      stack_id: stackId,
      project_id: randomUUID().replaceAll("-", ""),
      image_id: image?.ID,
      external_network_id: "e4f1c0de-0000-4000-8000-000000000113",
      flavor: "lab.worker",
      kubernetes_version: "v1.36.3",
      masters: 1,
      workers: 1,
      credentials: tenantCredentials(clouds),
    };
    const venvPython = join(venv, "bin/python");
    const tenantArguments = [
      ...["-W", "ignore", "lab/consumers/tenant.py"],
      ...[conductor("magnum.conf"), conductor("kubeconfig")],
    ];
    const tenant = (action: string, changes: object = {}): Tenant =>
      JSON.parse(
        output(venvPython, [...tenantArguments, action], { input: JSON.stringify({ ...given, ...changes }) }),
      ) as Tenant;
    const until = async (what: string, status: string, changes: object = {}) => {
      const end = Date.now() + PATIENCE;
      for (let last: Tenant | undefined; Date.now() < end; await sleep(3000)) {
        last = tenant("status", { ...changes, status });
        if (last.status === what) return last;
        if (Date.now() + 3000 > end) assert.fail(`not ${what}: ${JSON.stringify(last)}`);
      }
      return assert.fail("unreachable");
    };
    const servers = () =>
      openstack<{ Name: string; Status: string }>("server", "list").filter(({ Name }) =>
        Name.startsWith(stackId),
      );

    const made = tenant("create");
    try {
      assert.equal(made.cluster, stackId);
      assert.equal(made.chart, "0.27.0", "the version comes from our magnum.conf");
      assert.ok(made.secret);
      const complete = await until("CREATE_COMPLETE", "CREATE_IN_PROGRESS");
      assert.match(complete.apiAddress ?? "", /^https:\/\/203\.0\.113\.\d+:6443$/);
      assert.equal(complete.version, "v1.36.3");
      assert.deepEqual(
        servers().map(({ Status }) => Status),
        ["ACTIVE", "ACTIVE"],
      );
      tenant("scale", { workers: 2 });
      await until("UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", { workers: 2 });
      assert.equal(servers().length, 3);
    } catch (error) {
      // What was made must go, but why the test failed must be told.
      command(venvPython, [...tenantArguments, "delete"], { input: JSON.stringify(given) });
      throw error;
    }
    tenant("delete");
    const gone = await until("DELETE_COMPLETE", "DELETE_IN_PROGRESS");
    assert.deepEqual([gone.cluster, gone.secret, servers()], [null, false, []]);
    const removed = kubectl(conductor("kubeconfig"), "delete", "namespace", gone.namespace);
    assert.equal(removed.status, 0, removed.stderr);
  });

  test("a raised rotation makes a new token that works, and the old one is refused", async () => {
    const old = join(scratch, "old-kubeconfig");
    writeFileSync(old, outputs()["magnumKubeconfig"] ?? "", { mode: 0o600 });
    const rotated = await deployWith("lab", { "capi-mgmt:magnum": { kubeconfig: { rotation: 2 } } });
    try {
      assert.equal(rotated.exitCode, 0, rotated.printed.slice(-4000));
      // The API server remembers for ten seconds that a token was good.
      let refused = kubectl(old, "get", "namespaces");
      for (const end = Date.now() + 30_000; refused.status === 0 && Date.now() < end; await sleep(1000)) {
        refused = kubectl(old, "get", "namespaces");
      }
      assert.match(refused.stderr, /Unauthorized|must be logged in/);
      const check = kayobeExport("--check");
      assert.equal(check.status, 2);
      assert.match(check.stdout, /kubeconfig: stale\n {2}other token/);
      const done = kayobeExport("--check-reachable");
      assert.equal(done.status, 0, done.stderr);
      assert.match(done.stdout, /reached from this machine/);
      const folder = join(scratch, "kolla-rotated");
      mkdirSync(folder);
      rendered = renderMagnum({ venv, scratch: folder, kollaConfig, passwordFile });
      assert.equal(kubectl(conductor("kubeconfig"), "get", "namespaces").status, 0);
    } finally {
      const back = lab("up");
      assert.equal(back.status, 0, back.stdout.slice(-3000));
    }
  });
});

/** What magnum-capi-helm's app_creds puts into a tenant's secret, with the lab's own credential. */
function tenantCredentials(clouds: string): Record<string, string> {
  const { openstack: entry } = (parse(clouds) as { clouds: Record<string, object> }).clouds;
  return {
    "clouds.yaml": stringify({ clouds: { openstack: { ...entry, cacert: undefined } } }),
    cacert: readFileSync(join(project, ".lab/ca.pem"), "utf8"),
  };
}
