/**
 * bin/kayobe-export as an operator runs it: what it writes, leaves alone and refuses. The vault is a stand-in of the
 * same format; tests/lab/handover.test.ts runs the real ansible-vault and kolla-ansible on the result.
 */
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { EXIT } from "../../lib/command-error.ts";
import { Vault } from "../../kayobe/vault.ts";
import { folder, kayobeConfig, outputs, runCommand } from "./support.ts";

const ANSIBLE_VAULT = join(import.meta.dirname, "ansible-vault");
const REPOSITORY = ["--chart-repository", "https://charts.example.com"];

function site(context: TestContext, ...environments: string[]) {
  const root = folder(context);
  const repository = kayobeConfig(join(root, "kayobe-config"), ...environments);
  const passwordFile = join(root, "password");
  writeFileSync(passwordFile, "one\n");
  const run = (more: string[], stdin: string, password = passwordFile) =>
    runCommand(
      "kayobe-export",
      [
        "test",
        "--kayobe-config",
        repository,
        "--vault-password-file",
        password,
        "--outputs",
        "-",
        ...REPOSITORY,
        ...more,
      ],
      stdin,
      { ANSIBLE_VAULT },
    );
  const kollaConfig = join(
    repository,
    "etc",
    "kayobe",
    ...(environments[0] ? ["environments", environments[0]] : []),
    "kolla",
    "config",
  );
  const kubeconfig = join(kollaConfig, "magnum", "kubeconfig");
  const plain = () =>
    new Vault({ passwordFile, program: ANSIBLE_VAULT }).decrypt(readFileSync(kubeconfig, "utf8"));
  return { root, repository, run, kubeconfig, conf: join(kollaConfig, "magnum.conf"), passwordFile, plain };
}

test("writes both files, the kubeconfig encrypted and closed to others, and says the next command", async (t) => {
  const { run, kubeconfig, conf, plain } = site(t, "prod");
  const done = await run(["--environment", "prod"], outputs("token-1"));
  assert.equal(done.code, EXIT.ok, done.stderr);
  assert.match(done.stdout, /environments\/prod\/kolla\/config\/magnum\/kubeconfig: written\n/);
  assert.match(
    done.stdout,
    /source kayobe-env --environment prod\nkayobe overcloud service reconfigure -kt magnum\n$/,
  );
  assert.match(readFileSync(kubeconfig, "utf8"), /^\$ANSIBLE_VAULT;1\.1;AES256\n[0-9a-f\n]+\n$/);
  assert.equal(statSync(kubeconfig).mode & 0o777, 0o600);
  assert.equal(
    await plain(),
    (JSON.parse(outputs("token-1")) as { magnumKubeconfig: string }).magnumKubeconfig,
  );
  assert.match(readFileSync(conf, "utf8"), /^helm_chart_repo = https:\/\/charts\.example\.com$/m);
  assert.deepEqual(readdirSync(dirname(kubeconfig)), ["kubeconfig"], "nothing is left beside the file");
});

test("the same content leaves both files untouched; a new token is told and replaces the old", async (t) => {
  const { run, kubeconfig, conf, plain } = site(t);
  await run([], outputs("token-1"));
  const before = [kubeconfig, conf].map((file) => [readFileSync(file, "utf8"), statSync(file).ino]);
  const again = await run([], outputs("token-1"));
  assert.deepEqual(
    [kubeconfig, conf].map((file) => [readFileSync(file, "utf8"), statSync(file).ino]),
    before,
  );
  assert.equal(again.stdout.match(/: unchanged/g)?.length, 2);
  assert.doesNotMatch(again.stdout, /reconfigure/);

  const check = await run(["--check"], outputs("token-2"));
  assert.equal(check.code, EXIT.no);
  assert.match(check.stdout, /kubeconfig: stale\n {2}other token\n/);
  assert.equal(readFileSync(kubeconfig, "utf8"), before[0]?.[0], "--check writes nothing");
  const changed = await run([], outputs("token-2"));
  assert.equal(changed.code, EXIT.ok);
  assert.match(await plain(), /token: token-2/);
  assert.equal((await run(["--check"], outputs("token-2"))).code, EXIT.ok);
});

test("permissions that a clone opened are closed, and are not what --check looks at", async (t) => {
  const { run, kubeconfig } = site(t);
  await run([], outputs("token-1"));
  chmodSync(kubeconfig, 0o644);
  assert.equal((await run(["--check"], outputs("token-1"))).code, EXIT.ok);
  await run([], outputs("token-1"));
  assert.equal(statSync(kubeconfig).mode & 0o777, 0o600);
});

test("a missing file is stale", async (t) => {
  const { run, kubeconfig } = site(t);
  assert.equal((await run(["--check"], outputs("token-1"))).code, EXIT.no);
  assert.ok(!existsSync(kubeconfig));
});

test("a file that is not encrypted, or with another password, is refused and kept unless told", async (t) => {
  const { root, run, kubeconfig, plain } = site(t);
  mkdirSync(dirname(kubeconfig), { recursive: true });
  writeFileSync(kubeconfig, "apiVersion: v1\n");
  const unencrypted = await run([], outputs("token-1"));
  assert.equal(unencrypted.code, EXIT.refused);
  assert.match(
    unencrypted.stderr,
    /is there and not encrypted with Ansible Vault; to replace it, say --replace/,
  );
  assert.equal(readFileSync(kubeconfig, "utf8"), "apiVersion: v1\n");

  const other = join(root, "other");
  writeFileSync(other, "two\n");
  assert.equal((await run(["--replace"], outputs("token-1"), other)).code, EXIT.ok);
  const before = readFileSync(kubeconfig, "utf8");
  const wrong = await run([], outputs("token-1"));
  assert.equal(wrong.code, EXIT.refused);
  assert.match(wrong.stderr, /was encrypted with another vault password/);
  assert.equal(readFileSync(kubeconfig, "utf8"), before);
  assert.equal((await run(["--replace"], outputs("token-1"))).code, EXIT.ok);
  assert.match(await plain(), /token-1/);
});

test("magnum.conf of the operator keeps everything else", async (t) => {
  const { run, conf } = site(t);
  const own =
    "# ours\n[DEFAULT]\ndebug = True\n\n[capi_helm]\ndefault_helm_chart_version = 0.10.1\n\n[nova_client]\nendpoint_type = publicURL\n";
  mkdirSync(dirname(conf), { recursive: true });
  writeFileSync(conf, own);
  chmodSync(conf, 0o640);
  const done = await run([], outputs("token-1"));
  assert.match(done.stdout, /\[capi_helm\] default_helm_chart_version: 0\.10\.1 → 0\.27\.0/);
  const text = readFileSync(conf, "utf8");
  for (const line of own.split("\n").filter((line) => !line.startsWith("default_helm")))
    assert.ok(text.includes(line));
  assert.equal(statSync(conf).mode & 0o777, 0o640);
  writeFileSync(conf, own);
  await run(["--no-magnum-conf"], outputs("token-2"));
  assert.equal(readFileSync(conf, "utf8"), own);
});

test("a symbolic link stays one", async (t) => {
  const { root, run, kubeconfig } = site(t);
  const elsewhere = join(root, "elsewhere");
  writeFileSync(elsewhere, "plain");
  mkdirSync(dirname(kubeconfig), { recursive: true });
  symlinkSync(elsewhere, kubeconfig);
  assert.equal((await run(["--replace"], outputs("token-1"))).code, EXIT.ok);
  assert.match(readFileSync(elsewhere, "utf8"), /^\$ANSIBLE_VAULT/);
});

test("requirements that are not met are told, both at once, and the old file stays", async (t) => {
  const { run, kubeconfig } = site(t);
  await run([], outputs("token-1"));
  const before = readFileSync(kubeconfig, "utf8");
  const away = outputs("s3cret").replace("https://192.0.2.1:6443", "https://127.0.0.1:1");
  for (const more of [[], ["--check"]]) {
    const { code, stderr } = await run(["--check-reachable", ...more], away);
    assert.equal(code, EXIT.failed);
    assert.match(stderr, /https:\/\/127\.0\.0\.1:1: connection refused: the cluster's API is down/);
    assert.match(stderr, /stack test has no output seedAddress/);
    assert.doesNotMatch(stderr, /s3cret/);
  }
  assert.equal(readFileSync(kubeconfig, "utf8"), before);
});

test("bad input is told by name, before anything is written", async (t) => {
  const { root, repository, run, kubeconfig, passwordFile } = site(t, "prod");
  const bare = (args: string[], environment: NodeJS.ProcessEnv = {}, stdin = "") =>
    runCommand("kayobe-export", args, stdin, { ANSIBLE_VAULT, ...environment });
  const named = ["--vault-password-file", passwordFile, "--outputs", "-"];
  const CASES: [Promise<{ code: number | null; stderr: string }>, number, RegExp][] = [
    [bare([]), EXIT.usage, /give one stack/],
    [bare(["test"]), EXIT.usage, /--kayobe-config is missing/],
    [bare(["test", "--nonsense"]), EXIT.usage, /--nonsense/],
    [bare(["test", "--kayobe-config", repository]), EXIT.usage, /--vault-password-file is missing/],
    [bare(["test", "--kayobe-config", join(root, "none"), ...named]), EXIT.failed, /none: no such folder/],
    [
      bare(["test", "--kayobe-config", root, ...named]),
      EXIT.failed,
      /not a kayobe-config repository \(a kayobe-config repository has etc\/kayobe\/kolla\.yml\)/,
    ],
    [
      bare(["test", "--kayobe-config", join(repository, "etc", "kayobe"), ...named]),
      EXIT.failed,
      /give the repository, two folders up/,
    ],
    [
      run(["--environment", "staging"], outputs("t")),
      EXIT.failed,
      /no environment staging \(there are: prod\)/,
    ],
    [run([], outputs("t"), join(root, "absent")), EXIT.failed, /vault password file .*absent: no such file/],
    [run([], outputs("t"), root), EXIT.failed, /vault password file .*: not a file/],
    [run([], "{}"), EXIT.failed, /the stack has no outputs/],
    [run([], "s3cret, no JSON"), EXIT.failed, /standard input: not JSON/],
    [
      run([], JSON.stringify({ clusterName: "x" })),
      EXIT.failed,
      /no output magnumKubeconfig: its deployment has not come that far/,
    ],
    [run([], JSON.stringify({ magnumKubeconfig: "[secret]" })), EXIT.failed, /add --show-secrets/],
    [run([], outputs("t", { versions: {} })), EXIT.failed, /does not tell its chart's version/],
    [
      run([], outputs("t", { magnumKubeconfig: "a: [s3cret" })),
      EXIT.failed,
      /cannot be used by magnum-capi-helm: the kubeconfig is not YAML/,
    ],
    [
      bare(
        ["test", "--kayobe-config", repository, ...named, ...REPOSITORY],
        { ANSIBLE_VAULT: "/no/such/program" },
        outputs("t"),
      ),
      EXIT.failed,
      /is not installed: activate the virtual environment/,
    ],
  ];
  for (const [result, code, message] of CASES) {
    const { code: found, stderr } = await result;
    assert.match(stderr, message);
    assert.equal(found, code, stderr);
    assert.doesNotMatch(stderr, /s3cret|^ {4}at /m);
  }
  assert.ok(!existsSync(kubeconfig));
});
