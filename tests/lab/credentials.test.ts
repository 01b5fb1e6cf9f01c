/**
 * A new application credential in the place of the old one (docs/credentials.md), and what is left to do when the old one
 * is gone first.
 *
 * Works on stack `lab`: deploys it if it is not there, and ends with the lab's own credential. Does not prove that the
 * cloud controller manager and Cinder's driver in the cluster are restarted: the lab has no reloader.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse, stringify } from "yaml";
import { loadSecrets } from "../../lab/services/secrets.ts";
import { paths, projectName } from "../../lab/site.ts";
import { command, enterLab, lab, output, project } from "../support/lab.ts";
import { runWith } from "../support/labStack.ts";

interface Clouds {
  clouds: Record<string, { auth: Record<string, string>; auth_type?: string }>;
}

describe("a new credential", { skip: process.getuid?.() === 0 ? false : "the lab needs root" }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "credentials-test-"));
  const made: string[] = [];
  /** clouds.yaml with the project's user by password: an application credential may make no other. */
  const user = join(scratch, "user.yaml");
  const asUser = (...args: string[]) =>
    output("openstack", ["--os-cloud", "user", ...args], { env: { OS_CLIENT_CONFIG_FILE: user } });

  before(() => {
    enterLab();
    const { clouds } = parse(readFileSync(paths.clouds, "utf8")) as Clouds;
    const entry = clouds["openstack"];
    assert.ok(entry !== undefined);
    const auth = {
      auth_url: entry.auth["auth_url"] ?? "",
      username: projectName,
      password: loadSecrets().userPassword,
      project_name: projectName,
      user_domain_id: "default",
      project_domain_id: "default",
    };
    const byPassword = { ...entry, auth_type: "password", auth };
    writeFileSync(user, stringify({ clouds: { user: byPassword } }), { mode: 0o600 });
    const up = lab("up", "--stack", "lab");
    assert.equal(up.status, 0, up.stdout.slice(-6000) + up.stderr.slice(-3000));
  });
  after(async () => {
    const up = await runWith("up", "lab", {});
    for (const id of made) {
      command("openstack", ["--os-cloud", "user", "application", "credential", "delete", id], {
        env: { OS_CLIENT_CONFIG_FILE: user },
      });
    }
    rmSync(scratch, { recursive: true, force: true });
    assert.equal(up.exitCode, 0, up.printed.slice(-4000));
  });

  /** A clouds.yaml with a credential that has just been made. */
  function create(name: string): { id: string; file: string } {
    const text = asUser("application", "credential", "create", `${name}-${process.pid}`, "-f", "json");
    const { ID: id, Secret: secret } = JSON.parse(text) as { ID: string; Secret: string };
    assert.ok(id !== undefined && secret !== undefined, "the client prints other fields than ID and Secret");
    made.push(id);
    const document = parse(readFileSync(paths.clouds, "utf8")) as Clouds;
    const auth = document.clouds["openstack"]?.auth;
    assert.ok(auth !== undefined);
    auth["application_credential_id"] = id;
    auth["application_credential_secret"] = secret;
    const file = join(scratch, `${name}.yaml`);
    writeFileSync(file, stringify(document), { mode: 0o600 });
    return { id, file };
  }
  const remove = (id: string) => asUser("application", "credential", "delete", id);
  const up = (file: string) => runWith("up", "lab", {}, { OS_CLIENT_CONFIG_FILE: file });
  const refresh = () => lab("refresh", "--stack", "lab");

  let second = { id: "", file: "" };

  test("is taken over by one up, and rolls no machine", async () => {
    const machines = () =>
      output(join(project, "bin/seed-ssh"), ["lab", "--", "kubectl", "get", "machines", "-A", "-o", "name"]);
    const before = machines();
    const first = create("first");
    second = create("second");
    for (const { file } of [first, second]) {
      const done = await up(file);
      assert.equal(done.exitCode, 0, done.printed.slice(-6000));
    }
    remove(first.id);
    assert.equal(machines(), before);
    const secret = "capi-mgmt-lab-cloud-credentials";
    const kept = output(join(project, "bin/seed-ssh"), [
      ...["lab", "--", "kubectl", "get", "secret", secret, "-o", "jsonpath='{.data.clouds\\.yaml}'"],
    ]);
    assert.ok(Buffer.from(kept, "base64").toString().includes(second.id));
  });

  test("serves alone once the old one is deleted: nothing to do, and a refresh works", async () => {
    const again = await up(second.file);
    assert.equal(again.exitCode, 0, again.printed.slice(-4000));
    assert.deepEqual(
      Object.keys(again.counts).filter((op) => op !== "read"),
      ["same"],
    );
    const done = refresh();
    assert.equal(done.status, 0, done.stdout.slice(-3000) + done.stderr.slice(-3000));
  });

  test("one that is deleted first stops a refresh, which reads it from the state; one up leads out", async () => {
    remove(second.id);
    const stopped = refresh();
    assert.notEqual(stopped.status, 0);
    assert.match(stopped.stdout + stopped.stderr, /401|[Aa]uthenticat/);
    const third = create("third");
    const done = await up(third.file);
    assert.equal(done.exitCode, 0, done.printed.slice(-6000));
    const after = refresh();
    assert.equal(after.status, 0, after.stdout.slice(-3000) + after.stderr.slice(-3000));
  });
});
