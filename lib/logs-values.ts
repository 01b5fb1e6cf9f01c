/**
 * Values of the charts fluent-bit and loki. Upstream analogue: the loki-stack of the chart cluster-addons, whose Loki 2.9
 * and promtail have no more releases.
 */
import type { Config } from "../config/schema.ts";

type LogsConfig = Config["logs"];

export const LOGS_NAMESPACE = "logging-system";

/** Secret with what the collector logs in with at a Loki elsewhere. */
export const LOGS_SECRET = "logs-destination";

const LOKI_PORT = 3100;
const CA_FOLDER = "/etc/capi-mgmt-logs";

/** Address of the cluster's own Loki. */
export const LOKI_URL = `http://loki.${LOGS_NAMESPACE}.svc:${LOKI_PORT}`;

/** One Loki with its data on a volume; no cache, gateway or canary beside it. */
export function lokiValues({ loki }: LogsConfig): object {
  return {
    deploymentMode: "Monolithic",
    loki: {
      auth_enabled: false,
      commonConfig: { replication_factor: 1 },
      storage: { type: "filesystem" },
      schemaConfig: {
        configs: [
          {
            from: "2024-04-01",
            store: "tsdb",
            object_store: "filesystem",
            schema: "v13",
            index: { prefix: "loki_index_", period: "24h" },
          },
        ],
      },
      limits_config: { retention_period: loki.retention },
      compactor: { retention_enabled: true, delete_request_store: "filesystem" },
    },
    singleBinary: {
      replicas: 1,
      persistence: {
        size: loki.size,
        ...(loki.storageClass === undefined ? {} : { storageClass: loki.storageClass }),
      },
    },
    // The chart counts the machines of its other shapes too.
    ...{ read: { replicas: 0 }, write: { replicas: 0 }, backend: { replicas: 0 } },
    gateway: { enabled: false },
    chunksCache: { enabled: false },
    resultsCache: { enabled: false },
    lokiCanary: { enabled: false },
    test: { enabled: false },
  };
}

/** Content of the collector's secret; empty without a Loki elsewhere that asks for a password or has an own authority. */
export function logsSecret({ external }: LogsConfig): Record<string, string> {
  const { username, password, caCert } = external ?? {};
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(caCert === undefined ? {} : { "ca.crt": caCert }),
  };
}

/**
 * A collector on every machine.
 *
 * @param clusterName label of every line: a Loki elsewhere has other clusters' too
 */
export function collectorValues(config: LogsConfig, clusterName: string): object {
  const secret = logsSecret(config);
  const variables = (
    [
      ["LOGS_USERNAME", "username"],
      ["LOGS_PASSWORD", "password"],
    ] as const
  ).filter(([, key]) => secret[key] !== undefined);
  const hasCa = secret["ca.crt"] !== undefined;
  return {
    // The audit log is on the control plane.
    tolerations: [{ operator: "Exists" }],
    testFramework: { enabled: false },
    ...(variables.length === 0
      ? {}
      : {
          env: variables.map(([name, key]) => ({
            name,
            valueFrom: { secretKeyRef: { name: LOGS_SECRET, key } },
          })),
        }),
    ...(hasCa
      ? {
          extraVolumes: [
            {
              name: "authority",
              secret: { secretName: LOGS_SECRET, items: [{ key: "ca.crt", path: "ca.crt" }] },
            },
          ],
          extraVolumeMounts: [{ name: "authority", mountPath: CA_FOLDER, readOnly: true }],
        }
      : {}),
    config: { inputs: INPUTS, outputs: output(config, clusterName, hasCa) },
  };
}

const INPUTS = section("INPUT", {
  Name: "tail",
  Tag: "kube.*",
  Path: "/var/log/containers/*.log",
  "multiline.parser": "docker, cri",
  Mem_Buf_Limit: "5MB",
  Skip_Long_Lines: "On",
}).concat(
  section("INPUT", {
    Name: "systemd",
    Tag: "host.*",
    Systemd_Filter: "_SYSTEMD_UNIT=kubelet.service",
    Read_From_Tail: "On",
  }),
  // Only there with cluster.apiServer.auditPolicy.
  section("INPUT", {
    Name: "tail",
    Tag: "audit.api",
    Path: "/var/log/kubernetes/audit/audit.log",
    Mem_Buf_Limit: "5MB",
    Skip_Long_Lines: "On",
  }),
);

function output({ external }: LogsConfig, clusterName: string, hasCa: boolean): string {
  const url = new URL(external?.url ?? `${LOKI_URL}/loki/api/v1/push`);
  const isTls = url.protocol === "https:";
  return section("OUTPUT", {
    Name: "loki",
    Match: "*",
    Host: url.hostname,
    Port: url.port === "" ? "443" : url.port,
    Uri: `${url.pathname}${url.search}`,
    Labels: `cluster=${clusterName}, job=fluent-bit`,
    Label_Keys: "$kubernetes['namespace_name'],$kubernetes['pod_name'],$kubernetes['container_name']",
    Retry_Limit: "False",
    ...(isTls ? { Tls: "On", "Tls.Verify": "On" } : {}),
    ...(hasCa ? { "Tls.Ca_File": `${CA_FOLDER}/ca.crt` } : {}),
    ...(external?.tenant === undefined ? {} : { Tenant_Id: external.tenant }),
    ...(external?.username === undefined
      ? {}
      : { Http_User: "${LOGS_USERNAME}", Http_Passwd: "${LOGS_PASSWORD}" }),
  });
}

function section(name: string, settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(([key, value]) => `    ${key} ${value}`);
  return [`[${name}]`, ...lines, "", ""].join("\n");
}
