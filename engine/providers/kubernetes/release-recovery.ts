/**
 * Brings a release back that a killed helm left locked. helm refuses any operation on a release in a pending state
 * ("another operation is in progress"); the stack's own lock already makes sure that no other run is at work on it.
 * Upstream leaves this to the operator (pulumi-kubernetes issues 1727 and 2054).
 */
import type { Log } from "../../provider.ts";
import { HelmError, type Helm, type Metadata } from "./helm.ts";

/** Rolls back a pending upgrade to what last worked; removes an installation or removal that was cut off. */
export async function recoverPending(
  helm: Helm,
  release: Metadata,
  options: { signal: AbortSignal; log: Log },
): Promise<void> {
  const id = `${release.namespace}/${release.name}`;
  const where = ["--namespace", release.namespace, "--wait"];
  const { signal, log } = options;
  if (release.status === "pending-upgrade" || release.status === "pending-rollback") {
    const revision = await lastDeployed(helm, release, signal);
    if (revision !== undefined) {
      log(
        `release ${id} was left ${release.status} by a run that was cut off: rolling back to revision ${revision}`,
        "warning",
      );
      // Without --wait: what is rolled back to is replaced at once by the upgrade that follows.
      await helm.run(["rollback", release.name, String(revision), "--namespace", release.namespace], {
        signal,
      });
      return;
    }
  } else if (!["pending-install", "uninstalling"].includes(release.status)) {
    return;
  }
  log(
    `release ${id} was left ${release.status} by a run that was cut off: removing it before installing`,
    "warning",
  );
  try {
    await helm.run(["uninstall", release.name, "--ignore-not-found", ...where], { signal });
  } catch (error) {
    if (!(error instanceof HelmError) || !/not found|already deleted/.test(error.message)) throw error;
  }
}

/** The newest revision that was deployed, or undefined. */
async function lastDeployed(helm: Helm, release: Metadata, signal: AbortSignal): Promise<number | undefined> {
  const args = ["history", release.name, "--namespace", release.namespace, "--output", "json"];
  const history = JSON.parse(await helm.run(args, { signal })) as { revision: number; status: string }[];
  return history
    .filter((entry) => entry.status === "deployed" || entry.status === "superseded")
    .map((entry) => entry.revision)
    .sort((a, b) => b - a)[0];
}
