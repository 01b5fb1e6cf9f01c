/**
 * Cluster API's stages: what is applied on a cluster, in which order, and with what changed. Does not prove that
 * upstream's manifests have what the patches replace: the lab applies them to the real ones.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { parse } from "yaml";
import { clusterApiScript, clusterApiStages, type ClusterApiStagesArgs } from "../../lib/kustomization.ts";

const ARGS: ClusterApiStagesArgs = {
  orc: { version: "v2.6.0", sha256: "a".repeat(64) },
  core: {
    version: "v1.14.2",
    sha256: "b".repeat(64),
    featureGates: { MachinePool: true, ClusterTopology: false },
  },
  kubeadmBootstrap: { featureGates: { KubeadmBootstrapFormatIgnition: true } },
  kubeadmControlPlane: { featureGates: {} },
  openstack: { version: "v0.14.7", featureGates: { PriorityQueue: true } },
};

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
}

/** The operations of a stage on each Deployment, by `<namespace>/<name>`. */
function patches(kustomization: string): Record<string, Operation[]> {
  const { resources, patches = [] } = parse(kustomization) as {
    resources: string[];
    patches?: { target: { kind: string; namespace: string; name: string }; patch: string }[];
  };
  assert.deepEqual(resources, ["manifest.yaml"]);
  const found: Record<string, Operation[]> = {};
  for (const { target, patch } of patches) {
    assert.equal(target.kind, "Deployment");
    (found[`${target.namespace}/${target.name}`] ??= []).push(...(parse(patch) as Operation[]));
  }
  return found;
}

const [orc, core, openstack, ...more] = clusterApiStages(ARGS);

test("the order is an upgrade's: ORC, whose kinds CAPO needs, then Cluster API, whose contract CAPO follows, then CAPO", () => {
  assert.deepEqual(
    [orc, core, openstack, ...more].map((stage) => stage?.name),
    ["orc", "core", "openstack"],
  );
});

test("each stage is its own release's manifest, compared with its own sum where one is pinned", () => {
  const github = "https://github.com";
  assert.deepEqual(
    [orc, core, openstack].map((stage) => [stage?.url, stage?.sha256]),
    [
      [`${github}/k-orc/openstack-resource-controller/releases/download/v2.6.0/install.yaml`, "a".repeat(64)],
      [
        `${github}/kubernetes-sigs/cluster-api/releases/download/v1.14.2/cluster-api-components.yaml`,
        "b".repeat(64),
      ],
      [
        `${github}/kubernetes-sigs/cluster-api-provider-openstack/releases/download/v0.14.7/infrastructure-components.yaml`,
        undefined,
      ],
    ],
  );
  for (const { url } of clusterApiStages({ ...ARGS, mirrorUrl: "http://m:8080/" }))
    assert.match(url, /^http:\/\/m:8080\/github\.com\//);
});

test("every Deployment that a stage changes is awaited before the next one starts", () => {
  for (const stage of [core, openstack])
    assert.deepEqual(Object.keys(patches(stage?.kustomization ?? "")), stage?.deployments);
  assert.deepEqual(
    [patches(orc?.kustomization ?? ""), orc?.deployments],
    [{}, ["orc-system/orc-controller-manager"]],
  );
});

const ONE_LEADER = [
  "--leader-elect",
  "--leader-elect-lease-duration=60s",
  "--leader-elect-renew-deadline=40s",
  "--leader-elect-retry-period=5s",
];
const SECURE = [...ONE_LEADER, "--diagnostics-address=0.0.0.0:8443", "--insecure-diagnostics=false"];

test("each of Cluster API's controllers gets its own feature gates, a leader that outlives 40 s without the API, and metrics behind authentication", () => {
  const found = patches(core?.kustomization ?? "");
  const args = (values: string[]) => [
    { op: "replace", path: "/spec/template/spec/containers/0/args", value: values },
  ];
  assert.deepEqual(found, {
    "capi-system/capi-controller-manager": args([
      ...SECURE,
      "--feature-gates=ClusterTopology=false,MachinePool=true",
    ]),
    "capi-kubeadm-bootstrap-system/capi-kubeadm-bootstrap-controller-manager": args([
      ...SECURE,
      "--feature-gates=KubeadmBootstrapFormatIgnition=true",
    ]),
    "capi-kubeadm-control-plane-system/capi-kubeadm-control-plane-controller-manager": args(SECURE),
  });
});

test("CAPO's metrics are on a port that Prometheus finds by its name", () => {
  const [args, port] = patches(openstack?.kustomization ?? "")["capo-system/capo-controller-manager"] ?? [];
  assert.deepEqual(args?.value, [
    ...ONE_LEADER,
    "--v=2",
    "--diagnostics-address=0.0.0.0:8080",
    "--insecure-diagnostics=true",
    "--feature-gates=PriorityQueue=true",
  ]);
  assert.deepEqual(port, {
    op: "add",
    path: "/spec/template/spec/containers/0/ports/-",
    value: { containerPort: 8080, name: "metrics", protocol: "TCP" },
  });
});

/** Variables of a script as bash reads them. */
function variable(script: string, name: string): string[] {
  const lines = script.split("\n");
  const assignments = lines.slice(
    1,
    lines.findIndex((line) => line.startsWith(". ")),
  );
  const code = `${assignments.join("\n")}\nprintf '%s\\0' "\${${name}[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", code], { encoding: "utf8" });
  assert.equal(stderr, "");
  return stdout.split("\0").slice(0, -1);
}

test("the script has for each stage what belongs to it, also where nothing is pinned", () => {
  const script = clusterApiScript({
    ...ARGS,
    instance: "management",
    kubeconfigFile: "/home/ubuntu/kubeconfig",
    deploymentsTimeout: "15m",
    mirrorCaCert: "PEM",
  });
  assert.deepEqual(variable(script, "STAGE_NAMES"), ["orc", "core", "openstack"]);
  assert.deepEqual(variable(script, "STAGE_SUMS"), ["a".repeat(64), "b".repeat(64), ""]);
  assert.deepEqual(
    variable(script, "STAGE_URLS"),
    [orc, core, openstack].map((stage) => stage?.url),
  );
  assert.deepEqual(
    variable(script, "STAGE_KUSTOMIZATIONS"),
    [orc, core, openstack].map((stage) => stage?.kustomization),
  );
  assert.deepEqual(
    variable(script, "STAGE_DEPLOYMENTS"),
    [orc, core, openstack].map((stage) => stage?.deployments.join(" ")),
  );
  assert.deepEqual(
    ["INSTANCE", "KUBECONFIG_FILE", "READY_SECONDS", "MIRROR_CA"].flatMap((name) => variable(script, name)),
    ["management", "/home/ubuntu/kubeconfig", "900", "PEM"],
  );
});
