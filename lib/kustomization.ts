/**
 * Cluster API's controllers as stages of manifest and kustomization. Upstream analogue: the patches of azimuth-ops
 * role clusterapi.
 *
 * The patches replace a controller's whole argument list: upstream's holds placeholders that only clusterctl fills
 * in, with other defaults than ours. An argument that upstream adds is lost until it is added here.
 */
import { stringify } from "yaml";
import { secondsOf } from "../config/units.ts";
import { mirrored, releases } from "./mirror.ts";
import { type ProxySettings, proxyVariables } from "./proxy.ts";
import { script } from "./shell.ts";

export type FeatureGates = Readonly<Record<string, boolean>>;

interface Release {
  readonly version: string;
  /** SHA-256 of the release's manifest; undefined takes what is served. */
  readonly sha256?: string;
}

export interface ClusterApiStagesArgs {
  readonly orc: Release;
  readonly core: Release & { readonly featureGates: FeatureGates };
  readonly kubeadmBootstrap: { readonly featureGates: FeatureGates };
  readonly kubeadmControlPlane: { readonly featureGates: FeatureGates };
  readonly openstack: Release & { readonly featureGates: FeatureGates };
  readonly mirrorUrl?: string;
  /** The way out for what talks to OpenStack. Default: directly. */
  readonly proxy?: ProxySettings | undefined;
}

/** What is applied and awaited as a whole before the next stage starts. */
export interface Stage {
  readonly name: string;
  readonly url: string;
  readonly sha256?: string;
  /** Content of kustomization.yaml beside manifest.yaml. */
  readonly kustomization: string;
  /** `<namespace>/<name>` of the Deployments that must be available. */
  readonly deployments: readonly string[];
}

interface Controller {
  readonly namespace: string;
  readonly name: string;
}

const CORE: Controller = { namespace: "capi-system", name: "capi-controller-manager" };
const KUBEADM_BOOTSTRAP: Controller = {
  namespace: "capi-kubeadm-bootstrap-system",
  name: "capi-kubeadm-bootstrap-controller-manager",
};
const KUBEADM_CONTROL_PLANE: Controller = {
  namespace: "capi-kubeadm-control-plane-system",
  name: "capi-kubeadm-control-plane-controller-manager",
};
const CAPO: Controller = { namespace: "capo-system", name: "capo-controller-manager" };
const ORC: Controller = { namespace: "orc-system", name: "orc-controller-manager" };

/** Metrics behind authentication, for Prometheus. */
const SECURE_DIAGNOSTICS = ["--diagnostics-address=0.0.0.0:8443", "--insecure-diagnostics=false"];

/**
 * One leader each, with the times that upstream gives the controller of the kubeadm control plane (controlplane/kubeadm/main.go). The others'
 * own are 15, 10 and 2 s: they end themselves when the API is away for ten seconds, as while k3s starts again or etcd waits for its disk,
 * and each of them writes its lease every other second for ever. A controller that died without a word is replaced after at most the
 * lease's duration.
 */
const ONE_LEADER = [
  "--leader-elect",
  "--leader-elect-lease-duration=60s",
  "--leader-elect-renew-deadline=40s",
  "--leader-elect-retry-period=5s",
];

/** CAPO's metrics port; plain, because its service account may not review tokens. */
const CAPO_METRICS_PORT = 8080;

/** `--feature-gates=A=true,B=false`, sorted by name so that the order in configuration does not matter. */
export function featureGatesArg(gates: FeatureGates): string[] {
  const names = Object.keys(gates).toSorted();
  return names.length === 0
    ? []
    : [`--feature-gates=${names.map((name) => `${name}=${gates[name]}`).join(",")}`];
}

interface Operation {
  readonly op: "add" | "replace";
  readonly path: string;
  readonly value: unknown;
}

function patch(controller: Controller, operations: readonly Operation[]) {
  return {
    target: { kind: "Deployment", namespace: controller.namespace, name: controller.name },
    patch: stringify(operations, { lineWidth: 0 }),
  };
}

function args(controller: Controller, values: readonly string[]) {
  return patch(controller, [{ op: "replace", path: "/spec/template/spec/containers/0/args", value: values }]);
}

/** Variables beside those that upstream sets: its containers are all called manager. */
function environment({ namespace, name }: Controller, variables: Readonly<Record<string, string>>) {
  const env = Object.entries(variables).map(([variable, value]) => ({ name: variable, value }));
  const patch = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: { template: { spec: { containers: [{ name: "manager", env }] } } },
  };
  return { patch: stringify(patch, { lineWidth: 0 }) };
}

function kustomization(patches: readonly object[] = []): string {
  return stringify(
    { resources: ["manifest.yaml"], ...(patches.length === 0 ? {} : { patches }) },
    { lineWidth: 0 },
  );
}

function deployment(controller: Controller): string {
  return `${controller.namespace}/${controller.name}`;
}

/** The stages in the order of an upgrade: ORC, which CAPO needs; Cluster API; CAPO. */
export function clusterApiStages(config: ClusterApiStagesArgs): Stage[] {
  const { orc, core, kubeadmBootstrap, kubeadmControlPlane, openstack, mirrorUrl } = config;
  // The others talk to Kubernetes only.
  const proxied = (controller: Controller) =>
    config.proxy === undefined ? [] : [environment(controller, proxyVariables(config.proxy))];
  return [
    {
      name: "orc",
      url: mirrored(releases.orc(orc.version), mirrorUrl),
      sha256: orc.sha256,
      kustomization: kustomization(proxied(ORC)),
      deployments: [deployment(ORC)],
    },
    {
      name: "core",
      url: mirrored(releases.clusterApi(core.version), mirrorUrl),
      sha256: core.sha256,
      kustomization: kustomization([
        args(CORE, [...ONE_LEADER, ...SECURE_DIAGNOSTICS, ...featureGatesArg(core.featureGates)]),
        args(KUBEADM_BOOTSTRAP, [
          ...ONE_LEADER,
          ...SECURE_DIAGNOSTICS,
          ...featureGatesArg(kubeadmBootstrap.featureGates),
        ]),
        args(KUBEADM_CONTROL_PLANE, [
          ...ONE_LEADER,
          ...SECURE_DIAGNOSTICS,
          ...featureGatesArg(kubeadmControlPlane.featureGates),
        ]),
      ]),
      deployments: [CORE, KUBEADM_BOOTSTRAP, KUBEADM_CONTROL_PLANE].map(deployment),
    },
    {
      name: "openstack",
      url: mirrored(releases.capo(openstack.version), mirrorUrl),
      sha256: openstack.sha256,
      kustomization: kustomization([
        args(CAPO, [
          ...ONE_LEADER,
          "--v=2",
          `--diagnostics-address=0.0.0.0:${CAPO_METRICS_PORT}`,
          "--insecure-diagnostics=true",
          ...featureGatesArg(openstack.featureGates),
        ]),
        patch(CAPO, [
          {
            op: "add",
            path: "/spec/template/spec/containers/0/ports/-",
            value: { containerPort: CAPO_METRICS_PORT, name: "metrics", protocol: "TCP" },
          },
        ]),
        ...proxied(CAPO),
      ]),
      deployments: [deployment(CAPO)],
    },
  ];
}

export interface ClusterApiScriptArgs extends ClusterApiStagesArgs {
  /** Which of the site's clusters: names the folder on the seed. */
  readonly instance: "bootstrap" | "management";
  /** Path of the cluster's kubeconfig on the seed. Default: k3s on the seed itself. */
  readonly kubeconfigFile?: string;
  /** How long all Deployments together may take, as a duration. */
  readonly deploymentsTimeout: string;
  readonly mirrorCaCert?: string;
}

/** The script that applies and awaits the stages, and that refuses to delete a cluster which manages clusters. */
export function clusterApiScript(config: ClusterApiScriptArgs): string {
  const stages = clusterApiStages(config);
  return script(["cluster-api"], {
    KUBECONFIG_FILE: config.kubeconfigFile,
    INSTANCE: config.instance,
    STAGE_NAMES: stages.map(({ name }) => name),
    STAGE_URLS: stages.map(({ url }) => url),
    STAGE_SUMS: stages.map(({ sha256 }) => sha256 ?? ""),
    STAGE_KUSTOMIZATIONS: stages.map((stage) => stage.kustomization),
    STAGE_DEPLOYMENTS: stages.map(({ deployments }) => deployments.join(" ")),
    READY_SECONDS: secondsOf(config.deploymentsTimeout),
    MIRROR_CA: config.mirrorCaCert,
  });
}
