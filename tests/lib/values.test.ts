/**
 * The documents that charts and controllers are given. What they make of them is shown in the lab, and on a real site
 * only: the lab's charts are stand-ins but for cert-manager's.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import type { ClusterConfig, MonitoringConfig } from "../../config/schema.ts";
import { alertRules } from "../../lib/alert-rules.ts";
import { chartProblems } from "../../lib/chart-machines.ts";
import { openstackClusterValues, type Surroundings } from "../../lib/chart-values.ts";
import { cloudCredentialsSecret } from "../../lib/clouds-yaml.ts";
import { k3sConfig, k3sRegistries, k3sUnit, systemdWord } from "../../lib/k3s.ts";
import { clusterApiStages, featureGatesArg } from "../../lib/kustomization.ts";
import { mirrored, releases } from "../../lib/mirror.ts";
import { monitoringValues } from "../../lib/monitoring-values.ts";
import { siteNames, stackNameProblem } from "../../lib/names.ts";
import { alertmanagerConfig, slackUrls } from "../../lib/slack.ts";
import { configOf } from "../support/config.ts";

const REFS = {
  credentialsSecret: "capi-mgmt-x-cloud-credentials",
  imageId: "image-id",
  keyPair: "capi-mgmt-x-seed",
  externalNetworkId: "external-id",
  apiSources: ["10.0.0.0/8", "203.0.113.5/32"],
};

/** A site without mirror, registries and proxy. */
const PLAIN: Surroundings = { mirror: {}, registries: { auth: {} } };

function clusterConfig(change: (cluster: Record<string, never>) => void = () => undefined): ClusterConfig {
  const { cluster } = structuredClone(configOf("dev"));
  change(cluster as unknown as Record<string, never>);
  return cluster;
}

test("the chart's values for the defaults are spelled as the chart reads them", () => {
  const values = openstackClusterValues(
    clusterConfig(),
    { ...REFS, networkId: "n", subnetId: "s", floatingIp: "203.0.113.9" },
    PLAIN,
  );
  assert.deepEqual(values.apiServer, {
    enableLoadBalancer: true,
    loadBalancerProvider: "amphora",
    associateFloatingIP: true,
    floatingIP: "203.0.113.9",
    port: 6443,
    // Not allowedCidrs, which the chart ignores, leaving the API open to everyone.
    allowedCIDRs: ["10.0.0.0/8", "203.0.113.5/32"],
  });
  assert.deepEqual(values.clusterNetworking, {
    externalNetworkId: "external-id",
    internalNetwork: { networkFilter: { id: "n" }, subnetFilter: { id: "s" } },
  });
  assert.deepEqual(values.etcd, {
    extraArgs: {
      "heartbeat-interval": "500",
      "election-timeout": "5000",
      "quota-backend-bytes": "4294967296",
    },
  });
  assert.equal(values.kubernetesVersion, "1.34.8");
  assert.equal(values.controlPlane.omitFailureDomain, true);
  assert.deepEqual(values.nodeGroupDefaults.rolloutStrategy, {
    type: "RollingUpdate",
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
  });
  assert.deepEqual(values.controlPlane.healthCheck.spec.maxUnhealthy, 1);
  assert.equal(values.addons.monitoring.enabled, false);
});

test("no list of sources means an open API, and then our own addresses must not close it", () => {
  const cluster = clusterConfig((change) => Object.assign(change["apiServer"] ?? {}, { allowedCidrs: [] }));
  const values = openstackClusterValues(cluster, REFS, PLAIN);
  assert.equal("allowedCIDRs" in values.apiServer, false);
});

test("without a network of ours the chart gets addresses for one, and DNS only where it is set", () => {
  const cluster = clusterConfig((change) =>
    Object.assign(change["network"] ?? {}, { useSeedNetwork: false, dnsNameservers: ["192.0.2.53"] }),
  );
  assert.deepEqual(openstackClusterValues(cluster, REFS, PLAIN).clusterNetworking.internalNetwork, {
    nodeCidr: "192.168.3.0/24",
    dnsNameservers: ["192.0.2.53"],
  });
});

test("what is off or not set leaves no key that would override the chart's default with nothing", () => {
  const empty = (value: unknown, path: string): string[] =>
    value === undefined || value === null
      ? [path]
      : typeof value === "object"
        ? Object.entries(value).flatMap(([key, child]) => empty(child, `${path}.${key}`))
        : [];
  assert.deepEqual(empty(openstackClusterValues(clusterConfig(), REFS, PLAIN), "values"), []);
  assert.deepEqual(empty(openstackClusterValues(configOf("prod").cluster, REFS, PLAIN), "values"), []);
});

test("production's disks, zones and load balancer reach the chart", () => {
  const { cluster } = configOf("prod");
  const ovn = { ...cluster, apiServer: { ...cluster.apiServer, loadBalancerProvider: "ovn" } };
  const values = openstackClusterValues(ovn, REFS, PLAIN);
  assert.deepEqual(values.controlPlane.machineRootVolume, { diskSize: 100, volumeType: "ssd" });
  assert.deepEqual(values.etcd.blockDevice, { size: 10, type: "Volume", volumeType: "ssd" });
  assert.deepEqual(values.addons.openstack, {
    cloudConfig: {
      // Not Global, which the chart drops: without a cacert it would stay at tls-insecure=true.
      global: { "tls-insecure": "false" },
      LoadBalancer: { "lb-provider": "ovn", "lb-method": "SOURCE_IP_PORT" },
    },
    csiCinder: { defaultStorageClass: { availabilityZone: "nova", volumeType: "ssd" } },
  });
});

test("volumes get the Cinder zone that is set, and else the chart takes the machine's failure domain", () => {
  const zoned = clusterConfig((change) => {
    const volume = { enabled: true, sizeGb: 100, availabilityZone: "ceph" };
    Object.assign(change["controlPlane"] ?? {}, {
      rootVolume: volume,
      etcdVolume: { sizeGb: 10, availabilityZone: "ceph-fast" },
    });
    Object.assign(change["workers"] ?? {}, { rootVolume: { ...volume, availabilityZone: undefined } });
  });
  const { controlPlane, nodeGroupDefaults, etcd } = openstackClusterValues(zoned, REFS, PLAIN);
  assert.deepEqual(controlPlane.machineRootVolume, { diskSize: 100, availabilityZone: "ceph" });
  assert.deepEqual(etcd.blockDevice, { size: 10, type: "Volume", availabilityZone: "ceph-fast" });
  assert.deepEqual(nodeGroupDefaults.machineRootVolume, { diskSize: 100 });
});

test("what reads the cloud's credential is restarted when it changes, and nothing outside its namespace", () => {
  assert.deepEqual(openstackClusterValues(clusterConfig(), REFS, PLAIN).addons.reloader, {
    enabled: true,
    release: { values: { reloader: { watchGlobally: false, autoReloadAll: true } } },
  });
});

test("the chart's rule for group names is told before the chart is installed", () => {
  const cluster = clusterConfig((change) => Object.assign(change["workers"] ?? {}, { groupName: "1a" }));
  assert.deepEqual(chartProblems(cluster), [
    'cluster.workers.groupName: the chart wants at least three of a-z, 0-9 and dash, starting with a letter (got "1a")',
  ]);
  assert.deepEqual(chartProblems(clusterConfig()), []);
});

test("the credentials secret holds project and authority inline, and no empty cacert", () => {
  const cloud = {
    authUrl: "https://cloud:5000/v3",
    applicationCredentialId: "id",
    applicationCredentialSecret: "it's: a {secret}",
    projectId: "project",
    region: "RegionOne",
  };
  const data = cloudCredentialsSecret(cloud);
  assert.deepEqual(Object.keys(data), ["clouds.yaml"]);
  assert.deepEqual(parse(data["clouds.yaml"] ?? ""), {
    clouds: {
      openstack: {
        auth_type: "v3applicationcredential",
        auth: {
          auth_url: "https://cloud:5000/v3",
          application_credential_id: "id",
          application_credential_secret: "it's: a {secret}",
          project_id: "project",
        },
        region_name: "RegionOne",
        interface: "public",
        identity_api_version: 3,
        verify: true,
      },
    },
  });
  assert.equal(cloudCredentialsSecret({ ...cloud, caCert: "PEM" })["cacert"], "PEM");
});

test("a mirror keeps upstream's layout", () => {
  const table: [string, string | undefined, string][] = [
    ["https://charts.jetstack.io", undefined, "https://charts.jetstack.io"],
    ["https://charts.jetstack.io", "http://m:8080", "http://m:8080/charts.jetstack.io"],
    ["https://charts.jetstack.io/", "http://m:8080/base/", "http://m:8080/base/charts.jetstack.io"],
    [
      releases.k3s("v1.36.3+k3s1").binary.amd64,
      "http://m",
      "http://m/github.com/k3s-io/k3s/releases/download/v1.36.3%2Bk3s1/k3s",
    ],
    [
      releases.orc("v2.6.0"),
      "http://m",
      "http://m/github.com/k-orc/openstack-resource-controller/releases/download/v2.6.0/install.yaml",
    ],
  ];
  for (const [url, mirror, expected] of table) assert.equal(mirrored(url, mirror), expected);
});

test("the stages come in the order of an upgrade and set what configuration says", () => {
  const { clusterApi } = configOf("lab");
  const stages = clusterApiStages({ ...clusterApi, mirrorUrl: undefined });
  assert.deepEqual(
    stages.map(({ name, deployments }) => [name, ...deployments]),
    [
      ["orc", "orc-system/orc-controller-manager"],
      [
        "core",
        "capi-system/capi-controller-manager",
        "capi-kubeadm-bootstrap-system/capi-kubeadm-bootstrap-controller-manager",
        "capi-kubeadm-control-plane-system/capi-kubeadm-control-plane-controller-manager",
      ],
      ["openstack", "capo-system/capo-controller-manager"],
    ],
  );
  const document = parse(stages[2]?.kustomization ?? "") as { patches: { target: object; patch: string }[] };
  assert.deepEqual(document.patches[0]?.target, {
    kind: "Deployment",
    namespace: "capo-system",
    name: "capo-controller-manager",
  });
  assert.deepEqual(parse(document.patches[0]?.patch ?? ""), [
    {
      op: "replace",
      path: "/spec/template/spec/containers/0/args",
      value: [
        "--leader-elect",
        "--leader-elect-lease-duration=60s",
        "--leader-elect-renew-deadline=40s",
        "--leader-elect-retry-period=5s",
        "--v=2",
        "--diagnostics-address=0.0.0.0:8080",
        "--insecure-diagnostics=true",
        "--feature-gates=AutoScaleFromZero=true,PriorityQueue=true",
      ],
    },
  ]);
});

test("feature gates do not depend on the order in configuration", () => {
  const gates = fc.dictionary(fc.stringMatching(/^[A-Z][a-z]{1,8}$/), fc.boolean(), { maxKeys: 6 });
  fc.assert(
    fc.property(gates, (map) => {
      const backwards = Object.fromEntries(Object.entries(map).reverse());
      assert.deepEqual(featureGatesArg(map), featureGatesArg(backwards));
    }),
  );
  assert.deepEqual(featureGatesArg({}), []);
});

test("k3s is told where it is reached, each name once, and starts only with its volume mounted", () => {
  const config = parse(
    k3sConfig({ tlsSans: ["203.0.113.7", "192.168.100.9", "203.0.113.7"], secretsEncryption: true }),
  ) as object;
  assert.deepEqual(config, {
    "write-kubeconfig-mode": "0600",
    "tls-san": ["203.0.113.7", "192.168.100.9"],
    "secrets-encryption": true,
    disable: ["traefik", "servicelb"],
  });
  const unit = k3sUnit(["--node-label=a=b c", "--x=100%$HOME"]);
  assert.match(unit, /^RequiresMountsFor=\/var\/lib\/rancher\/k3s$/m);
  assert.match(unit, /^ExecStartPre=\/usr\/local\/sbin\/capi-mgmt-volume-guard$/m);
  assert.match(unit, /^ExecStart=\/usr\/local\/bin\/k3s server "--node-label=a=b c" "--x=100%%\$\$HOME"$/m);
  // k3s comes back by itself, and containers outlive its restart.
  assert.match(unit, /^Restart=always$/m);
  assert.match(unit, /^KillMode=process$/m);
  assert.equal(systemdWord('a"b\\c'), String.raw`"a\"b\\c"`);
  assert.equal(k3sRegistries({}, { auth: {} }), "{}\n");
  assert.deepEqual(parse(k3sRegistries({ "docker.io": ["https://m/v2/d"] }, { auth: {} })), {
    mirrors: { "docker.io": { endpoint: ["https://m/v2/d"] } },
  });
});

const SLACK: MonitoringConfig["slack"] = { severities: ["warning", "critical"] };

test("webhooks are files of a secret and in no configuration", () => {
  const slack = {
    ...SLACK,
    webhookUrl: "https://hooks.slack.com/any",
    criticalWebhookUrl: "https://hooks.slack.com/critical",
  };
  assert.deepEqual(slackUrls(slack), {
    "slack-api-url": "https://hooks.slack.com/any",
    "slack-api-url-critical": "https://hooks.slack.com/critical",
  });
  const monitoring = { ...configOf("prod").monitoring, slack };
  const text = JSON.stringify(monitoringValues(monitoring));
  assert.doesNotMatch(text, /hooks\.slack\.com/);
  assert.match(text, /"secrets":\["alertmanager-slack-webhook"\]/);
  const { receivers } = alertmanagerConfig(slack) as {
    receivers: { name: string; slack_configs?: { api_url_file: string }[] }[];
  };
  assert.deepEqual(
    receivers.map(({ name, slack_configs }) => [name, slack_configs?.[0]?.api_url_file]),
    [
      ["nowhere", undefined],
      ["slack-warning", "/etc/alertmanager/secrets/alertmanager-slack-webhook/slack-api-url"],
      ["slack-critical", "/etc/alertmanager/secrets/alertmanager-slack-webhook/slack-api-url-critical"],
    ],
  );
});

test("without a webhook alerts go nowhere and nothing is mounted", () => {
  const { route, receivers } = alertmanagerConfig(SLACK) as {
    route: { routes: object[] };
    receivers: object[];
  };
  assert.deepEqual([route.routes, receivers], [[], [{ name: "nowhere" }]]);
  assert.doesNotMatch(JSON.stringify(monitoringValues(configOf("prod").monitoring)), /secrets/);
});

test("monitoring keeps what the configuration says on volumes of its size, which no recreated StatefulSet takes with it", () => {
  const { monitoring } = configOf("prod");
  const values = monitoringValues({
    ...monitoring,
    prometheus: { ...monitoring.prometheus, retention: "31d", size: "77Gi", storageClass: "ssd" },
    alertmanager: { ...monitoring.alertmanager, retention: "99h", size: "7Gi" },
  }) as {
    prometheus: { prometheusSpec: Record<string, unknown>; additionalPodMonitors: Record<string, unknown>[] };
    alertmanager: { alertmanagerSpec: Record<string, unknown> };
  };
  const { prometheusSpec, additionalPodMonitors } = values.prometheus;
  const { alertmanagerSpec } = values.alertmanager;
  assert.deepEqual([prometheusSpec["retention"], alertmanagerSpec["retention"]], ["31d", "99h"]);
  const claim = (spec: unknown) =>
    (spec as { volumeClaimTemplate: { spec: Record<string, unknown> } }).volumeClaimTemplate.spec;
  const ofPrometheus = claim(prometheusSpec["storageSpec"]);
  assert.deepEqual(
    [ofPrometheus["resources"], ofPrometheus["storageClassName"]],
    [{ requests: { storage: "77Gi" } }, "ssd"],
  );
  assert.deepEqual(claim(alertmanagerSpec["storage"])["resources"], { requests: { storage: "7Gi" } });
  // prometheus-operator makes a StatefulSet anew when its claim changes; monitoring.sh deletes the claims at the end.
  for (const spec of [prometheusSpec, alertmanagerSpec]) {
    const { whenDeleted } = spec["persistentVolumeClaimRetentionPolicy"] as Record<string, string>;
    assert.equal(whenDeleted, "Retain");
  }
  const watched = additionalPodMonitors.map(({ namespaceSelector }) => namespaceSelector);
  assert.deepEqual(watched, [{ matchNames: ["capo-system"] }, { matchNames: ["cert-manager"] }]);
});

test("our alert rules are there unless they are switched off", () => {
  const { monitoring } = configOf("prod");
  const has = (enabled: boolean) =>
    "additionalPrometheusRulesMap" in
    monitoringValues({ ...monitoring, rules: { ...monitoring.rules, enabled } });
  assert.deepEqual([has(true), has(false)], [true, false]);
});

test("every rule's metric is one that the values ask kube-state-metrics or cert-manager for", () => {
  const rules = Object.values(alertRules(30)).flatMap((value) =>
    (value as { groups: { rules: { alert: string; expr: string }[] }[] }).groups.flatMap(
      (group) => group.rules,
    ),
  );
  const asked =
    /kube_customresource_capi_(condition|machine_certificate_expiry)|certmanager_certificate_expiration_timestamp_seconds/;
  for (const { alert, expr } of rules) assert.match(expr, asked, alert);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  const soon = rules.find(({ alert }) => alert === "CapiMachineCertificateExpiresSoon");
  assert.equal(soon?.expr, "(kube_customresource_capi_machine_certificate_expiry - time()) < 864000");
});

test("a stack's name becomes every other name, and one that cannot is refused", () => {
  assert.deepEqual(siteNames("prod"), {
    cluster: "capi-mgmt-prod",
    seed: "capi-mgmt-prod-seed",
    kubeconfigFile: "kubeconfig-capi-mgmt-prod.yaml",
  });
  assert.equal(stackNameProblem("sms-lab-1"), undefined);
  for (const stack of ["Prod", "a_b", "-a", "a".repeat(31), ""])
    assert.match(stackNameProblem(stack) ?? "", /^stack name /);
});
