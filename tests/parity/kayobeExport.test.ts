/**
 * bin/kayobe-export on a stack whose state the real Pulumi CLI wrote, with the outputs read by that CLI, by the embedded
 * engine, and from what the CLI prints. Needs no lab; without the CLI every test is skipped.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { kayobeConfig, outputs } from "../kayobe/support.ts";
import { project } from "../support/lab.ts";
import { noRealPulumi } from "../support/realPulumi.ts";

const STACK = "handover";
/** How a state marks a secret, and a secret whose text is not encrypted yet. */
const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };
const path = process.env["PATH"] ?? "";
const folders = path.split(delimiter).filter((folder) => existsSync(join(folder, "pulumi")));

describe("bin/kayobe-export and the real Pulumi CLI", { skip: noRealPulumi() }, () => {
  const scratch = mkdtempSync(join(tmpdir(), "kayobe-export-parity-"));
  const copy = join(scratch, "project");
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    PULUMI_HOME: join(scratch, "home"),
    PULUMI_BACKEND_URL: `file://${join(scratch, "state")}`,
    PULUMI_CONFIG_PASSPHRASE_FILE: join(scratch, "passphrase"),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ANSIBLE_VAULT: join(project, "tests/kayobe/ansible-vault"),
  };
  delete environment["PULUMI_CONFIG_PASSPHRASE"];
  const repository = kayobeConfig(join(scratch, "kayobe-config"));
  const file = join(repository, "etc/kayobe/kolla/config/magnum/kubeconfig");

  const run = (program: string, args: readonly string[], changes: NodeJS.ProcessEnv = {}, input = "") =>
    spawnSync(program, args, {
      cwd: copy,
      env: { ...environment, ...changes },
      encoding: "utf8",
      input,
    });
  const pulumi = (...args: string[]) => {
    const done = run("pulumi", ["--non-interactive", ...args]);
    assert.equal(done.status, 0, `pulumi ${args.join(" ")}: ${done.stdout}${done.stderr}`);
    return done.stdout;
  };
  const exported = (more: readonly string[] = [], changes: NodeJS.ProcessEnv = {}, input = "") =>
    run(
      join(copy, "bin/kayobe-export"),
      [
        ...[STACK, "--kayobe-config", repository, "--vault-password-file", join(scratch, "password")],
        ...["--chart-repository", "https://charts.example.com", ...more],
      ],
      changes,
      input,
    );
  /** The outputs of `tests/kayobe/support.ts` in the stack's state, as a deployment leaves them. */
  const deploy = (token: string) => {
    const state = JSON.parse(pulumi("stack", "export", "--stack", STACK)) as {
      deployment: Record<string, unknown>;
    };
    const { magnumKubeconfig, ...plain } = JSON.parse(outputs(token)) as Record<string, unknown>;
    const secret = { ...SECRET, plaintext: JSON.stringify(magnumKubeconfig) };
    const type = "pulumi:pulumi:Stack";
    state.deployment["resources"] = [
      {
        urn: `urn:pulumi:${STACK}::capi-mgmt::${type}::capi-mgmt-${STACK}`,
        custom: false,
        type,
        outputs: { ...plain, magnumKubeconfig: secret },
      },
    ];
    const given = join(scratch, "state.json");
    writeFileSync(given, JSON.stringify(state), { mode: 0o600 });
    pulumi("stack", "import", "--stack", STACK, "--file", given);
  };

  before(() => {
    // A copy, because the CLI writes the stack's salt into Pulumi.handover.yaml.
    const files = spawnSync("git", ["ls-files", "-co", "--exclude-standard"], {
      cwd: project,
      encoding: "utf8",
    });
    for (const name of files.stdout
      .trim()
      .split("\n")
      .filter((name) => existsSync(join(project, name)))) {
      mkdirSync(dirname(join(copy, name)), { recursive: true });
      cpSync(join(project, name), join(copy, name));
    }
    symlinkSync(join(project, "node_modules"), join(copy, "node_modules"));
    mkdirSync(join(scratch, "state"));
    writeFileSync(join(scratch, "passphrase"), "of the test\n", { mode: 0o600 });
    writeFileSync(join(scratch, "password"), "of the vault\n", { mode: 0o600 });
    pulumi("stack", "init", STACK, "--secrets-provider", "passphrase");
  });
  after(() => rmSync(scratch, { recursive: true, force: true }));

  test("a stack that has not been deployed is told, and nothing is written", () => {
    const none = exported();
    assert.equal(none.status, 1);
    assert.match(none.stderr, /stack handover has no outputs: deploy it first/);
    assert.ok(!existsSync(file));
  });

  test("the CLI's outputs, the embedded engine's and a file of them give the same file", () => {
    deploy("token-1");
    const first = exported();
    assert.equal(first.status, 0, first.stderr);
    assert.match(first.stdout, /kubeconfig: written/);
    const content = readFileSync(file, "utf8");

    const without = path.split(delimiter).filter((folder) => !folders.includes(folder));
    const engine = exported(["--check"], { PATH: without.join(delimiter) });
    assert.equal(engine.status, 0, engine.stdout + engine.stderr);
    const printed = pulumi("stack", "output", "--stack", STACK, "--json", "--show-secrets");
    const piped = exported(["--outputs", "-", "--check"], {}, printed);
    assert.equal(piped.status, 0, piped.stdout + piped.stderr);
    assert.equal(exported().status, 0);
    assert.equal(readFileSync(file, "utf8"), content);
  });

  test("a later deployment is stale for --check and taken over by the next run", () => {
    deploy("token-2");
    const check = exported(["--check"]);
    assert.equal(check.status, 2, check.stderr);
    assert.match(check.stdout, /kubeconfig: stale\n {2}other token\n/);
    assert.equal(exported().status, 0);
    assert.equal(exported(["--check"]).status, 0);
  });

  test("what the CLI refuses is told with its words: another passphrase, no such stack", () => {
    const before = readFileSync(file, "utf8");
    writeFileSync(join(scratch, "other"), "another\n");
    const wrong = exported([], { PULUMI_CONFIG_PASSPHRASE_FILE: join(scratch, "other") });
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /pulumi stack output --stack handover: [^]*passphrase/);
    const hidden = exported(["--outputs", "-"], {}, pulumi("stack", "output", "--stack", STACK, "--json"));
    assert.equal(hidden.status, 1);
    assert.match(hidden.stderr, /its secrets are hidden; add --show-secrets/);
    pulumi("stack", "rm", STACK, "--yes", "--force", "--preserve-config");
    const gone = exported();
    assert.equal(gone.status, 1);
    assert.match(gone.stderr, /no stack named 'handover' found/);
    assert.equal(readFileSync(file, "utf8"), before);
  });
});
