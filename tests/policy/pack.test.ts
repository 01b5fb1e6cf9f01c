/**
 * The CrossGuard pack as Pulumi's engine uses it: started by the SDK's own runner, asked by the analyzer's protocol.
 * It finds what bin/policy finds, with the stack's severity and exemptions. Does not prove what the CLI makes of a finding.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { pathToFileURL } from "node:url";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import analyzerService from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import analyzer from "@pulumi/pulumi/proto/analyzer_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { rules } from "../../policy/rules.ts";
import { judgeStack } from "../../policy/stack.ts";

const root = join(import.meta.dirname, "../..");
const runner = createRequire(import.meta.url).resolve("@pulumi/pulumi/cmd/run-policy-pack");
const { AnalyzerClient } = analyzerService;
type Client = InstanceType<typeof AnalyzerClient>;

let pack: ChildProcess | undefined;
let client: Client | undefined;
afterEach(() => {
  client?.close();
  pack?.kill();
});

/** Starts the pack for a stack; it prints the port that it serves. */
async function start(stack: string): Promise<Client> {
  const lazy = ["--import", pathToFileURL(join(root, "lib/lazy-sdk.ts")).href];
  const started = spawn(process.execPath, [...lazy, runner, "127.0.0.1:1", join(root, "policy")], {
    cwd: root,
    env: { ...process.env, PULUMI_NODEJS_STACK: stack, PULUMI_NODEJS_PROJECT: "capi-mgmt" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  pack = started;
  const port = await new Promise<string>((resolve, reject) => {
    started.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
    started.once("close", (code) => reject(new Error(`the pack ended with ${code}`)));
  });
  client = new AnalyzerClient(`127.0.0.1:${port}`, credentials.createInsecure());
  return client;
}

/** The answer to a call. */
function answer<T>(
  call: (callback: (error: ServiceError | null, response: T) => void) => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, response) => (error === null ? resolve(response) : reject(error)));
  });
}

const type = "openstack:networking/secGroupRule:SecGroupRule";
const open = {
  urn: `urn:pulumi:x::capi-mgmt::${type}::seed-ssh`,
  type,
  name: "seed-ssh",
  inputs: {
    direction: "ingress",
    protocol: "tcp",
    portRangeMin: 22,
    portRangeMax: 22,
    remoteIpPrefix: "0.0.0.0/0",
  },
};

/** What the pack finds in a stack with one open rule, as `<level> <rule>`, sorted. */
async function findings(stack: string): Promise<string[]> {
  const served = await start(stack);
  const properties = struct.Struct.fromJavaScript(open.inputs);
  const options = new analyzer.AnalyzerResourceOptions();
  const one = new analyzer.AnalyzeRequest().setUrn(open.urn).setType(type).setName(open.name);
  one.setProperties(properties).setOptions(options);
  await answer<unknown>((callback) => served.analyze(one, callback));
  const resource = new analyzer.AnalyzerResource().setUrn(open.urn).setType(type).setName(open.name);
  resource.setProperties(properties).setOptions(options);
  const all = new analyzer.AnalyzeStackRequest().setResourcesList([resource]);
  const response = await answer<InstanceType<typeof analyzer.AnalyzeResponse>>((callback) =>
    served.analyzeStack(all, callback),
  );
  const mandatory: number = analyzer.EnforcementLevel.MANDATORY;
  const level = (value: number) => (value === mandatory ? "mandatory" : "advisory");
  return response
    .getDiagnosticsList()
    .map((found) => `${level(found.getEnforcementlevel())} ${found.getPolicyname()}`)
    .toSorted();
}

void test("the pack has one policy a rule, and three of its own", async () => {
  const served = await start("dev");
  const info = await answer<InstanceType<typeof analyzer.AnalyzerInfo>>((callback) =>
    served.getAnalyzerInfo(new empty.Empty(), callback),
  );
  assert.equal(info.getName(), "capi-mgmt");
  assert.deepEqual(
    info
      .getPoliciesList()
      .map((policy) => policy.getName())
      .toSorted(),
    ["advice", "exemption", "inputs", ...rules.map(({ name }) => name)].toSorted(),
  );
});

for (const stack of ["prod", "dev", "lab"]) {
  void test(`of stack ${stack} the pack finds what bin/policy finds, and shows no exempted finding`, async () => {
    const { findings: judged } = judgeStack(root, stack, [{ ...open, protect: false }]);
    const expected = judged.flatMap(({ severity, rule }) =>
      severity === "exempted" ? [] : [`${severity} ${rule}`],
    );
    assert.ok(expected.some((line) => line.endsWith(" closed-ports")));
    assert.deepEqual(await findings(stack), expected.toSorted());
  });
}
