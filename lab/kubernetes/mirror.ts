/**
 * Lays out the release mirror: what an air-gapped site would copy from upstream, under upstream's URLs. Real content
 * comes from the projects' Go modules; where none exists it is the lab's stand-in (lab/charts).
 */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { sha256 } from "../prepare/cache.ts";
import { run } from "../run.ts";
import { addresses, kubernetesVersion, ports, projectDir } from "../site.ts";
import { emptyDisk, file as emptyDiskFile } from "./emptyDisk.ts";
import { addTenantChart, tenantDefaults } from "./tenantChart.ts";

/** Programs the mirror is made with, and of. */
export interface MirrorTools {
  /** The lab's k3s, which is kubectl too. */
  k3s: string;
  helm: string;
  crictl: string;
}

type Note = (message: string) => void;

/** Releases that the mirror holds. The lab's stack asks for these; a test holds them against config/defaults.yaml. */
export const mirrored = {
  k3s: "v1.36.3+k3s1",
  kubectl: "v1.36.3",
  helm: "v3.22.0",
  clusterApi: "v1.14.2",
  capo: "v0.14.7",
  orc: "v2.6.0",
  certManager: "v1.21.2",
  prometheusOperator: "v0.94.1",
  metricsServer: "v0.9.0",
  criTools: "v1.36.0",
  velero: "v1.18.3",
  azimuthImages: "0.32.0",
} as const;

const modules = {
  clusterApi: `sigs.k8s.io/cluster-api@${mirrored.clusterApi}`,
  capo: `sigs.k8s.io/cluster-api-provider-openstack@${mirrored.capo}`,
  orc: `github.com/k-orc/openstack-resource-controller/v2@${mirrored.orc}`,
  certManager: `github.com/cert-manager/cert-manager@${mirrored.certManager}`,
  prometheusOperator: `github.com/prometheus-operator/prometheus-operator@${mirrored.prometheusOperator}`,
  metricsServer: `sigs.k8s.io/metrics-server@${mirrored.metricsServer}`,
  velero: `github.com/vmware-tanzu/velero@${mirrored.velero}`,
} as const;
type Module = keyof typeof modules;

/** Manifests: file in the mirror, folder in lab/manifests, and upstream's kustomizations within its module. */
export const manifests: readonly {
  file: string;
  folder: string;
  module: Module;
  kustomizations: string[];
}[] = [
  {
    file: `github.com/kubernetes-sigs/cluster-api/releases/download/${mirrored.clusterApi}/cluster-api-components.yaml`,
    folder: "cluster-api",
    module: "clusterApi",
    kustomizations: [
      "core/config/default",
      "bootstrap/kubeadm/config/default",
      "controlplane/kubeadm/config/default",
    ],
  },
  {
    file: `github.com/kubernetes-sigs/cluster-api-provider-openstack/releases/download/${mirrored.capo}/infrastructure-components.yaml`,
    folder: "capo",
    module: "capo",
    kustomizations: ["config/default"],
  },
  {
    file: `github.com/k-orc/openstack-resource-controller/releases/download/${mirrored.orc}/install.yaml`,
    folder: "orc",
    module: "orc",
    kustomizations: ["config/default"],
  },
];

/** Chart repositories and the charts in each. */
export const repositories: Readonly<Record<string, readonly string[]>> = {
  "charts.jetstack.io": ["cert-manager"],
  "azimuth-cloud.github.io/capi-helm-charts": ["openstack-cluster", "etcd-defrag"],
  "azimuth-cloud.github.io/cluster-api-addon-provider": ["cluster-api-addon-provider"],
  "azimuth-cloud.github.io/cluster-api-janitor-openstack": ["cluster-api-janitor-openstack"],
  "prometheus-community.github.io/helm-charts": ["kube-prometheus-stack"],
  "projectcalico.docs.tigera.io/charts": ["tigera-operator"],
  "kubernetes.github.io/cloud-provider-openstack": [
    "openstack-cloud-controller-manager",
    "openstack-cinder-csi",
  ],
  "kubernetes-sigs.github.io/metrics-server": ["metrics-server"],
  "charts.deliveryhero.io": ["node-problem-detector"],
  "stakater.github.io/stakater-charts": ["reloader"],
  "vmware-tanzu.github.io/helm-charts": ["velero"],
};

/** Charts that are upstream's own, from their modules, and the release that each is packaged as. */
export const upstreamCharts: Readonly<
  Record<string, { module: Module; folder: string; version: string; appVersion: string }>
> = {
  "cert-manager": {
    module: "certManager",
    folder: "deploy/charts/cert-manager",
    version: mirrored.certManager,
    appVersion: mirrored.certManager,
  },
  // The version that openstack-cluster asks for, with the program that the lab has.
  "metrics-server": {
    module: "metricsServer",
    folder: "charts/metrics-server",
    version: "3.13.0",
    appVersion: mirrored.metricsServer.slice(1),
  },
};

/** Paths of the binaries in the mirror. */
export const binaries = {
  k3s: `github.com/k3s-io/k3s/releases/download/${mirrored.k3s}/k3s`,
  k3sSums: `github.com/k3s-io/k3s/releases/download/${mirrored.k3s}/sha256sum-amd64.txt`,
  kubectl: `dl.k8s.io/release/${mirrored.kubectl}/bin/linux/amd64/kubectl`,
  helm: `get.helm.sh/helm-${mirrored.helm}-linux-amd64.tar.gz`,
  crictl: `github.com/kubernetes-sigs/cri-tools/releases/download/${mirrored.criTools}/crictl-${mirrored.criTools}-linux-amd64.tar.gz`,
} as const;

/** Where a release of capi-helm-charts and one of azimuth-images say what they are made of. */
export const documents = {
  dependencies: (chartVersion: string) =>
    `github.com/azimuth-cloud/capi-helm-charts/releases/download/${chartVersion}/dependencies.json`,
  images: `github.com/azimuth-cloud/azimuth-images/releases/download/${mirrored.azimuthImages}/manifest.json`,
} as const;

const chartsDir = join(projectDir, "lab", "charts");
const manifestsDir = join(projectDir, "lab", "manifests");
const record = ".complete.json";

/**
 * Builds the mirror, unless the folder already holds what the present sources and tools give.
 *
 * @param outDir the mirror's root; replaced as a whole when something changed
 * @param progress called with what it does at the moment
 * @throws Error with the last words of the tool that failed: Go (a module cannot be had), kustomize or helm
 */
export async function buildMirror(outDir: string, tools: MirrorTools, progress: Note): Promise<void> {
  const key = await mirrorKey(tools);
  if (isCurrent(outDir, key)) {
    progress("current");
    return;
  }
  const next = `${outDir}.next-${process.pid}`;
  rmSync(next, { recursive: true, force: true });
  mkdirSync(next, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), "mirror-"));
  try {
    progress("fetching modules");
    const sources = await moduleFolders();
    progress("binaries");
    await addBinaries(next, tools, work);
    for (const manifest of manifests) {
      progress(`manifest ${manifest.folder}`);
      await addManifest(next, tools, work, manifest, sources[manifest.module]);
    }
    for (const [repository, charts] of Object.entries(repositories)) {
      progress(`charts of ${repository}`);
      await addCharts(next, tools, work, repository, charts, sources);
    }
    progress("the chart for tenants' clusters");
    await addTenantChart(next, tools.helm, join(chartsDir, "openstack-cluster"), work);
    progress("what upstream released together");
    addReleases(next);
    writeFileSync(join(next, record), `${JSON.stringify({ key, files: listFiles(next) }, null, 2)}\n`);
    rmSync(outDir, { recursive: true, force: true });
    renameSync(next, outDir);
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(next, { recursive: true, force: true });
  }
}

/** Hash of all that the mirror's content depends on. */
export async function mirrorKey(tools: MirrorTools): Promise<string> {
  const hash = createHash("sha256").update(
    JSON.stringify({ mirrored, modules, manifests, repositories, tenantDefaults }),
  );
  for (const file of [import.meta.filename, emptyDiskFile, ...Object.values<string>({ ...tools })])
    hash.update(await sha256(file));
  for (const dir of [chartsDir, manifestsDir]) {
    for (const path of listFiles(dir)) hash.update(`${path}\n`).update(readFileSync(join(dir, path)));
  }
  return hash.digest("hex");
}

function isCurrent(outDir: string, key: string): boolean {
  const path = join(outDir, record);
  if (!existsSync(path)) return false;
  const known = JSON.parse(readFileSync(path, "utf8")) as { key: string; files: string[] };
  return known.key === key && known.files.every((file) => existsSync(join(outDir, file)));
}

/** Files below a folder, relative to it, sorted. */
export function listFiles(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)))
    .sort();
}

async function moduleFolders(): Promise<Record<Module, string>> {
  const names = Object.keys(modules) as Module[];
  const folders = await Promise.all(
    names.map(async (name) => {
      // Outside any module, so that no go.mod of ours has a say in the versions.
      const result = await run("go", ["mod", "download", "-json", modules[name]], { cwd: tmpdir() });
      return [name, (JSON.parse(result.stdout) as { Dir: string }).Dir] as const;
    }),
  );
  return Object.fromEntries(folders) as Record<Module, string>;
}

/** A hard link where the file system allows it: the binary is 150 MB. */
function place(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
  }
}

async function addBinaries(root: string, tools: MirrorTools, work: string): Promise<void> {
  place(tools.k3s, join(root, binaries.k3s));
  place(tools.k3s, join(root, binaries.kubectl));
  const digest = await sha256(tools.k3s);
  writeFileSync(join(root, binaries.k3sSums), `${digest}  k3s\n`);
  writeFileSync(join(root, `${binaries.kubectl}.sha256`), digest); // upstream's has no line feed either
  const helm = join(root, binaries.helm);
  await archive(helm, join(work, "helm"), "linux-amd64/helm", tools.helm);
  writeFileSync(`${helm}.sha256sum`, `${await sha256(helm)}  ${helm.split("/").at(-1)}\n`);
  const crictl = join(root, binaries.crictl);
  await archive(crictl, join(work, "crictl"), "crictl", tools.crictl);
  writeFileSync(`${crictl}.sha256`, await sha256(crictl));
}

/** An archive of one program; owner and time fixed, so that the same program gives the same archive. */
async function archive(file: string, work: string, member: string, program: string): Promise<void> {
  for (const folder of [dirname(file), dirname(join(work, member))]) mkdirSync(folder, { recursive: true });
  copyFileSync(program, join(work, member));
  await run("tar", [
    ...["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--mode=755"],
    ...["--use-compress-program=gzip -n", "-C", work, "-cf", file, member.split("/")[0] ?? ""],
  ]);
}

async function kustomize(tools: MirrorTools, folder: string): Promise<string> {
  return (await run(tools.k3s, ["kubectl", "kustomize", folder])).stdout;
}

async function addManifest(
  root: string,
  tools: MirrorTools,
  work: string,
  manifest: (typeof manifests)[number],
  source: string,
): Promise<void> {
  const folder = join(work, `manifest-${manifest.folder}`);
  cpSync(join(manifestsDir, manifest.folder), folder, { recursive: true });
  const parts: string[] = [];
  for (const path of manifest.kustomizations) parts.push(await kustomize(tools, join(source, path)));
  writeFileSync(join(folder, "upstream.yaml"), parts.join("---\n"));
  const target = join(root, manifest.file);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, await kustomize(tools, folder));
}

async function addCharts(
  root: string,
  tools: MirrorTools,
  work: string,
  repository: string,
  charts: readonly string[],
  sources: Record<Module, string>,
): Promise<void> {
  const target = join(root, repository);
  mkdirSync(target, { recursive: true });
  for (const chart of charts) {
    const folder = join(work, chart);
    const upstream = upstreamCharts[chart];
    if (upstream === undefined) cpSync(join(chartsDir, chart), folder, { recursive: true });
    else copyWritable(join(sources[upstream.module], upstream.folder), folder);
    if (chart === "kube-prometheus-stack") {
      // A chart within, as upstream: Helm keeps its own files, but not those, in the release's secret of at most 1 MiB.
      copyWritable(
        join(sources.prometheusOperator, "example/prometheus-operator-crd"),
        join(folder, "charts/crds/crds"),
      );
    }
    if (chart === "velero") {
      for (const version of ["v1", "v2alpha1"])
        copyWritable(join(sources.velero, "config/crd", version, "bases"), join(folder, "crds"));
    }
    const versions =
      upstream === undefined ? [] : ["--version", upstream.version, "--app-version", upstream.appVersion];
    await run(tools.helm, ["package", folder, "--destination", target, ...versions]);
  }
  // No URL: the index then names the archives relative to itself, whatever the mirror's address is.
  await run(tools.helm, ["repo", "index", target]);
}

/**
 * What capi-helm-charts and azimuth-images publish with a release, in the shape that their workflows write (tag.yml,
 * build_test_images.yaml and bin/generate-manifest), with the releases and the image that this lab has.
 */
function addReleases(root: string): void {
  const write = (file: string, content: object) => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), `${JSON.stringify(content, null, 4)}\n`);
  };
  write(documents.dependencies(chartVersion("openstack-cluster")), {
    "addon-provider": chartVersion("cluster-api-addon-provider"),
    "azimuth-images": mirrored.azimuthImages,
    "cert-manager": mirrored.certManager,
    "cluster-api": mirrored.clusterApi,
    "cluster-api-janitor-openstack": chartVersion("cluster-api-janitor-openstack"),
    "cluster-api-provider-openstack": mirrored.capo,
    helm: mirrored.helm,
    "openstack-resource-controller": mirrored.orc,
  });
  const image = `ubuntu-noble-kube-${kubernetesVersion}-260801-1130`;
  const disk = emptyDisk();
  mkdirSync(join(root, "azimuth-images"), { recursive: true });
  writeFileSync(join(root, "azimuth-images", `${image}.qcow2`), disk);
  const digest = (algorithm: string) => `${algorithm}:${createHash(algorithm).update(disk).digest("hex")}`;
  const published = `http://${addresses.services}:${ports.mirror}/azimuth-images/${image}`;
  write(documents.images, {
    [`kubernetes-${kubernetesVersion.slice(1).split(".", 2).join("-")}-noble`]: {
      name: image,
      url: `${published}.qcow2`,
      checksum: digest("sha256"),
      checksum_sha512: digest("sha512"),
      "cosign-bundle-url": `${published}.cosign.bundle`,
      "image-sbom-url": `${published}-sbom.json`,
      kubernetes_version: kubernetesVersion,
    },
  });
}

function chartVersion(chart: string): string {
  const text = readFileSync(join(chartsDir, chart, "Chart.yaml"), "utf8");
  const version = /^version: (\S+)$/m.exec(text)?.[1];
  if (version === undefined) throw new Error(`lab/charts/${chart}/Chart.yaml has no version`);
  return version;
}

/** Go's module folders are read-only, and so would be a copy that keeps their modes. */
function copyWritable(from: string, to: string): void {
  for (const path of listFiles(from)) {
    const target = join(to, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, readFileSync(join(from, path)), {
      mode: (statSync(join(from, path)).mode & 0o777) | 0o600,
    });
  }
}
