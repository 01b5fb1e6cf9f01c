/**
 * bin/seed-ssh with stand-ins for pulumi and ssh. That a seed lets it in is shown in the lab.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { deriveHostKey } from "../../lib/openssh.ts";
import { keyFolder, seedTarget, sshArguments } from "../../lib/seed-ssh.ts";
import { COMPILED } from "../support/compiled.ts";
import { temporaryFolder } from "../support/shell.ts";

const PROGRAM = join(import.meta.dirname, "../../bin/seed-ssh");
const OUTPUTS = {
  seedAddress: "203.0.113.7",
  seedUser: "ubuntu",
  seedSshPrivateKey: "-----BEGIN KEY-----\nplanted\n-----END KEY-----",
};

test("the host key expected is the one that the stack's program gave the seed", () => {
  const to = seedTarget("prod", OUTPUTS);
  const { publicKey } = deriveHostKey(OUTPUTS.seedSshPrivateKey, "capi-mgmt-prod-seed");
  assert.equal(to.knownHost, `203.0.113.7 ${publicKey}\n`);
  assert.throws(() => seedTarget("prod", { ...OUTPUTS, seedAddress: undefined }), {
    message: "stack prod has no output seedAddress: its deployment has not come that far",
  });
});

test("several words are quoted, one word is a line for the shell over there", () => {
  const to = seedTarget("prod", OUTPUTS);
  assert.equal(sshArguments(to, "/f", ["sh", "-c", "a b"]).at(-1), "'sh' '-c' 'a b'");
  assert.equal(sshArguments(to, "/f", ["a | b"]).at(-1), "a | b");
  assert.equal(sshArguments(to, "/f", []).at(-1), "ubuntu@203.0.113.7");
});

test("a bastion is a hop of its own, with its own key and its own host key", (t) => {
  const seedBastion = {
    ...{ host: "bastion.example.org", port: 2222, user: "jump" },
    privateKey: "-----BEGIN KEY-----\nbastion's\n-----END KEY-----",
    hostKey: "ssh-ed25519 AAAAbastion",
  };
  const to = seedTarget("prod", { ...OUTPUTS, seedBastion });
  const { folder, remove } = keyFolder(to);
  t.after(remove);
  const knownHosts = readFileSync(join(folder, "bastion_known_hosts"), "utf8");
  assert.equal(knownHosts, "[bastion.example.org]:2222 ssh-ed25519 AAAAbastion\n");
  assert.match(readFileSync(join(folder, "bastion_key"), "utf8"), /bastion's\n/);
  const hop = sshArguments(to, folder, []).find((word) => word.startsWith("ProxyCommand="));
  // What ssh would run, as a shell sees its words.
  const line = `printf '%s\\n' ${hop?.slice("ProxyCommand=".length)}`;
  const said = spawnSync("sh", ["-c", line], { encoding: "utf8" }).stdout.split("\n");
  const expected = [
    `IdentityFile=${folder}/bastion_key`,
    "StrictHostKeyChecking=yes",
    "2222",
    "jump@bastion.example.org",
  ];
  for (const word of [...expected, "[%h]:%p"]) assert.ok(said.includes(word), word);
  const direct = sshArguments(seedTarget("prod", OUTPUTS), folder, []);
  assert.equal(
    direct.some((word) => word.includes("ProxyCommand")),
    false,
  );
});

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly folder: string;
}

function run(
  context: TestContext,
  args: string[],
  programs: Record<string, string>,
  more: { PATH?: string; PULUMI_STACK?: string } = {},
): Run {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, "bin"));
  mkdirSync(join(folder, "tmp"));
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(folder, "bin", name), `#!/bin/bash\n${body}\n`, { mode: 0o755 });
  }
  const env = {
    ...COMPILED,
    PATH: `${join(folder, "bin")}${more.PATH ?? ":/usr/bin:/bin"}`,
    HOME: folder,
    TMPDIR: join(folder, "tmp"),
    PULUMI_BACKEND_URL: "file:///nowhere",
    ...(more.PULUMI_STACK === undefined ? {} : { PULUMI_STACK: more.PULUMI_STACK }),
  };
  const result = spawnSync(PROGRAM, args, { env, encoding: "utf8" });
  return { status: result.status, stdout: result.stdout, stderr: result.stderr, folder };
}

const PULUMI = `cat << 'END'\n${JSON.stringify(OUTPUTS)}\nEND`;

test("ssh finds the key and the pinned host in files of its own, which are gone afterwards", (context) => {
  const ssh = `
    for word; do case $word in IdentityFile=*) key=\${word#*=} ;; UserKnownHostsFile=*) hosts=\${word#*=} ;; esac; done
    { stat -c %a "$key" "$hosts"; cat "$key" "$hosts"; } > "$HOME/seen"
    echo "$*" > "$HOME/arguments"
    exit 7`;
  const result = run(context, ["prod", "--", "hostname"], { pulumi: PULUMI, ssh });
  assert.equal(result.status, 7, result.stderr);
  assert.equal(
    readFileSync(join(result.folder, "seen"), "utf8"),
    `600\n600\n${OUTPUTS.seedSshPrivateKey}\n${seedTarget("prod", OUTPUTS).knownHost}`,
  );
  const args = readFileSync(join(result.folder, "arguments"), "utf8");
  assert.match(args, /StrictHostKeyChecking=yes/);
  assert.match(args, /ubuntu@203\.0\.113\.7 hostname\n$/);
  assert.doesNotMatch(args, /planted/);
  assert.deepEqual(readdirSync(join(result.folder, "tmp")), []);
});

test("what follows -- is the command's, dashes and all, and the stack may come from the environment", (context) => {
  const ssh = 'echo "$*"';
  const programs = { pulumi: PULUMI, ssh };
  const dashes = run(context, ["prod", "--", "ls", "--", "--help"], programs);
  assert.match(dashes.stdout, /ubuntu@203\.0\.113\.7 'ls' '--' '--help'\n$/, dashes.stderr);
  const shell = run(context, [], programs, { PULUMI_STACK: "prod" });
  assert.match(shell.stdout, /ubuntu@203\.0\.113\.7\n$/, shell.stderr);
});

test("without ssh the exit code is ssh's own for a failed connection", (context) => {
  const passOn = (program: string) => `exec ${program} "$@"`;
  const programs = {
    pulumi: PULUMI.replace("cat", "/bin/cat"),
    bash: passOn("/bin/bash"),
    dirname: passOn("/usr/bin/dirname"),
  };
  const result = run(context, ["prod"], programs, { PATH: "" });
  assert.equal(result.status, 255);
  assert.match(result.stderr, /^bin\/seed-ssh: ssh cannot be run: /);
});

test("what cannot be done is reported in a line, with the documented exit code", (context) => {
  const unknown = run(context, ["nope"], { pulumi: "echo 'error: no stack named nope found' >&2; exit 1" });
  assert.deepEqual(
    [unknown.status, unknown.stderr],
    [1, "bin/seed-ssh: pulumi stack output --stack nope: error: no stack named nope found\n"],
  );
  const empty = run(context, ["prod"], { pulumi: "echo '{}'" });
  assert.deepEqual(
    [empty.status, empty.stderr],
    [1, "bin/seed-ssh: stack prod has no outputs: deploy it first\n"],
  );
  for (const [words, message] of [
    [["a", "b"], "give at most one stack, not a b"],
    [["--verbose"], "Unknown option '--verbose'"],
    [[], "which stack? Name it, or set PULUMI_STACK"],
  ] as const) {
    const wrong = run(context, [...words], {});
    assert.equal(wrong.status, 64);
    assert.ok(wrong.stderr.startsWith(`bin/seed-ssh: ${message}`), wrong.stderr);
    assert.match(wrong.stderr, /\nUsage: bin\/seed-ssh/);
  }
});
