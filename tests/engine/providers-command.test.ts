/**
 * The command provider's decisions (check, diff, preview) and its local commands.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { globToRegex } from "../../engine/providers/command/local.ts";
import { factory } from "../../engine/providers/command/index.ts";
import type { Asset } from "../../engine/provider.ts";
import { Archive, UNKNOWN, type Properties } from "../../engine/provider.ts";

const LOCAL = "command:local:Command";
const REMOTE = "command:remote:Command";
const folder = mkdtempSync(join(tmpdir(), "command-"));
after(() => rmSync(folder, { recursive: true }));

const provider = factory();
const logged: string[] = [];
const request = (type = LOCAL, signal = new AbortController().signal) => ({
  urn: `urn:pulumi:test::p::${type}::cmd`,
  type,
  preview: false,
  signal,
  log: (message: string) => void logged.push(message),
});
const create = (inputs: Properties, signal?: AbortSignal) =>
  provider.create({ ...request(LOCAL, signal), inputs });
const check = (type: string, news: Properties) =>
  provider.check({ urn: "", type, name: "cmd", news, preview: false, autonaming: () => "cmd-1234567" });
const diff = (oldInputs: Properties, newInputs: Properties, ignoreChanges: string[] = []) =>
  provider.diff({ urn: "", type: LOCAL, id: "x", oldInputs, oldOutputs: {}, newInputs, ignoreChanges });

test("check fills in the connection's defaults and passes unknowns", async () => {
  const { inputs, failures } = await check(REMOTE, {
    create: UNKNOWN,
    connection: { host: UNKNOWN, proxy: { host: "bastion" } },
  });
  assert.deepEqual(failures, []);
  const defaults = { port: 22, user: "root", dialErrorLimit: 10, perDialTimeout: 15 };
  assert.deepEqual(inputs["connection"], {
    host: UNKNOWN,
    ...defaults,
    proxy: { host: "bastion", ...defaults },
  });
});

test("check lists every problem by name and never shows a value", async () => {
  const { failures } = await check(REMOTE, {
    connection: { host: "h", privatekey: "secret-key", port: "22" },
    logging: "all",
    environment: { A: 1 },
    interpreter: ["sh"],
  });
  assert.deepEqual(
    failures.map((failure) => failure.property),
    ["connection.privatekey", "connection.port", "logging", "environment", "interpreter"],
  );
  assert.ok(!JSON.stringify(failures).includes("secret-key"));
  assert.match(
    failures[0]?.reason ?? "",
    /unknown property connection.privatekey; there are host, port, user/,
  );
  const missing = await check(REMOTE, { create: "x" });
  assert.deepEqual(missing.failures, [
    { property: "connection", reason: "missing required property connection" },
  ]);
  await assert.rejects(
    async () => check("command:remote:CopyFile", {}),
    /does not implement command:remote:CopyFile/,
  );
});

for (const [name, olds, news, expected] of [
  ["the same", { create: "a" }, { create: "a" }, { changes: false, replaces: [], detailed: {} }],
  [
    "another command",
    { create: "a" },
    { create: "b" },
    { changes: true, replaces: [], detailed: { create: "update" } },
  ],
  [
    // The SDK asks the engine for replaceOnChanges "triggers[*]", which is what makes this a replacement.
    "another trigger",
    { triggers: ["1", "x"] },
    { triggers: ["2", "x"] },
    { changes: true, replaces: [], detailed: { "triggers[0]": "update" } },
  ],
  [
    "triggers given for the first time",
    { create: "a" },
    { create: "a", triggers: ["1"] },
    { changes: true, replaces: ["triggers"], detailed: { triggers: "add-replace" } },
  ],
  [
    "a variable more",
    { environment: { A: "1" } },
    { environment: { A: "1", B: "2" } },
    { changes: true, replaces: [], detailed: { "environment.B": "add" } },
  ],
  [
    "an unknown",
    { stdin: "a" },
    { stdin: UNKNOWN },
    { changes: true, replaces: [], detailed: { stdin: "update" } },
  ],
] as const) {
  test(`diff: ${name}`, async () => {
    const found = await diff(olds as unknown as Properties, news as unknown as Properties);
    assert.deepEqual(found, { ...expected, deleteBeforeReplace: false });
  });
}

test("diff leaves out what is to be ignored", async () => {
  const found = await diff({ create: "a", stdin: "1" }, { create: "b", stdin: "2" }, ["create"]);
  assert.deepEqual(found.detailed, { stdin: "update" });
});

test("a preview runs nothing and leaves the output unknown", async () => {
  const file = join(folder, "not-made");
  const made = await provider.create({ ...request(), preview: true, inputs: { create: `touch ${file}` } });
  assert.deepEqual(made.outputs, { create: `touch ${file}`, stdout: UNKNOWN, stderr: UNKNOWN });
  assert.throws(() => readFileSync(file));
});

test("a local command gets its input, environment, folder and interpreter", async () => {
  const made = await create({
    create: `echo "$A $(cat) $(pwd)"; echo "" `,
    environment: { A: "a" },
    stdin: "in",
    dir: folder,
  });
  assert.equal(made.outputs["stdout"], `a in ${folder}\n`);
  const node = await create({
    create: "process.stdout.write(String(1 + 1))",
    interpreter: [process.execPath, "-e"],
  });
  assert.equal(node.outputs["stdout"], "2");
});

test("update and delete find the earlier output; without update, create runs again", async () => {
  const olds = { stdout: "before", stderr: "warned" };
  const base = { ...request(), id: "x", oldInputs: {}, oldOutputs: olds };
  const show = 'echo "$PULUMI_COMMAND_STDOUT/$PULUMI_COMMAND_STDERR"';
  const updated = await provider.update({ ...base, newInputs: { create: "exit 1", update: show } });
  assert.equal(updated.outputs["stdout"], "before/warned");
  const again = await provider.update({
    ...base,
    newInputs: { create: show, addPreviousOutputInEnv: false },
  });
  assert.equal(again.outputs["stdout"], "/");
  const none = await provider.update({ ...base, newInputs: { delete: "true" } });
  assert.deepEqual([none.outputs["stdout"], none.outputs["stderr"]], ["before", "warned"]);
  const file = join(folder, "deleted");
  const outputs = { ...olds, delete: `printf %s "$PULUMI_COMMAND_STDOUT" > ${file}` };
  await provider.delete({ ...request(), id: "x", inputs: {}, outputs });
  assert.equal(readFileSync(file, "utf8"), "before");
});

test("a local failure names the exit code or signal and quotes stderr", async () => {
  await assert.rejects(create({ create: "echo wrong >&2; exit 7" }), {
    message: "the command failed with exit code 7; stderr:\nwrong",
  });
  await assert.rejects(create({ create: "exit 1" }), {
    message: "the command failed with exit code 1; it wrote nothing to stderr",
  });
  await assert.rejects(create({ create: "kill -9 $$" }), /was ended by signal SIGKILL/);
  await assert.rejects(create({ create: "true", dir: join(folder, "absent") }), /cannot be started in/);
});

test("an interrupt ends a local command and what it started", async () => {
  const controller = new AbortController();
  const started = Date.now();
  const running = create({ create: "sleep 60 & wait" }, controller.signal);
  setTimeout(() => controller.abort(), 200);
  await assert.rejects(running, /interrupted/);
  assert.ok(Date.now() - started < 4000);
});

test("a time limit ends a command and says so", async () => {
  await assert.rejects(
    provider.create({ ...request(), timeoutSeconds: 0.2, inputs: { create: "sleep 60" } }),
    /took longer than its time limit of 0.2 s and was stopped/,
  );
});

test("files a command made are picked by globs", async () => {
  const made = await create({
    create: "mkdir -p src/deep && echo 1 > src/a.js && echo 2 > src/deep/b.js && echo 3 > src/secret.js",
    dir: folder,
    assetPaths: ["src/**.js", "!**secret*"],
    archivePaths: ["src/*.js"],
  });
  const assets = made.outputs["assets"] as Record<string, Asset>;
  assert.deepEqual(Object.keys(assets).sort(), ["src/a.js", "src/deep/b.js"]);
  assert.equal(assets["src/a.js"]?.content().toString(), "1\n");
  const archive = made.outputs["archive"];
  assert.ok(archive instanceof Archive);
  assert.deepEqual(Object.keys(archive.assets ?? {}).sort(), ["src/a.js", "src/secret.js"]);
});

for (const [glob, path, fits] of [
  ["*.js", "a.js", true],
  ["*.js", "b/a.js", false],
  ["**.js", "b/a.js", true],
  ["a?c", "abc", true],
  ["[!a]x", "ax", false],
  ["{a,b}.txt", "b.txt", true],
  ["a+b", "a+b", true],
] as const) {
  test(`glob ${glob} ${fits ? "takes" : "leaves"} ${path}`, () =>
    assert.equal(globToRegex(glob).test(path), fits));
}

test("run runs at once, also in a preview, and other functions are refused by name", async () => {
  mkdirSync(join(folder, "run"), { recursive: true });
  writeFileSync(join(folder, "run", "x"), "content");
  const answer = await provider.invoke("command:local:run", { command: "cat x", dir: join(folder, "run") });
  assert.equal(answer["stdout"], "content");
  await assert.rejects(provider.invoke("command:local:other", {}), /does not implement command:local:other/);
  await assert.rejects(provider.invoke("command:local:run", {}), /missing required property command/);
});
