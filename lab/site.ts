/**
 * Where the lab lives: folders, addresses and ports. Everything else in lab/ takes them from here.
 * Upstream analogue: a Kolla site's globals.yml (addresses) and the folders that its containers mount.
 */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Folder of the project (the one that holds package.json). */
export const projectDir = resolve(import.meta.dirname, "..");

/** State of the lab: everything `reset` removes. */
export const stateDir = join(projectDir, ".lab");

/** What `prepare` built, shared by every clone of the project on this machine. */
export const cacheDir = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "capi-mgmt");

/** Network namespace that holds every service, bridge and backend socket of the lab. */
export const namespace = "capi-lab";

/** The host's end of the veth pair into the lab. */
export const hostInterface = "capi-lab0";

/** Bridge that plays the physical external network. */
export const externalBridge = "labex";

/** Addresses of the external network; 203.0.113.0/24 is TEST-NET-3 (RFC 5737), so it collides with no real site. */
export const addresses = {
  cidr: "203.0.113.0/24",
  prefixLength: 24,
  gateway: "203.0.113.1",
  services: "203.0.113.10",
  poolStart: "203.0.113.100",
  poolEnd: "203.0.113.199",
  host: "203.0.113.254",
  /**
   * What the host reaches through the lab: services and the pool, not the whole network. A machine may itself sit behind
   * an address of this documentation range (build machines with a registry mirror do), which must stay reachable.
   */
  routes: ["203.0.113.0/27", "203.0.113.96/27", "203.0.113.128/26", "203.0.113.192/29"],
} as const;

/** OpenStack APIs: service name → port. The proxy listens there on `addresses.services`, the backend on the lab's loopback. */
export const apiPorts = {
  keystone: 5000,
  glance: 9292,
  placement: 8778,
  nova: 8774,
  neutron: 9696,
  cinder: 8776,
  octavia: 9876,
} as const;

/** Name of an OpenStack API that the proxy stands in front of. */
export type ApiName = keyof typeof apiPorts;

/** Ports of the lab's other services. */
export const ports = {
  s3: 7070,
  mirror: 8080,
  slack: 8081,
  registry: 5001,
  mariadb: 3306,
  rabbitmq: 5672,
} as const;

/** Base URL of an API as the catalog's public endpoint says it. */
export const publicUrl = (api: ApiName): string => `https://${addresses.services}:${apiPorts[api]}`;

/** Base URL of an API for the other OpenStack services: plain HTTP on the lab's loopback, past the proxy. */
export const internalUrl = (api: ApiName): string => `http://127.0.0.1:${apiPorts[api]}`;

export const region = "RegionOne";
/** Project that the stacks are deployed into. */
export const projectName = "capi-mgmt";
export const bucket = "capi-mgmt-state";
export const kubernetesVersion = "v1.36.3";

/** Files and folders below `.lab`. */
export const paths = {
  ca: join(stateDir, "ca.pem"),
  caKey: join(stateDir, "tls", "ca.key"),
  serverCertificate: join(stateDir, "tls", "server.pem"),
  serverKey: join(stateDir, "tls", "server.key"),
  clouds: join(stateDir, "clouds.yaml"),
  passphrase: join(stateDir, "passphrase"),
  secrets: join(stateDir, "secrets.json"),
  etc: join(stateDir, "etc"),
  log: join(stateDir, "log"),
  run: join(stateDir, "run"),
  data: join(stateDir, "data"),
  mirror: join(stateDir, "mirror"),
  registry: join(stateDir, "registry"),
  faults: join(stateDir, "faults.json"),
  faultHits: join(stateDir, "run", "fault-hits.json"),
  slack: join(stateDir, "slack.jsonl"),
  bell: join(stateDir, "net", "changed"),
} as const;
