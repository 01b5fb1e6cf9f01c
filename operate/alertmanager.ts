/**
 * Asking a site's Alertmanager, by a tunnel that lasts for the question.
 */
import type { Config } from "../config/schema.ts";
import { CommandError } from "../lib/command-error.ts";
import type { Outputs } from "../lib/outputs.ts";
import { keyFolder, seedTarget } from "../lib/seed-ssh.ts";
import { type Alert, ALERTS_PATH, firing } from "./alerts.ts";
import { monitoringService } from "./services.ts";
import { freePort, tunnelToService } from "./tunnel.ts";

/** Milliseconds. */
const ANSWER_TIMEOUT = 20_000;

/**
 * The alerts that fire now.
 *
 * @param settings the stack's configuration; undefined where it is not known
 * @throws CommandError if Alertmanager cannot be asked, or if no alert would mean nothing
 */
export async function firingAlerts(
  stack: string,
  outputs: Outputs,
  settings: Pick<Config, "monitoring"> | undefined,
): Promise<Alert[]> {
  const to = seedTarget(stack, outputs);
  const service = monitoringService(stack, "alertmanager", settings);
  const { folder, remove } = keyFolder(to);
  process.on("exit", remove);
  try {
    const tunnel = await tunnelToService(to, folder, service, await freePort());
    try {
      const question = ask(tunnel.port);
      const body = await Promise.race([question, tunnel.ended.then(broken)]);
      return firing(body, settings?.monitoring.rules.disabled ?? []);
    } finally {
      await tunnel.close();
    }
  } finally {
    remove();
  }
}

function broken(reason: string): never {
  throw new CommandError(reason);
}

async function ask(port: number): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${ALERTS_PATH}`, {
      signal: AbortSignal.timeout(ANSWER_TIMEOUT),
    });
    if (!answer.ok) throw new CommandError(`Alertmanager answers HTTP ${answer.status}`);
    return await answer.text();
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const { message, cause } = error as Error;
    throw new CommandError(
      `Alertmanager does not answer: ${message}${cause instanceof Error ? ` (${cause.message})` : ""}`,
    );
  }
}
