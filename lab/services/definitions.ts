/**
 * Every long-running service of the lab: its command, environment, what must answer before it starts, how its health is seen.
 * Upstream analogue: kolla-ansible's container definitions.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type ServiceCommand, logFile } from "../processes.ts";
import type { Artifacts } from "../prepare/artifacts.ts";
import { type ApiName, addresses, apiPorts, paths, ports, projectDir, stateDir } from "../site.ts";
import * as health from "./health.ts";
import { registryUrl } from "./registry.ts";
import type { Secrets } from "./secrets.ts";

export interface Service extends ServiceCommand {
  /** Names of services and tasks that must be healthy before this one starts; only real needs, the rest runs side by side. */
  needs: string[];
  /** Resolves when it answers; throws what is wrong until then. */
  check: () => Promise<void>;
  /** Seconds between SIGTERM and SIGKILL. */
  patience: number;
  /** Where it listens, for the status table. */
  endpoint: string;
}

const openstackDir = join(projectDir, "lab", "openstack");
const novaPath = join(openstackDir, "nova_path");
const servicesDir = join(projectDir, "lab", "services");

/** Order in which groups of services are ended: what uses the database and the broker first. */
export const infrastructure = ["rabbitmq", "mariadb"];

/** All services for the prepared artifacts and this lab's secrets. */
export function defineServices(artifacts: Artifacts, secrets: Secrets): Service[] {
  const bin = join(artifacts.python, "bin");
  const upstreamEtc = join(artifacts.python, "etc");
  const config = (name: string) => join(paths.etc, name);
  const python = {
    PATH: `${bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    PYTHONPATH: join(openstackDir, "plugins"),
    PYTHONWARNINGS: "ignore",
    CAPI_LAB_STATE: stateDir,
    CAPI_LAB_BELL: paths.bell,
    OS_KEYSTONE_CONFIG_DIR: paths.etc,
    OS_KEYSTONE_CONFIG_FILES: "keystone.conf",
    OS_GLANCE_CONFIG_DIR: paths.etc,
    OS_PLACEMENT_CONFIG_DIR: paths.etc,
    OS_NOVA_CONFIG_DIR: paths.etc,
    // Nova takes the first of these files for api-paste.ini
    OS_NOVA_CONFIG_FILES: `${join(upstreamEtc, "nova", "api-paste.ini")};${config("nova.conf")}`,
    OS_NEUTRON_CONFIG_DIR: paths.etc,
    OS_NEUTRON_CONFIG_FILES: "neutron.conf",
    OS_CINDER_CONFIG_DIR: paths.etc,
  };

  const configFiles = { keystone: "keystone.conf", glance: "glance-api.conf", placement: "placement.conf" };
  const inputs = (file: string) => [config(file), join(openstackDir, "plugins")];
  const api = (name: ApiName, module: string, threads: number, ...args: string[]): Service => ({
    name,
    urgent: name === "keystone",
    inputs: inputs(configFiles[name as keyof typeof configFiles] ?? `${name}.conf`),
    command: [
      ...[
        join(bin, "uwsgi"),
        "--http-socket",
        `127.0.0.1:${apiPorts[name]}`,
        "--module",
        `${module}:application`,
      ],
      ...["--master", "--processes", "1", "--threads", String(threads), "--enable-threads", "--lazy-apps"],
      ...["--single-interpreter", "--need-app", "--die-on-term", "--buffer-size", "65535"],
      ...["--add-header", "Connection: close", "--http-chunked-input", "--disable-logging"],
      ...["--hook-master-start", "unix_signal:15 gracefully_kill_them_all", "--worker-reload-mercy", "5"],
      ...["--procname-prefix-spaced", `lab-${name}`, ...(args.length ? ["--pyargv", args.join(" ")] : [])],
    ],
    env: python,
    // Keystone remembers whom it did not find: asked before its first content is there, it goes on refusing.
    needs: name === "keystone" ? ["identity content"] : ["mariadb"],
    check: () => health.apiAnswers(name, secrets.bypassToken),
    patience: 8,
    endpoint: `https://${addresses.services}:${apiPorts[name]}`,
  });
  /** A daemon is loaded at once and waits itself for the broker and the APIs it needs: see launch.py. */
  const daemon = (
    name: string,
    module: string,
    file: string,
    apis: ApiName[],
    check: Service["check"],
    env: Record<string, string> = {},
  ): Service => ({
    name,
    command: [
      ...[join(bin, "python"), join(openstackDir, "launch.py"), join(bin, name), module],
      ...["--port", String(ports.rabbitmq), ...apis.flatMap((api) => ["--api", String(apiPorts[api])])],
      // written when Keystone has its first content
      ...["--file", paths.clouds],
      // oslo.log would name the file after launch.py
      ...["--", "--config-file", config(file), "--log-file", logFile(name)],
    ],
    env: { ...python, ...env },
    inputs: [...inputs(file), join(openstackDir, "launch.py"), ...(env["PYTHONPATH"] ? [novaPath] : [])],
    needs: ["mariadb"],
    check,
    patience: 10,
    endpoint: "queue",
  });
  const novaDaemon = (name: string, module: string, apis: ApiName[], env?: Record<string, string>) =>
    daemon(name, module, "nova.conf", apis, () => health.daemonReports("nova", name, secrets), env);
  const cinderDaemon = (name: string, module: string) =>
    daemon(name, module, "cinder.conf", [], () => health.daemonReports("cinder", name, secrets));

  return [
    mariadb(),
    rabbitmq(),
    {
      name: "proxy",
      command: [process.execPath, join(servicesDir, "proxy.ts")],
      inputs: ["proxy.ts", "faultRules.ts"]
        .map((name) => join(servicesDir, name))
        .concat(paths.serverCertificate),
      needs: [],
      check: () => health.tcpOpen(addresses.services, apiPorts.keystone),
      patience: 3,
      endpoint: `https://${addresses.services}`,
    },
    {
      name: "mirror",
      command: [process.execPath, join(servicesDir, "mirror.ts")],
      inputs: ["mirror.ts", "mirrorPath.ts"].map((name) => join(servicesDir, name)),
      needs: [],
      check: () =>
        health.httpOk(`http://${addresses.services}:${ports.mirror}/charts.jetstack.io/index.yaml`),
      patience: 3,
      endpoint: `http://${addresses.services}:${ports.mirror}, Slack :${ports.slack}`,
    },
    {
      name: "registry",
      command: ["docker-registry", "serve", config("registry.yml")],
      inputs: [config("registry.yml")],
      needs: [],
      check: () => health.httpOk(`${registryUrl}/v2/`),
      patience: 3,
      endpoint: registryUrl,
    },
    {
      name: "s3",
      command: [
        ...[artifacts.versitygw, "--port", `${addresses.services}:${ports.s3}`, "--quiet"],
        ...["posix", "--versioning-dir", join(paths.data, "s3-versions"), join(paths.data, "s3")],
      ],
      env: { ROOT_ACCESS_KEY: secrets.s3AccessKey, ROOT_SECRET_KEY: secrets.s3SecretKey },
      needs: [],
      check: () => health.tcpOpen(addresses.services, ports.s3),
      patience: 5,
      endpoint: `http://${addresses.services}:${ports.s3}`,
    },
    api("keystone", "keystone.wsgi.api", 4),
    api("glance", "glance.wsgi.api", 4),
    api("placement", "placement.wsgi.api", 4),
    api("neutron", "neutron.wsgi.api", 6, "--log-file", logFile("neutron")),
    api("nova", "nova.wsgi.osapi_compute", 6, "--log-file", logFile("nova")),
    api(
      "cinder",
      "cinder.wsgi.api",
      4,
      "--config-file",
      config("cinder.conf"),
      "--log-file",
      logFile("cinder"),
    ),
    api(
      "octavia",
      "octavia.wsgi.api",
      4,
      "--config-file",
      config("octavia.conf"),
      "--log-file",
      logFile("octavia"),
    ),
    novaDaemon("nova-conductor", "nova.cmd.conductor", []),
    novaDaemon("nova-scheduler", "nova.cmd.scheduler", []),
    // its first report to Placement and Keystone is not repeated for a minute: they must answer
    novaDaemon("nova-compute", "nova.cmd.compute", ["keystone", "placement", "neutron"], {
      PYTHONPATH: `${novaPath}:${python.PYTHONPATH}`,
      CAPI_LAB_SEED_BASE: artifacts.seedBase,
      CAPI_LAB_MACHINE_RUNNER: join(openstackDir, "machine.sh"),
      CAPI_LAB_NODE_BASE: artifacts.nodeBase,
    }),
    cinderDaemon("cinder-scheduler", "cinder.cmd.scheduler"),
    cinderDaemon("cinder-volume", "cinder.cmd.volume"),
    daemon("octavia-worker", "capi_lab_health", "octavia.conf", [], () =>
      health.connectedTo("octavia-worker", ports.rabbitmq),
    ),
    {
      name: "network-agent",
      command: [join(bin, "python"), join(openstackDir, "agent", "main.py"), config("agent.json")],
      env: python,
      inputs: [join(openstackDir, "agent"), join(openstackDir, "plugins"), config("agent.json")],
      needs: ["keystone", "neutron"],
      check: () => Promise.resolve(health.logSays("network-agent", /sync: /)),
      patience: 5,
      endpoint: "namespaces",
    },
  ];
}

function mariadb(): Service {
  return {
    name: "mariadb",
    urgent: true,
    command: [
      ...["mariadbd", "--no-defaults", "--user=root", `--datadir=${join(paths.data, "mysql")}`],
      // relative to the data folder: a socket's path has at most 107 bytes, a project's folder may be long
      ...[
        "--socket=mysql.sock",
        "--pid-file=mariadbd.pid",
        "--bind-address=127.0.0.1",
        `--port=${ports.mariadb}`,
      ],
      // a lab's data may be lost with the host: no flush at each commit
      ...["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0"],
      ...["--innodb-log-file-size=16M", "--innodb-buffer-pool-size=96M", "--performance-schema=OFF"],
      ...["--max-connections=400", "--skip-name-resolve"],
    ],
    needs: ["database files"],
    check: () => health.tcpOpenInside(ports.mariadb),
    patience: 20,
    endpoint: `127.0.0.1:${ports.mariadb}`,
  };
}

function rabbitmq(): Service {
  const home = join(paths.data, "rabbitmq");
  return {
    name: "rabbitmq",
    command: ["/usr/lib/rabbitmq/bin/rabbitmq-server"],
    urgent: true,
    env: {
      HOME: home,
      RABBITMQ_NODENAME: "lab@localhost",
      RABBITMQ_BASE: home,
      RABBITMQ_MNESIA_BASE: join(home, "mnesia"),
      RABBITMQ_LOG_BASE: join(paths.log, "rabbitmq"),
      RABBITMQ_CONFIG_FILE: join(paths.etc, "rabbitmq.conf"),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(paths.etc, "rabbitmq-plugins"),
      RABBITMQ_CONF_ENV_FILE: "/dev/null",
      RABBITMQ_DIST_PORT: "25672",
      ERL_EPMD_ADDRESS: "127.0.0.1",
      // one scheduler thread without busy waiting: the broker idles most of the time on two shared cores
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none",
    },
    needs: [],
    check: () => health.tcpOpenInside(ports.rabbitmq),
    patience: 20,
    endpoint: `127.0.0.1:${ports.rabbitmq}`,
  };
}

/** Folders the services expect to exist. */
export function makeFolders(): void {
  const data = ["keystone", "glance/images", "glance/staging", "glance/tasks", "nova", "cinder", "neutron"];
  const locks = ["nova", "cinder", "neutron", "glance", "placement", "octavia"].map((name) => `lock/${name}`);
  const others = ["rabbitmq", "s3", "s3-versions", ...locks];
  for (const name of [...data, ...others])
    mkdirSync(join(paths.data, name), { recursive: true, mode: 0o700 });
  for (const folder of [paths.etc, paths.log, paths.run, paths.mirror, join(paths.bell, "..")]) {
    mkdirSync(folder, { recursive: true });
  }
}

/** Old messages mean nothing to restarted daemons, and a broker killed while writing starts slowly or not at all. */
export function forgetMessages(): void {
  const mnesia = join(paths.data, "rabbitmq", "mnesia");
  if (existsSync(mnesia)) rmSync(mnesia, { recursive: true });
}
