/**
 * The Debian tree that every machine boots on, below layers and an overlay of its own.
 * Upstream analogue: the Ubuntu cloud image, and what image-builder adds to it for Kubernetes.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../run.ts";
import type { Part } from "./cache.ts";

const suite = "bookworm";

const packages = [
  // what an Ubuntu cloud image has and the program's cloud-init and k3s unit use
  "systemd-sysv dbus openssh-server cloud-init netplan.io iproute2 iptables udev kmod xfsprogs e2fsprogs fdisk",
  "sudo curl ca-certificates jq procps lsb-release python3-yaml",
  // what kubeadm, the kubelet and containerd call
  "runc nftables ethtool socat conntrack psmisc",
].flatMap((line) => line.split(" "));

/** Nobody reads manuals in a machine; without them the tree is a fifth smaller and sooner unpacked. */
const excluded = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*"];

export function seedBasePart(): Part {
  const options = [
    ...["--mode=root", "--variant=minbase", `--include=${packages.join(",")}`],
    ...excluded.map((path) => `--dpkgopt=path-exclude=${path}`),
  ];
  return {
    name: "seed-base",
    key: [suite, ...options, "3"].join(" "),
    tree: "rootfs",
    fresh: true,
    async build(dir, note) {
      const root = join(dir, "rootfs");
      await run("mmdebstrap", [...options, suite, root], { onLine: note });
      // made anew on each machine: cloud-init writes host keys, the driver the machine id
      for (const file of ["etc/machine-id", "etc/hostname", "etc/resolv.conf"])
        rmSync(join(root, file), { force: true });
      await run("sh", ["-c", `rm -f "$1"/etc/ssh/ssh_host_*`, "sh", root]);
    },
  };
}
