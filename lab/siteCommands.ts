/**
 * The commands of `npm run lab` that concern the site: to prepare, start, stop and show it, and the one that does everything.
 */
import { EXIT } from "../lib/command-error.ts";
import { siteArtifacts } from "./prepare/artifacts.ts";
import { prepareConsumers } from "./prepare/consumers.ts";
import { prepare } from "./prepare/index.ts";
import { Progress, formatSeconds } from "./progress.ts";
import { describePulumi } from "./pulumi/install.ts";
import { resetSite, siteStatus, startSite, stopSite } from "./services/site.ts";
import { paths } from "./site.ts";

/** What changes the site; each ends with the table of where the time went. */
export type SiteCommand = "prepare" | "start" | "stop" | "reset";

/** @param consumers of prepare: builds what consumes the hand-over, too */
export async function runSiteCommand(command: SiteCommand, consumers: boolean): Promise<number> {
  const progress = new Progress();
  switch (command) {
    case "prepare":
      await prepare(progress, true);
      if (consumers) await progress.step("consumers", (note) => prepareConsumers(note, true));
      break;
    case "start":
      await startSite(await prepare(progress), progress);
      break;
    case "stop":
      await stopSite(progress);
      break;
    case "reset":
      await resetSite(progress);
  }
  return report(progress);
}

/**
 * Prepares, starts, and deploys a stack.
 * @param deploy what deploys; answers the exit code
 */
export async function runEverything(stack: string, deploy: () => Promise<number>): Promise<number> {
  const progress = new Progress();
  console.error("prepare");
  const artifacts = await prepare(progress);
  console.error("start");
  await startSite(artifacts, progress);
  console.error(`the site runs (${formatSeconds(progress.elapsed())}); deploying stack ${stack}`);
  const code = await progress.step(`stack ${stack}`, deploy);
  if (code !== EXIT.ok)
    console.error(
      `the deployment failed; its error is above, the services' logs are in ${paths.log}\n` +
        "next: put the cause right, then npm run lab -- up goes on from there",
    );
  return report(progress, code);
}

/** Prints a row a service, and which Pulumi runs. */
export async function showStatus(json: boolean): Promise<number> {
  const artifacts = siteArtifacts();
  const rows = await siteStatus(artifacts);
  const tools = describePulumi(artifacts.pulumi);
  if (json) console.log(JSON.stringify(rows, null, 2));
  else {
    for (const row of rows) {
      console.log(
        `${row.service.padEnd(18)} ${String(row.pid ?? "-").padStart(8)}  ${row.endpoint.padEnd(45)} ${row.state}`,
      );
    }
    console.log();
    for (const { name, version, kind } of tools)
      console.log(`${name.padEnd(18)} ${version.padStart(8)}  ${kind}`);
  }
  return rows.every((row) => row.state === "ok") ? EXIT.ok : EXIT.failed;
}

function report(progress: Progress, code: number = EXIT.ok): number {
  console.error(`\n${progress.table()}`);
  return code;
}
