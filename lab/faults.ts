/**
 * `npm run lab -- fault …`: makes the site misbehave on purpose, and well again.
 */
import { existsSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { signalProcess } from "./processes.ts";
import { sleep } from "./run.ts";
import { type FaultFile, type FaultRule, describe, parseFault } from "./services/faultRules.ts";
import { leaderOf } from "./services/machines.ts";
import { apiPorts, paths, stateDir } from "./site.ts";

/** Runs one fault command; returns what to print. @throws Error on bad arguments. */
export async function fault(args: readonly string[]): Promise<string> {
  const [action, ...rest] = args;
  switch (action) {
    case "add":
      return changeRules((rules, id) => [...rules, parseFault(rest, id, Object.keys(apiPorts))]);
    case "list":
      return listRules();
    case "clear":
      if (rest[0] !== undefined && !readRules().rules.some(({ id }) => String(id) === rest[0])) {
        throw new Error(`there is no fault ${rest[0]}`);
      }
      return changeRules((rules) =>
        rules.filter(({ id }) => rest[0] !== undefined && String(id) !== rest[0]),
      );
    case "api-down":
      return changeRules((rules, id) => [
        ...rules,
        parseFault(["--service", rest[0] ?? "*", "--drop"], id, Object.keys(apiPorts)),
      ]);
    case "api-up": {
      const service = rest[0];
      return changeRules((rules) =>
        rules.filter((rule) => !(rule.drop && (service === undefined || rule.service === service))),
      );
    }
    case "seed-kill":
      return killMachine(rest[0]);
    default:
      throw new Error(`fault ${action ?? ""}: unknown (see --help)`);
  }
}

function readRules(): FaultFile {
  if (!existsSync(paths.faults)) return { generation: 0, rules: [] };
  return JSON.parse(readFileSync(paths.faults, "utf8")) as FaultFile;
}

function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

/** Writes the rules and waits until the proxy has taken them, so that the next request meets them. */
async function changeRules(change: (rules: FaultRule[], nextId: number) => FaultRule[]): Promise<string> {
  const file = readRules();
  const nextId = Math.max(0, ...file.rules.map(({ id }) => id)) + 1;
  const generation = file.generation + 1;
  replaceFile(paths.faults, JSON.stringify({ generation, rules: change(file.rules, nextId) }, null, 1));
  for (let attempt = 0; attempt < 50; attempt++) {
    if (readHits().generation === generation) return listRules();
    await sleep(50);
  }
  throw new Error(
    "the proxy did not take the rules within 2.5 s: is the lab running? (npm run lab -- status)",
  );
}

function readHits(): { generation: number; hits: Record<string, number> } {
  if (!existsSync(paths.faultHits)) return { generation: -1, hits: {} };
  return JSON.parse(readFileSync(paths.faultHits, "utf8")) as {
    generation: number;
    hits: Record<string, number>;
  };
}

function listRules(): string {
  const { hits } = readHits();
  const lines = readRules().rules.map((rule) => describe(rule, hits[String(rule.id)] ?? 0));
  return lines.length > 0 ? `${lines.join("\n")}\n` : "no faults\n";
}

/** SIGKILL to pid 1 of a booted machine. Nova sees it gone within 30 s (sync_power_state_interval). */
function killMachine(name: string | undefined): string {
  const machines = listMachines();
  const wanted =
    name === undefined
      ? machines.filter((machine) => !machine.node)
      : machines.filter((machine) => [machine.id, machine.name].includes(name));
  if (wanted.length !== 1) {
    const known = machines.map((machine) => machine.name).join(", ") || "none";
    throw new Error(`seed-kill: ${name ?? "name one machine"}: running machines are ${known}`);
  }
  const [machine] = wanted as [(typeof machines)[number]];
  const leader = leaderOf(machine.nspawn);
  if (leader === undefined) throw new Error(`seed-kill: ${machine.name} does not run`);
  signalProcess(leader, "SIGKILL");
  return `${machine.name} is down\n`;
}

function listMachines(): { id: string; name: string; nspawn: number; node: boolean }[] {
  const folder = join(stateDir, "machines");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((id) => {
    try {
      const nspawn = Number(readFileSync(join(folder, id, "nspawn.pid"), "utf8"));
      const settings = readFileSync(join(folder, id, "machine.env"), "utf8");
      const name = /^LM_HOSTNAME=(.*)$/m.exec(settings)?.[1] ?? id;
      return [{ id, name, nspawn, node: existsSync(join(folder, id, "containerd")) }];
    } catch {
      return [];
    }
  });
}
