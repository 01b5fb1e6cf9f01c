/** The guard of Magnum's clusters on k3s, with a stand-in for kubectl. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { runShell, temporaryFolder } from "../support/shell.ts";

function remove(context: TestContext, kubectl: string) {
  return runShell(temporaryFolder(context), {
    files: ["single-node"],
    variables: { CLUSTER: "capi-mgmt-dev", NAMESPACE: "default" },
    programs: { kubectl },
    run: "on_delete",
  });
}

void test("it goes when k3s manages no cluster, or only the one that a change to HA has just made", (context) => {
  assert.equal(remove(context, "true").code, 0);
  assert.equal(remove(context, "echo default/capi-mgmt-dev").code, 0);
});

void test("it refuses with the names of Magnum's clusters and what to do", (context) => {
  const done = remove(context, "printf 'default/capi-mgmt-dev\\nmagnum-1/one\\nmagnum-2/two\\n'");
  assert.equal(done.code, 70);
  assert.equal(
    done.stderr,
    "error: k3s still manages magnum-1/one magnum-2/two, which cannot move to another cluster: delete these with Magnum first, or set cluster.enabled back to false\n",
  );
});

void test("it refuses where k3s does not answer", (context) => {
  const done = remove(context, "exit 1");
  assert.equal(done.code, 70);
  assert.match(done.stderr, /error: k3s does not tell whether it manages clusters of Magnum's\n$/);
});
