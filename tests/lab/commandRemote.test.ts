/**
 * The stand-in's remote commands against a real OpenSSH server on loopback: Debian's, from the seed's tree.
 * Does not prove: agents, encrypted keys, password logins.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Commands } from "../../lab/pulumi/command/commands.ts";
import { REMOTE } from "../../lab/pulumi/command/inputs.ts";
import type { Properties } from "../../lab/pulumi/command/values.ts";
import { type Sshd, freePort, startSshd } from "../support/sshd.ts";

describe("remote commands", { skip: process.getuid?.() === 0 ? false : "needs root" }, () => {
  let sshd: Sshd;
  const commands = new Commands();
  const logged: string[] = [];
  const request = (timeoutSeconds = 0) => ({
    type: REMOTE,
    timeoutSeconds,
    log: (text: string, severity = "info") => void logged.push(`${severity}: ${text}`),
  });
  const create = (inputs: Properties, timeoutSeconds?: number) =>
    commands.create(request(timeoutSeconds), "cmd", { connection: sshd.connection, ...inputs });

  before(async () => {
    sshd = await startSshd();
  });
  after(async () => {
    commands.close();
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
    const olds = { stdout: "before", stderr: "" };
    const news = {
      connection: sshd.connection,
      create: "echo create",
      update: "echo update $PULUMI_COMMAND_STDOUT",
    };
    const updated = await commands.update(request(), olds, news);
    assert.equal(updated["stdout"], "update");
    assert.match(logged[0] ?? "", /^warning: PULUMI_COMMAND_STDOUT is not set for the command/);
    logged.length = 0;
    const again = await commands.update(request(), olds, {
      connection: sshd.connection,
      create: "echo create",
      addPreviousOutputInEnv: false,
    });
    assert.equal(again["stdout"], "create");
    assert.deepEqual(logged, ["info: create"]);
  });

  test("delete runs its command with the recorded connection; without one it does nothing", async () => {
    const file = join(sshd.folder, "to-delete");
    const made = await create({ create: `touch ${file}`, delete: `rm ${file}` });
    assert.ok(existsSync(file));
    await commands.delete(request(), made.outputs);
    assert.ok(!existsSync(file));
    await commands.delete(request(), {});
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
    const done = create({ create: "echo first; sleep 2; echo second" });
    for (let wait = 0; logged.length === 0 && wait < 800; wait++) await sleep(10);
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
    const late = create({ create: "echo up", connection: { ...sshd.connection, port, dialErrorLimit: 7 } });
    const second = await startSshd({ port });
    try {
      // The second server has keys of its own, so reaching it ends in the refusal of its host key.
      await assert.rejects(late, /after 8 attempts: .* is the pinned one: not connecting/);
    } finally {
      await second.stop();
    }
  });

  test("a time limit ends the remote command, or says that it may still run", async () => {
    const file = join(sshd.folder, "pid");
    await assert.rejects(
      create({ create: `echo $$ > ${file}; exec sleep 60` }, 1),
      /took longer than its time limit of 1 s and was stopped/,
    );
    const pid = Number(readFileSync(file, "utf8"));
    // OpenSSH passes no signal on without privilege separation: in sessions of root, and as a server of a plain user's.
    if (/requires privilege separation/.test(sshd.log())) {
      process.kill(pid);
      return;
    }
    for (let wait = 0; existsSync(`/proc/${pid}`) && wait < 100; wait++) await sleep(20);
    assert.ok(!existsSync(`/proc/${pid}`));
  });

  test("the engine's cancel ends waiting for a server, and lets a command that runs finish", async () => {
    const others = new Commands();
    const dial = others.create(request(), "cmd", {
      connection: { ...sshd.connection, port: await freePort(), dialErrorLimit: 100 },
      create: "true",
    });
    const file = join(sshd.folder, "begun");
    const running = others.create(request(), "cmd", {
      connection: sshd.connection,
      create: `touch ${file}; sleep 0.5; echo done`,
    });
    for (let wait = 0; !existsSync(file) && wait < 500; wait++) await sleep(20);
    others.cancel();
    await assert.rejects(dial, /aborted/);
    assert.equal((await running).outputs["stdout"], "done");
    others.close();
  });

  test("a bastion is passed", async () => {
    const bastion = await startSshd({ logLevel: "DEBUG1" });
    try {
      const connection = { ...sshd.connection, proxy: { ...bastion.connection } };
      const made = await create({ create: "echo through", connection });
      assert.equal(made.outputs["stdout"], "through");
      assert.deepEqual(bastion.passedOn(), [`127.0.0.1:${sshd.port}`]);
    } finally {
      await bastion.stop();
    }
  });
});
