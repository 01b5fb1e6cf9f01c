/**
 * Magnum in the lab: its own API and conductor with magnum-capi-helm, run with the configuration that kolla-ansible
 * rendered. They are no part of the site, because nothing of the management cluster needs them: a test starts them.
 * Upstream analogue: the containers magnum_api and magnum_conductor of a Kolla site.
 */
import { copyFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { tenantChartRepository } from "../kubernetes/tenantChart.ts";
import { renderIni } from "../openstack/config.ts";
import { endProcesses, forgetProcess, logTail, runningPid, startProcess } from "../processes.ts";
import { runInside, sleep } from "../run.ts";
import { callApi, Cloud } from "../services/cloud.ts";
import { loadSecrets, writePrivate } from "../services/secrets.ts";
import { siteArtifacts } from "../prepare/artifacts.ts";
import { addresses, internalUrl, paths, ports, projectName, publicUrl, region } from "../site.ts";

/** Magnum's own port. */
const PORT = 9511;
const BASE = `http://${addresses.services}:${PORT}/v1`;
const SERVICES = ["magnum-conductor", "magnum-api"] as const;
/** Seconds; both take ten on two idle cores. */
const START_TIMEOUT = 120;

export interface MagnumArgs {
  /** The consumers' Python environment. */
  readonly venv: string;
  /** What kolla-ansible rendered for the container magnum_conductor: magnum.conf and kubeconfig. */
  readonly rendered: string;
}

const home = join(paths.data, "magnum");
const ownConf = join(paths.etc, "magnum.conf");
const policyFile = join(paths.etc, "magnum-policy.yaml");

interface Named {
  id: string;
  name: string;
}

/** Makes what a Kolla site's deployment makes for Magnum (database, user, catalog), and starts both services. */
export async function startMagnum(args: MagnumArgs): Promise<void> {
  const secrets = loadSecrets();
  // What a site needs whose stack hides templates; Magnum's own policy leaves that to administrators.
  writePrivate(policyFile, '"clustertemplate:publish": "role:member"\n');
  writePrivate(ownConf, renderIni(siteSettings(args.venv, secrets.servicePassword)));
  useKubeconfig(args.rendered);
  const cloud = new Cloud(secrets);
  await Promise.all([database(args), register(cloud, secrets.servicePassword)]);
  for (const name of SERVICES) start(name, args);
  await answers();
}

/** The restart of the conductor that kolla-ansible does when the kubeconfig's file has changed. */
export async function reconfigureMagnum(args: MagnumArgs): Promise<void> {
  await end("magnum-conductor");
  useKubeconfig(args.rendered);
  start("magnum-conductor", args);
}

/** Ends both and takes them out of the catalog; the database stays. */
export async function stopMagnum(): Promise<void> {
  for (const name of SERVICES) await end(name);
  const cloud = new Cloud(loadSecrets());
  for (const id of await services(cloud)) await cloud.call("keystone", "DELETE", `/v3/services/${id}`);
}

/** Where kolla-ansible's containers have it, as config.json says. */
function useKubeconfig(rendered: string): void {
  const file = join(home, ".kube", "config");
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  copyFileSync(join(rendered, "kubeconfig"), file);
}

/** What differs between the Kolla site that the role rendered for and this one; read after the role's file. */
function siteSettings(venv: string, password: string): Parameters<typeof renderIni>[0] {
  const account = {
    auth_type: "password",
    auth_url: `${internalUrl("keystone")}/v3`,
    username: "magnum",
    password,
    project_name: "service",
    user_domain_name: "Default",
    project_domain_name: "Default",
    // A tenant's application credential is asked for at the public endpoint.
    cafile: paths.ca,
  };
  return {
    DEFAULT: {
      transport_url: `rabbit://guest:guest@127.0.0.1:${ports.rabbitmq}/`,
      state_path: home,
      log_dir: "",
      log_file: "",
      host: "lab",
    },
    api: {
      host: addresses.services,
      port: PORT,
      workers: 2,
      api_paste_config: join(venv, "etc/magnum/api-paste.ini"),
    },
    conductor: { workers: 1 },
    oslo_policy: { policy_file: policyFile },
    database: { connection: `mysql+pymysql://root@127.0.0.1:${ports.mariadb}/magnum?charset=utf8mb4` },
    keystone_auth: account,
    keystone_authtoken: {
      ...account,
      www_authenticate_uri: `${publicUrl("keystone")}/v3`,
      memcached_servers: "",
      memcache_security_strategy: "None",
    },
    oslo_concurrency: { lock_path: join(paths.data, "lock", "magnum") },
    oslo_messaging_notifications: { transport_url: "" },
    // The lab has one broker, without the replicas that a Kolla site's queues have.
    oslo_messaging_rabbit: {
      use_queue_manager: false,
      rabbit_quorum_queue: false,
      rabbit_stream_fanout: false,
      rabbit_transient_quorum_queue: false,
    },
    // As a site without internet has it (docs/outside.md).
    capi_helm: { helm_chart_repo: tenantChartRepository },
    // The tenants' clusters must trust the lab's authority, as they must a site's own.
    drivers: { openstack_ca_file: paths.ca },
  };
}

function environment(venv: string): Record<string, string> {
  const helm = dirname(siteArtifacts().helm);
  return {
    PATH: `${join(venv, "bin")}:${helm}:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: home,
    PYTHONWARNINGS: "ignore",
  };
}

const configuration = ({ rendered }: MagnumArgs) => [
  ...["--config-file", join(rendered, "magnum.conf")],
  ...["--config-file", ownConf],
];

function start(name: (typeof SERVICES)[number], args: MagnumArgs): void {
  startProcess({
    name,
    command: [join(args.venv, "bin", name), ...configuration(args)],
    env: environment(args.venv),
  });
}

async function end(name: string): Promise<void> {
  await endProcesses(({ service }) => service === name, 5000);
  forgetProcess(name);
}

async function database(args: MagnumArgs): Promise<void> {
  const create = "CREATE DATABASE IF NOT EXISTS magnum CHARACTER SET utf8mb4";
  const program = `import pymysql; pymysql.connect(host="127.0.0.1", port=${ports.mariadb}, user="root").cursor().execute("${create}")`;
  await runInside([join(args.venv, "bin", "python"), "-c", program]);
  const command = [join(args.venv, "bin", "magnum-db-manage"), ...configuration(args), "upgrade"];
  await runInside(command, { env: environment(args.venv) });
}

async function services(cloud: Cloud): Promise<string[]> {
  const found = await cloud.get<{ services: Named[] }>("keystone", "/v3/services?type=container-infra");
  return found.services.map(({ id }) => id);
}

async function register(cloud: Cloud, password: string): Promise<void> {
  const named = async (kind: string, name: string) =>
    (await cloud.get<Record<string, Named[]>>("keystone", `/v3/${kind}?name=${name}`))[kind]?.[0]?.id;
  const project = await named("projects", "service");
  const user =
    (await named("users", "magnum")) ??
    (
      await cloud.post<{ user: Named }>("keystone", "/v3/users", {
        user: { name: "magnum", password, domain_id: "default", default_project_id: project },
      })
    ).user.id;
  const role = await named("roles", "admin");
  await cloud.call("keystone", "PUT", `/v3/projects/${project}/users/${user}/roles/${role}`);
  if ((await services(cloud)).length > 0) return;
  const { service } = await cloud.post<{ service: Named }>("keystone", "/v3/services", {
    service: { name: "magnum", type: "container-infra", enabled: true },
  });
  for (const name of ["public", "internal"]) {
    await cloud.post("keystone", "/v3/endpoints", {
      endpoint: { service_id: service.id, interface: name, url: BASE, region_id: region, enabled: true },
    });
  }
}

/** Waits until the API answers; it asks the conductor for everything. */
async function answers(): Promise<void> {
  const until = Date.now() + START_TIMEOUT * 1000;
  for (let problem = ""; ; await sleep(500)) {
    for (const name of SERVICES) {
      if (runningPid(name) !== undefined) continue;
      throw new Error(`${name} ended right after its start. Its log says:\n${logTail(name)}`);
    }
    try {
      await (await magnumUser()).call("GET", "/clustertemplates");
      return;
    } catch (error) {
      problem = (error as Error).message;
    }
    if (Date.now() > until) {
      throw new Error(
        `magnum-api does not answer after ${START_TIMEOUT} s: ${problem}\n${logTail("magnum-api")}`,
      );
    }
  }
}

/** Magnum's API as the user of the lab's project. */
export interface MagnumUser {
  /** @throws Error with the API's words for a status that is not 2xx */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
}

/** Logs in with the password, as a tenant does: with an application credential Magnum could make no other. */
export async function magnumUser(): Promise<MagnumUser> {
  const { userPassword, bypassToken } = loadSecrets();
  const domain = { id: "default" };
  const user = { name: projectName, domain, password: userPassword };
  const answer = await callApi("keystone", "/v3/auth/tokens", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      auth: {
        identity: { methods: ["password"], password: { user } },
        scope: { project: { name: projectName, domain } },
      },
    }),
    bypass: bypassToken,
  });
  const token = String(answer.headers["x-subject-token"]);
  return {
    async call<T>(method: string, path: string, body?: unknown): Promise<T> {
      const response = await fetch(`${BASE}${path}`, {
        method,
        headers: {
          "x-auth-token": token,
          "openstack-api-version": "container-infra latest",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(70_000),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`magnum: ${method} ${path} answered ${response.status}: ${text}`);
      return (text === "" ? undefined : JSON.parse(text)) as T;
    },
  };
}
