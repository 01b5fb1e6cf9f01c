/**
 * Cluster API and what it needs, on one Kubernetes cluster. Used twice: on k3s, which makes the HA cluster
 * ("bootstrap"), and on the HA cluster, which makes Magnum's ("management"). Upstream analogue: azimuth-ops roles
 * certmanager and clusterapi.
 *
 * The controllers' manifests are applied by a Command on the seed and not as resources: 71 of them a cluster made
 * every preview 23 s longer and the state 2 MB larger (docs/decisions).
 */
import type { Release } from "@pulumi/kubernetes/helm/v3/release.js";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterApiConfig, Config } from "../config/schema.ts";
import { addonProviderValues, certManagerValues, janitorValues } from "../lib/cluster-api-values.ts";
import { janitorFinalizersScript } from "../lib/cluster-scripts.ts";
import type { ExtraValues } from "../lib/extra-values.ts";
import { clusterApiScript } from "../lib/kustomization.ts";
import type { ProxySettings } from "../lib/proxy.ts";
import { surroundingsScript } from "../lib/surroundings.ts";
import { chart } from "./chart.ts";
import { type Connection, seedScript } from "./connection.ts";

const JANITOR_NAMESPACE = "capi-janitor-system";

export interface ClusterApiArgs {
  readonly connection: pulumi.Input<Connection>;
  /** The seed: another one applies the manifests again. */
  readonly serverId: pulumi.Input<string>;
  /** Which of the site's clusters. */
  readonly instance: "bootstrap" | "management";
  /** Path of the cluster's kubeconfig on the seed. Default: k3s on the seed itself. */
  readonly kubeconfigFile?: pulumi.Input<string>;
  /** Install the janitor, which deletes what clusters left behind in OpenStack. */
  readonly janitor: boolean;
  /** Section `clusterApi` of the configuration. */
  readonly clusterApi: ClusterApiConfig;
  /** Section `mirror` of the configuration. */
  readonly mirror: Config["mirror"];
  /** The way out. Default: directly. */
  readonly proxy?: ProxySettings | undefined;
  /** Values over those of its charts. Default: none. */
  readonly extraValues?: Partial<Record<"certManager" | "addonProvider" | "janitor", ExtraValues>>;
}

/** The controllers, ready. Whoever makes objects of theirs names this in dependsOn. */
export class ClusterApi extends pulumi.ComponentResource {
  /** Names of the stages that are ready, in order. */
  readonly stages: pulumi.Output<string>;

  constructor(name: string, args: ClusterApiArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:ClusterApi", name, {}, opts);
    const { clusterApi } = args;
    const mirrorUrl = args.mirror.url;
    const certManager = chart(
      `${name}-cert-manager`,
      {
        chart: "cert-manager",
        ...clusterApi.certManager,
        mirrorUrl,
        namespace: "cert-manager",
        values: certManagerValues,
        extraValues: args.extraValues?.certManager,
        timeout: clusterApi.timeouts.certManager,
      },
      { parent: this },
    );
    const controllers = seedScript(
      `${name}-controllers`,
      {
        connection: args.connection,
        script: this.script(args),
        runAgainOn: [args.serverId],
        hasDelete: true,
      },
      // The manifests hold certificates and issuers.
      { parent: this, dependsOn: [certManager] },
    );
    const addonProvider = chart(
      `${name}-addon-provider`,
      {
        chart: "cluster-api-addon-provider",
        ...clusterApi.addonProvider,
        mirrorUrl,
        namespace: "capi-addon-system",
        values: addonProviderValues,
        extraValues: args.extraValues?.addonProvider,
        timeout: clusterApi.timeouts.charts,
      },
      // It watches kinds that the controllers bring.
      { parent: this, dependsOn: [controllers] },
    );
    const releases = [addonProvider];
    if (args.janitor) releases.push(this.janitor(name, args, controllers));
    this.surround(name, args, releases);
    this.stages = controllers.stdout;
    this.registerOutputs({ stages: this.stages });
  }

  /** The janitor, and below it what takes its finalizer off the clusters once it is gone. */
  private janitor(name: string, args: ClusterApiArgs, controllers: pulumi.Resource): Release {
    const { clusterApi, mirror } = args;
    const { timeouts } = clusterApi;
    const { version, repository } = clusterApi.janitor;
    const finalizers = seedScript(
      `${name}-janitor-finalizers`,
      {
        connection: args.connection,
        script: pulumi.output(args.kubeconfigFile).apply((kubeconfigFile) =>
          janitorFinalizersScript({
            kubeconfigFile,
            namespace: JANITOR_NAMESPACE,
            timeout: timeouts.charts,
          }),
        ),
        runAgainOn: [],
        hasDelete: true,
      },
      // They have the kind that it looks at.
      { parent: this, dependsOn: [controllers] },
    );
    return chart(
      `${name}-janitor`,
      {
        chart: "cluster-api-janitor-openstack",
        version,
        repository,
        mirrorUrl: mirror.url,
        namespace: JANITOR_NAMESPACE,
        values: janitorValues(clusterApi),
        extraValues: args.extraValues?.janitor,
        timeout: timeouts.charts,
      },
      // On delete it goes first: as long as it runs it puts its finalizer back.
      { parent: this, dependsOn: [finalizers] },
    );
  }

  /** What the charts have no value for, once they are there and whenever they change. */
  private surround(name: string, args: ClusterApiArgs, releases: readonly Release[]): void {
    const { clusterApi, mirror, proxy, janitor } = args;
    if (mirror.caCert === undefined && proxy === undefined) return;
    seedScript(
      `${name}-surroundings`,
      {
        connection: args.connection,
        script: pulumi.output(args.kubeconfigFile).apply((kubeconfigFile) =>
          surroundingsScript({
            kubeconfigFile,
            deployments: [
              "capi-addon-system/cluster-api-addon-provider",
              ...(janitor ? [`${JANITOR_NAMESPACE}/cluster-api-janitor-openstack`] : []),
            ],
            proxy,
            caCert: mirror.caCert,
            timeout: clusterApi.timeouts.charts,
          }),
        ),
        runAgainOn: [args.serverId, clusterApi.addonProvider.version, clusterApi.janitor.version],
        hasDelete: true,
      },
      // It patches what they make.
      { parent: this, dependsOn: [...releases] },
    );
  }

  private script(args: ClusterApiArgs): pulumi.Output<string> {
    const { clusterApi, instance, mirror } = args;
    return pulumi.output(args.kubeconfigFile).apply((kubeconfigFile) =>
      clusterApiScript({
        instance,
        ...(kubeconfigFile === undefined ? {} : { kubeconfigFile }),
        orc: clusterApi.orc,
        core: clusterApi.core,
        kubeadmBootstrap: clusterApi.kubeadmBootstrap,
        kubeadmControlPlane: clusterApi.kubeadmControlPlane,
        openstack: clusterApi.openstack,
        deploymentsTimeout: clusterApi.timeouts.deployments,
        mirrorUrl: mirror.url,
        mirrorCaCert: mirror.caCert,
        proxy: args.proxy,
      }),
    );
  }
}
