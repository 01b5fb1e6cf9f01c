/**
 * The first script on the seed: nothing else may run there before its first boot is over. That cloud-init ends so is
 * shown in the lab.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runShell, type ShellRun, temporaryFolder } from "../support/shell.ts";

const USER = userInfo().username;

interface Boot {
  /** What `cloud-init status --wait` does. */
  readonly cloudInit: string;
  readonly keys?: readonly string[];
  /** What `getent passwd` does. Default: the user has a home. */
  readonly getent?: string;
  readonly seconds?: number;
}

function boot(context: TestContext, { cloudInit, keys = [], getent, seconds = 30 }: Boot) {
  const folder = temporaryFolder(context);
  const home = join(folder, "home");
  mkdirSync(join(home, ".ssh"), { recursive: true });
  writeFileSync(join(home, ".ssh/authorized_keys"), "cloud-init's\n");
  writeFileSync(join(home, ".ssh/authorized_keys2"), "ssh-ed25519 AAAA taken out of the configuration\n");
  const entry = `echo "$2:x:1000:1000::${home}:/bin/bash"`;
  const run = (): ShellRun =>
    runShell(folder, {
      files: ["seed-ready"],
      variables: { PROXY: "", SEED_USER: USER, AUTHORIZED_KEYS: keys, READY_SECONDS: seconds },
      programs: {
        "cloud-init": `case "$*" in "status --wait") ${cloudInit} ;; *) echo "status: error" ;; esac`,
        getent: getent?.replace("ENTRY", entry) ?? entry,
        chown: "",
        sleep: "",
      },
      run: "on_create",
    });
  return { run, home };
}

test("the seed is ready only once cloud-init has ended its first boot", (context) => {
  const { run } = boot(context, {
    cloudInit: 'touch "$HOME/booted"',
    getent: '[[ -e $HOME/booted ]] || echo "asked before the end of the boot" >&2; ENTRY',
  });
  const { code, stdout, stderr, calls } = run();
  assert.deepEqual([code, stdout, stderr], [0, "ready\n", ""]);
  assert.equal(calls[0], "cloud-init status --wait");
});

test("a first boot with warnings that cloud-init recovered from (2) is good enough", (context) => {
  const { code, stdout } = boot(context, { cloudInit: "exit 2" }).run();
  assert.deepEqual([code, stdout], [0, "ready\n"]);
});

const failures: [string, Boot, RegExp][] = [
  [
    "that failed",
    { cloudInit: "exit 1" },
    /^status: error\nerror: cloud-init failed on the seed; see \/var\/log\/cloud-init\.log there\n$/,
  ],
  [
    "that does not end",
    { cloudInit: "exec tail --follow /dev/null", seconds: 1 },
    /^error: cloud-init has not finished within 1 s; see \/var\/log\/cloud-init\.log on the seed\n$/,
  ],
  [
    "that made no such user",
    { cloudInit: "", getent: "exit 2", seconds: 0 },
    /^error: the image has made no user \S+ \(setting seed\.user\)\n$/,
  ],
];
for (const [what, given, message] of failures) {
  test(`a first boot ${what} is an error with what to look at`, (context) => {
    const { code, stdout, stderr } = boot(context, given).run();
    assert.deepEqual([code, stdout], [70, ""]);
    assert.match(stderr, message);
  });
}

test("a user who is made a moment later is waited for", (context) => {
  const { run } = boot(context, {
    cloudInit: "",
    getent: 'echo x >> "$HOME/asked"; (($(wc -l < "$HOME/asked") > 2)) || exit 2; ENTRY',
  });
  assert.equal(run().code, 0);
});

test("the further login keys are the user's own file, beside cloud-init's, and go when none is left", (context) => {
  const { run, home } = boot(context, { cloudInit: "", keys: ["ssh-ed25519 AAAA one", "ssh-rsa BBBB it's"] });
  const { code, stderr, calls } = run();
  const file = join(home, ".ssh/authorized_keys2");
  assert.equal(code, 0, stderr);
  assert.equal(readFileSync(file, "utf8"), "ssh-ed25519 AAAA one\nssh-rsa BBBB it's\n");
  // sshd ignores a file that others may write.
  assert.deepEqual([statSync(file).mode & 0o777, statSync(join(home, ".ssh")).mode & 0o777], [0o600, 0o700]);
  assert.ok(calls.includes(`chown ${USER}: ${file}`));
  assert.equal(readFileSync(join(home, ".ssh/authorized_keys"), "utf8"), "cloud-init's\n");

  const none = boot(context, { cloudInit: "" });
  assert.equal(none.run().code, 0);
  assert.throws(() => statSync(join(none.home, ".ssh/authorized_keys2")), { code: "ENOENT" });
  assert.equal(readFileSync(join(none.home, ".ssh/authorized_keys"), "utf8"), "cloud-init's\n");
});
