/**
 * The HA management cluster, made by Cluster API on k3s. Upstream analogue: azimuth-ops role capi_cluster.
 */
import { Secret } from "@pulumi/kubernetes/core/v1/index.js";
import type { Release } from "@pulumi/kubernetes/helm/v3/release.js";
import * as openstack from "@pulumi/openstack";
import * as pulumi from "@pulumi/pulumi";
import type { Credentials } from "../config/credentials.ts";
import type { ClusterConfig, Config, ProtectConfig, RegistriesConfig } from "../config/schema.ts";
import { apiSources } from "../lib/addresses.ts";
import { chartRollsCertificates } from "../lib/chart-machines.ts";
import { openstackClusterValues } from "../lib/chart-values.ts";
import {
  cloudReachableScript,
  clusterKubeconfigScript,
  clusterCompleteScript,
  clusterReadyScript,
  clusterTeardownScript,
} from "../lib/cluster-scripts.ts";
import { cloudCredentialsSecret } from "../lib/clouds-yaml.ts";
import type { ExtraValues } from "../lib/extra-values.ts";
import { kubeconfigServer } from "../lib/kubeconfig.ts";
import { CLUSTER_NAMESPACE } from "../lib/names.ts";
import { sortedGroups } from "../lib/worker-groups.ts";
import type { ProxySettings } from "../lib/proxy.ts";
import { chart, mergedValues } from "./chart.ts";
import { type Connection, fingerprint, seedScript } from "./connection.ts";
import { networkName } from "./lookup.ts";
import { MachineImage } from "./machineImage.ts";
import { type NetworkOutputs, SeedNetwork } from "./seedNetwork.ts";
import { serverGroupId } from "./serverGroup.ts";

/** A router that has just come up may need a moment; more would only delay the answer. */
const CLOUD_TIMEOUT = "1m";

export interface HaClusterArgs {
  /** Name of the cluster and of its objects in OpenStack. */
  readonly clusterName: string;
  /** Section `cluster` of the configuration. */
  readonly cluster: ClusterConfig;
  /** Section `mirror` of the configuration. */
  readonly mirror: Config["mirror"];
  /** Section `registries` of the configuration. Holds secrets. */
  readonly registries: RegistriesConfig;
  /** The way out for the machines' containerd. Default: directly. */
  readonly proxy?: ProxySettings | undefined;
  /** What the cluster's controllers reach OpenStack with. Holds a secret. */
  readonly credentials: Credentials;
  /** Project of the credentials, for those that do not name it. */
  readonly projectId: pulumi.Input<string>;
  /** Name of the Nova key pair for the machines. */
  readonly keyPair: pulumi.Input<string>;
  /** Id of the external network, unless the cluster's section names another. */
  readonly externalNetworkId: string;
  /** Network of the seed, for `network.useSeedNetwork`. */
  readonly seedNetwork: NetworkOutputs;
  /** Addresses by which the API may see the seed; they are let in. */
  readonly seedAddresses: pulumi.Output<string[]>;
  readonly connection: pulumi.Input<Connection>;
  /** The seed: another one waits and reads again. */
  readonly serverId: pulumi.Input<string>;
  /** Cluster API on k3s, which makes and deletes the cluster. */
  readonly controllers: pulumi.Resource;
  /** Section `protect` of the configuration. */
  readonly protect: ProtectConfig;
  /** Section `kubeconfigs` of the configuration: a change reads the kubeconfig anew, for its certificate ends after a year. */
  readonly kubeconfigs: Config["kubeconfigs"];
  /** Values over those of openstack-cluster. Default: none. */
  readonly extraValues?: ExtraValues | undefined;
}

/** The cluster, usable from the first control plane machine on. */
export class HaCluster extends pulumi.ComponentResource {
  /** Admin kubeconfig as Cluster API keeps it, known when API and workers serve. Secret. */
  readonly kubeconfig: pulumi.Output<string>;
  /** The cluster complete, with every machine. Who hands it out names this in dependsOn. */
  readonly complete: pulumi.Resource;
  /** Address of the API, without port. */
  readonly apiServerAddress: pulumi.Output<string>;

  constructor(name: string, args: HaClusterArgs, opts: pulumi.ComponentResourceOptions = {}) {
    super("capi-mgmt:index:HaCluster", name, {}, opts);
    const { cluster, clusterName } = args;
    const protectedChild = { parent: this, protect: args.protect.cluster };
    const credentials = new Secret(
      `${name}-credentials`,
      {
        metadata: {
          name: `${clusterName}-cloud-credentials`,
          namespace: CLUSTER_NAMESPACE,
          // The addon provider looks at it again when it changes, and takes a new credential into the cluster.
          labels: { "addons.stackhpc.com/watch": "" },
        },
        stringData: pulumi.secret(
          pulumi.output(args.projectId).apply((projectId) =>
            cloudCredentialsSecret({
              ...args.credentials,
              projectId: args.credentials.projectId ?? projectId,
            }),
          ),
        ),
      },
      protectedChild,
    );
    const image = new MachineImage(
      `${name}-image`,
      {
        image: cluster.image,
        imageName: `${clusterName}-${cluster.kubernetesVersion}`,
        properties: { kube_version: cluster.kubernetesVersion, os_distro: "ubuntu" },
        proxy: args.proxy,
      },
      { parent: this },
    );
    const externalNetworkId = cluster.network.externalNetworkId ?? args.externalNetworkId;
    const floatingIp = this.floatingIp(name, args, externalNetworkId);
    const network = this.network(name, args, externalNetworkId);
    const group = (role: string, machines: Pick<ClusterConfig["workers"], "serverGroup" | "serverGroupId">) =>
      serverGroupId(
        `${name}-${role}-group`,
        { objectName: `${clusterName}-${role}`, ...machines, protect: args.protect.cluster },
        this,
      );
    const controlPlaneGroupId = group("control-plane", cluster.controlPlane);
    const workersGroupId = group("workers", cluster.workers);
    const workerGroupIds: Record<string, pulumi.Input<string>> = {};
    for (const [groupName, { serverGroup = "none", serverGroupId }] of sortedGroups(cluster.workerGroups)) {
      const id = group(`workers-${groupName}`, { serverGroup, serverGroupId });
      if (id !== undefined) workerGroupIds[groupName] = id;
    }
    const refs = {
      credentialsSecret: credentials.metadata.name,
      imageId: image.imageId,
      keyPair: args.keyPair,
      externalNetworkId,
      networkId: network.networkId,
      subnetId: network.subnetId,
      floatingIp,
      controlPlaneGroupId,
      workersGroupId,
      workerGroupIds,
      apiSources: this.apiSources(args, network),
    };
    const { registryAuth, ...plain } = openstackClusterValues<pulumi.Input<string>, pulumi.Output<string[]>>(
      cluster,
      refs,
      args,
    );
    const ours = {
      ...plain,
      ...(registryAuth === undefined ? {} : { registryAuth: pulumi.secret(registryAuth) }),
    };
    const values = mergedValues(ours, args.extraValues);
    const teardown = this.teardown(name, args, values);
    const { authUrl, caCert } = args.credentials;
    const reachable = seedScript(
      `${name}-cloud-reachable`,
      {
        connection: args.connection,
        script: cloudReachableScript({ authUrl, caCert, timeout: CLOUD_TIMEOUT }),
        runAgainOn: [args.serverId],
      },
      { parent: this },
    );
    const release = chart(
      `${name}-release`,
      {
        chart: "openstack-cluster",
        ...cluster.chart,
        mirrorUrl: args.mirror.url,
        release: clusterName,
        namespace: CLUSTER_NAMESPACE,
        values: { ...values },
        timeout: cluster.timeouts.ready,
        // Not atomic: the chart's autoscaler is ready only once the cluster is, and an upgrade that takes long must
        // not be rolled back, nor a first install be uninstalled, machines and all. The wait below judges.
        atomic: false,
      },
      // The teardown outlives it; and with it, Cluster API on k3s, which brings the release's kinds and webhooks.
      // Without OpenStack in reach its controllers would try for an hour and name no reason.
      { ...protectedChild, dependsOn: [teardown, reachable] },
    );
    ({ kubeconfig: this.kubeconfig, complete: this.complete } = this.awaited(name, args, values, release));
    this.apiServerAddress = pulumi.unsecret(
      floatingIp === undefined
        ? this.kubeconfig.apply((text) => new URL(kubeconfigServer(text)).hostname)
        : pulumi.output(floatingIp),
    );
    // Without the kubeconfig: a secret stands in the state once, where it is made (docs/decisions).
    this.registerOutputs({ apiServerAddress: this.apiServerAddress });
  }

  /** An address of ours: given to the chart it stays the API's for good, and CAPO leaves it when the cluster goes. */
  private floatingIp(
    name: string,
    args: HaClusterArgs,
    externalNetworkId: string,
  ): pulumi.Input<string> | undefined {
    const { floatingIp, floatingIpAddress } = args.cluster.apiServer;
    if (!floatingIp) return undefined;
    if (floatingIpAddress !== undefined) return floatingIpAddress;
    return new openstack.networking.FloatingIp(
      `${name}-floating-ip`,
      { pool: networkName(externalNetworkId, this), description: `${args.clusterName} API` },
      { parent: this, protect: args.protect.network },
    ).address;
  }

  /** Where the machines go; nothing lets CAPO make a network. */
  private network(name: string, args: HaClusterArgs, externalNetworkId: string): Partial<NetworkOutputs> {
    const { network } = args.cluster;
    if (network.useSeedNetwork) return args.seedNetwork;
    if (network.networkId === undefined && network.mtu === undefined) return {};
    // The chart cannot say an MTU: with one the network is ours.
    return new SeedNetwork(
      `${name}-network`,
      {
        objectName: args.clusterName,
        externalNetworkId,
        networkId: network.networkId,
        subnetId: network.subnetId,
        cidr: network.nodeCidr,
        dnsNameservers: network.dnsNameservers,
        mtu: network.mtu,
        protect: args.protect.cluster,
      },
      { parent: this },
    ).outputs;
  }

  /** Who may reach the API: whom the configuration names, the seed, and the machines behind their router. */
  private apiSources(args: HaClusterArgs, network: Partial<NetworkOutputs>): pulumi.Output<string[]> {
    const { allowedCidrs, routerAddresses } = args.cluster.apiServer;
    return pulumi
      .all([args.seedAddresses, network.routerAddresses ?? []])
      .apply(([seed, router]) => apiSources(allowedCidrs, [...seed, ...router, ...(routerAddresses ?? [])]));
  }

  /**
   * On destroy, runs between the release and everything the cluster stands on: it waits until the Cluster is gone.
   * It comes before the release so that a release or a wait that failed is taken down just the same; with the
   * credentials gone first, the cluster could never be deleted (CAPO #906).
   */
  private teardown(name: string, args: HaClusterArgs, values: object): pulumi.Resource {
    return seedScript(
      `${name}-teardown`,
      {
        connection: args.connection,
        script: clusterTeardownScript({ ...this.target(args), timeout: args.cluster.timeouts.delete }),
        // With the values come credentials, addresses, network and image: they go after it.
        runAgainOn: [fingerprint(pulumi.jsonStringify(values))],
        hasDelete: true,
      },
      // Cluster API does the deleting.
      { parent: this, protect: args.protect.cluster, dependsOn: [args.controllers] },
    );
  }

  /**
   * Reads the kubeconfig as soon as a new cluster serves, for what runs on it needs not all of its control plane; and
   * waits for the rest beside that.
   */
  private awaited(name: string, args: HaClusterArgs, values: object, release: Release) {
    const { cluster, connection, serverId } = args;
    const timeout = cluster.timeouts.ready;
    // Whatever changes the release waits again.
    const runAgainOn = [serverId, cluster.chart.version, fingerprint(pulumi.jsonStringify(values))];
    const certificatesExpiryDays = chartRollsCertificates(cluster.chart.version)
      ? undefined
      : cluster.controlPlane.certificatesExpiryDays;
    const ready = seedScript(
      `${name}-ready`,
      {
        connection,
        script: clusterReadyScript({ ...this.target(args), timeout, certificatesExpiryDays }),
        runAgainOn,
      },
      // What it waits for is what the release makes.
      { parent: this, dependsOn: [release] },
    );
    const complete = seedScript(
      `${name}-complete`,
      { connection, script: clusterCompleteScript({ ...this.target(args), timeout }), runAgainOn },
      { parent: this, dependsOn: [ready] },
    );
    const kubeconfig = seedScript(
      `${name}-kubeconfig`,
      {
        connection,
        script: clusterKubeconfigScript(this.target(args)),
        runAgainOn: [serverId, ready.stdout, args.kubeconfigs.rotation],
        secretOutput: true,
      },
      { parent: this },
    );
    return { kubeconfig: pulumi.secret(kubeconfig.stdout), complete };
  }

  private target(args: HaClusterArgs) {
    return { cluster: args.clusterName, namespace: CLUSTER_NAMESPACE };
  }
}
