/**
 * The Cluster API management cluster that Magnum needs, from an empty OpenStack project to a kubeconfig. One stack is
 * one site. Configuration, then providers and components, then outputs; what a component is made of is in its file.
 */
import * as pulumi from "@pulumi/pulumi";
import { ClusterApi } from "./components/clusterApi.ts";
import { HaCluster } from "./components/haCluster.ts";
import { K3s } from "./components/k3s.ts";
import { MagnumAccess } from "./components/magnumAccess.ts";
import { MagnumTemplates } from "./components/magnumTemplates.ts";
import { Monitoring } from "./components/monitoring.ts";
import { clusterProvider, openstackProvider } from "./components/providers.ts";
import { Seed } from "./components/seed.ts";
import { SeedAccess } from "./components/seedAccess.ts";
import { SeedNetwork } from "./components/seedNetwork.ts";
import { SingleNode } from "./components/singleNode.ts";
import { proxySettings } from "./lib/proxy.ts";
import { siteNames } from "./lib/names.ts";
import { start } from "./lib/start.ts";
import { deployedVersions } from "./lib/versions.ts";
import { passPreflight } from "./preflight/gate.ts";

// Every problem of the stack at once, before the first resource.
const site = start(pulumi.getStack(), pulumi.runtime.allConfig());
if ("report" in site) throw new pulumi.RunError(site.report);
await passPreflight(pulumi.getStack(), site);
const { config, credentials } = site;
const { mirror, registries, protect, clusterApi, kubeconfigs } = config;
const proxy = proxySettings(config, credentials.authUrl);
const { user, network: seedNetwork } = config.seed;
const { cluster: clusterName, seed: seedName, kubeconfigFile } = siteNames(pulumi.getStack());

const openstack = openstackProvider("openstack", credentials);
const onOpenstack = { providers: { openstack } };
const networkArgs = { ...seedNetwork, objectName: seedName, protect: protect.network };
const network = new SeedNetwork("seed-network", networkArgs, onOpenstack);
const seedArgs = { objectName: seedName, seed: config.seed, network: network.outputs, protect, proxy };
const seed = new Seed("seed", seedArgs, onOpenstack);
const { connection, serverId } = seed;

const k3s = new K3s("k3s", {
  connection,
  serverId,
  kubeconfigs,
  serverName: seedName,
  user,
  dataVolumeId: seed.dataVolumeId,
  dataVolumeGb: config.seed.dataVolume.sizeGb,
  address: seed.address,
  fixedAddress: seed.fixedAddress,
  k3s: config.k3s,
  tools: config.tools,
  mirror,
  registries,
  proxy,
});
const onK3s = { providers: { openstack, kubernetes: clusterProvider("k3s", k3s.kubeconfig, seedName) } };
const isHa = config.cluster.enabled;
const bootstrapArgs = {
  connection,
  serverId,
  instance: "bootstrap" as const,
  // Only where Magnum's clusters are: on k3s if there is no other.
  janitor: !isHa && clusterApi.janitor.enabled,
  clusterApi,
  mirror,
  proxy,
};
const bootstrap = new ClusterApi("bootstrap", bootstrapArgs, onK3s);

const magnumArgs = { connection, serverId, clusterName, magnum: config.magnum };
const management = isHa ? haSite() : singleNodeSite();

/** The HA cluster, what runs on it, and Magnum's access to it. */
function haSite() {
  const haCluster = new HaCluster(
    "cluster",
    {
      connection,
      serverId,
      kubeconfigs,
      clusterName,
      cluster: config.cluster,
      mirror,
      registries,
      proxy,
      credentials,
      projectId: seed.projectId,
      keyPair: seed.keyPair,
      externalNetworkId: seedNetwork.externalNetworkId,
      seedNetwork: network.outputs,
      seedAddresses: seed.egressAddresses,
      controllers: bootstrap,
      protect,
    },
    onK3s,
  );
  const { kubeconfig, apiServerAddress } = haCluster;
  const managementCluster = clusterProvider("management", kubeconfig, clusterName);
  const onCluster = { providers: { kubernetes: managementCluster } };

  const seedAccess = new SeedAccess("seed-access", {
    connection,
    serverId,
    user,
    fileName: kubeconfigFile,
    clusterName,
    kubeconfig,
  });
  const kubeconfigOnSeed = seedAccess.path;
  const managementArgs = {
    connection,
    serverId,
    instance: "management" as const,
    kubeconfigFile: kubeconfigOnSeed,
    janitor: clusterApi.janitor.enabled,
    clusterApi,
    mirror,
    proxy,
  };
  new ClusterApi("management", managementArgs, onCluster);
  const { monitoring } = config;
  if (monitoring.enabled) {
    const monitoringArgs = { connection, serverId, kubeconfigFile: kubeconfigOnSeed, monitoring, mirror };
    new Monitoring("monitoring", monitoringArgs, onCluster);
  }
  const magnum = new MagnumAccess("magnum", { ...magnumArgs, adminKubeconfig: kubeconfig }, onCluster);
  return { kubeconfig, apiServerAddress, magnum };
}

/** For development: k3s itself is Magnum's cluster. */
function singleNodeSite() {
  const { kubeconfig } = k3s;
  const args = { ...magnumArgs, adminKubeconfig: kubeconfig, onK3s: true };
  // Another name than on the HA cluster: after a change to HA the old access goes last, and only if the guard lets it.
  const magnum = new MagnumAccess("magnum-on-k3s", args, onK3s);
  new SingleNode("single-node", { connection, clusterName, needed: [bootstrap, magnum] });
  return { kubeconfig, apiServerAddress: seed.address, magnum };
}

const { magnum } = management;
if (config.magnum.templates.enabled) new MagnumTemplates("templates", config, onOpenstack);

export default {
  magnumKubeconfig: magnum.kubeconfig,
  ...(magnum.kubeconfigExpiry === undefined ? {} : { magnumKubeconfigExpiry: magnum.kubeconfigExpiry }),
  haKubeconfig: management.kubeconfig,
  k3sKubeconfig: k3s.kubeconfig,
  seedAddress: seed.address,
  seedUser: user,
  seedSshPrivateKey: seed.privateKey,
  ...(config.seed.ssh.bastion === undefined ? {} : { seedBastion: pulumi.secret(config.seed.ssh.bastion) }),
  clusterName,
  apiServerAddress: management.apiServerAddress,
  versions: deployedVersions(config),
};
