/**
 * command:remote:Command and CopyToRemote against a real OpenSSH server on loopback.
 * Does not prove: agents, encrypted keys, password logins.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { factory } from "../../engine/providers/command/index.ts";
import { Archive, Asset, type Properties, type Provider } from "../../engine/provider.ts";
import { freePort, noSshd, startSshd, type Sshd } from "./providers-command-sshd.ts";

const TYPE = "command:remote:Command";
const COPY = "command:remote:CopyToRemote";
const urn = (type: string): string => `urn:pulumi:test::p::${type}::cmd`;

describe("remote commands", { skip: noSshd }, () => {
  let sshd: Sshd;
  let provider: Provider;
  const logged: string[] = [];
  const running = (type = TYPE, signal = new AbortController().signal) => ({
    urn: urn(type),
    type,
    preview: false,
    signal,
    log: (message: string, severity = "info") => void logged.push(`${severity}: ${message}`),
  });
  const create = (inputs: Properties, type = TYPE, signal?: AbortSignal) =>
    provider.create({ ...running(type, signal), inputs: { connection: sshd.connection, ...inputs } });

  before(async () => {
    sshd = await startSshd();
    provider = factory();
    await provider.configure({});
  });
  after(async () => {
    await provider.close?.();
    await sshd.stop();
  });

  test("stdin, environment and both streams arrive, on one connection", async () => {
    logged.length = 0;
    const made = await create({
      create: 'read line; echo "out $line $TEST_A"; echo err >&2',
      stdin: "hello\n",
      environment: { TEST_A: "value" },
    });
    assert.match(made.id, /^cmd[0-9a-f]{8}$/);
    assert.equal(made.outputs["stdout"], "out hello value");
    assert.equal(made.outputs["stderr"], "err");
    assert.deepEqual(made.secretOutputs, ["connection"]);
    assert.deepEqual(logged.toSorted(), ["info: err", "info: out hello value"]);
    await Promise.all(Array.from({ length: 5 }, () => create({ create: "true" })));
    assert.equal(sshd.log().match(/Accepted publickey/g)?.length, 1);
  });

  test("many commands at once share few connections", async () => {
    const many = Array.from({ length: 24 }, (_, index) => create({ create: `sleep 0.3; echo ${index}` }));
    const printed = (await Promise.all(many)).map((made) => made.outputs["stdout"]);
    assert.deepEqual(
      printed,
      Array.from({ length: 24 }, (_, index) => String(index)),
    );
    assert.ok((sshd.log().match(/Accepted publickey/g)?.length ?? 0) <= 4);
  });

  test("a variable the server does not accept is an error that says so", async () => {
    await assert.rejects(
      create({ create: "true", environment: { TEST_A: "1", OTHER: "secret-value" } }),
      (error: Error) =>
        /variable OTHER cannot be set: the SSH server at 127.0.0.1:\d+ must accept it \(AcceptEnv\)/.test(
          error.message,
        ) && !error.message.includes("secret-value"),
    );
  });

  test("the earlier output is offered to update and delete, and a server that takes it not is named", async () => {
    logged.length = 0;
    const request = {
      ...running(),
      id: "cmd",
      oldInputs: {},
      oldOutputs: { stdout: "before", stderr: "" },
      newInputs: {
        connection: sshd.connection,
        create: "echo create",
        update: "echo update $PULUMI_COMMAND_STDOUT",
      },
    };
    const updated = await provider.update(request);
    assert.equal(updated.outputs["stdout"], "update");
    assert.match(logged[0] ?? "", /^warning: PULUMI_COMMAND_STDOUT is not set for the command/);
    logged.length = 0;
    const again = await provider.update({
      ...request,
      newInputs: { connection: sshd.connection, create: "echo create", addPreviousOutputInEnv: false },
    });
    assert.equal(again.outputs["stdout"], "create");
    assert.deepEqual(logged, ["info: create"]);
  });

  test("delete runs its command with the recorded connection; without one it does nothing", async () => {
    const file = join(sshd.folder, "to-delete");
    const made = await create({ create: `touch ${file}`, delete: `rm ${file}` });
    assert.ok(existsSync(file));
    await provider.delete({ ...running(), id: made.id, inputs: {}, outputs: made.outputs });
    assert.ok(!existsSync(file));
    await provider.delete({ ...running(), id: "x", inputs: {}, outputs: {} });
  });

  test("a failure shows the exit code and the end of stderr, and nothing secret", async () => {
    const failing = create({
      create: `echo hidden-stdout; cat >&2; echo "$TEST_A" >&2; for i in $(seq 30); do echo line $i >&2; done; exit 3`,
      stdin: "stdin-secret\n",
      environment: { TEST_A: "env-secret" },
      logging: "none",
    });
    await assert.rejects(failing, (error: Error) => {
      const [head = "", ...lines] = error.message.split("\n");
      assert.match(
        head,
        /^the command on 127.0.0.1:\d+ failed with exit code 3; the last 20 of 32 lines of stderr:$/,
      );
      assert.equal(lines.length, 20);
      assert.equal(lines.at(-1), "line 30");
      return true;
    });
    await assert.rejects(
      create({
        create: `cat >&2; echo "x $TEST_A x" >&2; exit 1`,
        stdin: "stdin-secret",
        environment: { TEST_A: "env-secret" },
      }),
      (error: Error) =>
        /\[secret\]x \[secret\] x$/.test(error.message) && !/(stdin|env)-secret/.test(error.message),
    );
  });

  test("logging none keeps output from the operator but not from the outputs", async () => {
    logged.length = 0;
    const made = await create({ create: "echo token; echo noise >&2", logging: "none" });
    assert.deepEqual([made.outputs["stdout"], logged], ["token", []]);
    await create({ create: "echo out; echo err >&2", logging: "stderr" });
    assert.deepEqual(logged, ["info: err"]);
  });

  test("output is passed on while the command runs", async () => {
    logged.length = 0;
    const done = create({ create: "echo first; sleep 1; echo second" });
    for (let wait = 0; logged.length === 0 && wait < 80; wait++) await sleep(10);
    assert.deepEqual(logged, ["info: first"]);
    await done;
  });

  test("another host key than the pinned one is refused, with both fingerprints", async () => {
    const connection = { ...sshd.connection, hostKey: sshd.otherHostKey, dialErrorLimit: 0 };
    await assert.rejects(
      create({ create: "true", connection }),
      /no SSH connection to 127.0.0.1:\d+ after 1 attempts: .* shows the host key SHA256:\S+, but SHA256:\S+ is the pinned one/,
    );
    await assert.rejects(
      create({ create: "true", connection: { ...sshd.connection, hostKey: "nonsense" } }),
      /the host key for 127.0.0.1:\d+ is not a public key line/,
    );
  });

  test("a server that is not up yet is dialled again, as often as dialErrorLimit says", async () => {
    const port = await freePort();
    const connection = { ...sshd.connection, port, dialErrorLimit: 2 };
    logged.length = 0;
    await assert.rejects(
      create({ create: "true", connection }),
      /no SSH connection to .* after 3 attempts: .*ECONNREFUSED/,
    );
    assert.equal(logged.length, 2);
    const late = create({ create: "echo up", connection: { ...sshd.connection, port, dialErrorLimit: 5 } });
    await sleep(300);
    const second = await startSshd(port);
    try {
      // The second server has keys of its own, so reaching it ends in the refusal of its host key.
      await assert.rejects(late, /is the pinned one: not connecting/);
    } finally {
      await second.stop();
    }
  });

  test("an interrupt ends the remote command", async () => {
    const file = join(sshd.folder, "pid");
    const controller = new AbortController();
    const running = create({ create: `echo $$ > ${file}; exec sleep 60` }, TYPE, controller.signal);
    for (let wait = 0; !existsSync(file) && wait < 100; wait++) await sleep(20);
    await sleep(50);
    const pid = Number(readFileSync(file, "utf8"));
    controller.abort();
    await assert.rejects(running, /was interrupted/);
    // OpenSSH passes no signal on without privilege separation: in sessions of root, and as a server of a plain user's.
    if (/requires privilege separation/.test(sshd.log())) {
      process.kill(pid);
      return;
    }
    for (let wait = 0; existsSync(`/proc/${pid}`) && wait < 100; wait++) await sleep(20);
    assert.ok(!existsSync(`/proc/${pid}`));
  });

  test("a bastion is passed", async () => {
    const bastion = await startSshd();
    try {
      const connection = { ...sshd.connection, proxy: { ...bastion.connection } };
      const made = await create({ create: "echo through", connection });
      assert.equal(made.outputs["stdout"], "through");
      assert.match(bastion.log(), /Accepted publickey/);
    } finally {
      await bastion.stop();
    }
  });

  test("copies texts, files and folders by upstream's rules", async () => {
    const local = join(sshd.folder, "local");
    mkdirSync(join(local, "sub"), { recursive: true });
    writeFileSync(join(local, "a.txt"), "a");
    writeFileSync(join(local, "sub", "b.txt"), "b");
    const target = join(sshd.folder, "remote");
    const copy = (source: Asset | Archive, remotePath: string) => create({ source, remotePath }, COPY);

    await copy(new Asset({ text: "text" }), join(target, "deep", "text.txt"));
    assert.equal(readFileSync(join(target, "deep", "text.txt"), "utf8"), "text");
    await copy(new Asset({ path: join(local, "a.txt") }), target);
    assert.equal(readFileSync(join(target, "a.txt"), "utf8"), "a");
    await copy(new Archive({ path: local }), target);
    assert.equal(readFileSync(join(target, "local", "sub", "b.txt"), "utf8"), "b");
    await copy(new Archive({ path: `${local}/` }), join(target, "into"));
    assert.equal(readFileSync(join(target, "into", "sub", "b.txt"), "utf8"), "b");
    await assert.rejects(
      copy(new Asset({ text: "x" }), target),
      /it is a folder; a text needs a file's path/,
    );
  });
});
