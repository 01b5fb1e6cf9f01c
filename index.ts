/**
 * The Cluster API management cluster that Magnum needs, from an empty OpenStack project to a kubeconfig. One stack is
 * one site. Configuration, then providers and components, then outputs; what a component is made of is in its file.
 */
import * as pulumi from "@pulumi/pulumi";
import { ClusterApi } from "./components/clusterApi.ts";
import { makeClusterOptions } from "./components/clusterOptions.ts";
import { makeExtras } from "./components/extras.ts";
import { HaCluster } from "./components/haCluster.ts";
import { K3s } from "./components/k3s.ts";
import { MagnumAccess } from "./components/magnumAccess.ts";
import { MagnumClusters } from "./components/magnumClusters.ts";
import { MagnumTemplates } from "./components/magnumTemplates.ts";
import { Monitoring } from "./components/monitoring.ts";
import { clusterProvider, openstackProvider } from "./components/providers.ts";
import { Seed } from "./components/seed.ts";
import { SeedAccess } from "./components/seedAccess.ts";
import { SeedNetwork } from "./components/seedNetwork.ts";
import { siteExtraValues } from "./lib/extra-values.ts";
import { proxySettings } from "./lib/proxy.ts";
import { siteNames } from "./lib/names.ts";
import { start } from "./lib/start.ts";
import { deployedVersions } from "./lib/versions.ts";
import { passPreflight } from "./preflight/gate.ts";

// Every problem of the stack at once, before the first resource.
const site = start(pulumi.getStack(), pulumi.runtime.allConfig());
if ("report" in site) throw new pulumi.RunError(site.report);
await passPreflight(pulumi.getStack(), site);
const { config, credentials, encryptedPaths } = site;
const { mirror, registries, protect, clusterApi, kubeconfigs, monitoring } = config;
const extraValues = siteExtraValues(config, encryptedPaths);
const proxy = proxySettings(config, credentials.authUrl);
const { user, network: seedNetwork } = config.seed;
const { cluster: clusterName, seed: seedName, kubeconfigFile } = siteNames(pulumi.getStack());

const openstack = openstackProvider("openstack", credentials);
const onOpenstack = { providers: { openstack } };
const networkArgs = { ...seedNetwork, objectName: seedName, protect: protect.network };
const network = new SeedNetwork("seed-network", networkArgs, onOpenstack);
const seedArgs = { objectName: seedName, seed: config.seed, network: network.outputs, protect, proxy };
const seed = new Seed("seed", seedArgs, onOpenstack);
const host = { connection: seed.connection, serverId: seed.serverId };
const source = { config, encryptedPaths, host };
// Before there is anything on the seed that they could be late for.
const needed = makeExtras("seed", source, [], {});

const k3s = new K3s("k3s", {
  ...host,
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
  needed,
});
const onK3s = { providers: { openstack, kubernetes: clusterProvider("k3s", k3s.kubeconfig, seedName) } };
const isHa = config.cluster.enabled;
// Beside Magnum's clusters only: on k3s where there is no HA cluster.
const janitor = clusterApi.janitor.enabled;
const apiArgs = { ...host, clusterApi, mirror, proxy, extraValues };
const bootstrapArgs = { ...apiArgs, instance: "bootstrap" as const, janitor: janitor && !isHa };
const bootstrap = new ClusterApi("bootstrap", bootstrapArgs, onK3s);
// Whatever they are of, they find Cluster API there.
const k3sExtras = makeExtras("k3s", source, [bootstrap], onK3s);

const magnumArgs = { ...host, clusterName, magnum: config.magnum };
const { magnum, kubeconfig, apiServerAddress, magnumHost, parts } = isHa ? haCluster() : singleNode();
const guarded: pulumi.Resource[] = [bootstrap, ...k3sExtras, magnum, ...parts];
if (config.magnum.templates.enabled) guarded.push(new MagnumTemplates("templates", config, onOpenstack));
// The last, so that it goes first: a destroy that it refuses has taken nothing yet. Of another name on k3s, as Magnum's access.
const guard = isHa ? "magnum-clusters" : "magnum-clusters-on-k3s";
new MagnumClusters(guard, { ...magnumHost, clusterName, needed: guarded });

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
  apiServerAddress,
  versions: deployedVersions(config),
};

/** The HA cluster, what runs on it, and Magnum's way to it. */
function haCluster() {
  const cluster = new HaCluster(
    "cluster",
    {
      ...host,
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
      extraValues: extraValues.cluster,
    },
    onK3s,
  );
  const { kubeconfig, apiServerAddress, complete } = cluster;
  const onCluster = { providers: { kubernetes: clusterProvider("management", kubeconfig, clusterName) } };

  const accessArgs = { ...host, user, fileName: kubeconfigFile, clusterName, kubeconfig };
  const seedAccess = new SeedAccess("seed-access", accessArgs);
  const hostOfCluster = { ...host, kubeconfigFile: seedAccess.path };
  const managementArgs = { ...apiArgs, ...hostOfCluster, instance: "management" as const, janitor };
  const management = new ClusterApi("management", managementArgs, onCluster);
  const monitoringArgs = { ...hostOfCluster, monitoring, mirror, extraValues: extraValues.monitoring };
  const stack = monitoring.enabled ? new Monitoring("monitoring", monitoringArgs, onCluster) : undefined;
  const parts = stack === undefined ? [management] : [management, stack];
  const grafanaNamespace = monitoring.grafana.enabled ? stack?.namespace : undefined;
  const optionsArgs = { ...source, host: hostOfCluster, extraValues, clusterName, parts, complete };
  const all = makeClusterOptions({ ...optionsArgs, grafanaNamespace }, onCluster);
  const handedOver = { ...magnumArgs, adminKubeconfig: kubeconfig, cluster: complete };
  const magnum = new MagnumAccess("magnum", handedOver, onCluster);
  return { kubeconfig, apiServerAddress, magnum, magnumHost: hostOfCluster, parts: all };
}

/** For development: k3s itself is Magnum's cluster. */
function singleNode() {
  // Another name than on the HA cluster: after a change to HA the old access goes last, and only if the guard lets it.
  const accessArgs = { ...magnumArgs, adminKubeconfig: k3s.kubeconfig, onK3s: true };
  const magnum = new MagnumAccess("magnum-on-k3s", accessArgs, onK3s);
  return { kubeconfig: k3s.kubeconfig, apiServerAddress: seed.address, magnum, magnumHost: host, parts: [] };
}
