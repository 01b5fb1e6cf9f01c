/**
 * Which programs the lab builds from Go modules, and the versions they tell. Each folder with a go.mod is one group: what its
 * programs share is compiled once.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { generateClient, monitoringPrograms } from "./monitoring.ts";

/** Folder of the first go.mod; the other group's is below it. */
export const sourceDir = import.meta.dirname;

/** Programs that are built together: a folder of the cache, and one set of versions told by the linker. */
export interface ProgramGroup {
  /** Part of the cache folder's name. */
  name: string;
  /** Folder of the go.mod. */
  module: string;
  /** Name of the file → Go package of its main. */
  programs: Readonly<Record<string, string>>;
  /** Writes code that the modules lack into a copy of the folder of go.mod, where the programs are then built. */
  generate?: (folder: string) => Promise<void>;
  /** Go variables the linker sets: path of the variable → value. */
  values: Readonly<Record<string, string>>;
  /** Build constraints. */
  tags?: string;
  /** Another group's programs, embedded by what lies above a folder of our sources: k3s carries what it starts. */
  carried?: { folder: string; from: ProgramGroup; programs: readonly string[] };
  /** Folders of our own sources that it is made from, relative to `module`; go.mod and go.sum always are. */
  sources: readonly string[];
}

/** Version of a module as a go.mod has it, a replacement first. */
export function moduleVersion(path: string, folder: string = sourceDir): string {
  const lines = readFileSync(join(folder, "go.mod"), "utf8").split("\n");
  const words = lines.map((line) =>
    line
      .trim()
      .replace(/^(require|replace) /, "")
      .split(" "),
  );
  const replaced = words.find(([name, arrow, , version]) => name === path && arrow === "=>" && version);
  const version = replaced?.[3] ?? words.find(([name]) => name === path)?.[1];
  if (version === undefined) throw new Error(`${path} is not in ${join(folder, "go.mod")}`);
  return version;
}

/** Told instead of a commit and a date, so that the same sources give the same program. */
const commit = "lab0000000000000000000000000000000000000";
const buildDate = "2026-01-01T00:00:00Z";

/** Kubernetes reads its version here; without it the API says v0.0.0, charts refuse it and kubeadm refuses itself. */
function kubernetesValues(version: string): Record<string, string> {
  const [major = "", minor = ""] = version.slice(1).split(".");
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitCommit: commit, buildDate };
  return Object.fromEntries(
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((folder) =>
      Object.entries({ ...values, gitTreeState: "clean" }).map(([name, value]) => [
        `${folder}.${name}`,
        value,
      ]),
    ),
  );
}

const named = (folder: string, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, `${folder}/${name}`]));

/** The Kubernetes version of the nodes: the one go.mod requires. */
export const nodeVersion = moduleVersion("k8s.io/kubernetes");

/**
 * A release of Kubernetes.
 * @param version another patch version than go.mod's is the same code that tells another version: an upgrade's other side.
 */
export const kubernetes = (version: string = nodeVersion): ProgramGroup => ({
  name: `programs-kubernetes-${version}`,
  module: sourceDir,
  programs: named("k8s.io/kubernetes/cmd", [
    ...["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"],
    ...["kubeadm", "kubectl", "kubelet"],
  ]),
  values: kubernetesValues(version),
  sources: [],
});

/** Folders of cmd/ whose programs are upstream's but for the main. */
const upstreamMains = ["pause", "coredns", "flanneld", "cert-manager"];

const certManager = "github.com/cert-manager/cert-manager";
const clusterApi = "sigs.k8s.io/cluster-api";

const containerdVersion = {
  "github.com/containerd/containerd/v2/version.Version": moduleVersion("github.com/containerd/containerd/v2"),
};

/** What else runs on nodes, and the controllers whose libraries are Kubernetes' own version. */
const nodesAndControllers: ProgramGroup = {
  name: "programs-upstream",
  module: sourceDir,
  programs: {
    ...named("github.com/containerd/containerd/v2/cmd", ["containerd", "containerd-shim-runc-v2", "ctr"]),
    ...named("github.com/containernetworking/plugins/plugins/main", ["bridge", "loopback"]),
    "host-local": "github.com/containernetworking/plugins/plugins/ipam/host-local",
    portmap: "github.com/containernetworking/plugins/plugins/meta/portmap",
    crictl: "sigs.k8s.io/cri-tools/cmd/crictl",
    "metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server",
    "csi-provisioner": "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner",
    "csi-attacher": "github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher",
    "csi-resizer": "github.com/kubernetes-csi/external-resizer/v2/cmd/csi-resizer",
    ...named(
      "./cmd",
      upstreamMains.filter((name) => name !== "cert-manager"),
    ),
    "cluster-api-controller": `${clusterApi}/core`,
    "kubeadm-bootstrap-controller": `${clusterApi}/bootstrap/kubeadm`,
    "kubeadm-control-plane-controller": `${clusterApi}/controlplane/kubeadm`,
    ...Object.fromEntries(
      ["controller", "webhook", "cainjector", "startupapicheck"].map((name) => [
        `cert-manager-${name}`,
        `${certManager}/lab/${name}`,
      ]),
    ),
  },
  values: {
    ...containerdVersion,
    "github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion": moduleVersion(
      "github.com/containernetworking/plugins",
    ),
    [`${clusterApi}/version.gitVersion`]: moduleVersion(clusterApi),
    [`${certManager}/pkg/util.AppVersion`]: moduleVersion(certManager),
    "sigs.k8s.io/cri-tools/pkg/version.Version": moduleVersion("sigs.k8s.io/cri-tools"),
  },
  sources: [...upstreamMains.map((name) => `cmd/${name}`), "cni"],
};

/** Folder of the second go.mod. */
export const olderDir = join(sourceDir, "capo");
const capo = "sigs.k8s.io/cluster-api-provider-openstack";

/** Folder of the third go.mod. */
export const monitoringDir = join(sourceDir, "monitoring");

/**
 * Programs of older libraries: CAPO does not compile with the controller-runtime of Cluster API's release, and the etcd that
 * kubeadm names is older than the one whose packages k3s' datastore takes.
 */
export const older: ProgramGroup = {
  name: "programs-capo",
  module: olderDir,
  programs: {
    "capi-openstack-controller": capo,
    "openstack-resource-controller": "github.com/k-orc/openstack-resource-controller/v2/cmd/manager",
    etcd: "go.etcd.io/etcd/server/v3",
    etcdctl: "go.etcd.io/etcd/etcdctl/v3",
  },
  values: { [`${capo}/version.gitVersion`]: moduleVersion(capo, olderDir) },
  sources: [],
};

/** What watches the clusters. */
const monitoring: ProgramGroup = {
  name: "programs-monitoring",
  module: monitoringDir,
  programs: monitoringPrograms,
  generate: generateClient,
  values: {},
  sources: ["."],
};

/** Folder of the fourth go.mod. */
export const veleroDir = join(sourceDir, "velero");
const velero = "github.com/vmware-tanzu/velero";

/** What backs a cluster up. None of `groups`: as much code as all of monitoring, for one test (prepare/velero.ts). */
export const backups: ProgramGroup = {
  name: "programs-velero",
  module: veleroDir,
  programs: {
    velero: `${velero}/cmd/velero`,
    "velero-plugin-for-aws": `${velero}-plugin-for-aws/velero-plugin-for-aws`,
    "cp-plugin": `${velero}-plugin-for-aws/hack/cp-plugin`,
  },
  values: { [`${velero}/pkg/buildinfo.Version`]: moduleVersion(velero, veleroDir) },
  sources: [],
};

/** The k3s release the lab's binary stands in for. */
export const k3sRelease = "v1.36.3+k3s1";

const ownPrograms = readdirSync(join(sourceDir, "cmd")).filter((name) => !upstreamMains.includes(name));

/** Folders with packages of the first go.mod: one with a go.mod is another module's. */
const ownPackages = readdirSync(sourceDir, { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() && entry.name !== "cmd" && !existsSync(join(sourceDir, entry.name, "go.mod"))
    ? [entry.name]
    : [],
);

/** The lab's own, every other folder of cmd/: k3s, and the controllers that no registry has. Called `kubectl`, k3s is that. */
export const own: ProgramGroup = {
  name: "programs-lab",
  module: sourceDir,
  programs: named("./cmd", ownPrograms),
  values: {
    ...kubernetesValues(k3sRelease),
    ...containerdVersion,
  },
  carried: {
    folder: "bundle/programs",
    from: nodesAndControllers,
    programs: ["containerd-shim-runc-v2", "bridge", "host-local", "loopback", "portmap", "crictl"],
  },
  sources: [...ownPackages, ...ownPrograms.map((name) => `cmd/${name}`)],
};

/** Every program `prepare` builds, in the order that compiles most for the others first. */
export const groups = (version: string): readonly ProgramGroup[] => [
  kubernetes(version),
  nodesAndControllers,
  own,
  monitoring,
  older,
];
