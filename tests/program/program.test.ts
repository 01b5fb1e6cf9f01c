/**
 * The whole program for each stack, against a golden file, and what must hold for every resource of it.
 *
 * Proves what is asked for, with which options, in which order, and that no secret is asked for in plain. Does not
 * prove that an engine or a cloud does it. Regenerate with UPDATE_GOLDEN=1 after looking at why it differs.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mock, test } from "node:test";
import { stringify } from "yaml";
import {
  isSecret,
  leaks,
  PLANTED,
  readable,
  type Recording,
  type Registration,
  unwrapped,
} from "../support/mocks.ts";
import { runSite } from "../support/program.ts";

const ROOT = join(import.meta.dirname, "../..");
const STACKS = ["dev", "prod", "lab"] as const;

// Kubeconfigs are read anew every few weeks: the number of that period is an input.
mock.timers.enable({ apis: ["Date"], now: new Date("2026-11-23T00:00:00Z") });
process.env["CAPI_MGMT_OFFLINE"] = "0";
process.env["CAPI_MGMT_SKIP_PREFLIGHT"] = "1";

const run = (stack: string, preview = false) => runSite(stack, { preview });

/** An assignment as lib/shell.ts writes it: one quoted word, or a list of them. */
const WORD = String.raw`'(?:[^']|'\\'')*'`;
const ASSIGNMENT = new RegExp(String.raw`([A-Z][A-Z0-9_]*)=(${WORD}|\((?:${WORD} ?)*\))\n`, "y");

/** Of a script the variables that configuration puts into it; its code has tests of its own. */
function variablesOf(script: string): Record<string, unknown> {
  const variables: Record<string, unknown> = {};
  ASSIGNMENT.lastIndex = "{\n".length;
  for (let found = ASSIGNMENT.exec(script); found !== null; found = ASSIGNMENT.exec(script)) {
    const [, name = "", value = ""] = found;
    const words = [...value.matchAll(new RegExp(WORD, "g"))].map(([word]) =>
      word.slice(1, -1).replaceAll(String.raw`'\''`, "'"),
    );
    variables[name] = value.startsWith("(") ? words : words[0];
  }
  return variables;
}

function withoutCode(value: unknown): unknown {
  if (typeof value === "string" && value.startsWith("{\n")) return { script: variablesOf(value) };
  if (Array.isArray(value)) return value.map(withoutCode);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, withoutCode(child)]));
  }
  return value;
}

/** Lines of lib/scripts long enough not to occur elsewhere by chance. */
const CODE = readdirSync(join(ROOT, "lib/scripts"))
  .flatMap((file) => readFileSync(join(ROOT, "lib/scripts", file), "utf8").split("\n"))
  .map((line) => line.trim())
  .filter((line) => line.length > 20 && !line.startsWith("#"));

const SHOWN = [
  "type",
  "name",
  "parent",
  "provider",
  "dependsOn",
  "protect",
  "retainOnDelete",
  "deleteBeforeReplace",
  "deletedWith",
  "ignoreChanges",
  "replaceOnChanges",
  "additionalSecretOutputs",
] as const;

function golden({ resources, stackOutputs }: Recording): string {
  const isSet = (value: unknown) =>
    value !== "" && value !== false && !(Array.isArray(value) && value.length === 0);
  const shown = resources
    .toSorted((one, other) => (one.urn < other.urn ? -1 : 1))
    .map((resource) => ({
      ...Object.fromEntries(
        SHOWN.map((key) => [key, resource[key]] as const).filter(([, value]) => isSet(value)),
      ),
      inputs: withoutCode(readable(resource.inputs)),
    }));
  return stringify(
    { resources: shown, outputs: Object.keys(stackOutputs).toSorted() },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}

for (const stack of STACKS) {
  let ran: Promise<Recording> | undefined;
  const update = () => (ran ??= run(stack));

  test(`${stack}: the program is what the golden file says`, async () => {
    const text = golden(await update());
    const file = join(import.meta.dirname, "golden", `${stack}.yaml`);
    if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, text);
    assert.equal(
      text,
      readFileSync(file, "utf8"),
      "differs from the golden file; UPDATE_GOLDEN=1 rewrites it",
    );
    for (const secret of Object.values(PLANTED))
      assert.ok(!text.includes(secret), `${secret} is in the golden file`);
    const code = CODE.filter((line) => text.includes(line));
    assert.deepEqual(code, [], "the golden file holds code of a script");
  });

  test(`${stack}: what must hold for every resource`, async () => {
    const recording = await update();
    assert.ok(recording.resources.length > 40);
    for (const resource of recording.resources) assertWellMade(resource, recording);
    const planted = [
      ...recording.resources.flatMap(({ name, inputs }) => leaks(inputs, name)),
      ...[...recording.outputs].flatMap(([urn, values]) => leaks(values, urn)),
    ];
    assert.deepEqual(planted, [], "a secret is in plain text");
    assertOutputs(recording.stackOutputs, stack);
  });

  test(`${stack}: a preview of something new needs nothing that is not there yet`, async () => {
    const recording = await run(stack, true);
    const names = ({ resources }: Recording) => resources.map(({ urn }) => urn).toSorted();
    assert.deepEqual(names(recording), names(await update()));
    assert.deepEqual(
      recording.resources.flatMap(({ name, inputs }) => leaks(inputs, name)),
      [],
    );
  });
}

/** The component contract, for one resource. */
function assertWellMade(resource: Registration, recording: Recording): void {
  const at = `${resource.type} ${resource.name}`;
  const isProvider = resource.type.startsWith("pulumi:providers:");
  if (!resource.custom) {
    assert.ok(recording.outputs.has(resource.urn), `${at} never registered its outputs`);
    assert.match(resource.type, /^capi-mgmt:index:/);
    return;
  }
  if (!isProvider) {
    assert.notEqual(resource.parent, "", `${at} has no parent`);
    assert.ok(resource.name.startsWith(`${resource.parent}-`), `${at} is not named after ${resource.parent}`);
  }
  if (/^(openstack|kubernetes):/.test(resource.type)) {
    assert.notEqual(resource.provider, "", `${at} has no explicit provider`);
  }
  if (resource.type === "command:remote:Command") {
    const { create, update, connection, addPreviousOutputInEnv, triggers } = resource.inputs;
    assert.ok(isSecret(connection), `${at}: the connection holds a private key`);
    assert.equal(create, "sudo -n bash -s -- create", `${at}: nothing else belongs into a command line`);
    assert.equal(update, "sudo -n bash -s -- update", at);
    assert.equal(triggers, undefined, `${at}: triggers replace, and then the old one's delete runs`);
    assert.equal(addPreviousOutputInEnv, false);
    const hides = resource.additionalSecretOutputs.includes("stdout");
    assert.equal(resource.inputs["logging"], hides ? "none" : "stderr", `${at}: logging`);
  }
  if (resource.type.endsWith(":Release")) {
    assert.equal(typeof resource.inputs["name"], "string", `${at}: a release needs a name of its own`);
  }
}

const SECRET_OUTPUTS = ["magnumKubeconfig", "haKubeconfig", "k3sKubeconfig", "seedSshPrivateKey"];
const PLAIN_OUTPUTS = ["seedAddress", "seedUser", "clusterName", "apiServerAddress", "versions"];

function assertOutputs(outputs: Readonly<Record<string, unknown>>, stack: string): void {
  assert.deepEqual(Object.keys(outputs).toSorted(), [...SECRET_OUTPUTS, ...PLAIN_OUTPUTS].toSorted());
  for (const name of SECRET_OUTPUTS) assert.ok(isSecret(outputs[name]), name);
  for (const name of PLAIN_OUTPUTS) assert.ok(!isSecret(outputs[name]), name);
  assert.equal(outputs["clusterName"], `capi-mgmt-${stack}`);
  assert.equal(outputs["seedAddress"], "203.0.113.102");
  assert.equal(outputs["apiServerAddress"], "203.0.113.103");
  const magnum = String(unwrapped(outputs["magnumKubeconfig"]));
  assert.match(magnum, /server: https:\/\/203\.0\.113\.103:6443/);
  assert.match(magnum, new RegExp(`token: ${PLANTED.token}`));
}
