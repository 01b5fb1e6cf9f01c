/**
 * bin/seed-ssh with stand-ins for pulumi and ssh. That a seed lets it in is shown in the lab.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { parse, sshArguments, target } from "../../bin/seed-ssh.ts";
import { deriveHostKey } from "../../lib/openssh.ts";
import { temporaryFolder } from "../support/shell.ts";

const PROGRAM = join(import.meta.dirname, "../../bin/seed-ssh");
const OUTPUTS = {
  seedAddress: "203.0.113.7",
  seedUser: "ubuntu",
  seedSshPrivateKey: "-----BEGIN KEY-----\nplanted\n-----END KEY-----",
};

const words: [string[], ReturnType<typeof parse>][] = [
  [[], { stack: undefined, command: [] }],
  [["prod"], { stack: "prod", command: [] }],
  [["prod", "--", "kubectl", "get", "nodes"], { stack: "prod", command: ["kubectl", "get", "nodes"] }],
  [["--", "true"], { stack: undefined, command: ["true"] }],
  [["prod", "--", "ls", "--", "-x"], { stack: "prod", command: ["ls", "--", "-x"] }],
  [["prod", "dev"], undefined],
  [["--verbose"], undefined],
];
for (const [given, expected] of words) {
  test(`words ${JSON.stringify(given)}`, () => assert.deepEqual(parse(given), expected));
}

test("the host key expected is the one that the stack's program gave the seed", () => {
  const to = target("prod", OUTPUTS);
  const { publicKey } = deriveHostKey(OUTPUTS.seedSshPrivateKey, "capi-mgmt-prod-seed");
  assert.equal(to.knownHost, `203.0.113.7 ${publicKey}\n`);
  assert.throws(() => target("prod", { ...OUTPUTS, seedAddress: undefined }), {
    message: "stack prod has no output seedAddress: its seed is not deployed",
  });
});

test("several words are quoted, one word is a line for the shell over there", () => {
  const to = target("prod", OUTPUTS);
  assert.equal(sshArguments(to, "/f", ["sh", "-c", "a b"]).at(-1), "'sh' '-c' 'a b'");
  assert.equal(sshArguments(to, "/f", ["a | b"]).at(-1), "a | b");
  assert.equal(sshArguments(to, "/f", []).at(-1), "ubuntu@203.0.113.7");
});

interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly folder: string;
}

function run(context: TestContext, args: string[], programs: Record<string, string>): Run {
  const folder = temporaryFolder(context);
  mkdirSync(join(folder, "bin"));
  mkdirSync(join(folder, "tmp"));
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(folder, "bin", name), `#!/bin/bash\n${body}\n`, { mode: 0o755 });
  }
  const env = {
    PATH: `${join(folder, "bin")}:/usr/bin:/bin`,
    HOME: folder,
    TMPDIR: join(folder, "tmp"),
    PULUMI_BACKEND_URL: "file:///nowhere",
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
    `600\n600\n${OUTPUTS.seedSshPrivateKey}\n${target("prod", OUTPUTS).knownHost}`,
  );
  const args = readFileSync(join(result.folder, "arguments"), "utf8");
  assert.match(args, /StrictHostKeyChecking=yes/);
  assert.match(args, /ubuntu@203\.0\.113\.7 hostname\n$/);
  assert.doesNotMatch(args, /planted/);
  assert.deepEqual(readdirSync(join(result.folder, "tmp")), []);
});

test("what cannot be done is told in a line, with the documented exit code", (context) => {
  const unknown = run(context, ["nope"], { pulumi: "echo 'error: no stack named nope found' >&2; exit 1" });
  assert.deepEqual(
    [unknown.status, unknown.stderr],
    [1, "pulumi stack output --stack nope: error: no stack named nope found\n"],
  );
  const empty = run(context, ["prod"], { pulumi: "echo '{}'" });
  assert.deepEqual([empty.status, empty.stderr], [1, "stack prod has no outputs: deploy it first\n"]);
  const words = run(context, ["a", "b"], {});
  assert.equal(words.status, 2);
  assert.match(words.stderr, /^Usage: bin\/seed-ssh/);
  const nameless = run(context, [], {});
  assert.equal(nameless.status, 2);
  assert.match(nameless.stderr, /^which stack\? Name it, or set PULUMI_STACK\./);
});
