/**
 * Whose lab this machine has: its namespaces and addresses can exist only once. A record beside them names the state folder,
 * so that the lab of one checkout is neither taken for another's nor in its way once it is dead.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { endProcesses, findProcesses } from "../processes.ts";
import { stateDir } from "../site.ts";
import { detachVolumes, removeControlGroups } from "./machines.ts";
import { removeNetwork } from "./network.ts";

const ownerFile = "/run/capi-mgmt-lab";

/**
 * Takes the machine for this checkout's lab. What a dead lab of another one left (all its processes ended, or its checkout
 * removed) goes: namespaces, loop devices, control groups. Its data stays in its folder.
 * @throws Error if the lab of another checkout runs here.
 */
export async function takeMachine(): Promise<void> {
  const owner = existsSync(ownerFile) ? readFileSync(ownerFile, "utf8").trim() : stateDir;
  if (owner !== stateDir) {
    if (existsSync(owner) && findProcesses(owner).length > 0) {
      throw new Error(`the lab of ${owner} runs on this machine: stop or reset it there first`);
    }
    await endProcesses(() => true, 3000, owner);
    await clearMachine(owner);
  }
  writeFileSync(ownerFile, `${stateDir}\n`);
}

/** Gives the machine back: what the lab has outside its folder goes, once its processes have ended. */
export async function releaseMachine(): Promise<void> {
  await clearMachine(stateDir);
  rmSync(ownerFile, { force: true });
}

async function clearMachine(dir: string): Promise<void> {
  await detachVolumes(dir);
  removeControlGroups();
  await removeNetwork();
}
