/**
 * The lab's long-running processes: started detached, recorded, found again after a crash, ended.
 * A process is ours if its environment carries MARKER with this lab's folder (children inherit it, so a killed run's
 * leftovers are recognised even when their pid file is gone), if it belongs to the session of a recorded service, or if it
 * works in the lab's folder from inside another network namespace.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  statSync,
} from "node:fs";
import { setPriority } from "node:os";
import { join, relative } from "node:path";
import { inNamespace, sleep } from "./run.ts";
import { paths, stateDir } from "./site.ts";

/** Environment variable with the lab's state folder. */
const MARKER = "CAPI_MGMT_LAB_PROCESS_OF";
/** Environment variable with the service's name. */
const SERVICE = "CAPI_MGMT_LAB_SERVICE";

export interface LabProcess {
  pid: number;
  /** Service that started it, `machine-<uuid>` for a booted server's runner. */
  service: string;
  /** Short name as in /proc/PID/comm. */
  command: string;
}

export interface ServiceCommand {
  name: string;
  command: string[];
  env?: Record<string, string>;
  cwd?: string;
  /** Files and folders it reads at its start: when one has changed, the next start of the site starts it anew. */
  inputs?: string[];
  /** Others wait for it: it comes first when processors are scarce. */
  urgent?: boolean;
}

/** Hash of what a service is started from. */
function definitionHash(service: ServiceCommand): string {
  const hash = createHash("sha256").update(JSON.stringify([service.command, service.env ?? {}, service.cwd]));
  const add = (path: string): void => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) {
      for (const name of readdirSync(path).sort()) if (name !== "__pycache__") add(join(path, name));
    } else hash.update(`${path}\0`).update(readFileSync(path));
  };
  for (const input of service.inputs ?? []) add(input);
  return hash.digest("hex").slice(0, 16);
}

/** Parses /proc/PID/environ. */
export function parseEnvironment(raw: string): Map<string, string> {
  const entries = raw.split("\0").flatMap((entry): [string, string][] => {
    const at = entry.indexOf("=");
    return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)]] : [];
  });
  return new Map(entries);
}

interface ProcessStat {
  state: string;
  session: number;
  /** Clock ticks from the machine's boot to the process's start. */
  startTicks: number;
}

/** Parses /proc/PID/stat; the name field may hold blanks and brackets, so it is cut off first. */
export function parseStat(stat: string): ProcessStat {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", session: Number(fields[3]), startTicks: Number(fields[19]) };
}

/** A service's first process as it was started. The pid alone could be another process's by now. */
interface ServiceRecord {
  service: string;
  pid: number;
  startTicks: number;
  boot: string;
  /** definitionHash at its start. */
  definition?: string;
}

const bootId = (): string => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();

/** Records of services whose pid is not taken by a later process, by session; `folder` is where a lab keeps them. */
function readRecords(folder: string = paths.run): Map<number, ServiceRecord> {
  const records = new Map<number, ServiceRecord>();
  if (!existsSync(folder)) return records;
  const boot = bootId();
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(".pid")) continue;
    try {
      const record = JSON.parse(readFileSync(join(folder, name), "utf8")) as ServiceRecord;
      if (record.boot !== boot || takenByAnother(record)) continue;
      records.set(record.pid, record);
    } catch {
      // written at this moment
    }
  }
  return records;
}

function takenByAnother(record: ServiceRecord): boolean {
  try {
    return parseStat(readFileSync(`/proc/${record.pid}/stat`, "utf8")).startTicks !== record.startTicks;
  } catch {
    return false; // ended; what is left of its session is still ours
  }
}

/**
 * Whether a process that neither record nor environment names is the lab's: it works in the lab's folder (removed or not)
 * and in another network namespace than this one. A shell that someone opened in the folder is in this one.
 */
function isStray(pid: string, dir: string): boolean {
  const folder = readlinkSync(`/proc/${pid}/cwd`);
  if (folder !== dir && folder !== `${dir} (deleted)` && !folder.startsWith(`${dir}/`)) return false;
  return readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync("/proc/self/ns/net");
}

/** Every live process of the lab in `dir`: by its environment, or by the session of a recorded service. */
export function findProcesses(dir: string = stateDir): LabProcess[] {
  const records = readRecords(join(dir, relative(stateDir, paths.run)));
  const found: LabProcess[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = parseStat(readFileSync(`/proc/${entry}/stat`, "utf8"));
      if (stat.state === "Z") continue;
      // services that set their title overwrite their environment with it: those are known by their session
      let service = records.get(stat.session)?.service;
      if (service === undefined) {
        const variables = parseEnvironment(readFileSync(`/proc/${entry}/environ`, "utf8"));
        if (variables.get(MARKER) === dir) service = variables.get(SERVICE);
        else if (isStray(entry, dir)) service = "stray";
        else continue;
      }
      const command = readFileSync(`/proc/${entry}/comm`, "utf8").trim();
      found.push({ pid: Number(entry), service: service ?? "stray", command });
    } catch {
      // ended while we looked
    }
  }
  return found;
}

export const logFile = (service: string): string => join(paths.log, `${service}.log`);
const pidFile = (service: string): string => join(paths.run, `${service}.pid`);

/** Whether a running service was started from something else than what its definition says now. */
export function isOutdated(service: ServiceCommand): boolean {
  const record = [...readRecords().values()].find((candidate) => candidate.service === service.name);
  return record !== undefined && record.definition !== definitionHash(service);
}

/** Pid of a service's first process if it still runs. */
export function runningPid(service: string, processes?: LabProcess[]): number | undefined {
  const record = [...readRecords().values()].find((candidate) => candidate.service === service);
  if (!record) return undefined;
  if (processes) return processes.find(({ pid }) => pid === record.pid)?.pid;
  try {
    return parseStat(readFileSync(`/proc/${record.pid}/stat`, "utf8")).state === "Z" ? undefined : record.pid;
  } catch {
    return undefined;
  }
}

/** Starts a service inside the lab's namespace, in a session of its own; returns its pid. Output goes to its log file. */
export function startProcess(service: ServiceCommand): number {
  mkdirSync(paths.log, { recursive: true });
  mkdirSync(paths.run, { recursive: true });
  const log = openSync(logFile(service.name), "a");
  try {
    const [program, ...args] = inNamespace(service.command);
    const child = spawn(program as string, args, {
      cwd: service.cwd ?? stateDir,
      detached: true,
      stdio: ["ignore", log, log],
      env: { ...baseEnvironment(), ...service.env, [MARKER]: stateDir, [SERVICE]: service.name },
    });
    if (child.pid === undefined)
      throw new Error(`cannot start ${service.name}: ${service.command.join(" ")}`);
    child.on("error", () => undefined); // nsenter exists wherever the lab runs; its own errors are in the log
    child.unref();
    if (service.urgent) hurry(child.pid);
    const { startTicks } = parseStat(readFileSync(`/proc/${child.pid}/stat`, "utf8"));
    const definition = definitionHash(service);
    const record: ServiceRecord = {
      service: service.name,
      pid: child.pid,
      startTicks,
      boot: bootId(),
      definition,
    };
    writeFileSync(pidFile(service.name), `${JSON.stringify(record)}\n`);
    return child.pid;
  } finally {
    closeSync(log);
  }
}

/** Raises a process's priority: its own, and its session's where the kernel schedules by session (autogroup). */
function hurry(pid: number): void {
  try {
    setPriority(pid, -10);
    writeFileSync(`/proc/${pid}/autogroup`, "-10");
  } catch {
    // a kernel without autogroup has no such file
  }
}

/** Environment of services: nothing of the caller's shell leaks in (OS_*, proxies, PYTHON*), so starts are repeatable. */
function baseEnvironment(): Record<string, string> {
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: process.env["HOME"] ?? "/root",
    LANG: "C.UTF-8",
  };
}

/** Sends a signal; a process that is gone already is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone
  }
}

/**
 * Ends every process of the lab in `dir` that `mine` selects: SIGTERM, then SIGKILL for what is left after `patience` milliseconds.
 * @returns the processes that had to be killed.
 */
export async function endProcesses(
  mine: (candidate: LabProcess) => boolean,
  patience: number,
  dir: string = stateDir,
): Promise<LabProcess[]> {
  const select = () => findProcesses(dir).filter(mine);
  for (const { pid } of select()) signalProcess(pid, "SIGTERM");
  const deadline = Date.now() + patience;
  let left = select();
  while (left.length > 0 && Date.now() < deadline) {
    await sleep(100);
    left = select();
  }
  for (let round = 0; round < 50 && select().length > 0; round++) {
    for (const { pid } of select()) signalProcess(pid, "SIGKILL");
    await sleep(100);
  }
  return left;
}

/** Forgets a service's pid file. */
export function forgetProcess(service: string): void {
  rmSync(pidFile(service), { force: true });
}

/** Last lines of a service's log, for errors. */
export function logTail(service: string, lines = 20): string {
  try {
    return readFileSync(logFile(service), "utf8")
      .split("\n")
      .slice(-lines - 1)
      .join("\n")
      .trimEnd();
  } catch {
    return "(no log)";
  }
}
