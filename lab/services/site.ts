/**
 * The whole site: start what is missing, stop, reset, status. Steps wait only for what they need, so start takes as long as its
 * longest chain or the processors allow.
 */
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { catalogEntries, openstackConfigs, rabbitmqConf, renderIni } from "../openstack/config.ts";
import { installTools, keepEnvironment } from "../environment.ts";
import { type Artifacts, keepArtifacts } from "../prepare/artifacts.ts";
import {
  type LabProcess,
  endProcesses,
  findProcesses,
  forgetProcess,
  isOutdated,
  logFile,
  logTail,
  runningPid,
  startProcess,
} from "../processes.ts";
import type { Progress } from "../progress.ts";
import { run, runInside, sleep } from "../run.ts";
import { internalUrl, paths, projectName, publicUrl, region, stateDir } from "../site.ts";
import { ensureBucket } from "./bucket.ts";
import { ensureCertificates } from "./certificates.ts";
import { ApiError, Cloud, cloudsYaml } from "./cloud.ts";
import { contentTasks } from "./content.ts";
import { type Service, defineServices, forgetMessages, infrastructure, makeFolders } from "./definitions.ts";
import { allowManyMachines, endMachines } from "./machines.ts";
import { ensureNetwork } from "./network.ts";
import { registryConfig } from "./registry.ts";
import { releaseMachine, takeMachine } from "./owner.ts";
import { type Secrets, loadSecrets, writeFernetKeys, writePrivate } from "./secrets.ts";

/** Roles of the project's user and its application credential. */
const projectRoles = ["member", "reader", "load-balancer_member"];
const serviceUsers = ["glance", "placement", "nova", "neutron", "cinder", "octavia"];

/** Starts whatever does not run and answer; everything started answers when this returns. */
export async function startSite(artifacts: Artifacts, progress: Progress): Promise<void> {
  await takeMachine();
  keepArtifacts(artifacts);
  installTools(artifacts);
  keepEnvironment();
  const secrets = loadSecrets();
  makeFolders();
  writeFernetKeys();
  writeConfiguration(artifacts, secrets);
  await progress.step("network", ensureNetwork);
  allowManyMachines();
  await progress.step("certificates", () => ensureCertificates(secrets.octaviaPassphrase));
  const services = defineServices(artifacts, secrets);
  await leaveNoStrays(services);

  const running = new Map<string, Promise<void>>();
  // One failure ends the waiting of the others: what they wait for will not come.
  const failed = new AbortController();
  const task = (
    name: string,
    needs: string[],
    work: (note: (text: string) => void) => Promise<void>,
    log?: string,
  ) => {
    const ready = Promise.all(
      needs.map((need) => running.get(need) ?? Promise.reject(new Error(`no step ${need}`))),
    );
    const done = ready.then(() => progress.step(name, work, log));
    // Collected below; a failed need must not be an unhandled rejection meanwhile.
    done.catch(() => failed.abort());
    running.set(name, done);
  };
  task("database files", [], () => ensureDatabase(artifacts));
  const pending = [...services];
  while (pending.length > 0) {
    const next = pending.findIndex((service) => service.needs.every((need) => running.has(need)));
    const [service] = pending.splice(next, 1) as [Service];
    task(service.name, service.needs, () => startService(service, failed.signal), logFile(service.name));
    if (service.name === "mariadb")
      task("identity content", ["mariadb"], () => bootstrap(artifacts, secrets));
  }
  const administrator = new Cloud(secrets);
  for (const { name, needs, make } of contentTasks) {
    task(name, ["proxy", "identity content", "keystone", ...needs], () =>
      makeContent(() => make(administrator)),
    );
  }
  task("state bucket", ["s3"], () => ensureBucket(secrets));
  const results = await Promise.allSettled(running.values());
  const failures = results.flatMap((result) =>
    result.status === "rejected" && !(result.reason instanceof GivenUp) ? [result.reason as Error] : [],
  );
  if (failures.length > 0)
    throw new Error([...new Set(failures.map((failure) => failure.message))].join("\n\n"));
}

/** Every configuration file; rewritten at each start, so that a newer version of the project takes effect. */
function writeConfiguration(artifacts: Artifacts, secrets: Secrets): void {
  const settings = {
    data: paths.data,
    log: paths.log,
    etc: paths.etc,
    upstreamEtc: join(artifacts.python, "etc"),
    servicePassword: secrets.servicePassword,
    octaviaPassphrase: secrets.octaviaPassphrase,
  };
  for (const [name, ini] of Object.entries(openstackConfigs(settings))) {
    writePrivate(join(paths.etc, name), renderIni(ini));
  }
  writePrivate(join(paths.etc, "rabbitmq.conf"), rabbitmqConf());
  writePrivate(join(paths.etc, "registry.yml"), registryConfig());
  writePrivate(join(paths.etc, "rabbitmq-plugins"), "[].\n");
  const agent = { auth_url: `${internalUrl("keystone")}/v3`, password: secrets.adminPassword };
  writePrivate(join(paths.etc, "agent.json"), JSON.stringify(agent));
}

/** A copy of the prepared database; renamed in place only when whole. */
async function ensureDatabase(artifacts: Artifacts): Promise<void> {
  const target = join(paths.data, "mysql");
  if (existsSync(target)) return;
  rmSync(`${target}.new`, { recursive: true, force: true });
  await run("cp", ["-a", "--reflink=auto", "--sparse=always", artifacts.database, `${target}.new`]);
  renameSync(`${target}.new`, target);
}

/** Keystone's first content and clouds.yaml, once a lab. */
async function bootstrap(artifacts: Artifacts, secrets: Secrets): Promise<void> {
  if (existsSync(paths.clouds)) return;
  const input = {
    config: join(paths.etc, "keystone.conf"),
    region,
    catalog: catalogEntries(),
    serviceUsers,
    project: projectName,
    projectRoles,
    adminPassword: secrets.adminPassword,
    servicePassword: secrets.servicePassword,
    userPassword: secrets.userPassword,
    credentialSecret: secrets.credentialSecret,
  };
  const { stdout } = await runInside(
    [join(artifacts.python, "bin", "python"), join(stateDir, "..", "lab", "openstack", "bootstrap.py")],
    { input: JSON.stringify(input), env: { PYTHONWARNINGS: "ignore" } },
  );
  const made = JSON.parse(stdout.slice(stdout.indexOf("{"))) as {
    application_credential: { id: string; secret: string };
    project_id: string;
  };
  const authUrl = `${publicUrl("keystone")}/v3`;
  const domains = { user_domain_id: "default", project_domain_id: "default" };
  const clouds = cloudsYaml({
    openstack: {
      authType: "v3applicationcredential",
      auth: {
        auth_url: authUrl,
        application_credential_id: made.application_credential.id,
        application_credential_secret: made.application_credential.secret,
      },
    },
    admin: {
      auth: {
        auth_url: authUrl,
        username: "admin",
        password: secrets.adminPassword,
        project_name: "admin",
        ...domains,
      },
    },
  });
  writePrivate(join(stateDir, "project-id"), `${made.project_id}\n`);
  writePrivate(paths.clouds, clouds);
}

/**
 * Makes content that can be made again at any point. Tried three times: two first requests at once make oslo.policy load
 * its rules twice, and one of them then fails with 500 ("dictionary changed size during iteration").
 */
async function makeContent(make: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await make();
    } catch (error) {
      if (attempt === 3 || !(error instanceof ApiError) || error.status < 500) throw error;
      await sleep(1000);
    }
  }
}

/** Waiting for a service was given up because another has failed. */
class GivenUp extends Error {}

/** Seconds after which a start fails: it takes 20 on two idle cores; a machine that is ten times as busy must not fail for that. */
const START_TIMEOUT = 240;

/** Starts one service if it does not run, and waits until it answers, or until `failed` says that another will not. */
async function startService(service: Service, failed: AbortSignal): Promise<void> {
  if (isOutdated(service)) {
    await endProcesses((candidate) => candidate.service === service.name, service.patience * 1000);
    forgetProcess(service.name);
  }
  if (runningPid(service.name) === undefined) {
    if (service.name === "rabbitmq") forgetMessages();
    startProcess(service);
  }
  const deadline = Date.now() + START_TIMEOUT * 1000;
  let problem = "";
  while (Date.now() < deadline) {
    try {
      return await service.check();
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    if (runningPid(service.name) === undefined) {
      throw new Error(`${service.name} ended right after its start. Its log says:\n${logTail(service.name)}`);
    }
    if (failed.aborted) throw new GivenUp(service.name);
    await sleep(250);
  }
  throw new Error(
    `${service.name} does not answer after ${START_TIMEOUT} s: ${problem}. Its log says:\n${logTail(service.name)}`,
  );
}

/** Ends processes of a killed run that no pid file names: a service would find its port taken. */
async function leaveNoStrays(services: Service[]): Promise<void> {
  await endProcesses((candidate) => candidate.service === "stray", 3000);
  for (const { name, patience } of services) {
    if (runningPid(name) === undefined) {
      await endProcesses((candidate) => candidate.service === name, patience * 1000);
      forgetProcess(name);
    }
  }
}

const isMachine = ({ service }: LabProcess) => service.startsWith("machine-");

/** Ends everything in order: services, then machines, then database and broker. Data stays. */
export async function stopSite(progress: Progress): Promise<void> {
  await takeMachine();
  const isInfrastructure = ({ service }: LabProcess) => infrastructure.includes(service);
  // first and at once: seeing its machines go down, it would record them as stopped, and start would not bring them back
  await endProcesses(({ service }) => service === "nova-compute", 0);
  await Promise.all([
    // an orderly power-off: k3s on the seed closes its database
    progress.step("machines", () => endMachines(30_000)),
    progress.step("services", () =>
      endProcesses((candidate) => !isInfrastructure(candidate) && !isMachine(candidate), 3000),
    ),
  ]);
  await progress.step("database and broker", () => endProcesses(() => true, 20_000));
  await progress.step("volumes and network", releaseMachine);
}

/** Removes the lab and all its data, also what a killed run left behind. What `prepare` built stays in the cache. */
export async function resetSite(progress: Progress): Promise<void> {
  await takeMachine();
  await progress.step("processes", async () => {
    await endMachines(0);
    await endProcesses(() => true, 3000);
  });
  await progress.step("volumes and network", releaseMachine);
  await progress.step("data", () => {
    rmSync(stateDir, { recursive: true, force: true });
    return Promise.resolve();
  });
}

interface StatusRow {
  service: string;
  pid: number | undefined;
  state: string;
  endpoint: string;
}

/** One row a service, asked now. */
export async function siteStatus(artifacts: Artifacts): Promise<StatusRow[]> {
  const secrets = loadSecrets();
  const processes = findProcesses();
  return Promise.all(
    defineServices(artifacts, secrets).map(async (service) => {
      const pid = runningPid(service.name, processes);
      const row = { service: service.name, pid, endpoint: service.endpoint };
      if (pid === undefined) return { ...row, state: "stopped" };
      try {
        await service.check();
        return { ...row, state: "ok" };
      } catch (error) {
        return { ...row, state: `not answering: ${(error as Error).message.split("\n", 1)[0]}` };
      }
    }),
  );
}
