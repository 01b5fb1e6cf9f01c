/**
 * Preview, up and plan: runs the program and does what it asks for.
 * Upstream analogue: pkg/resource/deploy/deployment_executor.go.
 */
import { Callbacks } from "./callbacks.ts";
import { Checkpoint } from "./checkpoint.ts";
import { deleteStates, leftovers } from "./deletion.ts";
import { Interrupts } from "./interrupt.ts";
import type { RunOptions, RunResult } from "./options.ts";
import { Monitor } from "./monitor.ts";
import { Crypter } from "./passphrase.ts";
import { type Program, startProgram } from "./program.ts";
import {
  hasSecureValues,
  loadProject,
  loadStackSettings,
  programConfig,
  type ProgramConfig,
} from "./project.ts";
import { ProviderRegistry } from "./provider-registry.ts";
import { refresh } from "./refresh.ts";
import { Run } from "./run.ts";
import { serve } from "./serve.ts";
import { openSession, type Session } from "./session.ts";
import { STACK_TYPE } from "./urn.ts";

/** Throws when the run cannot begin: no project, a locked stack, a wrong passphrase. */
export async function deploy(options: RunOptions): Promise<RunResult> {
  const interrupts = new Interrupts((text) => options.display.message("warning", "", text));
  try {
    return await runProgram(options, interrupts);
  } finally {
    interrupts.close();
  }
}

async function runProgram(options: RunOptions, interrupts: Interrupts): Promise<RunResult> {
  const { command, stack, display } = options;
  const offline = command === "plan";
  const preview = command !== "up";
  const began = Math.floor(Date.now() / 1000);
  // The state is read while the program starts; both take about as long.
  const opening = offline ? Promise.resolve(undefined) : openSession(options, !preview);
  opening.catch(() => undefined);
  const config = await configure(options, offline);
  const registry = new ProviderRegistry({ factories: offline ? {} : (options.providers ?? {}), offline });
  const prepare = async (): Promise<Begun> =>
    begin(options, await opening, config, registry, preview, interrupts);
  const beginning = prepare();
  beginning.catch(() => undefined);
  const monitor = beginning.then((begun) => begun.monitor);
  monitor.catch(() => undefined);
  const served = await serve(monitor, display);
  const project = await loadProject(options.projectDir);
  const start = (): Program =>
    startProgram({
      project,
      stack,
      config: config.program,
      address: served.address,
      preview,
      environment: offline ? { ...options.environment, CAPI_MGMT_OFFLINE: "1" } : options.environment,
      onLine: (line) => display.message("info", "", line),
    });
  // A refresh may find that there is no going on; without one the program need not wait for the state.
  const early = options.refresh === true ? undefined : start();
  let begun: Begun;
  try {
    begun = await beginning;
  } catch (error) {
    early?.kill();
    served.close();
    throw error;
  }
  const { run, session, finish } = begun;
  interrupts.guard(run);
  try {
    if (run.failed || run.stopping) {
      run.failed = true;
      return { failed: true, interrupted: run.stopping, outputs: {}, reason: "the refresh did not end well" };
    }
    const program = early ?? start();
    const ended = await Promise.race([program.ended, run.interrupted]);
    await run.settled();
    if (ended === undefined) program.kill();
    else if (!ended.failed) await finish();
    const failed = run.failed || ended === undefined || ended.failed;
    run.failed = failed;
    keepOutputs(run, failed);
    return {
      failed,
      interrupted: run.stopping,
      outputs: run.stackOutputs ?? {},
      reason: ended?.reason ?? "",
    };
  } finally {
    served.close();
    run.callbacks.close();
    await registry.close();
    const result = run.failed ? "failed" : "succeeded";
    const changes = Object.fromEntries(countOperations(run));
    await session?.close(preview ? undefined : run.checkpoint, {
      kind: "update",
      startTime: began,
      result,
      resourceChanges: changes,
    });
  }
}

interface Begun {
  run: Run;
  monitor: Monitor;
  session: Session | undefined;
  finish: () => Promise<void>;
}

/** With `refresh` set, the run begins from what is there now; if that could not be read, it is the failed run of the refresh. */
async function begin(
  options: RunOptions,
  session: Session | undefined,
  config: { program: ProgramConfig; projectName: string },
  registry: ProviderRegistry,
  preview: boolean,
  interrupts: Interrupts,
): Promise<Begun> {
  const { display, stack, redactor } = options;
  const checkpoint =
    session?.checkpoint(!preview) ?? new Checkpoint({ resources: [], operations: [] }, stack);
  for (const state of session?.snapshot.resources ?? []) {
    redactor.addProperty(state.inputs);
    redactor.addProperty(state.outputs);
  }
  const callbacks = new Callbacks(preview, (urn, text) => display.message("warning", urn, text));
  const settings = {
    ...{ stack, project: config.projectName, preview, config: config.program.values },
    ...{ checkpoint, registry, callbacks },
  };
  if (options.refresh === true) {
    const reading = new Run({ ...settings, observer: display.ofDrift() });
    interrupts.guard(reading);
    await refresh(reading);
    if (reading.failed || reading.stopping) {
      return { run: reading, monitor: new Monitor(reading, noProgram), session, finish: noProgram };
    }
  }
  const run = new Run({ ...settings, observer: display });
  for (const { resource } of checkpoint.interruptedCreates) {
    display.message(
      "warning",
      resource.urn,
      "an earlier run was cut off while creating it: it may exist without being in the state. Look for it and delete it, or import it; refresh forgets this warning",
    );
  }
  let finishing: Promise<void> | undefined;
  const finish = (): Promise<void> => (finishing ??= deleteLeftovers(run));
  return { run, monitor: new Monitor(run, finish), session, finish };
}

const noProgram = (): Promise<void> => Promise.reject(new Error("no program runs"));

async function deleteLeftovers(run: Run): Promise<void> {
  // After a failure it is not known what is no longer wanted.
  if (run.failed || run.stopping) return;
  await deleteStates(run, leftovers(run));
}

async function configure(
  options: RunOptions,
  offline: boolean,
): Promise<{ program: ProgramConfig; projectName: string }> {
  const project = await loadProject(options.projectDir);
  const settings = await loadStackSettings(options.projectDir, options.stack);
  let crypter: Crypter | undefined;
  if (!offline && hasSecureValues(settings)) {
    if (options.passphrase === undefined || settings.encryptionSalt === undefined) {
      throw new Error(
        `Pulumi.${options.stack}.yaml has secure values: their encryptionsalt and PULUMI_CONFIG_PASSPHRASE are needed`,
      );
    }
    crypter = await Crypter.create(options.passphrase, settings.encryptionSalt);
  }
  const program = programConfig(project, settings, crypter);
  if (!offline) options.redactor.add(...program.secrets);
  return { program, projectName: project.name };
}

/** The stack's outputs as they now are; after a failure the old ones are kept where there is no new value. */
function keepOutputs(run: Run, failed: boolean): void {
  const stack = [...run.news.values()].find(({ type }) => type === STACK_TYPE);
  if (stack === undefined || run.stackOutputs === undefined) return;
  const old = run.olds.get(stack.urn);
  stack.outputs = failed ? { ...old?.outputs, ...run.stackOutputs } : run.stackOutputs;
  run.checkpoint.changed(stack, old);
}

function countOperations(run: Run): Map<string, number> {
  const counts = new Map<string, number>();
  for (const operation of run.operations.values()) counts.set(operation, (counts.get(operation) ?? 0) + 1);
  return counts;
}
