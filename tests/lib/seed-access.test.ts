/**
 * Kubeconfigs in the home of the seed's user: theirs alone. That kubectl reads them there is shown in the lab.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runShell, temporaryFolder } from "../support/shell.ts";

const USER = userInfo().username;

function access(context: TestContext, kubectl = "") {
  const folder = temporaryFolder(context);
  const home = join(folder, "home");
  mkdirSync(home);
  const run = (action: string, answer = kubectl) =>
    runShell(folder, {
      files: ["seed-access"],
      variables: {
        ...{ CLUSTER: "capi-mgmt-x", NAMESPACE: "default" },
        ...{ SEED_USER: USER, FILE_NAME: "kubeconfig-capi-mgmt-x.yaml" },
      },
      programs: {
        kubectl: `echo "$KUBECONFIG" >> "$HOME/asked"\n${answer}`,
        getent: `echo "$2:x:1000:1000::${home}:/bin/bash"`,
        chown: "",
      },
      run: action,
    });
  return { run, folder, file: join(home, "kubeconfig-capi-mgmt-x.yaml") };
}

test("the cluster's kubeconfig is the user's own file, which nobody else reads, and is written anew when it changes", (context) => {
  const { run, folder, file } = access(context);
  for (const content of ["first", "second"]) {
    const { code, stdout, stderr, calls } = run("on_create", `base64 <<< ${content}`);
    assert.deepEqual([code, stdout], [0, `${file}\n`], stderr);
    assert.deepEqual([readFileSync(file, "utf8"), statSync(file).mode & 0o777], [`${content}\n`, 0o600]);
    assert.ok(calls.includes(`chown ${USER}: ${file}`));
    assert.ok(
      calls.includes(
        "kubectl get secret capi-mgmt-x-kubeconfig --namespace default --output jsonpath={.data.value}",
      ),
    );
  }
  assert.match(readFileSync(join(folder, "asked"), "utf8"), /^(\/etc\/rancher\/k3s\/k3s\.yaml\n)+$/);
});

test("a kubeconfig that cannot be had leaves the file as it was", (context) => {
  const { run, file } = access(context);
  run("on_create", "base64 <<< first");
  const { code, stderr } = run("on_create", "exit 1");
  assert.equal(code, 70);
  assert.match(stderr, /^error: Cluster API has made no kubeconfig for cluster capi-mgmt-x$/m);
  assert.equal(readFileSync(file, "utf8"), "first\n");
});

test("the kubeconfig goes when the resource goes", (context) => {
  const { run, file } = access(context);
  run("on_create", "base64 <<< first");
  assert.equal(run("on_delete").code, 0);
  assert.equal(existsSync(file), false);
});

function k3sAccess(context: TestContext, kubeconfig: string | undefined) {
  const folder = temporaryFolder(context);
  for (const path of ["home", "root", "etc/rancher/k3s"]) mkdirSync(join(folder, path), { recursive: true });
  const source = join(folder, "etc/rancher/k3s/k3s.yaml");
  if (kubeconfig !== undefined) writeFileSync(source, kubeconfig);
  const run = runShell(folder, {
    files: ["k3s-kubeconfig"],
    variables: { SEED_USER: USER, CLUSTER_NAME: "capi-mgmt-x-seed", API_SERVER: "https://203.0.113.7:6443" },
    programs: { getent: `echo "$2:x:1000:1000::${folder}/home:/bin/bash"`, chown: "" },
    instead: ["/etc/rancher", "/root/"],
    run: "on_create",
  });
  return { ...run, folder, source };
}

test("kubectl on the seed finds k3s by itself, for the user and for root, and for nobody else", (context) => {
  const kubeconfig = "    server: https://127.0.0.1:6443\n";
  const { code, stdout, stderr, calls, folder, source } = k3sAccess(context, kubeconfig);
  assert.equal(code, 0, stderr);
  const own = join(folder, "home/.kube/config");
  assert.deepEqual([readFileSync(own, "utf8"), statSync(own).mode & 0o777], [kubeconfig, 0o600]);
  assert.equal(statSync(join(folder, "home/.kube")).mode & 0o777, 0o700);
  assert.ok(calls.includes(`chown ${USER}: ${own}`));
  assert.equal(readlinkSync(join(folder, "root/.kube/config")), source);
  assert.equal(stdout, "    server: https://203.0.113.7:6443\n");
});

test("a k3s that has made no kubeconfig is an error", (context) => {
  const { code, stdout, stderr, source } = k3sAccess(context, undefined);
  assert.deepEqual([code, stdout], [70, ""]);
  assert.equal(stderr, `error: ${source} is missing: k3s is not installed\n`);
});
