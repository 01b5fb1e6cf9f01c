/**
 * What machines have above the Debian tree: machine/ for all of them, and for each Kubernetes version a folder with tree/
 * (programs, units, settings) and store/ (the preloaded images, unpacked). The Nova driver stacks them (nova_path/…/trees.py).
 * Upstream analogue: image-builder's node image.
 */
import {
  copyFileSync,
  existsSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../run.ts";
import { projectDir } from "../site.ts";
import { type Part, recordedHash } from "./cache.ts";

/** What a node of one Kubernetes version is made of. */
export interface NodeRelease {
  /** With its v, as the image's property kube_version. */
  version: string;
  /** Folders with programs by upstream's names, the first that has one counts; they are named by what they hold. */
  programs: readonly string[];
  /** OCI archive of the images that are there before anything is pulled; its path is named by what it holds. */
  archive: string;
}

const sourceDir = join(projectDir, "lab", "node");

/** Folder in a node's tree → programs that lie there. kubeadm's place in PATH is taken by a wrapper. */
const places: Readonly<Record<string, readonly string[]>> = {
  "usr/bin": ["kubelet", "kubectl"],
  "usr/libexec/kubernetes": ["kubeadm"],
  "usr/local/bin": ["containerd", "containerd-shim-runc-v2", "ctr"],
  "opt/cni/bin": ["bridge", "loopback", "host-local", "portmap"],
};

/** Folders that kubelet, kubeadm and containerd expect. */
const folders = ["etc/cni/net.d", "etc/kubernetes/manifests", "etc/containerd/certs.d", "var/lib/containerd"];

/** Units that a machine of the lab has no use for; the first takes a second of each boot. */
const masked = [
  ...["e2scrub_reap.service", "e2scrub_all.timer", "fstrim.timer"],
  ...["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer"],
];

/** The layers and stores of all versions. */
export function nodeBasePart(releases: readonly NodeRelease[]): Part {
  const sources = readdirSync(sourceDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return {
    name: "node-base",
    key: JSON.stringify([
      ...[releases.map(contents), places, masked],
      ...[sources.map((file) => readFileSync(file, "utf8")), 1],
    ]),
    tree: "layers",
    fresh: true,
    async build(dir, note) {
      const machine = join(dir, "layers", "machine");
      await copyTree("machine", machine);
      enable(machine, "machine-prepare", "sysinit.target");
      for (const unit of masked) symlinkSync("/dev/null", join(machine, "etc", "systemd", "system", unit));
      for (const release of releases) {
        note(`node of Kubernetes ${release.version}`);
        await buildNode(release, join(dir, "layers", release.version), note);
      }
    },
  };
}

/** What a release's nodes are made of: the programs themselves, not the parts they are in. */
const contents = (release: NodeRelease) => [
  ...[release.version, release.archive],
  ...Object.values(places).flatMap((names) => names.map((name) => recordedHash(program(release, name)))),
];

async function buildNode(release: NodeRelease, dir: string, note: (text: string) => void): Promise<void> {
  const tree = join(dir, "tree");
  await copyTree("kubernetes", tree);
  for (const folder of folders) mkdirSync(join(tree, folder), { recursive: true });
  for (const [folder, names] of Object.entries(places)) {
    mkdirSync(join(tree, folder), { recursive: true });
    for (const name of names) {
      copyFileSync(program(release, name), join(tree, folder, name));
      chmodSync(join(tree, folder, name), 0o755);
    }
  }
  for (const unit of ["containerd", "kubelet"]) enable(tree, unit, "multi-user.target");
  const pause = await pauseImage(release);
  const settings = join(tree, "etc", "containerd", "config.toml");
  writeFileSync(settings, readFileSync(settings, "utf8").replace("@PAUSE@", pause));
  const words = [join(tree, "usr/local/bin"), release.archive, join(dir, "store"), pause];
  await run(join(sourceDir, "import.sh"), words, { onLine: note });
}

/** @throws Error if no folder has it. */
function program({ programs }: NodeRelease, name: string): string {
  const file = programs.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (file === undefined) throw new Error(`no program ${name} in ${programs.join(", ")}`);
  return file;
}

/** The sandbox's image as this version of kubeadm names it. */
async function pauseImage(release: NodeRelease): Promise<string> {
  const { version } = release;
  const words = ["config", "images", "list", "--kubernetes-version", version]; // without a version it asks the internet
  const { stdout } = await run(program(release, "kubeadm"), words);
  const pause = stdout.split("\n").find((name) => name.includes("/pause:"));
  if (pause === undefined) throw new Error(`kubeadm ${version} names no pause image:\n${stdout}`);
  return pause;
}

/** Copies lab/node/<name>; the modes do not depend on who checked the project out. */
async function copyTree(name: string, target: string): Promise<void> {
  mkdirSync(target, { recursive: true });
  await run("cp", ["-rT", "--no-preserve=ownership", join(sourceDir, name), target]);
  await run("chmod", ["-R", "u=rwX,go=rX", target]);
}

/** What `systemctl enable` does. */
function enable(tree: string, unit: string, target: string): void {
  const link = join(tree, "etc", "systemd", "system", `${target}.wants`, `${unit}.service`);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(`../${unit}.service`, link);
}
