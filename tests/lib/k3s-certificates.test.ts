/**
 * When k3s is restarted so that it renews its certificates: with real certificates and the real openssl, systemctl being
 * a stand-in. That k3s then renews them is k3s's own.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { certificateCheck } from "../../lib/k3s.ts";
import { temporaryFolder } from "../support/shell.ts";

/** Runs the check on certificates of these days, by file name below the folder of k3s. */
function check(context: TestContext, days: Readonly<Record<string, number>>) {
  const folder = temporaryFolder(context);
  for (const name of ["bin", "server", "agent"]) mkdirSync(join(folder, name));
  for (const [name, left] of Object.entries(days)) {
    const made = spawnSync("openssl", [
      ...[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=k3s",
      ],
      ...["-days", String(left), "-keyout", "/dev/null", "-out", join(folder, name)],
    ]);
    assert.equal(made.status, 0, String(made.stderr));
  }
  writeFileSync(join(folder, "bin/systemctl"), '#!/bin/sh\necho "systemctl $*"\n', { mode: 0o755 });
  const { status, stdout, stderr } = spawnSync("sh", ["-s"], {
    input: certificateCheck(),
    encoding: "utf8",
    env: {
      PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
      TLS_FOLDER: join(folder, "server"),
      AGENT_FOLDER: join(folder, "agent"),
    },
  });
  assert.equal(status, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "");
}

test("k3s is restarted while a certificate of it has less than 120 days", (t) => {
  const [reason, restart, ...more] = check(t, {
    "server/serving-kube-apiserver.crt": 300,
    "server/client-admin.crt": 119,
  });
  assert.match(reason ?? "", /server\/client-admin\.crt ends soon: restarting k3s$/);
  assert.equal(restart, "systemctl restart k3s");
  assert.deepEqual(more, [], "once");
  assert.equal(check(t, { "agent/serving-kubelet.crt": 60 }).at(-1), "systemctl restart k3s");
});

test("k3s is left alone while its certificates last; its authorities are nothing that a restart renews", (t) => {
  assert.deepEqual(
    check(t, { "server/client-admin.crt": 121, "server/server-ca.crt": 10, "agent/client-ca.crt": 10 }),
    [],
  );
  assert.deepEqual(check(t, {}), []);
});
