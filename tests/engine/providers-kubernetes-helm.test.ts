/**
 * How the kubernetes provider calls helm, against a helm that only records its calls: arguments, standard input, files and
 * their modes, environment, and what comes of its answers. It does not prove that helm takes them; tests/lab does.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { Asset, UNKNOWN, type Properties } from "../../engine/provider.ts";
import { Driver, failure, pluck, type Recorded } from "./providers-kubernetes-support.ts";

const RELEASE = "kubernetes:helm.sh/v3:Release";

/** A run of the stand-in for helm. */
interface Seen {
  args: string[];
  input: string;
  kubeconfig: string;
  mode: string;
  folder: string;
  environment: Record<string, string>;
  /** Whether it leads a process group of its own. */
  leads: boolean;
}

/** Answers each call by the first rule whose words all occur among its arguments, and records it. */
const HELM = `#!${process.execPath}
import { appendFileSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
const here = import.meta.dirname;
const args = process.argv.slice(2);
const input = readFileSync(0, "utf8");
const kubeconfig = process.env.KUBECONFIG;
const environment = Object.fromEntries(Object.entries(process.env).filter(([key]) => key.startsWith("HELM_")));
const mode = [kubeconfig, dirname(kubeconfig)].map((path) => (statSync(path).mode & 0o777).toString(8)).join(" ");
const group = readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ")[2];
const leads = group === String(process.pid);
const record = { leads, args, input, kubeconfig: readFileSync(kubeconfig, "utf8"), mode, folder: dirname(kubeconfig), environment };
appendFileSync(join(here, "seen"), JSON.stringify(record) + "\\n");
const count = readFileSync(join(here, "seen"), "utf8").split("\\n").length - 1;
const rules = JSON.parse(readFileSync(join(here, "rules"), "utf8"));
const rule = rules.find((rule) => rule.when.every((word) => args.includes(word)) && (rule.from ?? 0) <= count);
process.stdout.write(rule?.out ?? "");
process.stderr.write(rule?.err ?? "");
process.exit(rule?.err === undefined ? 0 : 1);
`;

interface Rule {
  when: string[];
  out?: string;
  err?: string;
  /** Holds from the call of this number on. */
  from?: number;
}

const NOT_FOUND: Rule = { when: ["metadata"], err: "Error: release: not found\n" };
const MANIFEST: Rule = {
  when: ["manifest"],
  out: "apiVersion: v1\nkind: Service\nmetadata: { name: web, namespace: apps }\n",
};

function metadata(status: string, revision = 1, from = 0): Rule {
  const release = {
    name: "web",
    namespace: "apps",
    revision,
    status,
    chart: "web",
    version: "1.2.3",
    appVersion: "4",
  };
  return { when: ["metadata"], out: JSON.stringify(release), from };
}

describe("calls of helm", () => {
  const folder = mkdtempSync(join(tmpdir(), "fake-helm-"));
  const api = createServer((_request, response) => response.end("{}"));
  const ambient = { ...process.env };
  let driver: Driver;

  before(async () => {
    mkdirSync(join(folder, "chart"));
    writeFileSync(join(folder, "chart", "Chart.yaml"), "name: web\nversion: 1.2.3\n");
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    writeFileSync(join(folder, "helm"), HELM);
    chmodSync(join(folder, "helm"), 0o755);
    process.env["CAPI_MGMT_HELM"] = join(folder, "helm");
    // The operator's own helm settings must not leak into the provider's.
    process.env["HELM_NAMESPACE"] = "elsewhere";
    await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
    const server = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
    const kubeconfig = JSON.stringify({
      "current-context": "c",
      clusters: [{ name: "k", cluster: { server, "insecure-skip-tls-verify": true } }],
      users: [{ name: "u", user: { token: "kube-t0ken" } }],
      contexts: [{ name: "c", context: { cluster: "k", user: "u" } }],
    });
    driver = await Driver.of({ kubeconfig, namespace: "apps" });
  });
  after(async () => {
    await driver.close();
    api.close();
    api.closeAllConnections();
    process.env = ambient;
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(() => {
    rmSync(join(folder, "seen"), { force: true });
    driver.log.length = 0;
  });

  function answer(...rules: Rule[]): void {
    writeFileSync(join(folder, "rules"), JSON.stringify(rules));
  }
  function seen(): Seen[] {
    const text = existsSync(join(folder, "seen")) ? readFileSync(join(folder, "seen"), "utf8") : "";
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Seen);
  }
  /** The arguments of the calls whose first word is `command`. */
  function calls(command: string): string[][] {
    return seen()
      .map(({ args }) => args)
      .filter(([first]) => first === command);
  }
  const remote = {
    name: "web",
    chart: "web",
    repositoryOpts: { repo: "https://charts.test" },
    version: "1.2.3",
  };
  const recorded = (inputs: Properties, outputs: Properties = inputs): Recorded => ({
    ...{ urn: "u", type: RELEASE, id: "apps/web", inputs: { namespace: "apps", ...inputs }, outputs },
  });

  test("an installation: values by standard input only, everything private, nothing left", async () => {
    // Not there before, deployed after: the third call on.
    answer(metadata("deployed", 1, 3), NOT_FOUND, MANIFEST);
    const values = { password: "hunter2", nested: { list: [1, "a"] } };
    const [created, result] = await driver.create(RELEASE, "web", {
      ...remote,
      values,
      atomic: true,
      timeout: 60,
    });
    assert.deepEqual(calls("upgrade"), [
      [
        ...["upgrade", "--install", "web", "web", "--repo", "https://charts.test", "--version", "1.2.3"],
        ...[
          "--namespace",
          "apps",
          "--timeout",
          "60s",
          "--values",
          "-",
          "--history-max",
          "0",
          "--atomic",
          "--wait",
        ],
        ...["--output", "json"],
      ],
    ]);
    const upgrade = seen().find(({ args }) => args[0] === "upgrade");
    assert.deepEqual(JSON.parse(upgrade?.input ?? ""), values);
    assert.equal(upgrade?.mode, "600 700");
    assert.match(upgrade?.kubeconfig ?? "", /kube-t0ken/);
    assert.deepEqual(Object.keys(upgrade?.environment ?? {}).sort(), [
      ...["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_PLUGINS"],
    ]);
    assert.ok(
      Object.values(upgrade?.environment ?? {}).every((path) => path.startsWith(upgrade?.folder ?? "?")),
    );
    for (const { args, folder: used, leads } of seen()) {
      assert.doesNotMatch(args.join(" "), /hunter2|kube-t0ken/);
      assert.equal(leads, true, "the terminal's Ctrl-C must not reach it");
      assert.equal(existsSync(used), false, "the private folder is gone");
    }
    assert.equal(created.id, "apps/web");
    assert.deepEqual(created.outputs["status"], {
      ...{
        appVersion: "4",
        chart: "web",
        name: "web",
        namespace: "apps",
        revision: 1,
        status: "deployed",
        version: "1.2.3",
      },
    });
    assert.deepEqual(created.outputs["resourceNames"], { "Service/v1": ["apps/web"] });
    assert.deepEqual(result.secretOutputs, ["__inputs"]);
  });

  const flags: [inputs: Properties, expected: string[]][] = [
    [{ skipAwait: true }, ["--timeout 300s"]],
    [{ waitForJobs: true }, ["--wait --wait-for-jobs"]],
    [
      { createNamespace: true, cleanupOnFail: true, skipCrds: true },
      ["--cleanup-on-fail --create-namespace", "--skip-crds"],
    ],
    [{ dependencyUpdate: true, devel: true, forceUpdate: true }, ["--dependency-update --devel --force"]],
    [{ disableWebhooks: true, takeOwnership: true }, ["--take-ownership", "--no-hooks"]],
    [{ maxHistory: 5, description: "a text" }, ["--history-max 5", "--description a text"]],
    [{ reuseValues: true, resetValues: true }, ["--reset-values --reuse-values"]],
    [
      { disableOpenapiValidation: true, renderSubchartNotes: true },
      ["--disable-openapi-validation --render-subchart-notes"],
    ],
    [{ verify: true, keyring: "/keys" }, ["--verify", "--keyring /keys"]],
  ];
  for (const [inputs, expected] of flags) {
    test(`options of ${Object.keys(inputs).join(", ")}`, async () => {
      answer(metadata("deployed"), MANIFEST);
      await driver.create(RELEASE, "web", { ...remote, ...inputs });
      const line = calls("upgrade")[0]?.join(" ") ?? "";
      for (const part of expected) assert.ok(line.includes(part), line);
      if (inputs["skipAwait"] === true) assert.ok(!line.includes("--wait"), line);
    });
  }

  test("a repository's password goes by standard input", async () => {
    answer(metadata("deployed"), MANIFEST);
    const repositoryOpts = {
      repo: "https://charts.test",
      username: "me",
      password: "hunter2",
      caFile: "/ca.pem",
    };
    await driver.create(RELEASE, "web", { ...remote, repositoryOpts });
    const add = seen().find(({ args }) => args[0] === "repo");
    assert.deepEqual(add?.args, [
      ...[
        "repo",
        "add",
        "release",
        "https://charts.test",
        "--username",
        "me",
        "--password-stdin",
        "--ca-file",
        "/ca.pem",
      ],
    ]);
    assert.equal(add?.input, "hunter2");
    assert.equal(calls("upgrade")[0]?.[3], "release/web");
    assert.doesNotMatch(JSON.stringify(seen().map(({ args }) => args)), /hunter2/);
  });

  test("value files merge below values", async () => {
    answer(metadata("deployed"), MANIFEST);
    const valueYamlFiles = [
      new Asset({ text: "a: { b: 1, c: 1 }\nd: [1, 2]" }),
      new Asset({ text: "a: { c: 2 }" }),
    ];
    await driver.create(RELEASE, "web", { ...remote, valueYamlFiles, values: { a: { e: 3 }, d: [3] } });
    const upgrade = seen().find(({ args }) => args[0] === "upgrade");
    assert.deepEqual(JSON.parse(upgrade?.input ?? ""), { a: { b: 1, c: 2, e: 3 }, d: [3] });
  });

  test("a preview calls no helm and knows no result", async () => {
    const [preview] = await driver.create(
      RELEASE,
      "web",
      { ...remote, values: { a: UNKNOWN } },
      { preview: true },
    );
    assert.deepEqual([preview.outputs["status"], preview.outputs["resourceNames"]], [UNKNOWN, UNKNOWN]);
    const [, updated] = await driver.update(preview, preview.inputs, { preview: true });
    assert.equal(updated.outputs["status"], UNKNOWN);
    assert.deepEqual(seen(), []);
  });

  test("a failure that helm undid is an error in helm's words, without the values", async () => {
    answer(NOT_FOUND, { when: ["upgrade"], err: "WARNING: x\nError: INSTALLATION FAILED: bad hunter2\n" });
    const error = await failure(
      driver.create(RELEASE, "web", { ...remote, values: { adminPassword: "hunter2" } }),
    );
    assert.equal(error.message, "cannot create Helm release apps/web: INSTALLATION FAILED: bad [secret]");
  });

  test("an object that another release has kept is told with the way out", async () => {
    answer(NOT_FOUND, { when: ["upgrade"], err: "Error: things.test exists: invalid ownership metadata" });
    const error = await failure(driver.create(RELEASE, "web", remote));
    assert.match(
      error.message,
      /invalid ownership metadata; another release made this object and kept it: .* takeOwnership$/,
    );
  });

  test("a failure that left a release is a partial result, and the next run upgrades it", async () => {
    answer(metadata("failed", 1, 3), NOT_FOUND, MANIFEST, {
      when: ["upgrade"],
      err: "Error: context deadline exceeded",
    });
    const [created, result] = await driver.create(RELEASE, "web", remote);
    assert.equal(result.partial?.reason, "cannot create Helm release apps/web: context deadline exceeded");
    assert.equal(pluck(created.outputs, "status", "status"), "failed");
    const [change, checked] = await driver.diff(created, remote);
    assert.deepEqual(
      [change.changes, change.replaces, change.detailed],
      [true, [], { "status.status": "update" }],
    );
    answer(metadata("deployed", 2), MANIFEST);
    const [fixed] = await driver.update(created, checked);
    assert.equal(pluck(fixed.outputs, "status", "status"), "deployed");
  });

  test("a release left locked by a dead helm is rolled back, or removed, and said so", async () => {
    const history = JSON.stringify([
      { revision: 1, status: "superseded" },
      { revision: 2, status: "deployed" },
      { revision: 3, status: "pending-upgrade" },
    ]);
    answer(
      metadata("deployed", 4, 4),
      metadata("pending-upgrade", 3),
      { when: ["history"], out: history },
      MANIFEST,
    );
    await driver.update(recorded(remote), { namespace: "apps", ...remote });
    assert.deepEqual(calls("rollback"), [["rollback", "web", "2", "--namespace", "apps"]]);
    assert.match(
      driver.log.join("\n"),
      /release apps\/web was left pending-upgrade .*: rolling back to revision 2/,
    );

    rmSync(join(folder, "seen"));
    answer(metadata("deployed", 1, 3), metadata("pending-install"), MANIFEST);
    await driver.create(RELEASE, "web", remote);
    assert.deepEqual(calls("uninstall"), [
      ["uninstall", "web", "--ignore-not-found", "--namespace", "apps", "--wait"],
    ]);
    assert.match(driver.log.join("\n"), /left pending-install .*: removing it before installing/);
  });

  test("a release that is there already is taken over, and said so", async () => {
    answer(metadata("deployed", 7), MANIFEST);
    await driver.create(RELEASE, "web", remote);
    assert.deepEqual(driver.log, ["the release apps/web is there already (revision 7); it is taken over"]);
  });

  test("reads null when gone, and the values and version that helm has", async () => {
    answer(NOT_FOUND);
    assert.equal(await driver.read(recorded(remote)), null);
    const inputs = { ...remote, namespace: "apps", values: { a: 1, gone: null } };
    answer(metadata("deployed"), MANIFEST, { when: ["values"], out: '{"a":1}' });
    const same = await driver.read(recorded(inputs, { ...inputs }));
    assert.deepEqual(same?.inputs, inputs);
    answer(metadata("deployed"), MANIFEST, { when: ["values"], out: '{"a":2}' });
    const drifted = await driver.read(recorded(inputs, { ...inputs, version: "1.0.0" }));
    assert.deepEqual([drifted?.inputs["values"], drifted?.inputs["version"]], [{ a: 2 }, "1.2.3"]);
  });

  test("deletes with a wait, without one if none was asked for, and takes what is gone as done", async () => {
    answer();
    await driver.delete(recorded({ ...remote, timeout: 60 }));
    await driver.delete(recorded({ ...remote, skipAwait: true }));
    const common = ["uninstall", "web", "--namespace", "apps", "--ignore-not-found", "--timeout"];
    assert.deepEqual(calls("uninstall"), [
      [...common, "60s", "--wait"],
      [...common, "300s"],
    ]);
    answer({ when: ["uninstall"], err: "Error: uninstall: Release not loaded: web: release: not found" });
    await driver.delete(recorded(remote));
    answer({ when: ["uninstall"], err: "Error: 2 errors occurred" });
    const error = await failure(driver.delete(recorded(remote)));
    assert.equal(error.message, "cannot delete Helm release apps/web: 2 errors occurred");
  });

  test("compares by values and version; another name or namespace is another release", async () => {
    const { inputs } = await driver.check(RELEASE, "web", { ...remote, values: { a: { b: 1 } } });
    const old = recorded(inputs, { ...inputs, status: { status: "deployed" } });
    const compare = async (news: Properties) => (await driver.diff(old, news))[0];
    assert.equal((await compare({ ...remote, compat: "true", values: { a: { b: 1 } } })).changes, false);
    assert.deepEqual((await compare({ ...remote, values: { a: { b: 2 } } })).detailed, {
      "values.a.b": "update",
    });
    assert.deepEqual((await compare({ ...remote, version: "2", values: { a: { b: 1 } } })).detailed, {
      version: "update",
    });
    assert.deepEqual((await compare({ ...remote, name: "other", values: { a: { b: 1 } } })).replaces, [
      "name",
    ]);
    assert.deepEqual((await compare({ ...remote, namespace: "n", values: { a: { b: 1 } } })).replaces, [
      "namespace",
    ]);
  });

  test("a check completes a Release and names everything that is wrong with it", async () => {
    const chart = join(folder, "chart");
    const local = await driver.check(RELEASE, "web", { chart, compat: "true", manifest: {} });
    assert.match(JSON.stringify(local.inputs["checksum"]), /^"[0-9a-f]{64}"$/);
    assert.deepEqual(
      [local.inputs["name"], local.inputs["namespace"], local.inputs["timeout"]],
      ["web-0000001", "apps", 300],
    );
    const set = Object.entries(local.inputs).filter(([, value]) => value !== false && value !== "");
    assert.deepEqual(set.map(([key]) => key).sort(), ["chart", "checksum", "name", "namespace", "timeout"]);
    // The rest is there as upstream keeps it, as zero values: else the real CLI would update what is the same.
    assert.equal(local.inputs["waitForJobs"], false);
    assert.equal(local.inputs["keyring"], "");
    const served = await driver.check(RELEASE, "web", {
      chart: "web",
      repositoryOpts: { repo: "https://x" },
    });
    assert.deepEqual(served.inputs["repositoryOpts"], {
      ...{ caFile: "", certFile: "", keyFile: "", password: "", username: "" },
      repo: "https://x",
    });
    const kept = await driver.check(RELEASE, "web", { chart }, local.inputs);
    assert.equal(kept.inputs["name"], "web-0000001");
    writeFileSync(join(chart, "values.yaml"), "a: 1\n");
    const changed = await driver.check(RELEASE, "web", { chart }, local.inputs);
    assert.notEqual(changed.inputs["checksum"], local.inputs["checksum"]);
    const wrong = { name: "Not_A_Name", chart: "./none", recreatePods: true, replicas: 1 };
    const { failures } = await driver.check(RELEASE, "web", wrong);
    assert.deepEqual(failures.map(({ property }) => property).sort(), [
      "chart",
      "name",
      "recreatePods",
      "replicas",
    ]);
    answer(NOT_FOUND);
    const named = await failure(
      driver.create(RELEASE, "web", { ...remote, repositoryOpts: { repo: "stable" } }),
    );
    assert.match(named.message, /repositoryOpts.repo: "stable": .* give its URL/);
  });

  test("an unreachable cluster is an error before helm is called; a missing helm says how to get one", async () => {
    const kubeconfig = JSON.stringify({
      "current-context": "c",
      clusters: [{ name: "k", cluster: { server: "https://127.0.0.1:1" } }],
      contexts: [{ name: "c", context: { cluster: "k", user: "u" } }],
      users: [],
    });
    // Even with deleteUnreachable, as upstream: a release may have left objects outside its namespace.
    const away = await Driver.of({ kubeconfig, deleteUnreachable: "true" });
    const error = await failure(away.delete(recorded(remote)));
    assert.match(
      error.message,
      /cannot delete Helm release apps\/web: the Kubernetes API server .* is unreachable/,
    );
    assert.deepEqual(seen(), []);
    process.env["CAPI_MGMT_HELM"] = "/nowhere/helm";
    const missing = await failure(driver.create(RELEASE, "web", remote));
    assert.match(
      missing.message,
      /helm is not there: put \/nowhere\/helm on the PATH, or name the binary in CAPI_MGMT_HELM/,
    );
    process.env["CAPI_MGMT_HELM"] = join(folder, "helm");
  });
});
