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
import { extraValuesOf, type ReleaseName } from "./lib/extra-values.ts";
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
const extra = (release: ReleaseName) => extraValuesOf(config, site.encryptedPaths, release);
const apiExtraValues = {
  certManager: extra("certManager"),
  addonProvider: extra("addonProvider"),
  janitor: extra("janitor"),
};
const proxy = proxySettings(config, credentials.authUrl);
const { user, network: seedNetwork } = config.seed;
const { cluster: clusterName, seed: seedName, kubeconfigFile } = siteNames(pulumi.getStack());

const openstack = openstackProvider("openstack", credentials);
const onOpenstack = { providers: { openstack } };
const networkArgs = { ...seedNetwork, objectName: seedName, protect: protect.network };
const network = new SeedNetwork("seed-network", networkArgs, onOpenstack);
const seedArgs = { objectName: seedName, seed: config.seed, ...network.outputs, protect, proxy };
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
const bootstrapArgs = {
  connection,
  serverId,
  instance: "bootstrap" as const,
  janitor: false,
  clusterApi,
  mirror,
  proxy,
  extraValues: apiExtraValues,
};
const bootstrap = new ClusterApi("bootstrap", bootstrapArgs, onK3s);

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
    extraValues: extra("cluster"),
  },
  onK3s,
);
const { kubeconfig } = haCluster;
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
  extraValues: apiExtraValues,
};
new ClusterApi("management", managementArgs, onCluster);
const { monitoring } = config;
if (monitoring.enabled) {
  const monitoringArgs = {
    connection,
    serverId,
    kubeconfigFile: kubeconfigOnSeed,
    monitoring,
    mirror,
    extraValues: extra("monitoring"),
  };
  new Monitoring("monitoring", monitoringArgs, onCluster);
}
const magnumArgs = { connection, serverId, clusterName, adminKubeconfig: kubeconfig, magnum: config.magnum };
const magnum = new MagnumAccess("magnum", magnumArgs, onCluster);
if (config.magnum.templates.enabled) new MagnumTemplates("templates", config, onOpenstack);

export default {
  magnumKubeconfig: magnum.kubeconfig,
  ...(magnum.kubeconfigExpiry === undefined ? {} : { magnumKubeconfigExpiry: magnum.kubeconfigExpiry }),
  haKubeconfig: kubeconfig,
  k3sKubeconfig: k3s.kubeconfig,
  seedAddress: seed.address,
  seedUser: user,
  seedSshPrivateKey: seed.privateKey,
  ...(config.seed.ssh.bastion === undefined ? {} : { seedBastion: pulumi.secret(config.seed.ssh.bastion) }),
  clusterName,
  apiServerAddress: haCluster.apiServerAddress,
  versions: deployedVersions(config),
};
