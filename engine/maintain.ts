/**
 * Refresh and destroy: work on the state alone, the program is not run.
 */
import { Callbacks } from "./callbacks.ts";
import { destroy } from "./destroy.ts";
import { Interrupts } from "./interrupt.ts";
import type { RunOptions, RunResult } from "./options.ts";
import { loadProject } from "./project.ts";
import { ProviderRegistry } from "./provider-registry.ts";
import { refresh } from "./refresh.ts";
import { Run } from "./run.ts";
import { openSession } from "./session.ts";

/** Throws when the run cannot begin, or destroy would touch something protected. */
export async function maintain(options: RunOptions): Promise<RunResult> {
  const { command, display, stack } = options;
  const preview = options.previewOnly === true;
  const interrupts = new Interrupts((text) => display.message("warning", "", text));
  const session = await openSession(options, !preview).catch((error: unknown) => {
    interrupts.close();
    throw error;
  });
  const project = await loadProject(options.projectDir);
  const registry = new ProviderRegistry({ factories: options.providers ?? {}, offline: false });
  for (const state of session.snapshot.resources) {
    options.redactor.addProperty(state.inputs);
    options.redactor.addProperty(state.outputs);
  }
  const run = new Run({
    stack,
    project: project.name,
    preview,
    config: {},
    checkpoint: session.checkpoint(!preview),
    registry,
    callbacks: new Callbacks(preview, (urn, text) => display.message("warning", urn, text)),
    observer: display,
  });
  const began = Math.floor(Date.now() / 1000);
  interrupts.guard(run);
  try {
    if (command === "refresh") await refresh(run);
    else await destroy(run, options.excludeProtected === true);
    return { failed: run.failed || run.stopping, interrupted: run.stopping, outputs: {}, reason: "" };
  } catch (error) {
    run.failed = true;
    throw error;
  } finally {
    interrupts.close();
    await registry.close();
    const counts: Record<string, number> = {};
    for (const { step, failed } of display.timed) {
      if (!failed) counts[step.operation] = (counts[step.operation] ?? 0) + 1;
    }
    await session.close(preview ? undefined : run.checkpoint, {
      kind: command === "refresh" ? "refresh" : "destroy",
      startTime: began,
      result: run.failed ? "failed" : "succeeded",
      resourceChanges: counts,
    });
  }
}
