/**
 * The container images of the lab, by the names that upstream's manifests and charts have, made of the lab's own programs.
 * Upstream analogue: each project's Dockerfile; all are one static program on (nearly) nothing.
 */
import { alertmanagerVersion, prometheusRelease } from "../prepare/goTools.ts";
import { moduleVersion, monitoringDir, olderDir, veleroDir } from "./programs.ts";

/** One image. */
export interface Image {
  /** As manifests name it. */
  reference: string;
  /** What else it is called: k3s names its own copies. */
  aliases?: readonly string[];
  /** Path in the image → program of the lab. */
  programs: Readonly<Record<string, string>>;
  entrypoint: readonly string[];
  /** User and group. Default: root. */
  user?: string;
  /**
   * What it has besides: `iptables` is Debian's iptables and nft with their libraries, `certificates` the CA bundle of the
   * machine that builds. Default: nothing.
   */
  base?: "iptables" | "certificates";
  /** true: in the nodes' image too, so that a node needs no registry to start. */
  preloaded?: boolean;
}

/** An image that runs one program. */
const simple = (reference: string, program: string, path: string, more: Partial<Image> = {}): Image => ({
  reference,
  programs: { [path]: program },
  entrypoint: [path],
  ...more,
});

/** With the CA bundle of the machine that builds. */
const trusting = { base: "certificates" } as const;
const preloaded = { preloaded: true } as const;

/** Images of a Kubernetes release: what `kubeadm config images list` names that has Kubernetes' version. */
export const kubernetesImages = (version: string): Image[] => [
  ...["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map((name) =>
    simple(`registry.k8s.io/${name}:${version}`, name, `/usr/local/bin/${name}`, preloaded),
  ),
  simple(`registry.k8s.io/kube-proxy:${version}`, "kube-proxy", "/usr/local/bin/kube-proxy", {
    ...preloaded,
    base: "iptables",
  }),
];

/** The sandbox image: kubeadm's, and what containerd is configured with. */
export const pauseImage = "registry.k8s.io/pause:3.10.2";

/** A tag that is a module's version. */
const tag = (path: string, folder?: string) => moduleVersion(path, folder);
const coredns = tag("github.com/coredns/coredns");
const metricsServer = tag("sigs.k8s.io/metrics-server");
const certManagerTag = tag("github.com/cert-manager/cert-manager");
const clusterApiTag = tag("sigs.k8s.io/cluster-api");

const certManager = (name: string) =>
  simple(
    `quay.io/jetstack/cert-manager-${name}:${certManagerTag}`,
    `cert-manager-${name}`,
    `/app/cmd/${name}/${name}`,
    { ...trusting, user: "1000:1000" },
  );

/** A controller whose program is called as its image, and `manager` in it. */
const manager = (folder: string, name: string, version: string) =>
  simple(`${folder}/${name}:${version}`, name, "/manager", { ...trusting, user: "65532:65532" });

const sidecar = (name: string, version: string) =>
  simple(`registry.k8s.io/sig-storage/${name}:${version}`, name, `/${name}`, preloaded);

/** What nodes run besides Kubernetes' own. */
export const nodeImages: readonly Image[] = [
  // Upstream's runs as another user with a file capability; root with the pod's NET_BIND_SERVICE does as well.
  simple(`registry.k8s.io/coredns/coredns:${coredns}`, "coredns", "/coredns", {
    ...preloaded,
    aliases: [`docker.io/rancher/mirrored-coredns-coredns:${coredns.slice(1)}`],
  }),
  simple(pauseImage, "pause", "/pause", {
    ...preloaded,
    user: "65535:65535",
    aliases: ["docker.io/rancher/mirrored-pause:3.6"],
  }),
  {
    reference: `registry.k8s.io/etcd:${tag("go.etcd.io/etcd/server/v3", olderDir).slice(1)}-0`,
    programs: { "/usr/local/bin/etcd": "etcd", "/usr/local/bin/etcdctl": "etcdctl" },
    entrypoint: ["/usr/local/bin/etcd"],
    ...preloaded,
  },
  simple(
    `ghcr.io/flannel-io/flannel:${tag("github.com/flannel-io/flannel")}`,
    "flanneld",
    "/opt/bin/flanneld",
    { ...preloaded, base: "iptables" },
  ),
  simple(
    "registry.k8s.io/provider-os/openstack-cloud-controller-manager:v1.36.0",
    "openstack-cloud-controller-manager",
    "/bin/openstack-cloud-controller-manager",
    { ...trusting, ...preloaded },
  ),
  simple(
    "registry.k8s.io/provider-os/cinder-csi-plugin:v1.35.0",
    "cinder-csi-plugin",
    "/bin/cinder-csi-plugin",
    { ...trusting, ...preloaded },
  ),
  simple("ghcr.io/stakater/reloader:v1.4.5", "reloader", "/manager", { user: "65532:65532" }),
  sidecar("csi-provisioner", tag("github.com/kubernetes-csi/external-provisioner/v6")),
  sidecar("csi-attacher", tag("github.com/kubernetes-csi/external-attacher/v4")),
  sidecar("csi-resizer", tag("github.com/kubernetes-csi/external-resizer/v2")),
  simple(
    `registry.k8s.io/metrics-server/metrics-server:${metricsServer}`,
    "metrics-server",
    "/metrics-server",
    {
      user: "65534:65534",
      aliases: [`docker.io/rancher/mirrored-metrics-server:${metricsServer}`],
    },
  ),
];

/** What manages clusters. */
export const controllerImages: readonly Image[] = [
  ...["controller", "webhook", "cainjector", "startupapicheck"].map(certManager),
  ...["cluster-api-controller", "kubeadm-bootstrap-controller", "kubeadm-control-plane-controller"].map(
    (name) => manager("registry.k8s.io/cluster-api", name, clusterApiTag),
  ),
  manager(
    "registry.k8s.io/capi-openstack",
    "capi-openstack-controller",
    tag("sigs.k8s.io/cluster-api-provider-openstack", olderDir),
  ),
  manager(
    "quay.io/orc",
    "openstack-resource-controller",
    tag("github.com/k-orc/openstack-resource-controller/v2", olderDir),
  ),
  {
    reference: "ghcr.io/azimuth-cloud/cluster-api-addon-provider:0.13.1",
    programs: {
      "/usr/local/bin/cluster-api-addon-provider": "cluster-api-addon-provider",
      "/usr/bin/helm": "helm",
    },
    entrypoint: ["/usr/local/bin/cluster-api-addon-provider"],
    ...trusting,
    user: "1001:1001",
  },
  simple(
    "ghcr.io/azimuth-cloud/cluster-api-janitor-openstack:0.15.0",
    "cluster-api-janitor-openstack",
    "/usr/local/bin/cluster-api-janitor-openstack",
    { ...trusting, user: "1001:1001" },
  ),
];

const nobody = { user: "65534:65534" } as const;
const prometheus = (name: string, version: string, program: string) =>
  simple(`quay.io/prometheus/${name}:${version}`, program, `/bin/${program}`, nobody);
const operatorTag = tag("github.com/prometheus-operator/prometheus-operator", monitoringDir);

/** What watches clusters: the chart kube-prometheus-stack names them. */
export const monitoringImages: readonly Image[] = [
  ...Object.entries({
    "prometheus-operator": "operator",
    "prometheus-config-reloader": "prometheus-config-reloader",
  }).map(([name, program]) =>
    simple(`quay.io/prometheus-operator/${name}:${operatorTag}`, program, `/bin/${program}`, nobody),
  ),
  prometheus("prometheus", prometheusRelease, "prometheus"),
  prometheus("alertmanager", alertmanagerVersion, "alertmanager"),
  prometheus("node-exporter", tag("github.com/prometheus/node_exporter", monitoringDir), "node_exporter"),
];

const plugin = "velero-plugin-for-aws";

/** What backs a cluster up, made only for who asks (prepare/velero.ts). */
export const backupImages: readonly Image[] = [
  simple(
    `docker.io/velero/velero:${tag("github.com/vmware-tanzu/velero", veleroDir)}`,
    "velero",
    "/velero",
    trusting,
  ),
  {
    reference: `docker.io/velero/${plugin}:${tag(`github.com/vmware-tanzu/${plugin}`, veleroDir)}`,
    programs: { [`/plugins/${plugin}`]: plugin, "/bin/cp-plugin": "cp-plugin" },
    entrypoint: ["/bin/cp-plugin", `/plugins/${plugin}`, `/target/${plugin}`],
  },
];

/** Name and tag below a registry: containerd asks a mirror for the path without the host. */
export function repository(reference: string): { name: string; tag: string } {
  const match = /^[^/]+\/([^:@]+):([^:@/]+)$/.exec(reference);
  if (match === null) throw new Error(`${reference}: not <registry>/<name>:<tag>`);
  return { name: match[1] as string, tag: match[2] as string };
}
