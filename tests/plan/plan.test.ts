/**
 * `npm run plan` and `bin/policy` as an operator calls them, in a copy of the project: what they print, that they ask
 * nobody, and how they end when the configuration or the program is wrong.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { copyProject } from "../support/projectCopy.ts";

/** Loaded first: whoever connects, looks a name up or starts a program fails. */
const ALONE = `data:text/javascript,${encodeURIComponent(`
  import { createRequire } from "node:module";
  const require = createRequire("/");
  const refuse = (what) => () => { throw new Error("not alone: " + what); };
  require("node:net").Socket.prototype.connect = refuse("connects");
  require("node:dns").lookup = refuse("looks a name up");
  const processes = require("node:child_process");
  for (const name of ["spawn", "spawnSync", "exec", "execSync", "execFile", "execFileSync", "fork"]) processes[name] = refuse(name);
`)}`;

/** Programs that fail, by name. */
const PROGRAMS = `
import * as pulumi from "@pulumi/pulumi";
class Thing extends pulumi.CustomResource {
  constructor(name: string, inputs = {}, opts = {}, type = "command:index:Thing") { super(type, name, inputs, opts); }
}
const programs: Record<string, () => unknown> = {
  exception: () => { throw new TypeError("the boat leaks"); },
  runError: () => { throw new pulumi.RunError("two problems\\n  first\\n  second"); },
  apply: () => { new Thing("first", { name: "known" }); pulumi.output("known").apply(() => { throw new Error("the oar broke"); }); },
  rejection: () => { void Promise.reject(new Error("the sail tore")); },
  notAnError: () => { throw "plain words"; },
  foreign: () => new Thing("bucket", {}, {}, "aws:s3/bucket:Bucket"),
  foreignFunction: () => pulumi.runtime.invoke("aws:index/getRegion:getRegion", {}),
  twin: () => { new Thing("twin"); return new Thing("twin"); },
  lonely: () => new Thing("lonely", {}, {}, "kubernetes:core/v1:Namespace"),
  referred: () => new Thing("there", {}, { id: "some-id" }),
  logged: () => pulumi.log.error("the anchor drags"),
  secret: () => { new Thing("safe", { key: pulumi.secret("hush-hush-hush") }); return new Promise((_, reject) => setTimeout(() => reject(new Error("hush-hush-hush")), 200)); },
  endless: () => new Promise(() => undefined),
  clinging: () => { setInterval(() => undefined, 1000); throw new Error("the boat leaks"); },
  talking: () => { console.log("words on standard output"); pulumi.log.info("an information"); },
};
const found = await programs[process.env["PROGRAM"] ?? ""]?.();
export default { found: found === undefined };
`;

let folder: string;
/** The project, and one with PROGRAMS in the place of the program. */
let project: string;
let failing: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "plan-"));
  project = join(folder, "project");
  failing = join(folder, "failing");
  for (const copy of [project, failing]) copyProject(copy);
  writeFileSync(join(failing, "index.ts"), PROGRAMS);
});
after(() => rmSync(folder, { recursive: true }));

function run(copy: string, program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const options = ["--no-warnings", "--import", ALONE, join(copy, program), ...args];
  // No credentials, no PATH, and from elsewhere. What is compiled of the copies goes with them.
  const done = spawnSync(process.execPath, options, {
    cwd: folder,
    encoding: "utf8",
    env: { HOME: folder, NODE_COMPILE_CACHE: join(folder, "compiled"), ...env },
    timeout: 100_000,
  });
  const { status, stdout, stderr } = done;
  return { status, stdout, stderr };
}

interface Document {
  stack: string;
  counts: Record<string, number>;
  resources: Record<string, unknown>[];
  policy: { verdict: string; findings: unknown[] };
}

test("the plan in JSON: resources by URN, unknown values and secrets by mark", () => {
  const { status, stdout, stderr } = run(project, "bin/plan.ts", ["prod", "--json"]);
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  const plan = JSON.parse(stdout) as Document;
  assert.deepEqual(Object.keys(plan), ["stack", "counts", "resources", "policy"]);
  assert.equal(plan.stack, "prod");
  assert.deepEqual(plan.counts, { create: plan.resources.length });
  const urns = plan.resources.map(({ urn }) => urn);
  assert.deepEqual(urns, [...urns].sort());
  const { dependsOn, ...association } =
    plan.resources.find(({ name }) => name === "seed-address-floating-ip-association") ?? {};
  const address = "urn:pulumi:prod::capi-mgmt::capi-mgmt:index:Seed$capi-mgmt:index:SeedAddress";
  assert.deepEqual(association, {
    urn: `${address}$openstack:networking/floatingIpAssociate:FloatingIpAssociate::seed-address-floating-ip-association`,
    type: "openstack:networking/floatingIpAssociate:FloatingIpAssociate",
    name: "seed-address-floating-ip-association",
    parent: `${address}::seed-address`,
    op: "create",
    inputs: { floatingIp: "[unknown]", portId: "[unknown]" },
  });
  assert.deepEqual(dependsOn, [
    `${address}$openstack:networking/floatingIp:FloatingIp::seed-address-floating-ip`,
    `${address}$openstack:networking/port:Port::seed-address-port`,
  ]);
  const cloud = plan.resources.find(({ type }) => type === "pulumi:providers:openstack");
  const inputs = cloud?.["inputs"] as Record<string, unknown>;
  assert.equal(inputs["applicationCredentialSecret"], "[secret]");
  assert.equal(plan.resources.find(({ name }) => name === "seed-data")?.["protect"], true);
  assert.equal(plan.policy.verdict, "pass");
  assert.doesNotMatch(stdout, /placeholder-secret/);
});

test("the plan as text is a tree; --out writes it, from the caller's folder", () => {
  const shown = run(project, "bin/plan.ts", ["lab"]);
  assert.equal(shown.status, 0, shown.stderr);
  assert.match(
    shown.stdout,
    /^└─ \+ pulumi:pulumi:Stack capi-mgmt-lab\n {3}├─ \+ capi-mgmt:index:ClusterApi bootstrap\n/,
  );
  assert.match(shown.stdout, /\n {3}│ {2}│ {7}connection: \[secret\]\n/);
  assert.match(shown.stdout, /\n\nlab: \d+ to create \(offline: nothing was contacted\)\n\n[^]*policy: \w+/);
  const written = run(project, "bin/plan.ts", ["lab", "--out", "plan.txt"]);
  assert.deepEqual(written, { status: 0, stdout: "", stderr: "" });
  assert.equal(readFileSync(join(folder, "plan.txt"), "utf8"), shown.stdout);
});

test("a wrong configuration: every problem at once, exit code 1, no stack trace", () => {
  const text = readFileSync(join(project, "Pulumi.dev.yaml"), "utf8");
  const wrong = text.replace(
    /^config:\n/m,
    "config:\n  capi-mgnt:seed: {}\n  capi-mgmt:k3s: { version: new }\n",
  );
  writeFileSync(join(project, "Pulumi.wrong.yaml"), wrong);
  for (const program of ["bin/plan.ts", "bin/policy.ts"]) {
    const { status, stdout, stderr } = run(project, program, ["wrong"]);
    assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
    assert.match(stderr, /Pulumi\.wrong\.yaml: 2 problems in the configuration/);
    assert.match(stderr, /capi-mgnt:seed: is not this program's namespace/);
    assert.match(stderr, /k3s\.version: .*"new"/);
    assert.doesNotMatch(stderr, /^ +at /m);
  }
});

test("a stack that is not there: those that are, exit code 1", () => {
  const { status, stderr } = run(project, "bin/plan.ts", ["nowhere"]);
  assert.equal(status, 1);
  assert.match(stderr, /no Pulumi\.nowhere\.yaml \(stacks here: .*prod/);
});

test("wrong usage is 64, in both", () => {
  for (const [program, args] of [
    ["bin/plan.ts", []],
    ["bin/plan.ts", ["prod", "dev"]],
    ["bin/plan.ts", ["prod", "--jsn"]],
    ["bin/policy.ts", []],
    ["bin/policy.ts", ["prod", "--out"]],
  ] as const) {
    const { status, stderr } = run(project, program, args);
    assert.equal(status, 64, `${program} ${args.join(" ")}`);
    assert.match(stderr, /Usage: /);
  }
});

const FAILURES: Record<string, RegExp> = {
  exception: /the program failed: the boat leaks\n +at .*index\.ts:\d+/,
  runError: /: two problems\n {2}first\n {2}second\n$/,
  apply: /the program failed: the oar broke\n +at .*index\.ts:\d+/,
  rejection: /the program failed: the sail tore/,
  notAnError: /the program failed: plain words\n$/,
  foreign:
    /new resource bucket \[aws:s3\/bucket:Bucket\]: a plan knows the packages command, kubernetes, openstack/,
  foreignFunction: /a plan knows the packages .* only, not that of aws:index\/getRegion:getRegion/,
  twin: /resource twin \[command:index:Thing\]: there is one of this type and name already: give it another name/,
  lonely:
    /lonely \[kubernetes:core\/v1:Namespace\]: it has no provider, and pulumi:disable-default-providers/,
  referred: /cannot read command:index:Thing there: it would have to be asked of the cloud/,
  logged: /the anchor drags\n[^]*the program reported errors/,
  endless: /the program waits for something that never comes/,
  clinging: /the program failed: the boat leaks/,
};

for (const [name, message] of Object.entries(FAILURES)) {
  test(`a program that fails (${name}): what is wrong, exit code 1`, () => {
    const { status, stdout, stderr } = run(failing, "bin/plan.ts", ["dev", "--json"], { PROGRAM: name });
    assert.deepEqual({ status, stdout }, { status: 1, stdout: "" }, stderr);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /node_modules|node:internal/);
  });
}

test("a failure shows no secret that the program has registered", () => {
  const { status, stderr } = run(failing, "bin/plan.ts", ["dev"], { PROGRAM: "secret" });
  assert.equal(status, 1);
  assert.match(stderr, /the program failed: \[secret\]/);
});

test("policy judges nothing when the program fails", () => {
  const { status, stdout, stderr } = run(failing, "bin/policy.ts", ["dev"], { PROGRAM: "exception" });
  assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
  assert.match(stderr, /^bin\/policy: the program failed: the boat leaks/);
});

test("what a program prints does not get into the document", () => {
  const { status, stdout, stderr } = run(failing, "bin/plan.ts", ["dev", "--json"], { PROGRAM: "talking" });
  assert.equal(status, 0, stderr);
  assert.equal((JSON.parse(stdout) as Document).counts["create"], 1);
  assert.match(stderr, /words on standard output[^]*an information/);
});
