#!/bin/sh
# What a virtual machine has and a systemd-nspawn machine has not. Runs once a boot, before anything of Kubernetes.
set -e
mkdir -p /run/machine
# Shows a file of this machine's own in place of one of the kernel's.
show() { # PATH; the content comes by stdin
  file=/run/machine/$(echo "${1#/proc/}" | tr / -)
  cat >"$file"
  mount --bind "$file" "$1"
}

# Control groups of version 1: nspawn mounts all but systemd's own read-only. (A remount without `bind` answers EBUSY.)
if [ ! -f /sys/fs/cgroup/cgroup.controllers ]; then
  awk '$3 == "cgroup" { print $2 }' /proc/self/mounts | while read -r hierarchy; do
    mount -o remount,bind,rw "$hierarchy"
  done
fi

# The machine's own network settings: CNI plugins and kube-proxy write them.
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,rw /proc/sys/net
echo 1 >/proc/sys/net/ipv4/ip_forward

# The kubelet sets these for the whole kernel and does not start if it cannot: it finds what it wants.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  path=/proc/sys/${setting%%=*}
  [ "$(cat "$path")" = "${setting#*=}" ] || echo "${setting#*=}" | show "$path"
done

# The flavor's memory, as the kubelet reads it. What is free is told as it was at boot.
if [ -n "$MACHINE_MEMORY" ]; then
  awk -v total=$((MACHINE_MEMORY / 1024)) '/^Mem/ && ($1 == "MemTotal:" || $2 > total) { $0 = sprintf("%-15s %8d kB", $1, total) } 1' \
    /proc/meminfo | show /proc/meminfo
fi

[ -e /dev/kmsg ] || mknod -m 600 /dev/kmsg c 1 11 # the kubelet's watcher of killed processes reads it

# In a container systemd leaves out fstab's block devices, and cloud-init mounts them at the first boot only.
mount -a || true
