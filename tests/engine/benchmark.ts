/**
 * What the engine costs beyond the program itself: a no-op preview and up of a stack against the floor, the same program
 * answered at once by a monitor that only echoes.
 *
 *     node tests/engine/benchmark.ts [RESOURCES] [ROUNDS]
 */
import type grpc from "@grpc/grpc-js";
import resproto from "@pulumi/pulumi/proto/resource_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { Display } from "../../engine/display.ts";
import type { Monitor } from "../../engine/monitor.ts";
import { startProgram } from "../../engine/program.ts";
import { loadProject } from "../../engine/project.ts";
import { Redactor } from "../../engine/redact.ts";
import { serve } from "../../engine/serve.ts";
import { createUrn } from "../../engine/urn.ts";
import type { Scenario } from "./support/scenario.ts";
import { TestStack } from "./support/stack.ts";

const [resources = 80, rounds = 5] = process.argv.slice(2).map(Number);
const scenario: Scenario = { resources: [{ name: "p", type: "pulumi:providers:test" }] };
for (let index = 0; index < resources; index += 1) {
  const before = index % 10 === 0 ? {} : { of: { $of: `r${index - 1}.id` } };
  scenario.resources.push({
    name: `r${index}`,
    props: {
      ...before,
      script: "x".repeat(500),
      key: { $secret: `secret of ${index}` },
      list: [1, 2, { a: "b" }],
    },
    opts: { provider: "p" },
  });
}

const stack = await TestStack.create();
try {
  const first = await stack.run("up", scenario);
  if (first.exitCode !== 0) throw new Error(stack.text);
  const times: Record<string, Sample[]> = { floor: [], preview: [], up: [] };
  for (let round = 0; round < rounds; round += 1) {
    times["floor"]?.push(await timed(() => floor(stack.projectDir)));
    times["preview"]?.push(await timed(() => stack.run("preview", scenario, { expectNoChanges: true })));
    times["up"]?.push(await timed(() => stack.run("up", scenario, { expectNoChanges: true })));
  }
  for (const [name, values] of Object.entries(times)) {
    const best = (pick: (sample: Sample) => number): string => Math.min(...values.map(pick)).toFixed(0);
    console.log(
      `${name.padEnd(8)} best of ${rounds}: ${best((s) => s.wall)} ms, of these ${best((s) => s.own)} ms the engine's own processor time`,
    );
  }
  console.log(`state: ${((await stack.stateText()).length / 1024).toFixed(0)} KB for ${resources} resources`);
} finally {
  await stack.remove();
}

/** Milliseconds: on the wall, and of processor time in this process (the program is another one). */
interface Sample {
  wall: number;
  own: number;
}

async function timed(work: () => Promise<unknown>): Promise<Sample> {
  const started = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - started, own: (user + system) / 1000 };
}

/** Runs the program with every registration answered at once. */
async function floor(projectDir: string): Promise<void> {
  const display = new Display({
    out: { write: () => undefined },
    redactor: new Redactor(),
    preview: true,
    quiet: true,
    title: "",
  });
  const echo = (
    call: { request: resproto.RegisterResourceRequest },
    reply: grpc.sendUnaryData<unknown>,
  ): void => {
    const { request } = call;
    const response = new resproto.RegisterResourceResponse();
    response.setUrn(createUrn("dev", "scenario", request.getParent(), request.getType(), request.getName()));
    response.setId(request.getCustom() ? `id-${request.getName()}` : "");
    response.setObject(request.getObject());
    reply(null, response);
  };
  const done = (_: unknown, reply: grpc.sendUnaryData<unknown>): void => reply(null, new empty.Empty());
  const features = (_: unknown, reply: grpc.sendUnaryData<unknown>): void => {
    const info = new resproto.DeploymentInfo();
    info.setSupportedfeaturesList([0, 1, 2]);
    reply(null, info);
  };
  const implementation = {
    registerResource: echo,
    registerResourceOutputs: done,
    signalAndWaitForShutdown: done,
    getDeploymentInfo: features,
  };
  const served = await serve(Promise.resolve({ implementation } as unknown as Monitor), display);
  const program = startProgram({
    project: await loadProject(projectDir),
    stack: "dev",
    config: { values: {}, secretKeys: [], secrets: [] },
    address: served.address,
    preview: true,
    environment: { ...process.env, SCENARIO: JSON.stringify(scenario) },
    onLine: (line) => console.error(line),
  });
  const ended = await program.ended;
  served.close();
  if (ended.failed)
    throw new Error(`${ended.reason}: ${display.messages.map(({ text }) => text).join("\n")}`);
}
