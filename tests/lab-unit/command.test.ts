/**
 * The lab's stand-in for pulumi-command: its decisions (check, diff), local commands, and what goes over the wire.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Commands, type Request, requireType } from "../../lab/pulumi/command/commands.ts";
import { LOCAL, REMOTE, checkInputs } from "../../lab/pulumi/command/inputs.ts";
import { type Properties, UNKNOWN, conceal, reveal } from "../../lab/pulumi/command/values.ts";

const folder = mkdtempSync(join(tmpdir(), "command-"));
after(() => rmSync(folder, { recursive: true }));

const commands = new Commands();
const request = (timeoutSeconds = 0): Request => ({ type: LOCAL, timeoutSeconds, log: () => undefined });
const create = async (inputs: Properties, timeoutSeconds?: number) =>
  (await commands.create(request(timeoutSeconds), "cmd", inputs)).outputs;

test("check fills in the connection's defaults and passes unknowns", () => {
  const { inputs, failures } = checkInputs(REMOTE, {
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

test("check lists every problem by name and never shows a value", () => {
  const { failures } = checkInputs(REMOTE, {
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
  assert.deepEqual(checkInputs(REMOTE, { create: "x" }).failures, [
    { property: "connection", reason: "missing required property connection" },
  ]);
});

test("what the stand-in does not have is refused by name", () => {
  assert.throws(
    () => requireType("command:remote:CopyToRemote"),
    /does not have command:remote:CopyToRemote/,
  );
  const { failures } = checkInputs(LOCAL, { create: "x", assetPaths: ["*"] });
  assert.match(failures[0]?.reason ?? "", /unknown property assetPaths/);
});

for (const [name, olds, news, expected] of [
  ["the same", { create: "a" }, { create: "a" }, []],
  ["another command", { create: "a" }, { create: "b" }, [["create", "update", false]]],
  // The SDK asks the engine for replaceOnChanges "triggers[*]", which is what makes this a replacement.
  ["another trigger", { triggers: ["1", "x"] }, { triggers: ["2", "x"] }, [["triggers[0]", "update", false]]],
  [
    "triggers given for the first time",
    { create: "a" },
    { create: "a", triggers: ["1"] },
    [["triggers", "add", true]],
  ],
  [
    "a variable more",
    { environment: { A: "1" } },
    { environment: { A: "1", B: "2" } },
    [["environment.B", "add", false]],
  ],
  ["an unknown", { stdin: "a" }, { stdin: UNKNOWN }, [["stdin", "update", false]]],
] as const) {
  test(`diff: ${name}`, () => {
    const found = commands.diff(olds as unknown as Properties, news as unknown as Properties);
    assert.deepEqual(
      found.map(({ path, kind, replaces }) => [path, kind, replaces]),
      expected,
    );
  });
}

test("secrets stay marked where the engine marked them, and a connection always", () => {
  const signature = "4dabf18193072939515e22adb298388d";
  const secret = (value: unknown) => ({ [signature]: "1b47061264138c4ac30d75fd1eb44270", value });
  const wire = { stdin: secret("hush"), environment: { A: secret("a"), B: "b" }, connection: { host: "h" } };
  const plain = reveal(wire as never);
  assert.deepEqual(plain, { stdin: "hush", environment: { A: "a", B: "b" }, connection: { host: "h" } });
  assert.deepEqual(conceal({ ...plain, stdout: "out" }, wire as never), {
    ...wire,
    connection: secret({ host: "h" }),
    stdout: "out",
  });
});

test("a preview leaves the output unknown", () => {
  assert.deepEqual(commands.preview({ create: "true" }), {
    create: "true",
    stdout: UNKNOWN,
    stderr: UNKNOWN,
  });
});

test("a local command gets its input, environment, folder and interpreter", async () => {
  const made = await create({
    create: `echo "$A $(cat) $(pwd)"; echo "" `,
    environment: { A: "a" },
    stdin: "in",
    dir: folder,
  });
  assert.equal(made["stdout"], `a in ${folder}\n`);
  const node = await create({
    create: "process.stdout.write(String(1 + 1))",
    interpreter: [process.execPath, "-e"],
  });
  assert.equal(node["stdout"], "2");
});

test("update and delete find the earlier output; without update, create runs again", async () => {
  const olds = { stdout: "before", stderr: "warned" };
  const show = 'echo "$PULUMI_COMMAND_STDOUT/$PULUMI_COMMAND_STDERR"';
  const update = (news: Properties) => commands.update(request(), olds, news);
  assert.equal((await update({ create: "exit 1", update: show }))["stdout"], "before/warned");
  assert.equal((await update({ create: show, addPreviousOutputInEnv: false }))["stdout"], "/");
  const none = await update({ delete: "true" });
  assert.deepEqual([none["stdout"], none["stderr"]], ["before", "warned"]);
  const file = join(folder, "deleted");
  await commands.delete(request(), { ...olds, delete: `printf %s "$PULUMI_COMMAND_STDOUT" > ${file}` });
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

test("a time limit ends a command and what it started, and says so", async () => {
  const started = Date.now();
  await assert.rejects(
    create({ create: "sleep 60 & wait" }, 0.2),
    /took longer than its time limit of 0.2 s and was stopped/,
  );
  assert.ok(Date.now() - started < 4000);
});
