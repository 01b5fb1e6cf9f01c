/**
 * The container images of the lab, by the names that upstream's manifests and charts have, made of the lab's own programs.
 * Upstream analogue: each project's Dockerfile; all are one static program on (nearly) nothing.
 */
import { moduleVersion, nodeVersion } from "./programs.ts";

/** One image. */
export interface Image {
  /** As manifests name it. */
  reference: string;
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

const nonRoot = { user: "65532:65532", base: "certificates" } as const;
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

/** Versions of images whose programs tell none. */
const tags = {
  etcd: "3.6.8-0",
  coredns: moduleVersion("github.com/coredns/coredns"),
  certManager: moduleVersion("github.com/cert-manager/cert-manager"),
  clusterApi: moduleVersion("sigs.k8s.io/cluster-api"),
  flannel: moduleVersion("github.com/flannel-io/flannel"),
};

const certManager = (name: string) =>
  simple(
    `quay.io/jetstack/cert-manager-${name}:${tags.certManager}`,
    `cert-manager-${name}`,
    `/app/cmd/${name}/${name}`,
    { user: "1000:1000", base: "certificates" },
  );

const manager = (reference: string) =>
  simple(reference, /\/([^/]+):[^:]+$/.exec(reference)?.[1] ?? "", "/manager", nonRoot);

/** Every other image. */
export const otherImages: readonly Image[] = [
  // as a pod of kubeadm's names it; upstream's runs as another user with a file capability, which no layer here can have
  simple(`registry.k8s.io/coredns/coredns:${tags.coredns}`, "coredns", "/coredns", preloaded),
  simple(pauseImage, "pause", "/pause", { ...preloaded, user: "65535:65535" }),
  {
    reference: `registry.k8s.io/etcd:${tags.etcd}`,
    programs: { "/usr/local/bin/etcd": "etcd", "/usr/local/bin/etcdctl": "etcdctl" },
    entrypoint: ["/usr/local/bin/etcd"],
    ...preloaded,
  },
  {
    reference: `ghcr.io/flannel-io/flannel:${tags.flannel}`,
    programs: { "/opt/bin/flanneld": "flanneld", "/opt/bin/cniconf": "cniconf" },
    entrypoint: ["/opt/bin/flanneld"],
    base: "iptables",
    ...preloaded,
  },
  ...["controller", "webhook", "cainjector", "startupapicheck"].map(certManager),
  ...["cluster-api-controller", "kubeadm-bootstrap-controller", "kubeadm-control-plane-controller"].map(
    (name) => manager(`registry.k8s.io/cluster-api/${name}:${tags.clusterApi}`),
  ),
  manager("registry.k8s.io/capi-openstack/capi-openstack-controller:v0.14.7"),
  manager("quay.io/orc/openstack-resource-controller:v2.6.0"),
  simple(
    "registry.k8s.io/provider-os/openstack-cloud-controller-manager:v1.36.0",
    "openstack-cloud-controller-manager",
    "/bin/openstack-cloud-controller-manager",
    nonRoot,
  ),
  simple(
    "registry.k8s.io/provider-os/cinder-csi-plugin:v1.36.0",
    "cinder-csi-plugin",
    "/bin/cinder-csi-plugin",
    { base: "certificates" },
  ),
  {
    reference: "ghcr.io/azimuth-cloud/cluster-api-addon-provider:0.13.1",
    programs: {
      "/usr/local/bin/capi-addon-provider": "cluster-api-addon-provider",
      "/usr/bin/helm": "helm",
      "/usr/bin/kubectl": "kubectl",
    },
    entrypoint: ["/usr/local/bin/capi-addon-provider"],
    ...nonRoot,
  },
  simple(
    "ghcr.io/azimuth-cloud/cluster-api-janitor-openstack:0.15.0",
    "cluster-api-janitor-openstack",
    "/usr/local/bin/capi-janitor",
    nonRoot,
  ),
];

/** All images of the site's own Kubernetes version. */
export const images: readonly Image[] = [...kubernetesImages(nodeVersion), ...otherImages];

/** Name and tag below a registry: containerd asks a mirror for the path without the host. */
export function repository(reference: string): { name: string; tag: string } {
  const match = /^[^/]+\/(.+):([^:/]+)$/.exec(reference);
  if (match === null) throw new Error(`${reference}: not <registry>/<name>:<tag>`);
  return { name: match[1] as string, tag: match[2] as string };
}
