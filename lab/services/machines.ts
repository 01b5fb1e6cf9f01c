/**
 * Booted machines as the host sees them: what they need of its kernel; ended, their loop devices and control groups removed.
 */
import { existsSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type LabProcess, endProcesses, findProcesses, signalProcess } from "../processes.ts";
import { run, sleep } from "../run.ts";

const isMachine = ({ service }: LabProcess) => service.startsWith("machine-");

/** Inotify instances that a user may have: containerd, kubelet and kube-proxy of every machine belong to one, root. */
const INOTIFY_INSTANCES = 1024;

/** Raises the host's limit where it is lower: with the usual 128, the third machine's containerd and kube-proxy fail. */
export function allowManyMachines(): void {
  const file = "/proc/sys/fs/inotify/max_user_instances";
  if (Number(readFileSync(file, "utf8")) < INOTIFY_INSTANCES) writeFileSync(file, `${INOTIFY_INSTANCES}\n`);
}

/** First child of a process: pid 1 of the machine that this systemd-nspawn runs. */
export function leaderOf(nspawn: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, "utf8").split(" ")[0]) || undefined;
  } catch {
    return undefined;
  }
}

/**
 * Ends every machine.
 * @param patience milliseconds for an orderly power-off; 0 kills at once.
 */
export async function endMachines(patience: number): Promise<void> {
  const supervisors = () =>
    findProcesses().filter((entry) => isMachine(entry) && entry.command === "systemd-nspawn");
  const deadline = Date.now() + patience;
  if (patience > 0) {
    for (const { pid } of supervisors()) signalProcess(pid, "SIGTERM"); // nspawn passes a power-off to its systemd
  }
  while (supervisors().length > 0 && Date.now() < deadline) await sleep(200);
  for (const { pid } of supervisors()) {
    const leader = leaderOf(pid);
    if (leader) signalProcess(leader, "SIGKILL"); // with pid 1 of its namespace every process of the machine goes
  }
  await endProcesses(isMachine, 2000);
}

interface LoopDevice {
  name: string;
  "back-file": string;
}

/** Detaches the loop devices of the volumes of the lab in `dir`, also of files that are deleted already. */
export async function detachVolumes(dir: string): Promise<void> {
  for (const device of await loopDevices(dir)) await run("losetup", ["-d", device], { allowFailure: true });
}

/** Loop devices whose file is below `dir`. */
async function loopDevices(dir: string): Promise<string[]> {
  const { stdout } = await run("losetup", ["--json", "--list", "-O", "NAME,BACK-FILE"], {
    allowFailure: true,
  });
  if (!stdout.trim()) return [];
  const { loopdevices } = JSON.parse(stdout) as { loopdevices: LoopDevice[] };
  return loopdevices.flatMap((entry) => (entry["back-file"].startsWith(`${dir}/`) ? [entry.name] : []));
}

/** Removes the machines' control groups (named lab-<first 18 characters of the server's id>). */
export function removeControlGroups(): void {
  const root = "/sys/fs/cgroup";
  if (!existsSync(root)) return;
  const hierarchies = [root, ...readdirSync(root).map((name) => join(root, name))];
  for (const hierarchy of hierarchies) {
    let names: string[];
    try {
      names = readdirSync(hierarchy).filter((name) => /^lab-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}$/.test(name));
    } catch {
      continue; // a file
    }
    for (const name of names) removeGroup(join(hierarchy, name));
  }
}

function removeGroup(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(path, entry.name));
  }
  try {
    rmdirSync(path);
  } catch {
    // still in use: the next stop or reset removes it
  }
}
