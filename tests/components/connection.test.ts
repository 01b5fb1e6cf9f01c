/**
 * The connection to the seed and scripts over it. Does not prove that SSH behaves so: tests/lab-unit and the lab do.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { fingerprint, seedConnection, seedScript, type SeedScriptArgs } from "../../components/connection.ts";
import { CONNECTION, inBothModes, valueOf } from "../support/component.ts";
import { isSecret, leaks, PLANTED, record } from "../support/mocks.ts";

const SCRIPT = "{\necho hello\n}\n";

async function registered(changes: Partial<SeedScriptArgs> = {}) {
  const recording = await record();
  const connection = pulumi.secret(CONNECTION);
  seedScript("script", { connection, script: SCRIPT, runAgainOn: ["server-id"], ...changes }, {});
  await recording.settled();
  return recording.get("script");
}

test("a script runs again when something that it is told about changes, as an update and not as a replacement", async () => {
  const { inputs } = await registered();
  const other = (await registered({ runAgainOn: ["another-server"] })).inputs;
  assert.notEqual(inputs["stdin"], other["stdin"]);
  assert.equal(inputs["stdin"], (await registered()).inputs["stdin"], "nothing changed");
  // Triggers replace: the old one's delete would run after the new one's create.
  assert.equal("triggers" in inputs, false);
  assert.deepEqual(
    [inputs["create"], inputs["update"], "delete" in inputs],
    ["sudo -n bash -s -- create", "sudo -n bash -s -- update", false],
  );
  assert.equal((await registered({ hasDelete: true })).inputs["delete"], "sudo -n bash -s -- delete");
});

test("what a script prints is shown, unless it is a secret: then nothing is, and the outputs are secret", async () => {
  const plain = await registered();
  const secret = await registered({ secretOutput: true });
  const hides = ({ additionalSecretOutputs }: typeof plain) =>
    ["stdout", "stderr"].map((name) => additionalSecretOutputs.includes(name));
  assert.deepEqual([plain.inputs["logging"], ...hides(plain)], ["stderr", false, false]);
  assert.deepEqual([secret.inputs["logging"], ...hides(secret)], ["none", true, true]);
  for (const { inputs } of [plain, secret]) assert.equal(inputs["addPreviousOutputInEnv"], false);
});

test("a secret in a script stays one", async () => {
  const { inputs } = await registered({ script: pulumi.secret(`{\necho ${PLANTED.token}\n}\n`) });
  assert.ok(isSecret(inputs["stdin"]));
  const told = (await registered({ runAgainOn: [pulumi.secret(PLANTED.token)] })).inputs;
  assert.deepEqual([leaks(inputs), leaks(told)], [[], []]);
});

const CONNECTION_ARGS = {
  host: "203.0.113.7",
  user: "ubuntu",
  privateKey: PLANTED.privateKey,
  hostKey: "ssh-ed25519 AAAA",
  timeout: "10m",
};

inBothModes("the connection is secret as a whole, and accepts one host key only", async () => {
  const connection = seedConnection(CONNECTION_ARGS);
  assert.equal(await pulumi.isSecret(connection), true);
  const value = (await valueOf(connection)) as Record<string, unknown>;
  assert.equal(value["hostKey"], "ssh-ed25519 AAAA");
  // Ten minutes of dials, of which one comes every five seconds at most.
  assert.equal(value["dialErrorLimit"], 120);
});

test("a time that is none is an error, and no connection that never waits", () => {
  assert.throws(() => seedConnection({ ...CONNECTION_ARGS, timeout: "soon" }), {
    message: '"soon" is not a duration such as 90s, 30m or 1h30m',
  });
});

test("a fingerprint tells texts apart and hides nothing that is not hidden already", async () => {
  await record();
  const [one, other] = await Promise.all(["a", "b"].map((text) => valueOf(fingerprint(text))));
  assert.notEqual(one, other);
  assert.equal(await pulumi.isSecret(fingerprint(pulumi.secret("a"))), true);
});
