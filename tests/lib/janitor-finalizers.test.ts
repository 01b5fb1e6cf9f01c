/** What goes after the janitor, with a stand-in for kubectl. Without it no cluster that the janitor has seen could be deleted. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { runShell, temporaryFolder } from "../support/shell.ts";

const FINALIZER = "janitor.capi.stackhpc.com";

/** Runs the deletion against a kubectl that answers for its pods and its OpenStackClusters by these shell commands. */
function remove(
  context: TestContext,
  answers: { crd?: string; readyz?: string; pods?: string; clusters?: string; patch?: string },
  seconds = 5,
) {
  const { crd = "true", readyz = "true", pods = "true", clusters = "true", patch = "true" } = answers;
  return runShell(temporaryFolder(context), {
    files: ["janitor-finalizers"],
    variables: { JANITOR_NAMESPACE: "capi-janitor-system", FINALIZER, STOP_SECONDS: seconds },
    programs: {
      kubectl: `case "$*" in
        "get crd "*) ${crd} ;; "get --raw"*) ${readyz} ;; "get pods"*) ${pods} ;;
        "get openstackclusters"*) ${clusters} ;; patch*) ${patch} ;; *) exit 9 ;;
      esac`,
    },
    run: "on_delete",
  });
}

const patches = (calls: readonly string[]) => calls.filter((call) => call.startsWith("kubectl patch"));

for (const [finalizers, index] of [
  [`["${FINALIZER}"]`, 0],
  [`["${FINALIZER}","openstackcluster.infrastructure.cluster.x-k8s.io"]`, 0],
  [`["openstackcluster.infrastructure.cluster.x-k8s.io","${FINALIZER}"]`, 1],
  [`["a","b","${FINALIZER}","c"]`, 2],
] as const) {
  void test(`its finalizer goes from ${finalizers} and nothing else does`, (context) => {
    const done = remove(context, {
      clusters: `printf '%s\\n' 'default other ["a"]' 'default mine ${finalizers}' 'default bare '`,
    });
    assert.equal(done.code, 0, done.stderr);
    const path = `/metadata/finalizers/${index}`;
    const patch = [
      { op: "test", path, value: FINALIZER },
      { op: "remove", path },
    ];
    assert.deepEqual(patches(done.calls), [
      `kubectl patch openstackclusters.infrastructure.cluster.x-k8s.io mine --namespace default --type json --patch ${JSON.stringify(patch)}`,
    ]);
    assert.match(done.stderr, /finalizer is off OpenStackCluster default\/mine: what this cluster leaves/);
  });
}

void test("it waits until the janitor has stopped, which would put it back", (context) => {
  const done = remove(context, {
    pods: '[[ -e $HOME/asked ]] || echo pod/janitor; touch "$HOME/asked"',
    clusters: `echo 'default mine ["${FINALIZER}"]'`,
  });
  assert.equal(done.code, 0, done.stderr);
  const order = done.calls.map((call) => call.split(" ").slice(1, 3).join(" "));
  assert.deepEqual(order.slice(1, 4), [
    "get pods",
    "get pods",
    "get openstackclusters.infrastructure.cluster.x-k8s.io",
  ]);
  assert.equal(patches(done.calls).length, 1);
});

void test("a janitor that does not stop is named with the setting, and no finalizer is touched", (context) => {
  const done = remove(context, { pods: "echo pod/janitor-1" }, 0);
  assert.equal(done.code, 70);
  assert.match(
    done.stderr,
    /error: the janitor has not stopped after 0 s \(setting clusterApi.timeouts.charts\): pod\/janitor-1\n$/,
  );
  assert.deepEqual(patches(done.calls), []);
});

void test("without the kind there is nothing to do, but a cluster that does not answer is no such cluster", (context) => {
  assert.equal(remove(context, { crd: "exit 1" }).code, 0);
  const away = remove(context, { crd: "exit 1", readyz: "exit 1" });
  assert.equal(away.code, 70);
  assert.match(away.stderr, /error: the cluster does not answer/);
});

void test("a list that somebody changed meanwhile is told with what to do", (context) => {
  const done = remove(context, { clusters: `echo 'default mine ["${FINALIZER}"]'`, patch: "exit 1" });
  assert.equal(done.code, 70);
  assert.match(
    done.stderr,
    /error: could not take the janitor's finalizer off .* default\/mine: run this again\n$/,
  );
});
