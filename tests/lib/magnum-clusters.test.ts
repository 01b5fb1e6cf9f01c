/** The guard of Magnum's clusters, with a stand-in for kubectl. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { runShell, temporaryFolder } from "../support/shell.ts";

/** @param clusters what `kubectl get clusters` does */
function remove(context: TestContext, clusters: string, where = "k3s", others = "true") {
  return runShell(temporaryFolder(context), {
    files: ["magnum-clusters"],
    variables: { CLUSTER: "capi-mgmt-dev", NAMESPACE: "default", WHERE: where },
    programs: { kubectl: `case "$*" in "get clusters"*) ${clusters} ;; *) ${others} ;; esac` },
    run: "on_delete",
  });
}

void test("it goes when there is no cluster, or only the one that a change to HA has just made", (context) => {
  assert.equal(remove(context, "true").code, 0);
  assert.equal(remove(context, "echo default/capi-mgmt-dev").code, 0);
});

void test("it goes where there is no Cluster API, as after a deployment that failed early", (context) => {
  const done = remove(context, "exit 1", "k3s", '[ "$1" = get ] && [ "$2" = --raw ]');
  assert.deepEqual([done.code, done.stderr], [0, ""]);
});

void test("it refuses with the names of Magnum's clusters and what to do", (context) => {
  const clusters = "printf 'default/capi-mgmt-dev\\nmagnum-1/one\\nmagnum-2/two\\n'";
  for (const where of ["k3s", "the HA cluster"]) {
    const done = remove(context, clusters, where);
    assert.equal(done.code, 70);
    assert.equal(
      done.stderr,
      `error: ${where} still manages magnum-1/one magnum-2/two, which cannot move to another cluster: delete these with Magnum first, or take a change of cluster.enabled back\n`,
    );
  }
});

void test("it refuses where the cluster does not answer", (context) => {
  const done = remove(context, "exit 1", "the HA cluster", "exit 1");
  assert.equal(done.code, 70);
  assert.match(done.stderr, /error: the HA cluster does not answer, so nobody knows whether it manages/);
});

void test("it refuses where clusters cannot be listed", (context) => {
  assert.notEqual(remove(context, "exit 1").code, 0);
});
